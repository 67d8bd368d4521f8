#include <minikube/simulated_runtime.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include <minikube/types.h>

#include "agent/pod_util.h"

namespace minikube {

// A pod on a simulated node is one Sandbox and its Containers, in strings that are shared or short: some 300 bytes.
class SimulatedMachine {
 public:
  struct Sandbox {
    Str pod_uid;
    Str ns;
    Str name;
    std::uint32_t address = 0;
    WallTime created{};
  };
  struct Container {
    Str sandbox_id;
    Str name;
    Str image;
    std::uint32_t attempt = 0;
    int exit_code = 0;
    bool exited = false;
    bool ignores_stop_signal = false;
    WallTime started{};
    WallTime finished{};
    MonoTime ends = MonoTime::max();  // when it will have ended by itself
  };
  explicit SimulatedMachine(SimulatedOptions o) : options(std::move(o)) {}

  const SimulatedOptions options;
  std::map<Str, Sandbox> sandboxes;
  std::map<Str, Container> containers;
  std::set<std::string> images;
  std::uint32_t last_address = 0;
};

namespace agent {
namespace {

using Machine = SimulatedMachine;

std::string ImageIdOf(std::string_view reference) { return "sha256:" + MakeId({reference}); }

ImageInfo InfoOf(const std::string& reference) {
  ImageInfo info;
  info.id = ImageIdOf(reference);
  info.reference = reference;
  info.size = 10'000'000;
  return info;
}

ContainerState StateOf(const Str& id, const Machine::Container& container) {
  ContainerState out;
  out.id = id;
  out.sandbox_id = container.sandbox_id;
  out.name = container.name;
  out.attempt = container.attempt;
  out.image = container.image;
  out.image_id = ImageIdOf(NormalizeImage(container.image));
  out.phase = container.exited ? ContainerState::Phase::kExited : ContainerState::Phase::kRunning;
  out.exit_code = container.exit_code;
  if (container.exited) out.reason = container.exit_code == 0 ? "Completed" : "Error";
  out.created = container.started;
  out.started = container.started;
  out.finished = container.finished;
  return out;
}

class SimulatedRuntime final : public Runtime {
 public:
  SimulatedRuntime(std::shared_ptr<Machine> machine, Env& env, Strand& strand)
      : machine_(std::move(machine)), env_(env), strand_(strand), alive_(std::make_shared<int>(0)) {}

  void List(Done<Inventory> done) override {
    Inventory out;
    for (const auto& [id, sandbox] : machine_->sandboxes) {
      SandboxState state;
      state.id = id;
      state.pod_uid = sandbox.pod_uid;
      state.ns = sandbox.ns;
      state.name = sandbox.name;
      state.ready = true;
      state.ips = {AddressText(sandbox.address)};
      state.created = sandbox.created;
      out.sandboxes.push_back(std::move(state));
    }
    const MonoTime now = env_.clock().MonoNow();
    for (auto& [id, container] : machine_->containers) {
      if (!container.exited && container.ends <= now) {
        container.exited = true;
        container.finished = env_.clock().Now() - (now - container.ends);
      } else if (!container.exited) {
        AwaitEnd(id, container);
      }
      out.containers.push_back(StateOf(id, container));
    }
    Later({}, [done = std::move(done), out = std::move(out)]() mutable { done(std::move(out)); });
  }

  void OnContainerExit(Function<void(ContainerState)> changed) override { changed_ = std::move(changed); }

  void EnsureImage(std::string reference, bool always_pull, Done<ImageInfo> done) override {
    const std::string name = NormalizeImage(reference);
    if (!always_pull && machine_->images.contains(name)) {
      return Later({}, [done = std::move(done), name]() mutable { done(InfoOf(name)); });
    }
    const bool exists = !machine_->options.image_exists || machine_->options.image_exists(name);
    const bool fails = Chance(machine_->options.pull_failure);
    Later(machine_->options.pull, [this, done = std::move(done), name, exists, fails]() mutable {
      if (!exists) return done(Status(Code::kNotFound, fmt::format("{}: not found", name)));
      if (fails) return done(Status(Code::kUnavailable, fmt::format("failed to pull {}: i/o timeout", name)));
      machine_->images.insert(name);
      done(InfoOf(name));
    });
  }

  void ListImages(Done<std::vector<ImageInfo>> done) override {
    std::vector<ImageInfo> out;
    for (const std::string& image : machine_->images) out.push_back(InfoOf(image));
    Later({}, [done = std::move(done), out = std::move(out)]() mutable { done(std::move(out)); });
  }

  void RunSandbox(SandboxConfig config, Done<SandboxState> done) override {
    const bool fails = Chance(machine_->options.sandbox_failure);
    Later(machine_->options.sandbox, [this, config = std::move(config), done = std::move(done), fails]() mutable {
      if (fails) return done(Status(Code::kUnavailable, "the network of the pod could not be set up"));
      Machine::Sandbox sandbox;
      sandbox.pod_uid = config.pod_uid;
      sandbox.ns = config.ns;
      sandbox.name = config.name;
      sandbox.created = env_.clock().Now();
      sandbox.address = ++machine_->last_address;
      SandboxState state;
      state.id = config.id;
      state.pod_uid = std::move(config.pod_uid);
      state.ns = std::move(config.ns);
      state.name = std::move(config.name);
      state.ready = true;
      state.ips = {AddressText(sandbox.address)};
      state.created = sandbox.created;
      machine_->sandboxes[config.id] = std::move(sandbox);
      done(std::move(state));
    });
  }

  void RemoveSandbox(std::string id, Done<void> done) override {
    Later(machine_->options.stop, [this, id = std::move(id), done = std::move(done)]() mutable {
      machine_->sandboxes.erase(Str(id));
      std::erase_if(machine_->containers, [&](const auto& entry) { return entry.second.sandbox_id == id; });
      done({});
    });
  }

  void StartContainer(ContainerConfig config, Done<ContainerState> done) override {
    SimulatedBehavior behavior = machine_->options.behavior ? machine_->options.behavior(config) : SimulatedBehavior{};
    const bool fails = Chance(machine_->options.start_failure);
    Later(machine_->options.start,
          [this, config = std::move(config), behavior = std::move(behavior), done = std::move(done), fails]() mutable {
            if (!machine_->sandboxes.contains(Str(config.sandbox_id))) {
              return done(Status(Code::kNotFound, fmt::format("sandbox {} is not running", config.sandbox_id)));
            }
            if (fails) return done(Status(Code::kUnavailable, "the container could not be created"));
            if (!behavior.start_error.empty()) return done(Status(Code::kBadRequest, behavior.start_error));
            Machine::Container& container = machine_->containers[config.id];
            container = {};
            container.sandbox_id = config.sandbox_id;
            container.name = config.name;
            container.image = config.image;
            container.attempt = config.attempt;
            container.ignores_stop_signal = behavior.ignores_stop_signal;
            container.started = env_.clock().Now();
            container.exit_code = behavior.exit_code;
            if (behavior.run_for) container.ends = env_.clock().MonoNow() + *behavior.run_for;
            AwaitEnd(config.id, container);
            done(StateOf(config.id, container));
          });
  }

  void KillContainer(std::string id, int signal, Done<void> done) override {
    const auto it = machine_->containers.find(Str(id));
    if (it == machine_->containers.end() || it->second.exited) {
      return Later({}, [done = std::move(done), id = std::move(id)]() mutable {
        done(Status(Code::kNotFound, fmt::format("container {} is not running", id)));
      });
    }
    const bool ends = signal == SIGKILL || !it->second.ignores_stop_signal;
    Later(machine_->options.stop, [this, id = std::move(id), done = std::move(done), ends, signal]() mutable {
      if (ends) End(id, 128 + (signal == 0 ? SIGTERM : signal));
      done({});
    });
  }

  void RemoveContainer(std::string id, Done<void> done) override {
    machine_->containers.erase(Str(id));
    Later({}, [done = std::move(done)]() mutable { done({}); });
  }

  RuntimeVersion version() const override { return {"simulated", "1.0.0"}; }
  bool simulated() const override { return true; }

 private:
  static std::string AddressText(std::uint32_t address) {
    return fmt::format("10.{}.{}.{}", 64 + (address >> 16 & 63), address >> 8 & 255, address & 255);
  }

  bool Chance(double probability) {
    return probability > 0 && static_cast<double>(env_.random().Next() >> 11) * 0x1p-53 < probability;
  }

  void Later(SimulatedLatency latency, Task task) {
    Duration delay = latency.min;
    if (latency.max > latency.min) {
      delay += Duration(static_cast<Duration::rep>(env_.random().Next() %
                                                   static_cast<std::uint64_t>((latency.max - latency.min).count())));
    }
    strand_.After(delay, [alive = std::weak_ptr(alive_), task = std::move(task)] {
      if (!alive.expired()) task();
    });
  }

  void AwaitEnd(const Str& id, const Machine::Container& container) {
    if (container.ends == MonoTime::max()) return;
    const Duration left = std::max(container.ends - env_.clock().MonoNow(), Duration::zero());
    strand_.After(left, [this, alive = std::weak_ptr(alive_), id, attempt = container.started] {
      if (alive.expired()) return;
      const auto it = machine_->containers.find(id);
      if (it != machine_->containers.end() && it->second.started == attempt) End(id, it->second.exit_code);
    });
  }

  void End(const Str& id, int exit_code) {
    const auto it = machine_->containers.find(id);
    if (it == machine_->containers.end() || it->second.exited) return;
    it->second.exited = true;
    it->second.exit_code = exit_code;
    it->second.finished = env_.clock().Now();
    if (changed_) changed_(StateOf(id, it->second));
  }

  std::shared_ptr<Machine> machine_;
  Env& env_;
  Strand& strand_;
  std::shared_ptr<int> alive_;
  Function<void(ContainerState)> changed_;
};

}  // namespace
}  // namespace agent

std::shared_ptr<SimulatedMachine> NewSimulatedMachine(SimulatedOptions options) {
  return std::make_shared<SimulatedMachine>(std::move(options));
}

std::unique_ptr<Runtime> NewSimulatedRuntime(std::shared_ptr<SimulatedMachine> machine, Env& env, Strand& strand) {
  return std::make_unique<agent::SimulatedRuntime>(std::move(machine), env, strand);
}

SimulatedCounts CountSimulated(const SimulatedMachine& machine) {
  SimulatedCounts out;
  out.sandboxes = machine.sandboxes.size();
  out.containers = machine.containers.size();
  out.running = static_cast<std::size_t>(std::count_if(machine.containers.begin(), machine.containers.end(),
                                                       [](const auto& e) { return !e.second.exited; }));
  return out;
}

void RebootSimulated(SimulatedMachine& machine) {
  machine.sandboxes.clear();
  machine.containers.clear();
}

}  // namespace minikube
