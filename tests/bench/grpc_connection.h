// GrpcConnection: just enough HTTP/2 (RFC 9113) and gRPC to load a server on loopback at little cost, so that what is
// measured is the server. No TLS, no compression, no dynamic header table.
//
// Thread safety: one thread at a time. The caller keeps at most 48 KB of requests in flight, which the windows that
// every server begins with always have room for; what comes back is unlimited.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include <minikube/status.h>

namespace minikube::bench {

class GrpcConnection {
 public:
  using Stream = std::uint32_t;

  static Result<std::unique_ptr<GrpcConnection>> Connect(int port);
  GrpcConnection(const GrpcConnection&) = delete;
  GrpcConnection& operator=(const GrpcConnection&) = delete;
  ~GrpcConnection();

  // Begin a call of `method` ("/etcdserverpb.KV/Put") and send its messages; `last` ends the request. What they say
  // goes out with Flush.
  Stream Open(std::string_view method);
  void Send(Stream stream, std::string_view message, bool last);
  Status Flush();

  // Takes what has come, without waiting. `on_message` gets each whole message; `on_end` follows when the server has
  // ended a call, with an error if there was no message at all.
  Status Receive(const std::function<void(Stream, std::string_view)>& on_message,
                 const std::function<void(Stream, const Status&)>& on_end);
  int fd() const { return fd_; }

 private:
  struct Incoming {
    std::string bytes;  // of messages that are not whole yet
    bool answered = false;
    std::uint32_t received = 0;  // since the last window update
  };

  explicit GrpcConnection(int fd);
  void TakeData(Stream stream, std::string_view payload,
                const std::function<void(Stream, std::string_view)>& on_message);

  const int fd_;
  Stream next_ = 1;
  std::uint32_t received_ = 0;  // on all streams, since the last window update
  std::unordered_map<Stream, Incoming> streams_;
  std::string in_;
  std::string out_;
};

}  // namespace minikube::bench
