// Crash-only: the agent is destroyed and made anew at any moment, and nothing is lost, run twice, or left behind.
#include <catch2/catch.hpp>

#include <algorithm>

#include "simulated_node.h"

namespace minikube {
namespace {

using namespace std::chrono_literals;
using test::SimulatedNode;
namespace core = minikube::core::v1;

TEST_CASE("containers run on while no agent looks, and are adopted", "[agent]") {
  SimulatedNode node;
  node.Create("a");
  REQUIRE(node.UntilReady("a"));
  const core::Pod before = node.Get("a");
  node.StopAgent();
  REQUIRE(CountSimulated(*node.machine).running == 1);
  node.env.RunFor(1min);
  node.StartAgent();
  node.env.RunFor(1min);
  const core::Pod after = node.Get("a");
  REQUIRE(SimulatedNode::StatusOf(after).containerID == SimulatedNode::StatusOf(before).containerID);
  REQUIRE(SimulatedNode::StatusOf(after).restartCount == 0);
  REQUIRE(after.metadata.resourceVersion == before.metadata.resourceVersion);  // nothing to report
  REQUIRE(node.api.Delete(after).ok());
  REQUIRE(node.UntilGone("a"));
}

TEST_CASE("a container that ended while no agent looked is reported and restarted", "[agent]") {
  SimulatedOptions options;
  options.behavior = [](const ContainerConfig& config) {
    return config.attempt == 0 ? SimulatedBehavior{Duration(30s), 7, {}, false} : SimulatedBehavior{};
  };
  SimulatedNode node(options);
  node.Create("a");
  REQUIRE(node.UntilReady("a"));
  node.StopAgent();
  node.env.RunFor(1min);
  node.StartAgent();
  REQUIRE(node.Until("a", [](const core::Pod& pod) { return SimulatedNode::StatusOf(pod).restartCount == 1; }));
  REQUIRE(node.UntilReady("a"));
  REQUIRE(SimulatedNode::StatusOf(node.Get("a")).lastState.terminated->exitCode == 7);
}

TEST_CASE("a pod that was deleted while no agent looked is cleaned up", "[agent]") {
  SimulatedNode node;
  const core::Pod pod = node.Create("a");
  const core::Pod vanished = node.Create("b");
  REQUIRE(node.UntilReady("a"));
  REQUIRE(node.UntilReady("b"));
  node.StopAgent();
  REQUIRE(node.api.Delete(pod).ok());
  REQUIRE(node.api.Delete(vanished, [](ApiRequest& request) { request.grace_period_seconds = 0; }).ok());
  node.StartAgent();
  REQUIRE(node.UntilGone("a"));
  REQUIRE_FALSE(node.Exists("b"));
}

TEST_CASE("restart counts and the last state outlive the agent", "[agent]") {
  SimulatedOptions options;
  options.behavior = [](const ContainerConfig&) { return SimulatedBehavior{Duration(2s), 1, {}, false}; };
  SimulatedNode node(options);
  node.Create("a");
  REQUIRE(node.Until("a", [](const core::Pod& pod) {
    return !pod.status.containerStatuses.empty() && SimulatedNode::StatusOf(pod).restartCount == 4 &&
           SimulatedNode::StatusOf(pod).state.waiting;
  }));
  node.StopAgent();
  node.StartAgent();
  node.env.RunFor(5s);
  const core::ContainerStatus status = SimulatedNode::StatusOf(node.Get("a"));
  REQUIRE(status.restartCount == 4);
  REQUIRE(status.state.waiting->reason == "CrashLoopBackOff");  // and not at once, as if it had never failed
  REQUIRE(node.Until("a", [](const core::Pod& pod) { return SimulatedNode::StatusOf(pod).restartCount == 5; }));
}

TEST_CASE("after a reboot pods get a new sandbox and run again", "[agent]") {
  SimulatedOptions options;
  options.behavior = [](const ContainerConfig& config) {
    return config.name == "init" ? SimulatedBehavior{Duration(1s), 0, {}, false} : SimulatedBehavior{};
  };
  SimulatedNode node(options);
  node.Create("a", [](core::Pod& pod) {
    core::Container init;
    init.name = "init";
    init.image = "app:1";
    pod.spec.initContainers = {init};
  });
  node.Create("job", [](core::Pod& pod) { pod.spec.restartPolicy = "Never"; });
  REQUIRE(node.UntilReady("a"));
  REQUIRE(node.UntilReady("job"));
  node.StopAgent();
  RebootSimulated(*node.machine);
  node.StartAgent();
  REQUIRE(node.Until("a", [](const core::Pod& pod) {
    return SimulatedNode::StatusOf(pod).restartCount == 1 && SimulatedNode::ConditionOf(pod, "Ready") == "True";
  }));
  REQUIRE(SimulatedNode::StatusOf(node.Get("a"), "init").restartCount == 1);
  REQUIRE(SimulatedNode::StatusOf(node.Get("a")).lastState.terminated->reason == "ContainerStatusUnknown");
  // What may run only once has run.
  REQUIRE(node.UntilPhase("job", "Failed"));
  REQUIRE(CountSimulated(*node.machine).running == 1);
}

TEST_CASE("a pod that had ended stays as it was reported", "[agent]") {
  SimulatedOptions options;
  options.behavior = [](const ContainerConfig&) { return SimulatedBehavior{Duration(1s), 0, {}, false}; };
  SimulatedNode node(options);
  node.Create("a", [](core::Pod& pod) { pod.spec.restartPolicy = "Never"; });
  REQUIRE(node.UntilPhase("a", "Succeeded"));
  node.env.RunFor(10s);
  const core::Pod before = node.Get("a");
  node.StopAgent();
  node.StartAgent();
  node.env.RunFor(10min);
  REQUIRE(node.Get("a").metadata.resourceVersion == before.metadata.resourceVersion);
  REQUIRE(CountSimulated(*node.machine).sandboxes == 0);
}

// Everything at once, from a seed: pods come and go, containers fail, writes are lost before or after their effect,
// watches break, the agent crashes. Afterwards the world is still, and it is as the API says.
TEST_CASE("whatever happens, the node ends up as the API says", "[agent]") {
  const auto seed = GENERATE(range(1u, 31u));
  CAPTURE(seed);
  SimulatedOptions options;
  options.sandbox_failure = 0.1;
  options.start_failure = 0.1;
  options.pull_failure = 0.1;
  bool calm = false;
  SimulatedNode* self = nullptr;
  options.behavior = [&](const ContainerConfig& config) {
    const std::uint64_t draw = self->env.random().Next();
    SimulatedBehavior behavior;
    behavior.ignores_stop_signal = draw % 5 == 0;
    if (config.name == "init") behavior.run_for = Duration(1s);
    if (!calm && draw % 3 == 0) {
      behavior.run_for = std::chrono::milliseconds(draw % 20000);
      behavior.exit_code = static_cast<int>(draw % 2);
    }
    return behavior;
  };
  SimulatedNode node(options, seed);
  self = &node;
  const auto lost = [&](const ApiRequest& request) {
    if (calm || request.verb == Verb::kGet || request.verb == Verb::kList || request.verb == Verb::kWatch)
      return Status();
    switch (node.env.random().Next() % 12) {
      case 0:
        return Status(Code::kUnavailable, "injected");
      case 1:
        return Status(Code::kConflict, "injected");
      default:
        return Status();
    }
  };
  node.api.refuse = lost;
  node.api.lose = lost;
  int created = 0;
  for (int step = 0; step < 150; ++step) {
    node.env.RunFor(std::chrono::milliseconds(node.env.random().Next() % 2000));
    const auto pods = node.api.List<core::Pod>();
    switch (node.env.random().Next() % 8) {
      case 0:
      case 1:
        node.Create("p" + std::to_string(created++), [&](core::Pod& pod) {
          pod.spec.terminationGracePeriodSeconds = 5;
          if (node.env.random().Next() % 2 == 0) return;
          core::Container init;
          init.name = "init";
          init.image = "app:1";
          pod.spec.initContainers = {init};
        });
        break;
      case 2:
        if (!pods.empty()) {
          const bool force = node.env.random().Next() % 4 == 0;
          (void)node.api.Delete(pods[node.env.random().Next() % pods.size()], [&](ApiRequest& request) {
            if (force) request.grace_period_seconds = 0;
          });
        }
        break;
      case 3:
        node.api.EndWatches(
            Status(node.env.random().Next() % 2 == 0 ? Code::kExpired : Code::kUnavailable, "injected"));
        break;
      case 4:
        node.StopAgent();
        if (node.env.random().Next() % 5 == 0) RebootSimulated(*node.machine);
        node.env.RunFor(std::chrono::milliseconds(node.env.random().Next() % 5000));
        node.StartAgent();
        break;
      default:
        break;
    }
  }
  calm = true;
  const auto settled = [&] {
    const auto pods = node.api.List<core::Pod>();
    return std::all_of(pods.begin(), pods.end(), [](const core::Pod& pod) {
      return !pod.metadata.deletionTimestamp && SimulatedNode::ConditionOf(pod, "Ready") == "True";
    });
  };
  const bool ends = node.env.RunUntil(settled, 3h);
  if (!ends) {
    for (const core::Pod& pod : node.api.List<core::Pod>()) {
      UNSCOPED_INFO(pod.metadata.name.view()
                    << " " << pod.status.phase.view() << " deleted " << pod.metadata.deletionTimestamp.has_value()
                    << " ready " << SimulatedNode::ConditionOf(pod, "Ready"));
    }
  }
  REQUIRE(ends);
  node.env.RunFor(2min);
  REQUIRE(settled());
  const SimulatedCounts counts = CountSimulated(*node.machine);
  const std::size_t pods = node.api.List<core::Pod>().size();
  REQUIRE(counts.sandboxes == pods);
  REQUIRE(counts.running == pods);
}

}  // namespace
}  // namespace minikube
