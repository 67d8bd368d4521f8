// A Runtime that runs nothing, but behaves: sandboxes and containers start and end after latencies, fail sometimes,
// stop when they are told to, all drawn from the Env's clock and random source. One process hosts thousands of such
// nodes.
//
// Thread safety: as Runtime. Lifetime: containers are on the SimulatedMachine, which outlives its runtimes as a real
// machine does: a new runtime on the same machine lists them, and learns what ended meanwhile.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <minikube/runtime.h>

namespace minikube {

// How one container behaves.
struct SimulatedBehavior {
  std::optional<Duration> run_for;   // until it ends by itself; absent = for ever
  int exit_code = 0;                 // when it ends by itself
  std::string start_error;           // not empty: its program cannot be started
  bool ignores_stop_signal = false;  // only SIGKILL ends it
};

// Latencies are uniform between the two.
struct SimulatedLatency {
  Duration min{};
  Duration max{};
};

struct SimulatedOptions {
  SimulatedLatency sandbox{std::chrono::milliseconds(20), std::chrono::milliseconds(80)};
  SimulatedLatency start{std::chrono::milliseconds(10), std::chrono::milliseconds(50)};
  SimulatedLatency stop{std::chrono::milliseconds(5), std::chrono::milliseconds(50)};
  SimulatedLatency pull{std::chrono::milliseconds(100), std::chrono::seconds(2)};
  double sandbox_failure = 0;  // probability of each
  double start_failure = 0;
  double pull_failure = 0;
  // What a container does; empty = runs for ever. Called on the agent's strand.
  std::function<SimulatedBehavior(const ContainerConfig&)> behavior;
  // Whether there is such an image; empty = every image exists.
  std::function<bool(const std::string& reference)> image_exists;
};

class SimulatedMachine;

std::shared_ptr<SimulatedMachine> NewSimulatedMachine(SimulatedOptions options = {});
// One runtime at a time per machine.
std::unique_ptr<Runtime> NewSimulatedRuntime(std::shared_ptr<SimulatedMachine> machine, Env& env, Strand& strand);

// What is on the machine, for tests and reports. On the agent's strand.
struct SimulatedCounts {
  std::size_t sandboxes = 0;
  std::size_t containers = 0;  // running or not
  std::size_t running = 0;
};
SimulatedCounts CountSimulated(const SimulatedMachine& machine);
// The machine goes down and comes back: everything on it but its images is gone.
void RebootSimulated(SimulatedMachine& machine);

}  // namespace minikube
