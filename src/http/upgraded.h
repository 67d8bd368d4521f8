// Upgraded: the life of a connection after its request was granted to become something else, between a Conversation and
// the TLS stream that a session has. Internal to the HTTP server (includes Asio); everything on the connection's
// thread.
//
// Either kind (WebSocket, Tunnel) reads only while the conversation is ready for more, and asks it for the next piece
// only when the one before has been sent, so neither direction piles up here.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "http/message.h"

namespace minikube {

class Upgraded {
 public:
  using Stream = boost::asio::ssl::stream<boost::asio::ip::tcp::socket>;
  // What it needs of the connection it is on. Lives as long as what `keep` gives is held.
  struct Owner {
    std::function<std::shared_ptr<void>()> keep;
    // Posts to the connection's thread, from any, unless the connection has gone.
    std::function<void(Task)> post;
    std::function<void(std::chrono::milliseconds)> expire;  // from now on, so long, and the connection is closed
    std::function<void()> over;                             // there is nothing more to do: close the connection
    std::function<void()> leave;                            // likewise, but so that what was sent arrives
  };

  virtual ~Upgraded() = default;
  // Grants the upgrade and begins.
  virtual void Start() = 0;
  // The server goes away: says so if there is a way to say it, and ends.
  virtual void End() = 0;
  // Now and then.
  virtual void Sweep() {}
  // The connection has been closed: no more calls of the conversation, which is destroyed.
  virtual void Drop() = 0;
};

// While nothing is read, a connection that breaks is noticed: it is over then.
void NoticeBreak(boost::asio::ip::tcp::socket::lowest_layer_type& socket, const Upgraded::Owner& owner);

// Has the kernel notice within a minute of silence that a peer has vanished without a word.
void KeepAlive(boost::asio::ip::tcp::socket::lowest_layer_type& socket);

}  // namespace minikube
