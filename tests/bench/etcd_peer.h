// etcd, to be measured beside our store: starts Debian's server on loopback with its data beside ours, and loads it
// through its native gRPC with as cheap a client as there can be (grpc_connection.h), so that what is measured is etcd:
// one thread for all callers, which needs a small part of the processor that etcd's own benchmark takes.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <minikube/status.h>

#include "bench/load.h"

namespace minikube::bench {

class EtcdServer {
 public:
  // Started and answering reads and writes. `program` is looked up in PATH.
  static Result<std::unique_ptr<EtcdServer>> Start(const std::string& program, const std::string& data_dir);
  EtcdServer(const EtcdServer&) = delete;
  EtcdServer& operator=(const EtcdServer&) = delete;
  ~EtcdServer();  // stops it, in good order
  int port() const { return port_; }
  // One call, answered well.
  Status Call(const std::string& method, const std::string& message) const;
  double CpuSeconds() const;
  double AnonymousBytes() const;  // resident memory that is not a mapped file

 private:
  EtcdServer(pid_t pid, int port) : pid_(pid), port_(port) {}
  pid_t pid_;
  int port_;
};

// Requests of etcd's API (rpc.proto, v3), encoded.
std::string EtcdPut(std::string_view key, std::string_view value);
std::string EtcdPuts(const std::vector<std::pair<std::string, std::string>>& puts);  // one transaction
std::string EtcdRange(std::string_view key, std::string_view end);
std::string EtcdCompact(std::int64_t revision);

// What of its answers is needed.
std::int64_t EtcdRevision(std::string_view answer);  // of any: the header's
std::int64_t EtcdKeys(std::string_view answer);      // how many key-values a range returned

struct EtcdCalls {
  std::string method;                                     // "/etcdserverpb.KV/Put"
  std::function<std::optional<std::string>()> next;       // the next request; nullopt: no more
  std::function<void(std::string_view answer)> answered;  // if set, called for each answer
};
// `callers` that each have one call in flight. `count` is the number of calls.
Result<Load> LoadEtcd(const EtcdServer& server, int callers, const EtcdCalls& calls);

// Watchers of one prefix, spread over connections as clients would; they count what comes.
class EtcdWatchers {
 public:
  static Result<std::unique_ptr<EtcdWatchers>> Start(const EtcdServer& server, int watchers, std::string_view key,
                                                     std::string_view end);
  ~EtcdWatchers();
  std::uint64_t events() const { return events_; }
  double cpu() const { return cpu_; }  // of the receiving thread

 private:
  EtcdWatchers() = default;
  void Run();
  struct Connections;
  std::unique_ptr<Connections> connections_;
  std::atomic<std::uint64_t> events_{0};
  std::atomic<int> created_{0};
  std::atomic<double> cpu_{0};
  std::atomic<bool> failed_{false};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace minikube::bench
