#include "helpers/fake_env.h"

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <utility>
#include <vector>

namespace minikube::test {
namespace {

// 2026-01-01T00:00:00Z
constexpr std::chrono::seconds kEpoch{1767225600};

class FakeClock final : public Clock {
 public:
  WallTime Now() const override { return WallTime(kEpoch + (now.time_since_epoch() - kStart)); }
  MonoTime MonoNow() const override { return now; }
  static constexpr Duration kStart = std::chrono::hours(1);  // not zero: zero often means "never"
  MonoTime now{kStart};
};

class FakeRandom final : public Random {
 public:
  explicit FakeRandom(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t Next() override { return engine_(); }
  void Fill(void* data, std::size_t size) override {
    auto* bytes = static_cast<unsigned char*>(data);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<unsigned char>(engine_());
  }

 private:
  std::mt19937_64 engine_;
};

class NoProcesses final : public Processes {
 public:
  void Run(ProcessSpec, Strand& strand, Function<void(Result<ProcessResult>)> done) override {
    strand.Post([done = std::move(done)] { done(Status(Code::kNotImplemented, "no processes in the simulation")); });
  }
  std::uint64_t WatchExit(int, Strand& strand, Task exited) override {
    strand.Post(std::move(exited));
    return 1;
  }
  void UnwatchExit(std::uint64_t) override {}
  bool Alive(int, std::uint64_t) const override { return false; }
};

}  // namespace

struct FakeEnv::Impl {
  class FakeStrand;

  explicit Impl(std::uint64_t seed) : random(seed), schedule(seed ^ 0x9e3779b97f4a7c15u) {}

  bool Step();                   // runs one ready task; false if there is none
  bool Advance(MonoTime limit);  // moves time to the next timer; false if none is due by `limit`

  FakeClock clock;
  FakeRandom random;
  std::mt19937_64 schedule;  // apart from `random`, so that drawing numbers does not change the order of tasks
  NoProcesses processes;
  std::vector<FakeStrand*> strands;
  std::map<std::pair<MonoTime, TimerId>, FakeStrand*> timers;
  TimerId last_timer = 0;
};

class FakeEnv::Impl::FakeStrand final : public Strand {
 public:
  explicit FakeStrand(Impl& env) : env_(env) { env_.strands.push_back(this); }
  ~FakeStrand() override {
    FakeStrand::Stop();
    std::erase(env_.strands, this);
  }
  void Post(Task task) override {
    if (!stopped_) ready_.push_back(std::move(task));
  }
  TimerId After(Duration delay, Task task) override {
    if (stopped_) return 0;
    const TimerId id = ++env_.last_timer;
    const MonoTime due = env_.clock.now + std::max(delay, Duration(0));
    env_.timers[{due, id}] = this;
    timers_[id] = {due, std::move(task)};
    return id;
  }
  void Cancel(TimerId id) override {
    const auto it = timers_.find(id);
    if (it == timers_.end()) return;
    env_.timers.erase({it->second.first, id});
    timers_.erase(it);
  }
  void Stop() override {
    stopped_ = true;
    ready_.clear();
    while (!timers_.empty()) Cancel(timers_.begin()->first);
  }
  bool HasReady() const { return !ready_.empty(); }
  void RunOne() {
    const Task task = std::move(ready_.front());
    ready_.pop_front();
    task();
  }
  void Fire(TimerId id) {
    const auto it = timers_.find(id);
    ready_.push_back(std::move(it->second.second));
    timers_.erase(it);
  }

 private:
  Impl& env_;
  std::deque<Task> ready_;
  std::map<TimerId, std::pair<MonoTime, Task>> timers_;
  bool stopped_ = false;
};

bool FakeEnv::Impl::Step() {
  std::vector<FakeStrand*> ready;
  for (FakeStrand* strand : strands) {
    if (strand->HasReady()) ready.push_back(strand);
  }
  if (ready.empty()) return false;
  ready[schedule() % ready.size()]->RunOne();
  return true;
}

bool FakeEnv::Impl::Advance(MonoTime limit) {
  if (timers.empty() || timers.begin()->first.first > limit) return false;
  const auto [key, strand] = *timers.begin();
  timers.erase(timers.begin());
  clock.now = std::max(clock.now, key.first);
  strand->Fire(key.second);
  return true;
}

FakeEnv::FakeEnv(std::uint64_t seed) : impl_(std::make_unique<Impl>(seed)) {}
FakeEnv::~FakeEnv() = default;
Clock& FakeEnv::clock() { return impl_->clock; }
Random& FakeEnv::random() { return impl_->random; }
Processes& FakeEnv::processes() { return impl_->processes; }

std::unique_ptr<Strand> FakeEnv::NewStrand(std::string) { return std::make_unique<Impl::FakeStrand>(*impl_); }

bool FakeEnv::RunUntil(const std::function<bool()>& condition, Duration limit) {
  const MonoTime end = impl_->clock.now + limit;
  while (!condition()) {
    if (!impl_->Step() && !impl_->Advance(end)) return false;
  }
  return true;
}

void FakeEnv::RunFor(Duration time) {
  const MonoTime end = impl_->clock.now + time;
  RunUntil([] { return false; }, time);
  impl_->clock.now = std::max(impl_->clock.now, end);
}

void FakeEnv::RunReady() {
  while (impl_->Step()) {
  }
}

}  // namespace minikube::test
