// etcd, to be measured beside our store: starts Debian's server on loopback with its data beside ours, and loads it
// with as cheap a client as there can be, so that what is measured is etcd.
//
// The client speaks just enough HTTP/2 (RFC 9113) and gRPC for unary calls: one connection per writer, one call in
// flight on each, one thread for all. etcd's own benchmark uses several times the processor for the same calls.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/status.h>

namespace minikube::bench {

class EtcdServer {
 public:
  // Started and answering. `program` is looked up in PATH.
  static Result<std::unique_ptr<EtcdServer>> Start(const std::string& program, const std::string& data_dir);
  EtcdServer(const EtcdServer&) = delete;
  EtcdServer& operator=(const EtcdServer&) = delete;
  ~EtcdServer();  // kills it
  int port() const { return port_; }

 private:
  EtcdServer(pid_t pid, int port) : pid_(pid), port_(port) {}
  pid_t pid_;
  int port_;
};

struct LoadResult {
  double per_second = 0;
  std::vector<float> micros;
};

// Calls `method` ("/etcdserverpb.KV/Put") over `connections` for `seconds`; `message` makes the n-th request of a
// connection.
Result<LoadResult> LoadEtcd(int port, int connections, double seconds, const std::string& method,
                            const std::function<std::string(int connection, std::uint64_t n)>& message);

std::string EtcdPut(std::string_view key, std::string_view value);
std::string EtcdRange(std::string_view key, std::string_view end, std::int64_t limit);

}  // namespace minikube::bench
