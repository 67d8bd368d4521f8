// The real Env's strands: a queue of tasks drained on an asio executor.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <minikube/env.h>

#include "base/short_slices.h"

namespace minikube::base {

// What a strand is, apart from who owns it: handlers in flight hold it, so a strand may go while they are queued.
class StrandCore : public std::enable_shared_from_this<StrandCore> {
 public:
  explicit StrandCore(boost::asio::io_context& io) : io_(io) {}

  void Post(Task task);
  TimerId After(Duration delay, Task task);
  void Cancel(TimerId timer);
  void Stop();

 private:
  struct Timer {
    explicit Timer(boost::asio::io_context& io) : timer(io) {}
    boost::asio::steady_timer timer;
    Task task;
  };
  void Drain();
  void Fire(TimerId id);

  boost::asio::io_context& io_;
  std::deque<Task> turn_;  // tasks that a Drain has taken; its own while it runs, otherwise guarded by mu_

  std::mutex mu_;  // guards what follows; never held while a task runs
  std::condition_variable idle_;
  std::deque<Task> tasks_;
  std::unordered_map<TimerId, std::unique_ptr<Timer>> timers_;
  TimerId last_timer_ = 0;
  bool scheduled_ = false;  // a Drain is posted or runs
  bool running_ = false;    // a Drain runs, on runner_
  std::atomic<bool> stopped_{false};
  std::thread::id runner_;
};

class RealStrand : public Strand {
 public:
  explicit RealStrand(boost::asio::io_context& io) : core_(std::make_shared<StrandCore>(io)) {}
  ~RealStrand() override { core_->Stop(); }
  void Post(Task task) override { core_->Post(std::move(task)); }
  TimerId After(Duration delay, Task task) override { return core_->After(delay, std::move(task)); }
  void Cancel(TimerId timer) override { core_->Cancel(timer); }
  void Stop() override { core_->Stop(); }
  Function<void(Task)> Poster() override;

 private:
  std::shared_ptr<StrandCore> core_;
};

// A strand with an io_context and a thread of its own, whose tasks may block.
class BlockingStrand final : public Strand {
 public:
  BlockingStrand()
      : work_(boost::asio::make_work_guard(io_)), strand_(io_), thread_([this] {
          TakeShortSlices();
          io_.run();
        }) {}
  ~BlockingStrand() override;
  void Post(Task task) override { strand_.Post(std::move(task)); }
  TimerId After(Duration delay, Task task) override { return strand_.After(delay, std::move(task)); }
  void Cancel(TimerId timer) override { strand_.Cancel(timer); }
  void Stop() override { strand_.Stop(); }
  Function<void(Task)> Poster() override { return strand_.Poster(); }

 private:
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  RealStrand strand_;
  std::thread thread_;
};

}  // namespace minikube::base
