// WebSocket: the life of a connection after an upgrade (RFC 6455), between a Conversation and the TLS stream that a
// session has. Internal to the HTTP server (includes Asio and Beast); everything on the connection's thread.
//
// What is read is bounded: one message of `max_message` bytes at a time, and none while the conversation is not ready.
// What is written too: one message at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/stream.hpp>

#include "http/message.h"

namespace minikube {

class WebSocket {
 public:
  using Stream = boost::asio::ssl::stream<boost::asio::ip::tcp::socket>;
  using Request = boost::beast::http::request<boost::beast::http::string_body>;
  // What it needs of the connection it is on. Lives as long as what `keep` gives is held.
  struct Owner {
    std::function<std::shared_ptr<void>()> keep;
    // Posts to the connection's thread, from any, unless the connection has gone.
    std::function<void(Task)> post;
    std::function<void(std::chrono::milliseconds)> expire;  // from now on, so long, and the connection is closed
    std::function<void()> over;                             // there is nothing more to do: close the connection
  };
  struct Limits {
    std::size_t max_message;
    std::chrono::milliseconds idle;
  };
  WebSocket(Stream& stream, Owner owner, std::unique_ptr<Conversation> conversation, Limits limits);

  // Answers `request`, adding `headers`, and begins.
  void Start(const Request& request, std::vector<std::pair<std::string, std::string>> headers);
  // Says that the server goes away (1001) and ends.
  void End();
  // Now and then: ends a connection that was closing the last time already. (Beast waits without an end for the goodbye
  // of a client that broke the protocol.)
  void Sweep();
  // The connection has been closed: no more calls of the conversation, which is destroyed.
  void Drop();

 private:
  using ErrorCode = boost::system::error_code;
  void AwaitBreak();
  void Read();
  void Pump();
  void Close(boost::beast::websocket::close_code code);

  boost::beast::websocket::stream<Stream&> stream_;
  const Owner owner_;
  const Limits limits_;
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
