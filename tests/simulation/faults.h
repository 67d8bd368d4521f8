// Faults: what goes wrong, drawn from the seed. Each seed has some kinds of faults and not others, so that rare
// combinations are not drowned by frequent ones.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string_view>

#include "simulation/cluster.h"

namespace minikube::simulation {

enum class Fault : std::uint8_t {
  kCrash,        // a component dies between two of its steps
  kCrashInStep,  // or within one, before a request, or after its runtime has done something
  kDisk,         // the API server dies within a commit, or its disk fails
  kReboot,       // a node goes down with all that runs on it
  kCutOff,       // a component loses the network
  kStall,        // a watch stands still at the server
  kCompact,      // history goes, so that whoever was away finds 410
  kSkew,         // clocks are wrong
  kLoss,         // requests and answers get lost
  kSlow,         // some messages take long
  kBreakWatch,   // watches end early
};
inline constexpr int kFaultKinds = 11;
std::string_view NameOf(Fault fault);

class Faults {
 public:
  Faults(SimulatedEnv& env, History& history, SimulatedCluster& cluster, Network& network, Truth& truth,
         std::uint64_t seed);
  ~Faults();

  bool has(Fault fault) const { return enabled_[static_cast<std::size_t>(fault)]; }
  // Some containers end by themselves and some starts fail, until Heal.
  bool pods_fail() const { return pods_fail_ && active_; }

  void Start();
  // No more faults; what is broken is mended.
  void Heal();
  std::size_t injected() const { return injected_; }
  // Called when the store's disk has failed: what it refuses from then on may be there once it is opened anew.
  std::function<void()> on_disk_failure;

 private:
  void Schedule();
  void Inject();
  void Crash(Component& component, Duration away);
  void Revive(Component& component);
  void CutOff(Component& component, Duration time);
  DiskFault FaultOfDisk(bool append);
  bool DiesBefore(Component& component);
  Duration Within(Duration max) {
    return Duration(static_cast<Duration::rep>(Draw(static_cast<std::uint64_t>(max.count()) + 1)));
  }
  std::uint64_t Draw(std::uint64_t below) { return random_() % below; }
  bool Chance(int percent) { return Draw(100) < static_cast<std::uint64_t>(percent); }
  Component& AnyComponent() { return *cluster_.components()[Draw(cluster_.components().size())]; }

  SimulatedEnv& env_;
  History& history_;
  SimulatedCluster& cluster_;
  Network& network_;
  Truth& truth_;
  std::mt19937_64 random_;
  bool enabled_[kFaultKinds] = {};
  bool pods_fail_ = false;
  bool active_ = false;
  std::size_t injected_ = 0;
  std::map<const Component*, int> dies_in_;    // requests or runtime calls from now
  std::map<const Component*, Duration> away_;  // how long it stays dead
  int disk_fails_in_ = 0;                      // appends and syncs from now; 0: none
  std::unique_ptr<Strand> strand_;
};

}  // namespace minikube::simulation
