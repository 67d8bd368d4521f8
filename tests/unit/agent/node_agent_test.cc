#include <catch2/catch.hpp>

#include <minikube/api/coordination/v1.h>

#include "simulated_node.h"

namespace minikube {
namespace {

using namespace std::chrono_literals;
using test::SimulatedNode;
namespace core = minikube::core::v1;
using coordination::v1::Lease;

bool Registered(SimulatedNode& node) {
  return node.env.RunUntil([&] {
    const auto object = node.api.Get<core::Node>("", "node-1");
    return object.ok() && !object->status.conditions.empty();
  });
}

std::string ConditionOf(const core::Node& node, const std::string& type) {
  for (const core::NodeCondition& condition : node.status.conditions) {
    if (condition.type == type) return condition.status.str() + " " + condition.reason.str();
  }
  return "";
}

TEST_CASE("an agent registers its node", "[agent]") {
  SimulatedNode node;
  REQUIRE(Registered(node));
  const core::Node object = node.api.Get<core::Node>("", "node-1").value();
  REQUIRE(object.metadata.labels.Find("kubernetes.io/hostname")->str() == "node-1");
  REQUIRE(object.metadata.labels.Find("kubernetes.io/os")->str() == "linux");
  REQUIRE(ConditionOf(object, "Ready") == "True KubeletReady");
  REQUIRE(ConditionOf(object, "MemoryPressure") == "False KubeletHasSufficientMemory");
  REQUIRE(ConditionOf(object, "DiskPressure") == "False KubeletHasNoDiskPressure");
  REQUIRE(ConditionOf(object, "PIDPressure") == "False KubeletHasSufficientPID");
  REQUIRE(object.status.allocatable.Find("pods")->Value() == 110);
  REQUIRE(object.status.nodeInfo.kubeletVersion == "v1.36.0");
  REQUIRE(object.status.addresses.size() == 2);
}

TEST_CASE("an agent does not start under a name that no node can have", "[agent]") {
  SimulatedNode node;
  const auto started = NodeAgent::Start(
      {.node_name = "my_host"}, node.api.NewClient(),
      [&](Env& env, Strand& strand) -> Result<std::unique_ptr<Runtime>> {
        return NewSimulatedRuntime(node.machine, env, strand);
      },
      node.env, Logger());
  CHECK(started.status().code() == Code::kBadRequest);
  CHECK(started.status().message().starts_with("\"my_host\" cannot be the name of a node: "));
}

TEST_CASE("an agent leaves to others what is theirs in the node", "[agent]") {
  SimulatedNode node;
  REQUIRE(Registered(node));
  const core::Node object = node.api.Get<core::Node>("", "node-1").value();
  node.api.Change<core::Node>(object, "", [](core::Node& n) {
    n.metadata.labels["zone"] = "a";
    n.metadata.labels["kubernetes.io/os"] = "plan9";
    n.spec.podCIDR = "10.1.0.0/24";
    core::Taint taint;
    taint.key = "k";
    taint.effect = "NoSchedule";
    n.spec.taints = {taint};
  });
  REQUIRE(node.env.RunUntil([&] {
    return node.api.Get<core::Node>("", "node-1").value().metadata.labels.Find("kubernetes.io/os")->str() == "linux";
  }));
  const core::Node now = node.api.Get<core::Node>("", "node-1").value();
  REQUIRE(now.metadata.labels.Find("zone")->str() == "a");
  REQUIRE(now.spec.podCIDR == "10.1.0.0/24");
  REQUIRE(now.spec.taints.size() == 1);
}

TEST_CASE("a quiet node writes its lease, and its status only once in a while", "[agent]") {
  SimulatedNode node;
  REQUIRE(Registered(node));
  node.env.RunFor(1min);
  const int status_writes = node.api.Count<core::Node>(Verb::kUpdate, "status");
  const int lease_writes = node.api.Count<Lease>(Verb::kUpdate);
  node.env.RunFor(4min);
  REQUIRE(node.api.Count<core::Node>(Verb::kUpdate, "status") <= status_writes + 1);
  const int renewals = node.api.Count<Lease>(Verb::kUpdate) - lease_writes;
  REQUIRE(renewals >= 22);
  REQUIRE(renewals <= 26);
  node.env.RunFor(2min);
  REQUIRE(node.api.Count<core::Node>(Verb::kUpdate, "status") >= status_writes + 1);
  const Lease lease = node.api.Get<Lease>("kube-node-lease", "node-1").value();
  REQUIRE(lease.spec.holderIdentity->str() == "node-1");
  REQUIRE(lease.spec.leaseDurationSeconds == 40);
}

TEST_CASE("a node that somebody deletes registers again", "[agent]") {
  SimulatedNode node;
  REQUIRE(Registered(node));
  REQUIRE(node.api.Delete(node.api.Get<core::Node>("", "node-1").value()).ok());
  REQUIRE(node.env.RunUntil([&] { return node.api.Get<core::Node>("", "node-1").ok(); }));
}

TEST_CASE("an agent waits for an API server that refuses it", "[agent]") {
  SimulatedNode node;
  node.api.refuse = [](const ApiRequest&) { return Status(Code::kUnavailable, "not yet"); };
  node.env.RunFor(2min);
  node.api.refuse = nullptr;
  REQUIRE(Registered(node));
  node.Create("a");
  REQUIRE(node.UntilReady("a"));
}

TEST_CASE("a pod runs and is deleted without a trace", "[agent]") {
  SimulatedNode node;
  node.Create("a");
  REQUIRE(node.UntilReady("a"));
  const core::Pod pod = node.Get("a");
  REQUIRE(pod.status.phase == "Running");
  REQUIRE(pod.status.qosClass == "BestEffort");
  REQUIRE_FALSE(pod.status.podIP.empty());
  REQUIRE(pod.status.podIPs.size() == 1);
  REQUIRE_FALSE(pod.status.hostIP.empty());
  REQUIRE(pod.status.startTime);
  for (const char* type : {"PodScheduled", "Initialized", "ContainersReady", "PodReadyToStartContainers"}) {
    REQUIRE(SimulatedNode::ConditionOf(pod, type) == "True");
  }
  const core::ContainerStatus& status = SimulatedNode::StatusOf(pod);
  REQUIRE(status.state.running);
  REQUIRE(status.started == true);
  REQUIRE(status.containerID.view().starts_with("runc://"));
  REQUIRE(node.HasEvent("a", "Pulling: Pulling image \"app:1\""));
  REQUIRE(node.HasEvent("a", "Created: Container created"));
  REQUIRE(node.HasEvent("a", "Started: Container started"));

  REQUIRE(node.api.Delete(pod).ok());
  REQUIRE(node.UntilGone("a"));
  REQUIRE(node.HasEvent("a", "Killing: Stopping container main"));
  REQUIRE(CountSimulated(*node.machine).containers == 0);
}

TEST_CASE("100 pods start and stop, and leave nothing", "[agent]") {
  const auto seed = GENERATE(1u, 2u, 3u);
  SimulatedOptions options;
  options.sandbox_failure = 0.1;
  options.start_failure = 0.1;
  options.pull_failure = 0.1;
  SimulatedNode node(options, seed);
  for (int i = 0; i < 100; ++i) node.Create("p" + std::to_string(i));
  const auto all = [&](const std::function<bool(const core::Pod&)>& is) {
    const auto pods = node.api.List<core::Pod>();
    return std::all_of(pods.begin(), pods.end(), is);
  };
  REQUIRE(node.env.RunUntil(
      [&] { return all([](const core::Pod& pod) { return SimulatedNode::ConditionOf(pod, "Ready") == "True"; }); }));
  REQUIRE(CountSimulated(*node.machine).running == 100);
  for (const core::Pod& pod : node.api.List<core::Pod>()) REQUIRE(node.api.Delete(pod).ok());
  REQUIRE(node.env.RunUntil([&] { return node.api.List<core::Pod>().empty(); }));
  node.env.RunFor(1min);
  const SimulatedCounts left = CountSimulated(*node.machine);
  REQUIRE(left.sandboxes == 0);
  REQUIRE(left.containers == 0);
}

}  // namespace
}  // namespace minikube
