// One simulation: a whole control plane with its nodes in one thread and in virtual time, its users and its faults,
// from one seed. See docs/simulation.md.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include <minikube/env.h>

#include "simulation/bugs.h"

namespace minikube::simulation {

struct SimulationOptions {
  std::uint64_t seed = 1;
  Bug bug = Bug::kNone;
  std::FILE* out = nullptr;  // the history, readable; null: not printed
  bool logs = false;         // with the components' own log lines
  std::string rocksdb;       // directory for a store on RocksDB; "": in memory
};

struct SimulationResult {
  std::vector<std::string> violations;
  std::uint64_t hash = 0;   // of the history
  std::uint64_t steps = 0;  // tasks that ran
  std::size_t lines = 0;    // of the history
  std::int64_t revisions = 0;
  std::size_t faults = 0;
  int api_lives = 0;
  int lives = 0;  // of all components
  int actions = 0;
  Duration time{};  // virtual
};

SimulationResult Simulate(const SimulationOptions& options);

}  // namespace minikube::simulation
