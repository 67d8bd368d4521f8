// TlsClient: the client's side of one TLS connection, without a socket: ciphertext in and out as bytes.
//
// For checks of containers: the peer's certificate is not verified, as the kubelet does not.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <minikube/status.h>

struct ssl_st;

namespace minikube::agent {

class TlsClient {
 public:
  // Errors: kInternal (out of memory).
  static Result<std::unique_ptr<TlsClient>> New();
  ~TlsClient();

  // `text` goes out once the handshake is through.
  void Send(std::string_view text) { pending_ += text; }
  // Takes what came from the peer, and appends what it says in clear to `text`. Errors: kUnavailable, with what is
  // wrong with what the peer sent.
  Status Receive(std::string_view ciphertext, std::string& text);
  // What is to be sent to the peer now. The first call begins the handshake.
  std::string TakeOutgoing();

 private:
  explicit TlsClient(ssl_st* ssl) : ssl_(ssl) {}
  Status Advance(std::string& text);

  ssl_st* const ssl_;
  std::string pending_;
  bool begun_ = false;
};

}  // namespace minikube::agent
