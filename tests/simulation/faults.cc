#include "simulation/faults.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace minikube::simulation {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::string_view NameOf(Fault fault) {
  constexpr std::string_view kNames[kFaultKinds] = {"crash",   "crash-in-step", "disk", "reboot", "cut-off",    "stall",
                                                    "compact", "skew",          "loss", "slow",   "break-watch"};
  return kNames[static_cast<std::size_t>(fault)];
}

Faults::Faults(SimulatedEnv& env, History& history, SimulatedCluster& cluster, Network& network, Truth& truth,
               std::uint64_t seed)
    : env_(env),
      history_(history),
      cluster_(cluster),
      network_(network),
      truth_(truth),
      random_(seed),
      strand_(env.NewStrand("faults")) {
  for (bool& enabled : enabled_) enabled = Chance(40);
  pods_fail_ = Chance(40);
  if (has(Fault::kSkew)) {
    for (Component* component : cluster_.components()) {
      component->SetDrift(static_cast<int>(Draw(401)) - 200);
      if (Chance(50)) component->SetSkew(Within(seconds(20)) - seconds(10));
    }
  }
  for (Component* component : cluster_.components()) {
    component->endpoint().dies_before = [this, component] { return DiesBefore(*component); };
    component->on_buried = [this, component] {
      const auto it = away_.find(component);
      const Duration away = !active_ || it == away_.end() ? Within(seconds(1)) : it->second;
      strand_->After(away, [this, component] { Revive(*component); });
    };
  }
  cluster_.disk_fault = [this](bool append) { return FaultOfDisk(append); };
  cluster_.runtime_hooks.dies = [this](const std::string& node) {
    for (Component* component : cluster_.components()) {
      // The runtime's hook lets the agent die itself.
      if (component->name() == node && dies_in_.contains(component) && Chance(20)) {
        dies_in_.erase(component);
        return true;
      }
    }
    return false;
  };
}

Faults::~Faults() = default;

void Faults::Start() {
  active_ = true;
  if (has(Fault::kLoss)) {
    network_.faults.loses_request = static_cast<double>(Draw(100)) / 1000;
    network_.faults.loses_answer = static_cast<double>(Draw(100)) / 1000;
  }
  if (has(Fault::kSlow)) {
    network_.faults.slow = static_cast<double>(Draw(100)) / 1000;
    network_.faults.slow_max = milliseconds(50 + Draw(2000));
  }
  if (has(Fault::kBreakWatch)) {
    network_.faults.breaks_watch = static_cast<double>(Draw(40)) / 1000;
    network_.faults.expires_watch = static_cast<double>(Draw(20)) / 1000;
    network_.faults.hangs_watch = static_cast<double>(Draw(300)) / 1000;
  }
  Schedule();
}

void Faults::Heal() {
  history_.Add("fault", "faults end");
  active_ = false;
  network_.faults = NetworkFaults();
  disk_fails_in_ = 0;
  dies_in_.clear();
  for (Component* component : cluster_.components()) {
    component->endpoint().cut_off = false;
    Revive(*component);
  }
}

void Faults::Schedule() {
  strand_->After(milliseconds(50) + Within(seconds(6)), [this] {
    if (!active_) return;
    Inject();
    Schedule();
  });
}

void Faults::Inject() {
  std::vector<Fault> kinds;
  for (int i = 0; i < kFaultKinds; ++i) {
    if (enabled_[i]) kinds.push_back(static_cast<Fault>(i));
  }
  if (kinds.empty()) return;
  ++injected_;
  Component& component = AnyComponent();
  switch (kinds[Draw(kinds.size())]) {
    case Fault::kCrash:
      return Crash(component, Chance(70) ? Within(seconds(2)) : Within(seconds(40)));
    case Fault::kCrashInStep:
      dies_in_[&component] = 1 + static_cast<int>(Draw(12));
      away_[&component] = Within(seconds(5));
      return;
    case Fault::kDisk:
      disk_fails_in_ = 1 + static_cast<int>(Draw(30));
      return;
    case Fault::kReboot: {
      const std::size_t node = Draw(cluster_.nodes());
      Component& agent = cluster_.agent(node);
      if (!agent.alive()) return;
      history_.Add("fault", "{} goes down", agent.name());
      RebootSimulated(cluster_.machine(node));
      return Crash(agent, Within(seconds(60)));
    }
    case Fault::kCutOff:
      return CutOff(component, Within(seconds(Chance(80) ? 5 : 60)));
    case Fault::kStall:
      (void)network_.StallWatch(random_(), Within(seconds(Chance(80) ? 3 : 30)));
      return;
    case Fault::kCompact: {
      Store* store = cluster_.store();
      if (store == nullptr) return;
      const StoreStatus status = store->status();
      const Revision to = std::max<Revision>(1, status.revision - static_cast<Revision>(Draw(Chance(50) ? 3 : 60)));
      if (to <= status.compact_revision) return;
      const Status done = store->Compact(to);
      history_.Add("fault", "compaction to {}: {}", to, done.ToString());
      const std::uint64_t pick = random_();
      strand_->Post([this, pick] {
        if (const Store* alive = cluster_.store(); alive != nullptr && alive->status().failure.empty()) {
          truth_.Audit(*alive, pick);
        }
      });
      return;
    }
    case Fault::kSkew: {
      const Duration most = Chance(80) ? Duration(seconds(10)) : Duration(seconds(300));
      const Duration skew = Within(2 * most) - most;
      history_.Add("fault", "the clock of {} is {} ms ahead", component.name(), skew.count() / 1'000'000);
      return component.SetSkew(skew);
    }
    case Fault::kLoss:
    case Fault::kSlow:
    case Fault::kBreakWatch:
      return;  // happen all the time
  }
}

void Faults::Crash(Component& component, Duration away) {
  away_[&component] = away;
  component.Kill();
}

void Faults::Revive(Component& component) {
  if (component.alive()) return;
  // What it sent before it died is performed before, or never; as it is by who is elected its successor.
  if (component.running() || !component.settled()) {
    strand_->After(milliseconds(20), [this, &component] { Revive(component); });
    return;
  }
  component.Start();
}

void Faults::CutOff(Component& component, Duration time) {
  if (component.endpoint().cut_off) return;
  history_.Add("fault", "{} is cut off for {} ms", component.name(), time.count() / 1'000'000);
  component.endpoint().cut_off = true;
  network_.Disconnect(component.endpoint());
  strand_->After(time, [&component] { component.endpoint().cut_off = false; });
}

DiskFault Faults::FaultOfDisk(bool append) {
  if (!active_ || disk_fails_in_ == 0 || --disk_fails_in_ != 0) return DiskFault::kNone;
  away_[&cluster_.api()] = Within(seconds(3));
  constexpr DiskFault kFaults[] = {DiskFault::kCrash, DiskFault::kCrashAfter, DiskFault::kFails, DiskFault::kNoSpace};
  constexpr std::string_view kNames[] = {"dies with the machine before", "dies with the machine after",
                                         "fails with an error at", "finds no space for"};
  const std::size_t which = Draw(append ? 4 : 3);
  history_.Add("fault", "the disk {} an {}", kNames[which], append ? "append" : "fdatasync");
  const DiskFault fault = kFaults[which];
  if (fault == DiskFault::kCrash || fault == DiskFault::kCrashAfter) {
    cluster_.api().Kill();
  } else if (fault == DiskFault::kFails) {
    // A store that cannot write is read-only until it is opened anew: somebody restarts it.
    if (on_disk_failure) on_disk_failure();
    strand_->After(Within(seconds(5)), [this, life = cluster_.api().lives()] {
      if (cluster_.api().lives() == life) cluster_.api().Kill();
    });
  }
  return fault;
}

bool Faults::DiesBefore(Component& component) {
  const auto it = dies_in_.find(&component);
  if (it == dies_in_.end() || --it->second > 0) return false;
  dies_in_.erase(it);
  component.Kill();
  return true;
}

}  // namespace minikube::simulation
