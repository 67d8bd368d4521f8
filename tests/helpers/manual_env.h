// ManualEnv: an Env in which nothing happens by itself. Tasks run in the order posted when the test says so, timers when
// the test moves the clock, random numbers come from a seed. Strands may be posted to from any thread; everything else is
// for the test's own.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <utility>

#include <minikube/env.h>

namespace minikube::test {

class ManualEnv : public Env {
 public:
  explicit ManualEnv(std::uint64_t seed = 1) : random_(seed) {}

  Clock& clock() override { return clock_; }
  Random& random() override { return random_; }
  Processes& processes() override { return processes_; }
  std::unique_ptr<Strand> NewStrand(std::string) override { return std::make_unique<ManualStrand>(*this); }
  std::unique_ptr<Strand> NewBlockingStrand(std::string name) override { return NewStrand(std::move(name)); }

  // Runs what is posted, and what that posts, until nothing is left.
  void RunUntilIdle() {
    for (;;) {
      Task task;
      {
        std::lock_guard lock(mu_);
        if (tasks_.empty()) return;
        task = std::move(tasks_.front().second);
        tasks_.pop_front();
      }
      task();
    }
  }

  // Lets `by` pass: timers fire in order, each followed by all that it leads to.
  void Advance(Duration by) {
    RunUntilIdle();
    const MonoTime until = clock_.mono + by;
    for (;;) {
      std::unique_lock lock(mu_);
      const auto first = timers_.begin();
      if (first == timers_.end() || first->first.first > until) break;
      clock_.Set(std::max(clock_.mono, first->first.first));
      tasks_.emplace_back(first->second.first, std::move(first->second.second));
      timers_.erase(first);
      lock.unlock();
      RunUntilIdle();
    }
    clock_.Set(until);
  }

 private:
  class ManualClock final : public Clock {
   public:
    WallTime Now() const override { return wall; }
    MonoTime MonoNow() const override { return mono; }
    void Set(MonoTime to) {
      wall += to - mono;
      mono = to;
    }
    WallTime wall{std::chrono::hours(24 * 365 * 56)};
    MonoTime mono{std::chrono::hours(1)};
  };
  class SeededRandom final : public Random {
   public:
    explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
    std::uint64_t Next() override { return engine_(); }
    void Fill(void* data, std::size_t size) override {
      for (std::size_t i = 0; i < size; ++i) static_cast<unsigned char*>(data)[i] = static_cast<unsigned char>(engine_());
    }

   private:
    std::mt19937_64 engine_;
  };
  class NoProcesses final : public Processes {
   public:
    void Run(ProcessSpec, Strand& strand, Function<void(Result<ProcessResult>)> done) override {
      strand.Post([done = std::move(done)] { done(Status(Code::kNotImplemented, "no processes here")); });
    }
    std::uint64_t WatchExit(int, Strand&, Task) override { return 0; }
    void UnwatchExit(std::uint64_t) override {}
    bool Alive(int, std::uint64_t) const override { return false; }
  };
  class ManualStrand final : public Strand {
   public:
    explicit ManualStrand(ManualEnv& env) : env_(env) {}
    ~ManualStrand() override { Stop(); }
    void Post(Task task) override {
      std::lock_guard lock(env_.mu_);
      if (!stopped_) env_.tasks_.emplace_back(this, std::move(task));
    }
    TimerId After(Duration delay, Task task) override {
      std::lock_guard lock(env_.mu_);
      if (stopped_) return 0;
      const TimerId id = ++env_.last_timer_;
      env_.timers_.emplace(std::pair(env_.clock_.mono + delay, id), std::pair(this, std::move(task)));
      return id;
    }
    void Cancel(TimerId timer) override {
      std::lock_guard lock(env_.mu_);
      std::erase_if(env_.timers_, [timer](const auto& entry) { return entry.first.second == timer; });
    }
    void Stop() override {
      std::lock_guard lock(env_.mu_);
      stopped_ = true;
      std::erase_if(env_.timers_, [this](const auto& entry) { return entry.second.first == this; });
      std::erase_if(env_.tasks_, [this](const auto& entry) { return entry.first == this; });
    }

   private:
    ManualEnv& env_;
    bool stopped_ = false;
  };

  ManualClock clock_;
  SeededRandom random_;
  NoProcesses processes_;
  std::mutex mu_;  // guards what follows
  std::deque<std::pair<Strand*, Task>> tasks_;
  std::map<std::pair<MonoTime, TimerId>, std::pair<Strand*, Task>> timers_;
  TimerId last_timer_ = 0;
};

}  // namespace minikube::test
