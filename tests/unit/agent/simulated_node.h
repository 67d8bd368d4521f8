// A node agent on a simulated machine, against the fake API, in virtual time: what the tests of the agent share.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <minikube/api/core/v1.h>
#include <minikube/node_agent.h>
#include <minikube/simulated_env.h>
#include <minikube/simulated_runtime.h>

#include "helpers/fake_api.h"

namespace minikube::test {

namespace core = minikube::core::v1;

class SimulatedNode {
 public:
  explicit SimulatedNode(SimulatedOptions options = {}, std::uint64_t seed = 1)
      : env(seed), api(env), machine(NewSimulatedMachine(std::move(options))) {
    StartAgent();
  }
  ~SimulatedNode() { StopAgent(); }

  void StartAgent() {
    NodeAgentOptions agent_options = next_options;
    agent_options.node_name = "node-1";
    auto started = NodeAgent::Start(
        agent_options, api.NewClient(),
        [this](Env& e, Strand& strand) -> Result<std::unique_ptr<Runtime>> {
          return NewSimulatedRuntime(machine, e, strand);
        },
        env, Logger());
    REQUIRE(started.ok());
    agent = std::move(started).value();
  }
  void StopAgent() {
    if (agent != nullptr) agent->Stop();
    agent.reset();
  }

  // A pod of one container named "main", bound to this node.
  core::Pod Pod(const std::string& name, const std::function<void(core::Pod&)>& change = {}) {
    core::Pod pod;
    pod.metadata.name = name;
    pod.metadata.namespace_ = "default";
    pod.spec.nodeName = "node-1";
    pod.spec.restartPolicy = "Always";
    core::Container container;
    container.name = "main";
    container.image = "app:1";
    pod.spec.containers = {container};
    if (change) change(pod);
    return pod;
  }
  core::Pod Create(const std::string& name, const std::function<void(core::Pod&)>& change = {}) {
    return api.Create(Pod(name, change));
  }
  core::Pod Get(const std::string& name) { return api.Get<core::Pod>("default", name).value(); }
  bool Exists(const std::string& name) { return api.Get<core::Pod>("default", name).ok(); }

  // Lets time pass until the pod is as wanted.
  bool Until(const std::string& name, const std::function<bool(const core::Pod&)>& condition,
             Duration limit = std::chrono::minutes(10)) {
    return env.RunUntil(
        [&] {
          const auto pod = api.Get<core::Pod>("default", name);
          return pod.ok() && condition(*pod);
        },
        limit);
  }
  bool UntilPhase(const std::string& name, const std::string& phase) {
    return Until(name, [&](const core::Pod& pod) { return pod.status.phase == phase; });
  }
  bool UntilReady(const std::string& name) {
    return Until(name, [](const core::Pod& pod) { return ConditionOf(pod, "Ready") == "True"; });
  }
  bool UntilGone(const std::string& name) {
    return env.RunUntil([&] { return !Exists(name) && CountSimulated(*machine).sandboxes == 0; });
  }

  static std::string ConditionOf(const core::Pod& pod, const std::string& type) {
    for (const core::PodCondition& condition : pod.status.conditions) {
      if (condition.type == type) return condition.status.str();
    }
    return "";
  }
  static const core::ContainerStatus& StatusOf(const core::Pod& pod, const std::string& name = "main") {
    for (const auto* list : {&pod.status.containerStatuses, &pod.status.initContainerStatuses}) {
      for (const core::ContainerStatus& status : *list) {
        if (status.name == name) return status;
      }
    }
    FAIL("no status of container " << name);
    return pod.status.containerStatuses[0];
  }
  // "reason: message" of every event about that pod.
  std::vector<std::string> Events(const std::string& pod) {
    std::vector<std::string> out;
    for (const core::Event& event : api.List<core::Event>()) {
      if (event.involvedObject.name == pod) out.push_back(event.reason.str() + ": " + event.message.str());
    }
    return out;
  }
  bool HasEvent(const std::string& pod, const std::string& text) {
    env.RunFor(std::chrono::milliseconds(1));
    for (const std::string& event : Events(pod)) {
      if (event.find(text) != std::string::npos) return true;
    }
    for (const std::string& event : Events(pod)) UNSCOPED_INFO(event);
    return false;
  }

  NodeAgentOptions next_options;
  SimulatedEnv env;
  FakeApi api;
  std::shared_ptr<SimulatedMachine> machine;
  std::shared_ptr<NodeAgent> agent;
};

}  // namespace minikube::test
