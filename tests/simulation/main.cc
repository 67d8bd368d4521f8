// simulate: runs simulations by seed. See docs/simulation.md.
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "simulation/simulation.h"

namespace minikube::simulation {
namespace {

constexpr std::string_view kUsage =
    R"(usage: simulate --seeds N [--from S] [--every N]   many simulations, from seed S (1) on
       simulate --seed S [--verbose [--logs]]         one; with its history, and what components log
  --bug NAME      with a planted bug; "list" names them
  --rocksdb DIR   the store is RocksDB on files that fail, in a new directory below DIR
  --repeat        each seed twice, to compare the histories
  --every N       a line of progress after so many simulations (1000)
Ends with 1 if a promise was broken.
)";

struct Arguments {
  std::uint64_t from = 1;
  std::uint64_t count = 0;
  std::uint64_t every = 1000;
  bool repeat = false;
  SimulationOptions options;
};

bool Number(std::string_view text, std::uint64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

bool Parse(int argc, char** argv, Arguments& out) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const auto number = [&](std::uint64_t& into) { return i + 1 < argc && Number(argv[++i], into); };
    if (argument == "--verbose") {
      out.options.out = stdout;
    } else if (argument == "--logs") {
      out.options.logs = true;
    } else if (argument == "--repeat") {
      out.repeat = true;
    } else if (argument == "--seeds") {
      if (!number(out.count)) return false;
    } else if (argument == "--from") {
      if (!number(out.from)) return false;
    } else if (argument == "--every") {
      if (!number(out.every) || out.every == 0) return false;
    } else if (argument == "--seed") {
      if (!number(out.from)) return false;
      out.count = 1;
    } else if (argument == "--rocksdb" && i + 1 < argc) {
      out.options.rocksdb = argv[++i];
    } else if (argument == "--bug" && i + 1 < argc) {
      const std::string_view name = argv[++i];
      for (const BugInfo& bug : AllBugs()) {
        if (name == "list") fmt::print("{:<24} {}\n", bug.name, bug.promise);
        if (name == bug.name) out.options.bug = bug.bug;
      }
      if (name == "list") return true;
      if (out.options.bug == Bug::kNone) return false;
    } else {
      return false;
    }
  }
  return out.count != 0;
}

SimulationResult RunOne(SimulationOptions options, std::uint64_t seed) {
  options.seed = seed;
  if (options.rocksdb.empty()) return Simulate(options);
  options.rocksdb += fmt::format("/simulation-{}-{}", getpid(), seed);
  std::filesystem::create_directories(options.rocksdb);
  SimulationResult result = Simulate(options);
  std::error_code ignored;
  std::filesystem::remove_all(options.rocksdb, ignored);
  return result;
}

void PrintViolations(std::uint64_t seed, const SimulationResult& result) {
  for (const std::string& violation : result.violations) fmt::print("seed {}: {}\n", seed, violation);
  std::fflush(stdout);
}

int Run(const Arguments& arguments) {
  std::uint64_t broken = 0;
  std::uint64_t faults = 0;
  std::uint64_t api_lives = 0;
  std::uint64_t lives = 0;
  std::uint64_t revisions = 0;
  Duration time{};
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < arguments.count; ++i) {
    const std::uint64_t seed = arguments.from + i;
    SimulationResult result = RunOne(arguments.options, seed);
    if (arguments.repeat) {
      if (const SimulationResult again = RunOne(arguments.options, seed); again.hash != result.hash) {
        result.violations.push_back(
            fmt::format("one seed is one history: {:016x} and {:016x}", result.hash, again.hash));
      }
    }
    broken += result.violations.empty() ? 0 : 1;
    faults += result.faults;
    api_lives += static_cast<std::uint64_t>(result.api_lives);
    lives += static_cast<std::uint64_t>(result.lives);
    revisions += static_cast<std::uint64_t>(result.revisions);
    time += result.time;
    PrintViolations(seed, result);
    if (arguments.count == 1 || (i + 1) % arguments.every == 0 || i + 1 == arguments.count) {
      const double taken = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      fmt::print(
          "seeds {}..{}: {} with a broken promise; {} starts of components, {} of the API server, {} faults, {} "
          "revisions, {:.1f} h simulated in {:.1f} s, {:.1f} ms each; last history {:016x}, {} lines, {} steps\n",
          arguments.from, seed, broken, lives, api_lives, faults, revisions,
          std::chrono::duration<double, std::ratio<3600>>(time).count(), taken,
          1000 * taken / static_cast<double>(i + 1), result.hash, result.lines, result.steps);
      std::fflush(stdout);
    }
  }
  return broken == 0 ? 0 : 1;
}

}  // namespace
}  // namespace minikube::simulation

int main(int argc, char** argv) {
  minikube::simulation::Arguments arguments;
  if (!minikube::simulation::Parse(argc, argv, arguments)) {
    std::fputs(minikube::simulation::kUsage.data(), stderr);
    return 2;
  }
  return minikube::simulation::Run(arguments);
}
