// Processes of the real Env: posix_spawn, pidfd, asio.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include <boost/asio/io_context.hpp>

#include <minikube/env.h>

namespace minikube::base {

class RealProcesses final : public Processes {
 public:
  explicit RealProcesses(boost::asio::io_context& io);
  ~RealProcesses() override;
  void Run(ProcessSpec spec, Strand& strand, Function<void(Result<ProcessResult>)> done) override;
  std::uint64_t WatchExit(int pid, Strand& strand, Task exited) override;
  void UnwatchExit(std::uint64_t id) override;
  bool Alive(int pid, std::uint64_t start_time) const override;

 private:
  struct ExitWatch;
  void OpenWatch(std::uint64_t id);
  void AwaitExit(std::uint64_t id, ExitWatch& watch);  // with mu_ held
  void FinishWatch(std::uint64_t id);
  boost::asio::io_context& io_;
  std::mutex mu_;  // guards what follows
  std::unordered_map<std::uint64_t, std::unique_ptr<ExitWatch>> watches_;
  std::uint64_t last_watch_ = 0;
};

}  // namespace minikube::base
