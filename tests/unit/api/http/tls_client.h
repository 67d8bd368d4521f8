// A small blocking HTTPS client for tests: sees every byte, so that framing can be checked. Waits at most ten seconds.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "crypto/pki.h"

namespace minikube::api::testing {

struct ClientResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // chunks joined
};

class TlsClient {
 public:
  // Connects and shakes hands, verifying that the server is `name` by `ca_pem`; with `identity` as client certificate,
  // if any. connected() is false if any of it fails.
  TlsClient(std::uint16_t port, const std::string& ca_pem, const KeyPair* identity = nullptr,
            const std::string& name = "localhost");
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  bool connected() const;
  // "http/1.1" if the server chose a protocol.
  std::string alpn() const;
  void Send(std::string_view bytes);
  // One response; status 0 if the connection ends or nothing comes.
  ClientResponse Read(bool head = false);
  ClientResponse Get(std::string_view target, std::string_view headers = {});
  // Reads until `marker` has been seen; everything read so far, or "" if it does not come.
  std::string ReadUntil(std::string_view marker);
  // Whatever comes next; "" if the connection ends or nothing comes.
  std::string ReadSome();
  // True if the server closes the connection.
  bool Closed();

 private:
  bool Fill();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace minikube::api::testing
