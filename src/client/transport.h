// Transport: HTTP/1.1 over TLS to one server. A pool of kept-alive connections for exchanges, and one connection per
// stream.
//
// Thread safety: any thread; callbacks run on the transport's own thread and must be short. After Stop none runs.
#pragma once

#include <memory>
#include <string>

#include <minikube/env.h>
#include <minikube/function.h>
#include <minikube/status.h>

#include "client/kubeconfig.h"
#include "client/wire.h"

namespace minikube::client {

struct TransportOptions {
  std::string user_agent;
  std::size_t max_connections = 32;
  std::size_t max_response_bytes = 1ull << 30;
  Duration timeout = std::chrono::seconds(60);
};

// A response whose body is handed on as it comes.
class Stream {
 public:
  virtual ~Stream() = default;  // ends it; a callback may still be running on the transport's thread
  // Asks for the next piece; on_data is called once for each call of this.
  virtual void ReadMore() = 0;
};

struct StreamCallbacks {
  // Once, when the status line is in: a response that is not 2xx comes whole, and no stream follows.
  Function<void(const HttpResponse&)> on_head;
  Function<void(std::string)> on_data;
  // Once. OK: the server has ended it.
  Function<void(Status)> on_end;
};

class Transport {
 public:
  static Result<std::unique_ptr<Transport>> New(Kubeconfig config, TransportOptions options, Env& env);
  virtual ~Transport() = default;  // stops

  // Errors: kUnavailable (no connection, or broken), kTimeout, kTooLarge (response), kCancelled (stopped).
  // The result cuts the exchange off, if it is not done: what was not sent stays unsent, and `done` gets kCancelled.
  // Any thread; may outlive the transport.
  virtual Task Exchange(HttpRequest request, Function<void(Result<HttpResponse>)> done) = 0;
  // `silence` is how long the server may send nothing.
  virtual std::unique_ptr<Stream> Open(HttpRequest request, Duration silence, StreamCallbacks callbacks) = 0;
  virtual void Stop() = 0;
};

}  // namespace minikube::client
