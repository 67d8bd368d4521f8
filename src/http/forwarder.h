// Forwarder: hands a client's request on to another HTTP/1.1 server and gives its answer back as it comes: a reverse
// proxy's other side (RFC 9110 section 7.6).
//
// A connection for each request. The body of the answer is read as fast as the client takes it; after a granted upgrade
// bytes pass both ways, likewise. The peer's certificate is not verified: it is addressed by number.
//
// Thread safety: any thread. Lifetime: replies it has given are gone before it.
#pragma once

#include <memory>
#include <string>

#include <minikube/env.h>
#include <minikube/function.h>
#include <minikube/status.h>

#include "http/message.h"

namespace minikube {

struct ForwardTarget {
  std::string host;  // an address
  std::string port;
  bool tls = false;
};

class Forwarder {
 public:
  explicit Forwarder(Env& env);
  // Cuts off what is under way; those replies are not called any more.
  ~Forwarder();

  // Sends method, target, headers and body of `request` to `to`, without what concerns the connection that it came by
  // and without the sender's credentials. Calls `reply` once, on any thread, when the head of the answer is in; unless
  // `request.gone` has been notified by then. Errors: kUnavailable (no connection, or broken before there was an
  // answer).
  void Forward(const ForwardTarget& to, HttpRequest request, Function<void(Result<HttpReply>)> reply);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace minikube
