// A bounded number of simulations, and that the simulator would notice.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <iostream>
#include <set>

#include <fmt/format.h>

#include "helpers/temp_dir.h"
#include "simulation/promises.h"
#include "simulation/simulation.h"

namespace minikube::simulation {
namespace {

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST_CASE("no seed breaks a promise") {
  const std::uint64_t from = FromEnvironment("MINIKUBE_SIMULATION_FROM", 1);
  const std::uint64_t count = FromEnvironment("MINIKUBE_SIMULATION_SEEDS", 100);
  std::cout << "seeds " << from << " to " << from + count - 1 << "\n";
  for (std::uint64_t seed = from; seed < from + count; ++seed) {
    CAPTURE(seed);
    const SimulationResult result = Simulate({.seed = seed});
    CHECK(result.violations == std::vector<std::string>());
    CHECK(result.revisions > 50);
  }
}

TEST_CASE("one seed is one history") {
  std::set<std::uint64_t> hashes;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    const SimulationResult first = Simulate({.seed = seed});
    const SimulationResult second = Simulate({.seed = seed});
    CHECK(first.hash == second.hash);
    CHECK(first.steps == second.steps);
    hashes.insert(first.hash);
  }
  CHECK(hashes.size() == 10);
}

TEST_CASE("the store on RocksDB keeps the same promises") {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    CAPTURE(seed);
    const test::TempDir dir;
    CHECK(Simulate({.seed = seed, .rocksdb = dir.path() + "/store"}).violations == std::vector<std::string>());
  }
}

TEST_CASE("every promise has a planted bug that the simulator finds") {
  std::set<std::string_view> promises;
  for (const BugInfo& info : AllBugs()) {
    promises.insert(info.promise);
    DYNAMIC_SECTION(info.name) {
      bool found = false;
      std::uint64_t seed = 0;
      while (!found && ++seed <= 100) {
        const SimulationResult result = Simulate({.seed = seed, .bug = info.bug});
        found = info.promise == kRepeatable ? result.hash != Simulate({.seed = seed, .bug = info.bug}).hash
                                            : std::any_of(result.violations.begin(), result.violations.end(),
                                                          [&](const auto& v) { return v.starts_with(info.promise); });
      }
      CHECK(found);
    }
  }
  CHECK(promises.size() == kPromises.size());
}

}  // namespace
}  // namespace minikube::simulation
