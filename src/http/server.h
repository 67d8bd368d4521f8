// HttpServer: HTTPS/1.1 (RFC 9112) on its own I/O threads. Knows connections, limits and time; what requests mean is
// the handler's business.
//
// One io_context per thread; a connection lives on one of them, so its code is single-threaded. Requests of a
// connection are answered one after another, in order (pipelining is safe). A streamed body is pulled only when the
// socket can take more. Thread safety: every member, any thread. Lifetime: handler and clock outlive the server. Stop
// (or the destructor) refuses new connections, closes idle ones, ends streams, gives requests in flight up to
// `limits.stop` to be answered, and joins.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <minikube/env.h>
#include <minikube/log.h>
#include <minikube/status.h>

#include "crypto/pki.h"
#include "http/message.h"

namespace minikube {

struct HttpLimits {
  std::size_t max_header_bytes = 64u << 10;  // more: 431
  std::size_t max_body_bytes = 3u << 20;     // more: 413
  std::size_t max_connections = 4096;        // more are closed at once
  std::chrono::milliseconds handshake{10'000};
  std::chrono::milliseconds idle{120'000};  // between requests
  std::chrono::milliseconds read{30'000};   // one request, first byte to last
  std::chrono::milliseconds write{30'000};  // a piece of at most 256 KiB; a slower client is cut off
  std::chrono::milliseconds stop{1'500};
  std::size_t max_message_bytes = 1u << 20;                 // of a WebSocket; more: closed with 1009
  std::chrono::milliseconds conversation_idle{14'400'000};  // a WebSocket on which nothing moves is closed
};

struct HttpServerOptions {
  std::string host = "127.0.0.1";  // an address
  std::uint16_t port = 0;          // 0 = any free one
  int threads = 0;                 // 0 = one per core
  HttpLimits limits;
  // Whether clients on this machine get what they may have compressed: it costs both sides more than the bytes do.
  bool compress_on_loopback = false;
  KeyPair serving;
  std::string client_ca_pem;  // one or more, whose client certificates are good
};

// Counters for /metrics; each is exact on its own.
struct HttpStats {
  std::atomic<std::int64_t> connections{0};  // open now
  std::atomic<std::int64_t> accepted{0};
  std::atomic<std::int64_t> refused{0};  // over max_connections
  std::atomic<std::int64_t> streams{0};  // running now
  std::atomic<std::int64_t> in_flight{0};
  std::atomic<std::int64_t> handler_exceptions{0};  // requests whose handler threw, answered 500
};

class HttpServer {
 public:
  // Binds, so that port() is known; nothing is accepted before Serve. Errors: kUnavailable (address in use or not
  // ours), kInternal (certificates).
  static Result<std::unique_ptr<HttpServer>> Listen(HttpServerOptions options, HttpHandler& handler, Clock& clock,
                                                    Logger log);
  virtual ~HttpServer() = default;

  // Starts the threads; once.
  virtual void Serve() = 0;
  virtual std::uint16_t port() const = 0;
  virtual const HttpStats& stats() const = 0;
  // Connections made from now on get this certificate. Errors: kInternal.
  virtual Status SetCertificate(const KeyPair& serving) = 0;
  virtual void Stop() = 0;
};

}  // namespace minikube
