// Readiness of file descriptors in the real Env, through asio's reactor.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include <boost/asio/io_context.hpp>

#include <minikube/env.h>

namespace minikube::base {

// Thread safety: any thread.
class FdWatches {
 public:
  explicit FdWatches(boost::asio::io_context& io);
  ~FdWatches();
  std::uint64_t Watch(int fd, FdEvent event, Strand& strand, Task ready);
  void Unwatch(std::uint64_t id);

 private:
  struct Watched;
  void Await(std::uint64_t id, Watched& watched);  // with mu_ held
  boost::asio::io_context& io_;
  std::mutex mu_;  // guards what follows
  std::unordered_map<std::uint64_t, std::unique_ptr<Watched>> watches_;
  std::uint64_t last_ = 0;
};

}  // namespace minikube::base
