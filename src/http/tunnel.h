// Tunnel: bytes both ways after an HTTP upgrade (RFC 9110 section 7.8) to a protocol that is the conversation's own
// business, such as SPDY/3.1.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "http/upgraded.h"

namespace minikube {

class Tunnel final : public Upgraded {
 public:
  // `head`: the 101 reply, whole. `early`: what the client has sent after its request already.
  Tunnel(Stream& stream, Owner owner, std::unique_ptr<Conversation> conversation, std::chrono::milliseconds idle,
         std::string head, std::string early);
  void Start() override;
  void End() override;
  void Drop() override;

 private:
  using ErrorCode = boost::system::error_code;
  void Read();
  void Pump();
  void Write();

  Stream& stream_;
  const Owner owner_;
  const std::chrono::milliseconds idle_;
  std::unique_ptr<Conversation> conversation_;
  std::shared_ptr<Signal> signal_;
  std::string early_;
  std::string out_;
  std::array<char, 16u << 10> in_;  // a TLS record
  bool reading_ = false;
  bool writing_ = false;
  bool ending_ = false;
};

}  // namespace minikube
