// Network checks of containers: can a TCP connection be made, does an HTTP request succeed, does a gRPC service say
// that it serves. Asynchronous, on one strand.
//
// Used by probes and lifecycle hooks. HTTP follows RFC 9112 as far as a status line; TLS is not verified, as Kubernetes
// does not. Lifetime: destroying a NetCheck ends it, and its answer is not called any more.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <minikube/env.h>
#include <minikube/function.h>
#include <minikube/status.h>

namespace minikube::agent {

struct HttpTarget {
  std::string host;
  int port = 0;
  std::string path = "/";
  std::vector<std::pair<std::string, std::string>> headers;
  bool tls = false;
};

class NetCheck {
 public:
  virtual ~NetCheck() = default;
};

// The answer is OK, or kUnavailable with a message as probe events show it.
using NetDone = Function<void(Status)>;

class NetProber {
 public:
  virtual ~NetProber() = default;
  virtual std::unique_ptr<NetCheck> Tcp(std::string host, int port, Duration timeout, NetDone done) = 0;
  virtual std::unique_ptr<NetCheck> Http(HttpTarget target, Duration timeout, NetDone done) = 0;
  // Asks the gRPC health service there for the state of `service` ("" = of the server).
  virtual std::unique_ptr<NetCheck> Grpc(std::string host, int port, std::string service, Duration timeout,
                                         NetDone done) = 0;
};

// Real sockets.
std::unique_ptr<NetProber> NewNetProber(Env& env, Strand& strand);
// For pods without addresses: everything succeeds at once.
std::unique_ptr<NetProber> NewPretendingProber(Strand& strand);

// The request text and the reading of its answer, apart from sockets.
std::string HttpRequestText(const HttpTarget& target);
// nullopt: more is needed; OK for 200 to 399; otherwise the error.
std::optional<Status> JudgeHttpAnswer(std::string_view head);

}  // namespace minikube::agent
