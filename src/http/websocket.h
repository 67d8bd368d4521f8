// WebSocket: messages both ways after an upgrade to RFC 6455 (includes Beast).
//
// What is read is bounded: one message of `max_message` bytes at a time, and none while the conversation is not ready.
// What is written too: one message at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/stream.hpp>

#include "http/upgraded.h"

namespace minikube {

class WebSocket final : public Upgraded {
 public:
  using Request = boost::beast::http::request<boost::beast::http::string_body>;
  struct Limits {
    std::size_t max_message;
    std::chrono::milliseconds idle;
  };
  // Answers `request`, adding `headers`, when it starts.
  WebSocket(Stream& stream, Owner owner, std::unique_ptr<Conversation> conversation, Limits limits, Request request,
            std::vector<std::pair<std::string, std::string>> headers);

  void Start() override;
  // With 1001.
  void End() override;
  // Ends a connection that was closing the last time already. (Beast waits without an end for the goodbye of a client
  // that broke the protocol.)
  void Sweep() override;
  void Drop() override;

 private:
  using ErrorCode = boost::system::error_code;
  void Read();
  void Pump();
  void Close(boost::beast::websocket::close_code code);

  boost::beast::websocket::stream<Stream&> stream_;
  const Owner owner_;
  const Limits limits_;
  const Request request_;
  const std::vector<std::pair<std::string, std::string>> headers_;
  std::unique_ptr<Conversation> conversation_;
  std::shared_ptr<Signal> signal_;
  boost::beast::flat_buffer in_;
  std::string out_;
  bool open_ = false;
  bool reading_ = false;
  bool writing_ = false;
  std::optional<boost::beast::websocket::close_code> closing_;
  bool close_sent_ = false;
  bool was_closing_ = false;  // at the last Sweep
};

}  // namespace minikube
