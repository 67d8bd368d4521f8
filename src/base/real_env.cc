// The real Env: an asio thread pool, the system's clocks, OpenSSL's random generator, real processes.
#include <algorithm>
#include <thread>
#include <vector>

#include <openssl/rand.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <minikube/env.h>

#include "base/fd_watches.h"
#include "base/real_processes.h"
#include "base/real_strand.h"
#include "base/short_slices.h"

namespace minikube {
namespace base {
namespace {

class RealClock final : public Clock {
 public:
  WallTime Now() const override { return std::chrono::system_clock::now(); }
  MonoTime MonoNow() const override { return std::chrono::steady_clock::now(); }
};

class RealRandom final : public Random {
 public:
  std::uint64_t Next() override {
    std::uint64_t value = 0;
    Fill(&value, sizeof value);
    return value;
  }
  void Fill(void* data, std::size_t size) override {
    // Without randomness no key, token or UID is safe; there is no way on.
    if (RAND_bytes(static_cast<unsigned char*>(data), static_cast<int>(size)) != 1) {
      DieOnBadResult(Status(Code::kInternal, "the system gave no random bytes"));
    }
  }
};

class RealEnv final : public Env {
 public:
  explicit RealEnv(int threads) : io_(threads), work_(boost::asio::make_work_guard(io_)), processes_(io_), fds_(io_) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this] {
        TakeShortSlices();
        io_.run();
      });
    }
  }
  ~RealEnv() override {
    work_.reset();
    io_.stop();
    for (std::thread& thread : threads_) thread.join();
  }
  Clock& clock() override { return clock_; }
  Random& random() override { return random_; }
  Processes& processes() override { return processes_; }
  std::unique_ptr<Strand> NewStrand(std::string) override { return std::make_unique<RealStrand>(io_); }
  std::unique_ptr<Strand> NewBlockingStrand(std::string) override { return std::make_unique<BlockingStrand>(); }
  std::uint64_t WatchFd(int fd, FdEvent event, Strand& strand, Task ready) override {
    return fds_.Watch(fd, event, strand, std::move(ready));
  }
  void UnwatchFd(std::uint64_t id) override { fds_.Unwatch(id); }

 private:
  RealClock clock_;
  RealRandom random_;
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  RealProcesses processes_;
  FdWatches fds_;
  std::vector<std::thread> threads_;
};

}  // namespace
}  // namespace base

std::unique_ptr<Env> NewRealEnv(int threads) {
  if (threads <= 0) threads = std::max(2, static_cast<int>(std::thread::hardware_concurrency()));
  return std::make_unique<base::RealEnv>(threads);
}

}  // namespace minikube
