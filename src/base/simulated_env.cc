#include <minikube/simulated_env.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include <minikube/latch.h>

namespace minikube {
namespace {

// 2026-01-01T00:00:00Z
constexpr std::chrono::seconds kEpoch{1767225600};
constexpr Duration kStart = std::chrono::hours(1);                // not zero: zero often means "never"
constexpr Duration kLongest = std::chrono::hours(24 * 366 * 10);  // of a run; sums of times do not overflow

// The world's time, as a process sees it.
class SimulatedClock final : public Clock {
 public:
  explicit SimulatedClock(const MonoTime& world) : world_(world) {}
  WallTime Now() const override { return WallTime(kEpoch + (world_.time_since_epoch() - kStart) + skew); }
  MonoTime MonoNow() const override { return world_ + Duration(Fast(world_.time_since_epoch().count())); }
  // How long the world takes until this clock has gone on by `delay`.
  Duration InWorld(Duration delay) const {
    if (drift == 0) return delay;
    const MonoTime due = MonoNow() + delay;
    Duration::rep real = delay.count() - Fast(delay.count());
    const auto reached = [&](Duration::rep after) {
      const Duration::rep then = world_.time_since_epoch().count() + after;
      return Duration(then + Fast(then)) >= due.time_since_epoch();
    };
    while (!reached(real)) ++real;  // roundings, and the square of the drift
    return Duration(real);
  }

  Duration skew{0};
  int drift = 0;  // millionths

 private:
  Duration::rep Fast(Duration::rep time) const {
    return time / 1'000'000 * drift + time % 1'000'000 * drift / 1'000'000;
  }
  const MonoTime& world_;
};

class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
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

namespace simulated {

class SimulatedStrand;

struct Program {
  Program(World& w, std::string n, const MonoTime& now) : world(w), name(std::move(n)), clock(now) {}
  World& world;
  const std::string name;
  SimulatedClock clock;
  bool killed = false;
};

struct World {
  explicit World(std::uint64_t seed)
      : random(seed), schedule(seed ^ 0x9e3779b97f4a7c15u), program(*this, "world", now) {}

  bool Step();                   // runs one ready task; false if there is none
  bool Advance(MonoTime limit);  // moves time to the next timer; false if none is due by `limit`
  bool RunUntil(const std::function<bool()>& condition, Duration limit);
  bool Await(Latch& latch, Duration limit);
  void SetReady(SimulatedStrand& strand, bool ready);

  MonoTime now{kStart};
  SeededRandom random;
  std::mt19937_64 schedule;  // apart from `random`, so that drawing numbers does not change the order of tasks
  NoProcesses processes;
  Program program;  // of what is not of a process
  std::size_t strands = 0;
  std::vector<SimulatedStrand*> ready;
  std::map<std::pair<MonoTime, TimerId>, SimulatedStrand*> timers;
  TimerId last_timer = 0;
  std::function<void(std::string_view)> step;
};

class SimulatedStrand final : public Strand {
 public:
  SimulatedStrand(World& world, Program& program, std::string name)
      : world_(world), program_(program), name_(std::move(name)) {
    ++world_.strands;
  }
  ~SimulatedStrand() override {
    SimulatedStrand::Stop();
    --world_.strands;
  }
  void Post(Task task) override {
    if (stopped_ || program_.killed) return;
    tasks_.push_back(std::move(task));
    Update();
  }
  TimerId After(Duration delay, Task task) override {
    if (stopped_ || program_.killed) return 0;
    const TimerId id = ++world_.last_timer;
    const MonoTime due = world_.now + program_.clock.InWorld(std::max(delay, Duration(0)));
    world_.timers[{due, id}] = this;
    timers_[id] = {due, std::move(task)};
    return id;
  }
  void Cancel(TimerId id) override {
    const auto it = timers_.find(id);
    if (it == timers_.end()) return;
    world_.timers.erase({it->second.first, id});
    timers_.erase(it);
  }
  void Stop() override {
    stopped_ = true;
    // A task's end may stop or cancel something of this strand in turn.
    const std::deque<Task> dropped = std::exchange(tasks_, {});
    Update();
    while (!timers_.empty()) Cancel(timers_.begin()->first);
  }
  Function<void(Task)> Poster() override {
    return [weak = std::weak_ptr(self_)](Task task) {
      if (const auto self = weak.lock()) (*self)->Post(std::move(task));
    };
  }
  void SetPaused(bool paused) {
    paused_ = paused;
    Update();
  }
  const std::string& name() const { return name_; }
  void RunOne() {
    const Task task = std::move(tasks_.front());
    tasks_.pop_front();
    Update();
    if (!program_.killed) task();
  }
  void Fire(TimerId id) {
    const auto it = timers_.find(id);
    tasks_.push_back(std::move(it->second.second));
    timers_.erase(it);
    Update();
  }

  std::size_t ready_index = kNotReady;  // in World::ready
  static constexpr std::size_t kNotReady = static_cast<std::size_t>(-1);

 private:
  void Update() { world_.SetReady(*this, !paused_ && !tasks_.empty()); }

  World& world_;
  Program& program_;
  const std::string name_;
  std::deque<Task> tasks_;
  std::map<TimerId, std::pair<MonoTime, Task>> timers_;
  bool stopped_ = false;
  bool paused_ = false;
  // Dies with the strand: what posters hold weakly. The thread is one, so nothing falls between.
  const std::shared_ptr<SimulatedStrand*> self_ = std::make_shared<SimulatedStrand*>(this);
};

void World::SetReady(SimulatedStrand& strand, bool is_ready) {
  if (is_ready == (strand.ready_index != SimulatedStrand::kNotReady)) return;
  if (is_ready) {
    strand.ready_index = ready.size();
    ready.push_back(&strand);
    return;
  }
  SimulatedStrand* last = ready.back();
  last->ready_index = strand.ready_index;
  ready[strand.ready_index] = last;
  ready.pop_back();
  strand.ready_index = SimulatedStrand::kNotReady;
}

bool World::Step() {
  if (ready.empty()) return false;
  SimulatedStrand& strand = *ready[schedule() % ready.size()];
  if (step) step(strand.name());
  strand.RunOne();
  return true;
}

bool World::Advance(MonoTime limit) {
  if (timers.empty() || timers.begin()->first.first > limit) return false;
  const auto [key, strand] = *timers.begin();
  timers.erase(timers.begin());
  now = std::max(now, key.first);
  strand->Fire(key.second);
  return true;
}

bool World::RunUntil(const std::function<bool()>& condition, Duration limit) {
  const MonoTime end = now + std::min(limit, kLongest);
  while (!condition()) {
    if (!Step() && !Advance(end)) return false;
  }
  return true;
}

bool World::Await(Latch& latch, Duration limit) {
  const MonoTime end = now + std::min(limit, kLongest);
  const bool open = RunUntil([&latch] { return latch.IsOpen(); }, limit);
  if (!open && limit < kForever) now = std::max(now, end);  // who waited in vain has waited that long
  return open;
}

}  // namespace simulated

SimulatedEnv::SimulatedEnv(std::uint64_t seed) : world_(std::make_unique<simulated::World>(seed)) {}
SimulatedEnv::~SimulatedEnv() = default;
Clock& SimulatedEnv::clock() { return world_->program.clock; }
Random& SimulatedEnv::random() { return world_->random; }
Processes& SimulatedEnv::processes() { return world_->processes; }

std::unique_ptr<Strand> SimulatedEnv::NewStrand(std::string name) {
  return std::make_unique<simulated::SimulatedStrand>(*world_, world_->program, std::move(name));
}

std::unique_ptr<SimulatedProcess> SimulatedEnv::NewProcess(std::string name) {
  return std::unique_ptr<SimulatedProcess>(
      new SimulatedProcess(std::make_unique<simulated::Program>(*world_, std::move(name), world_->now)));
}

bool SimulatedEnv::RunUntil(const std::function<bool()>& condition, Duration limit) {
  return world_->RunUntil(condition, limit);
}

bool SimulatedEnv::Await(Latch& latch, Duration limit) { return world_->Await(latch, limit); }

void SimulatedEnv::RunFor(Duration time) {
  const MonoTime end = world_->now + time;
  RunUntil([] { return false; }, time);
  world_->now = std::max(world_->now, end);
}

void SimulatedEnv::RunReady() {
  while (world_->Step()) {
  }
}

const std::string& SimulatedEnv::NameOf(const Strand& strand) {
  return static_cast<const simulated::SimulatedStrand&>(strand).name();
}
void SimulatedEnv::SetPaused(Strand& strand, bool paused) {
  static_cast<simulated::SimulatedStrand&>(strand).SetPaused(paused);
}
void SimulatedEnv::OnStep(std::function<void(std::string_view)> step) { world_->step = std::move(step); }
std::size_t SimulatedEnv::strands() const { return world_->strands; }
std::size_t SimulatedEnv::timers() const { return world_->timers.size(); }

SimulatedProcess::SimulatedProcess(std::unique_ptr<simulated::Program> program) : program_(std::move(program)) {}
SimulatedProcess::~SimulatedProcess() = default;
Clock& SimulatedProcess::clock() { return program_->clock; }
Random& SimulatedProcess::random() { return program_->world.random; }
Processes& SimulatedProcess::processes() { return program_->world.processes; }
std::unique_ptr<Strand> SimulatedProcess::NewStrand(std::string name) {
  return std::make_unique<simulated::SimulatedStrand>(program_->world, *program_, program_->name + "/" + name);
}
bool SimulatedProcess::Await(Latch& latch, Duration limit) { return program_->world.Await(latch, limit); }
const std::string& SimulatedProcess::name() const { return program_->name; }
void SimulatedProcess::SetSkew(Duration skew) { program_->clock.skew = skew; }
void SimulatedProcess::SetDrift(int millionths) { program_->clock.drift = millionths; }
void SimulatedProcess::Kill() { program_->killed = true; }
bool SimulatedProcess::killed() const { return program_->killed; }

}  // namespace minikube
