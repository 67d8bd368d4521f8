#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

#include "simulated_node.h"

namespace minikube {
namespace {

using namespace std::chrono_literals;
using test::SimulatedNode;
namespace core = minikube::core::v1;

core::Container Named(const std::string& name, const std::string& image = "app:1") {
  core::Container out;
  out.name = name;
  out.image = image;
  return out;
}

std::string WaitingReason(const core::Pod& pod, const std::string& name = "main") {
  for (const auto* list : {&pod.status.containerStatuses, &pod.status.initContainerStatuses}) {
    for (const core::ContainerStatus& status : *list) {
      if (status.name == name && status.state.waiting) return status.state.waiting->reason.str();
    }
  }
  return "";
}

std::int64_t FinishedAt(const core::Pod& pod) {
  return SimulatedNode::StatusOf(pod).state.terminated->finishedAt.micros;
}

SimulatedOptions EndsAfter(Duration run_for, int exit_code) {
  SimulatedOptions options;
  options.behavior = [=](const ContainerConfig&) { return SimulatedBehavior{run_for, exit_code, {}, false}; };
  return options;
}

TEST_CASE("a pod ends as its restart policy says", "[agent]") {
  struct Case {
    const char* policy;
    int exit_code;
    const char* phase;
    const char* reason;
  };
  const Case c = GENERATE(Case{"Never", 0, "Succeeded", "Completed"}, Case{"Never", 3, "Failed", "Error"},
                          Case{"OnFailure", 0, "Succeeded", "Completed"});
  CAPTURE(c.policy, c.exit_code);
  SimulatedNode node(EndsAfter(5s, c.exit_code));
  node.Create("a", [&](core::Pod& pod) { pod.spec.restartPolicy = c.policy; });
  REQUIRE(node.UntilPhase("a", "Running"));
  REQUIRE(node.UntilPhase("a", c.phase));
  const core::Pod pod = node.Get("a");
  const core::ContainerStatus& status = SimulatedNode::StatusOf(pod);
  REQUIRE(status.state.terminated);
  REQUIRE(status.state.terminated->exitCode == c.exit_code);
  REQUIRE(status.state.terminated->reason == c.reason);
  REQUIRE(status.restartCount == 0);
  REQUIRE(SimulatedNode::ConditionOf(pod, "Ready") == "False");
  // Its sandbox goes, its API object stays.
  REQUIRE(node.env.RunUntil([&] { return CountSimulated(*node.machine).sandboxes == 0; }));
  node.env.RunFor(10min);
  REQUIRE(node.Get("a").status.phase == c.phase);
  REQUIRE(node.api.Delete(pod).ok());
  REQUIRE(node.UntilGone("a"));
}

TEST_CASE("a container that keeps failing is restarted at once, then after 10 s, 20 s, ... 300 s", "[agent]") {
  std::vector<WallTime> starts;
  std::vector<WallTime> ends;
  SimulatedNode* self = nullptr;
  SimulatedOptions options;
  options.start = {};
  options.behavior = [&](const ContainerConfig&) {
    starts.push_back(self->env.clock().Now());
    ends.push_back(self->env.clock().Now() + 1s);
    return SimulatedBehavior{1s, 1, {}, false};
  };
  SimulatedNode node(options);
  self = &node;
  node.Create("a");
  REQUIRE(node.env.RunUntil([&] { return starts.size() >= 9; }, 2h));
  const std::vector<Duration> expected = {0s, 10s, 20s, 40s, 80s, 160s, 300s, 300s};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    const Duration waited = starts[i + 1] - ends[i];
    REQUIRE(waited >= expected[i]);
    REQUIRE(waited < expected[i] + 1s);
  }
  node.env.RunFor(5s);
  const core::Pod pod = node.Get("a");
  REQUIRE(pod.status.phase == "Running");
  REQUIRE(WaitingReason(pod) == "CrashLoopBackOff");
  const core::ContainerStatus& status = SimulatedNode::StatusOf(pod);
  REQUIRE(status.restartCount == 8);
  REQUIRE(status.lastState.terminated->exitCode == 1);
  REQUIRE(status.state.waiting->message.view().find("back-off 5m0s restarting failed container=main pod=a_default(") ==
          0);
  REQUIRE(node.HasEvent("a", "BackOff: Back-off restarting failed container main in pod a_default("));
}

TEST_CASE("ten minutes of running are forgiven", "[agent]") {
  std::vector<WallTime> starts;
  SimulatedNode* self = nullptr;
  SimulatedOptions options;
  options.start = {};
  options.behavior = [&](const ContainerConfig& config) {
    starts.push_back(self->env.clock().Now());
    return SimulatedBehavior{config.attempt == 3 ? Duration(11min) : Duration(1s), 1, {}, false};
  };
  SimulatedNode node(options);
  self = &node;
  node.Create("a");
  REQUIRE(node.env.RunUntil([&] { return starts.size() >= 6; }, 2h));
  REQUIRE(starts[4] - starts[3] < 11min + 2s);  // at once
  REQUIRE(starts[5] - starts[4] < 13s);         // and from 10 s anew
}

TEST_CASE("an image that cannot be pulled is tried again, and the pod says why", "[agent]") {
  bool exists = false;
  SimulatedOptions options;
  options.image_exists = [&](const std::string&) { return exists; };
  SimulatedNode node(options);
  node.Create("a");
  REQUIRE(node.Until("a", [](const core::Pod& pod) { return WaitingReason(pod) == "ErrImagePull"; }));
  REQUIRE(node.Until("a", [](const core::Pod& pod) { return WaitingReason(pod) == "ImagePullBackOff"; }));
  const core::Pod pod = node.Get("a");
  REQUIRE(pod.status.phase == "Pending");
  REQUIRE(SimulatedNode::StatusOf(pod).state.waiting->message ==
          "Back-off pulling image \"app:1\": ErrImagePull: docker.io/library/app:1: not found");
  REQUIRE(node.HasEvent("a", "Failed: Failed to pull image \"app:1\": docker.io/library/app:1: not found"));
  REQUIRE(node.HasEvent("a", "Failed: Error: ErrImagePull"));
  REQUIRE(node.HasEvent("a", "Failed: Error: ImagePullBackOff"));
  exists = true;
  REQUIRE(node.UntilReady("a"));

  node.Create("b");
  REQUIRE(node.UntilReady("b"));
  REQUIRE(node.HasEvent("b",
                        "Pulled: Container image \"app:1\" already present on machine and can be accessed by the pod"));
}

core::Sysctl SysctlOf(const char* name) {
  core::Sysctl out;
  out.name = name;
  out.value = "1";
  return out;
}

TEST_CASE("a pod whose full hostname is too long for the kernel waits and says so", "[agent]") {
  SimulatedNode node;
  node.Create("a", [](core::Pod& pod) {
    pod.spec.hostname = std::string(50, 'h');
    pod.spec.subdomain = "sub";
    pod.spec.setHostnameAsFQDN = true;
    pod.spec.securityContext.Mutable().sysctls = {SysctlOf("net.ipv4.tcp_syncookies")};
  });
  node.env.RunFor(1min);
  CHECK(node.Get("a").status.phase == "Pending");
  CHECK(node.HasEvent("a",
                      "FailedCreatePodSandBox: Failed to create pod sandbox: failed to construct FQDN from pod "
                      "hostname and cluster domain, FQDN " +
                          std::string(50, 'h') +
                          ".sub.default.svc.cluster.local is too long (64 characters is the max, 80 characters"));
}

TEST_CASE("what a node cannot shield a pod from it does not run", "[agent]") {
  using Change = std::function<void(core::PodSpec&)>;
  const auto [message, change] = GENERATE(table<std::string, Change>({
      {"AppArmor: Cannot enforce AppArmor: AppArmor is not supported by this node",
       [](core::PodSpec& spec) {
         spec.containers.Mutable(0).securityContext.Mutable().appArmorProfile.Mutable().type = "RuntimeDefault";
       }},
      {"Seccomp: Cannot enforce seccomp: profiles of type Localhost are not supported by this node",
       [](core::PodSpec& spec) { spec.securityContext.Mutable().seccompProfile.Mutable().type = "Localhost"; }},
      {"UserNamespaces: User namespaces are not supported by this node",
       [](core::PodSpec& spec) { spec.hostUsers = false; }},
      {"RuntimeClass: RuntimeClass \"kata\" is not supported by this node",
       [](core::PodSpec& spec) { spec.runtimeClassName = "kata"; }},
      {"SysctlForbidden: forbidden sysctl: \"kernel.msgmax\" not allowlisted",
       [](core::PodSpec& spec) { spec.securityContext.Mutable().sysctls = {SysctlOf("kernel/msgmax")}; }},
      {"SysctlForbidden: forbidden sysctl: \"net.ipv4.tcp_syncookies\" not allowed with host Net enabled",
       [](core::PodSpec& spec) {
         spec.hostNetwork = true;
         spec.securityContext.Mutable().sysctls = {SysctlOf("net.ipv4.tcp_syncookies")};
       }},
      {"SysctlForbidden: forbidden sysctl: \"kernel.shm_rmid_forced\" not allowed with host IPC enabled",
       [](core::PodSpec& spec) {
         spec.hostIPC = true;
         spec.securityContext.Mutable().sysctls = {SysctlOf("kernel.shm_rmid_forced")};
       }},
  }));
  SimulatedNode node;
  node.Create("a", [&, change = change](core::Pod& pod) { change(pod.spec); });
  REQUIRE(node.UntilPhase("a", "Failed"));
  const core::Pod pod = node.Get("a");
  CHECK(pod.status.reason.str() + ": " + pod.status.message.str() ==
        message.substr(0, message.find(": ")) + ": Pod was rejected: " + message.substr(message.find(": ") + 2));
  CHECK(node.HasEvent("a", message));
}

TEST_CASE("what a pod has to do without is said, once", "[agent]") {
  SimulatedNode node;
  const core::Pod pod = node.Create("a", [](core::Pod& made) {
    core::LocalObjectReference secret;
    secret.name = "registry";
    made.spec.imagePullSecrets = {secret};
    made.spec.containers.Mutable(0).securityContext.Mutable().seLinuxOptions.Mutable().type = "t";
  });
  REQUIRE(node.UntilPhase("a", "Running"));
  CHECK(
      node.HasEvent("a", "NotSupported: images are pulled without credentials: image pull secrets are not supported"));
  CHECK(node.HasEvent("a", "NotSupported: SELinux options are not applied by this node"));
  core::EphemeralContainer debugger;
  debugger.name = "debugger";
  debugger.securityContext.Mutable().seccompProfile.Mutable().type = "Localhost";
  node.api.Change<core::Pod>(pod, "", [&](core::Pod& changed) { changed.spec.ephemeralContainers = {debugger}; });
  node.env.RunFor(1min);
  CHECK(node.HasEvent("a", "NotSupported: container debugger does not run: Cannot enforce seccomp: profiles of type"));
  CHECK(node.Get("a").status.phase == "Running");
  CHECK(CountSimulated(*node.machine).containers == 1);
  int said = 0;
  for (const std::string& event : node.Events("a")) said += event.find("NotSupported") == 0 ? 1 : 0;
  CHECK(said == 3);
}

const core::ContainerStatus* EphemeralStatus(const core::Pod& pod, std::size_t index) {
  return index < pod.status.ephemeralContainerStatuses.size() ? &pod.status.ephemeralContainerStatuses[index] : nullptr;
}

core::EphemeralContainer Debugger(const char* name, const char* target) {
  core::EphemeralContainer out;
  out.name = name;
  out.image = "tools:1";
  out.targetContainerName = target;
  return out;
}

TEST_CASE("an ephemeral container runs beside the others, once, and ends with its pod", "[agent]") {
  std::string target;
  SimulatedOptions options;
  options.behavior = [&](const ContainerConfig& config) {
    if (config.name == "debugger") target = config.target_container;
    if (config.name == "short") return SimulatedBehavior{1s, 3, {}, false};
    return SimulatedBehavior{};
  };
  SimulatedNode node(options);
  const core::Pod pod = node.Create("a");
  REQUIRE(node.UntilReady("a"));
  node.api.Change<core::Pod>(
      pod, "", [](core::Pod& changed) { changed.spec.ephemeralContainers = {Debugger("debugger", "main")}; });
  REQUIRE(node.Until("a", [](const core::Pod& p) {
    const core::ContainerStatus* status = EphemeralStatus(p, 0);
    return status != nullptr && status->state.running;
  }));
  CHECK(EphemeralStatus(node.Get("a"), 0)->name == "debugger");
  CHECK_FALSE(EphemeralStatus(node.Get("a"), 0)->ready);
  CHECK("runc://" + target == SimulatedNode::StatusOf(node.Get("a")).containerID.str());

  node.api.Change<core::Pod>(
      node.Get("a"), "", [](core::Pod& changed) { changed.spec.ephemeralContainers.push_back(Debugger("short", "")); });
  REQUIRE(node.Until("a", [](const core::Pod& p) {
    const core::ContainerStatus* status = EphemeralStatus(p, 1);
    return status != nullptr && status->state.terminated;
  }));
  // Also an agent that is made anew finds what runs, and does not run again what has run.
  node.StopAgent();
  node.StartAgent();
  node.env.RunFor(10min);
  CHECK(EphemeralStatus(node.Get("a"), 0)->state.running);
  CHECK(EphemeralStatus(node.Get("a"), 1)->state.terminated->exitCode == 3);
  CHECK(EphemeralStatus(node.Get("a"), 1)->restartCount == 0);
  CHECK(SimulatedNode::ConditionOf(node.Get("a"), "Ready") == "True");
  CHECK(CountSimulated(*node.machine).running == 2);
  REQUIRE(node.api.Delete(node.Get("a")).ok());
  REQUIRE(node.UntilGone("a"));
}

TEST_CASE("an ephemeral container waits for the container whose processes it is to see", "[agent]") {
  SimulatedNode node;
  const core::Pod pod = node.Create("a");
  REQUIRE(node.UntilReady("a"));
  node.api.Change<core::Pod>(
      pod, "", [](core::Pod& changed) { changed.spec.ephemeralContainers = {Debugger("debugger", "nobody")}; });
  REQUIRE(node.Until("a", [](const core::Pod& p) {
    const core::ContainerStatus* status = EphemeralStatus(p, 0);
    return status != nullptr && status->state.waiting && status->state.waiting->reason == "CreateContainerConfigError";
  }));
  CHECK(EphemeralStatus(node.Get("a"), 0)->state.waiting->message == "unable to find target container \"nobody\"");
  CHECK(node.Get("a").status.phase == "Running");
  REQUIRE(node.api.Delete(node.Get("a")).ok());
  REQUIRE(node.UntilGone("a"));
}

TEST_CASE("an image is not pulled if the pod forbids it", "[agent]") {
  SimulatedNode node;
  node.Create("a", [](core::Pod& pod) { pod.spec.containers.Mutable(0).imagePullPolicy = "Never"; });
  REQUIRE(node.Until("a", [](const core::Pod& pod) { return WaitingReason(pod) == "ErrImageNeverPull"; }));
  REQUIRE(node.HasEvent("a", "ErrImageNeverPull: Container image \"app:1\" is not present with pull policy of Never"));
  for (int minute = 0; minute < 10; ++minute) {
    node.env.RunFor(1min);
    REQUIRE(WaitingReason(node.Get("a")) == "ErrImageNeverPull");
  }
  CHECK_FALSE(node.HasEvent("a", "ImagePullBackOff"));
}

TEST_CASE("another image in the spec of a waiting pod is tried at once", "[agent]") {
  SimulatedOptions options;
  options.image_exists = [&](const std::string& name) { return name.find("good") != std::string::npos; };
  SimulatedNode node(options);
  const core::Pod pod = node.Create("a");
  REQUIRE(node.Until("a", [](const core::Pod& p) { return WaitingReason(p) == "ImagePullBackOff"; }));
  node.env.RunFor(5min);
  const WallTime before = node.env.clock().Now();
  node.api.Change<core::Pod>(pod, "", [](core::Pod& p) { p.spec.containers.Mutable(0).image = "good:1"; });
  REQUIRE(node.UntilReady("a"));
  REQUIRE(node.env.clock().Now() - before < 10s);
}

TEST_CASE("a container waits for the ConfigMap that it names, and starts when it is there", "[agent]") {
  SimulatedNode node;
  node.Create("a", [](core::Pod& pod) {
    core::EnvVar variable;
    variable.name = "X";
    variable.valueFrom.Mutable().configMapKeyRef.Mutable().name = "settings";
    variable.valueFrom.Mutable().configMapKeyRef.Mutable().key = "x";
    pod.spec.containers.Mutable(0).env = {variable};
  });
  REQUIRE(node.Until("a", [](const core::Pod& pod) { return WaitingReason(pod) == "CreateContainerConfigError"; }));
  const core::Pod waiting = node.Get("a");
  REQUIRE(SimulatedNode::StatusOf(waiting).state.waiting->message == "configmap \"settings\" not found");
  REQUIRE(node.HasEvent("a", "Failed: Error: configmap \"settings\" not found"));
  core::ConfigMap settings;
  settings.metadata.name = "settings";
  settings.metadata.namespace_ = "default";
  settings.data["y"] = "1";
  settings = node.api.Create(settings);
  REQUIRE(node.Until("a", [](const core::Pod& pod) {
    const auto& state = SimulatedNode::StatusOf(pod).state;
    return state.waiting && state.waiting->message == "couldn't find key x in ConfigMap default/settings";
  }));
  node.api.Change<core::ConfigMap>(settings, "", [](core::ConfigMap& map) { map.data["x"] = "1"; });
  const WallTime before = node.env.clock().Now();
  REQUIRE(node.UntilReady("a"));
  REQUIRE(node.env.clock().Now() - before < 2s);
}

TEST_CASE("a pod waits for the volumes that it names", "[agent]") {
  SimulatedNode node;
  node.Create("a", [](core::Pod& pod) {
    core::Volume volume;
    volume.name = "keys";
    volume.secret.Mutable().secretName = "keys";
    pod.spec.volumes = {volume};
  });
  node.env.RunFor(10s);
  REQUIRE(WaitingReason(node.Get("a")) == "ContainerCreating");
  REQUIRE(node.HasEvent("a", "FailedMount: MountVolume.SetUp failed for volume \"keys\" : secret \"keys\" not found"));
  core::Secret keys;
  keys.metadata.name = "keys";
  keys.metadata.namespace_ = "default";
  node.api.Create(keys);
  REQUIRE(node.UntilReady("a"));
}

TEST_CASE("a volume type that the node does not have is reported, and the pod waits", "[agent]") {
  SimulatedNode node;
  node.Create("a", [](core::Pod& pod) {
    core::Volume volume;
    volume.name = "disk";
    volume.nfs.Mutable().server = "s";
    pod.spec.volumes = {volume};
  });
  node.env.RunFor(1min);
  REQUIRE(WaitingReason(node.Get("a")) == "ContainerCreating");
  REQUIRE(node.HasEvent("a", "FailedMount: MountVolume.SetUp failed for volume \"disk\""));
}

TEST_CASE("a program that cannot be started counts as a run that failed", "[agent]") {
  SimulatedOptions options;
  options.behavior = [](const ContainerConfig&) {
    return SimulatedBehavior{{}, 0, "exec: \"x\": executable file not found in $PATH", false};
  };
  SimulatedNode node(options);
  node.Create("a");
  REQUIRE(node.Until("a", [](const core::Pod& pod) { return WaitingReason(pod) == "CrashLoopBackOff"; }));
  const core::Pod pod = node.Get("a");
  const core::ContainerStatus& status = SimulatedNode::StatusOf(pod);
  REQUIRE(status.lastState.terminated->exitCode == 128);
  REQUIRE(status.lastState.terminated->reason == "StartError");
  REQUIRE(node.HasEvent("a", "Failed: Error: exec: \"x\": executable file not found in $PATH"));
}

TEST_CASE("init containers run one after the other, before the others", "[agent]") {
  std::vector<std::string> order;
  SimulatedOptions options;
  options.behavior = [&](const ContainerConfig& config) {
    order.push_back(config.name);
    if (config.name.starts_with("init")) return SimulatedBehavior{Duration(3s), 0, {}, false};
    return SimulatedBehavior{};
  };
  SimulatedNode node(options);
  node.Create("a", [](core::Pod& pod) {
    pod.spec.initContainers = {Named("init1"), Named("init2")};
    pod.spec.containers.push_back(Named("second"));
  });
  REQUIRE(node.Until("a", [](const core::Pod& pod) {
    return !pod.status.initContainerStatuses.empty() && pod.status.initContainerStatuses[0].state.running;
  }));
  const core::Pod early = node.Get("a");
  REQUIRE(early.status.phase == "Pending");
  REQUIRE(WaitingReason(early) == "PodInitializing");
  REQUIRE(SimulatedNode::ConditionOf(early, "Initialized") == "False");
  REQUIRE(node.UntilReady("a"));
  REQUIRE(order.size() == 4);
  REQUIRE(order[0] == "init1");
  REQUIRE(order[1] == "init2");
  REQUIRE(SimulatedNode::ConditionOf(node.Get("a"), "Initialized") == "True");
}

TEST_CASE("an init container that fails ends a pod that never restarts", "[agent]") {
  SimulatedNode node(EndsAfter(1s, 2));
  node.Create("a", [](core::Pod& pod) {
    pod.spec.restartPolicy = "Never";
    pod.spec.initContainers = {Named("init")};
  });
  REQUIRE(node.UntilPhase("a", "Failed"));
  REQUIRE(SimulatedNode::StatusOf(node.Get("a"), "init").state.terminated->exitCode == 2);
  REQUIRE(WaitingReason(node.Get("a")) == "PodInitializing");
}

TEST_CASE("an init container that fails is run again until it succeeds", "[agent]") {
  SimulatedOptions options;
  options.behavior = [](const ContainerConfig& config) {
    if (config.name == "init") return SimulatedBehavior{Duration(1s), config.attempt < 2 ? 1 : 0, {}, false};
    return SimulatedBehavior{};
  };
  SimulatedNode node(options);
  node.Create("a", [](core::Pod& pod) { pod.spec.initContainers = {Named("init")}; });
  REQUIRE(node.UntilReady("a"));
  REQUIRE(SimulatedNode::StatusOf(node.Get("a"), "init").restartCount == 2);
}

TEST_CASE("a sidecar starts before the others, and stops after them", "[agent]") {
  SimulatedOptions options;
  options.behavior = [](const ContainerConfig& config) {
    return config.name == "main" ? SimulatedBehavior{Duration(5s), 0, {}, false} : SimulatedBehavior{};
  };
  SimulatedNode node(options);
  node.Create("a", [](core::Pod& pod) {
    pod.spec.restartPolicy = "Never";
    core::Container sidecar = Named("proxy");
    sidecar.restartPolicy = Str("Always");
    pod.spec.initContainers = {sidecar};
  });
  REQUIRE(node.UntilPhase("a", "Running"));
  REQUIRE(SimulatedNode::StatusOf(node.Get("a"), "proxy").state.running);
  REQUIRE(node.UntilPhase("a", "Succeeded"));
  const core::Pod pod = node.Get("a");
  const auto& proxy = SimulatedNode::StatusOf(pod, "proxy").state.terminated;
  REQUIRE(proxy);
  REQUIRE(proxy->finishedAt >= SimulatedNode::StatusOf(pod).state.terminated->finishedAt);
}

TEST_CASE("a container that ignores its stop signal is killed when its grace is over", "[agent]") {
  SimulatedOptions options;
  options.behavior = [](const ContainerConfig&) { return SimulatedBehavior{{}, 0, {}, true}; };
  SimulatedNode node(options);
  const core::Pod pod = node.Create("a", [](core::Pod& p) { p.spec.terminationGracePeriodSeconds = 20; });
  REQUIRE(node.UntilReady("a"));
  const WallTime before = node.env.clock().Now();
  REQUIRE(node.api.Delete(pod).ok());
  REQUIRE(node.UntilGone("a"));
  const Duration took = node.env.clock().Now() - before;
  REQUIRE(took >= 20s);
  REQUIRE(took < 22s);
}

TEST_CASE("a pod that vanishes from the API is stopped all the same", "[agent]") {
  SimulatedNode node;
  const core::Pod pod = node.Create("a");
  REQUIRE(node.UntilReady("a"));
  REQUIRE(node.api.Delete(pod, [](ApiRequest& request) { request.grace_period_seconds = 0; }).ok());
  REQUIRE_FALSE(node.Exists("a"));
  REQUIRE(node.UntilGone("a"));
  // Its name may be used again at once.
  node.Create("a");
  REQUIRE(node.UntilReady("a"));
}

TEST_CASE("a pod is deleted at whatever moment of its start", "[agent]") {
  const int moment = GENERATE(range(0, 40));
  CAPTURE(moment);
  SimulatedNode node({}, static_cast<std::uint64_t>(moment));
  const core::Pod pod = node.Create("a", [](core::Pod& p) { p.spec.initContainers = {Named("init", "init:1")}; });
  node.env.RunFor(moment * 25ms);
  REQUIRE(node.api.Delete(pod).ok());
  REQUIRE(node.UntilGone("a"));
  node.env.RunFor(5min);
  REQUIRE(CountSimulated(*node.machine).sandboxes == 0);
}

TEST_CASE("a pod whose sandbox fails while it is deleted, and whose deletion fails, leaves no timer", "[agent]") {
  SimulatedOptions options;
  options.sandbox = {2s, 2s};
  options.sandbox_failure = 1;
  SimulatedNode node(options);
  node.env.RunFor(1min);
  const std::size_t timers = node.env.timers();
  const core::Pod pod = node.Create("a");
  node.env.RunFor(26'500ms);  // it starts for the sixth time, and the next pause would be of 16 s
  REQUIRE(node.api.Delete(pod).ok());
  bool refused = false;
  node.api.refuse = [&](const ApiRequest& request) {
    if (request.verb != Verb::kDelete || std::exchange(refused, true)) return Status();
    return Status(Code::kUnavailable, "injected");
  };
  REQUIRE(node.UntilGone("a"));
  REQUIRE(refused);
  node.env.RunFor(2s);
  CHECK(node.env.timers() == timers);
}

TEST_CASE("a deleted pod that a finalizer holds is not run again", "[agent]") {
  SimulatedNode node;
  const core::Pod pod = node.Create("a", [](core::Pod& p) { p.metadata.finalizers = {"example.com/hold"}; });
  REQUIRE(node.UntilReady("a"));
  REQUIRE(node.api.Delete(pod).ok());
  REQUIRE(node.env.RunUntil([&] { return CountSimulated(*node.machine).sandboxes == 0; }));
  node.api.Change<core::Pod>(pod, "", [](core::Pod& p) { p.metadata.labels["x"] = "y"; });
  node.env.RunFor(1min);
  REQUIRE(CountSimulated(*node.machine).sandboxes == 0);
  REQUIRE(node.Exists("a"));
}

TEST_CASE("a pod does not outlive its deadline", "[agent]") {
  SimulatedNode node;
  node.Create("a", [](core::Pod& pod) { pod.spec.activeDeadlineSeconds = 30; });
  REQUIRE(node.UntilReady("a"));
  REQUIRE(node.UntilPhase("a", "Failed"));
  const core::Pod pod = node.Get("a");
  REQUIRE(pod.status.reason == "DeadlineExceeded");
  REQUIRE(pod.status.message == "Pod was active on the node longer than the specified deadline");
  const auto ran = FinishedAt(pod) - pod.status.startTime->micros;
  REQUIRE(ran >= 29'000'000);
  REQUIRE(ran <= 33'000'000);
}

TEST_CASE("a pod that does not fit is rejected", "[agent]") {
  SimulatedNode node;
  node.Create("fits", [](core::Pod& pod) { pod.spec.containers.Mutable(0).resources.requests["cpu"] = "20"; });
  REQUIRE(node.UntilReady("fits"));
  node.Create("a", [](core::Pod& pod) { pod.spec.containers.Mutable(0).resources.requests["cpu"] = "20"; });
  REQUIRE(node.UntilPhase("a", "Failed"));
  const core::Pod pod = node.Get("a");
  REQUIRE(pod.status.reason == "OutOfcpu");
  REQUIRE(pod.status.message ==
          "Pod was rejected: Node didn't have enough resource: cpu, requested: 20000, used: 20000, capacity: 32000");
  REQUIRE(pod.status.containerStatuses.empty());
  REQUIRE(node.api.Delete(pod).ok());
  REQUIRE(node.env.RunUntil([&] { return !node.Exists("a"); }));
}

void AskForMost(core::Pod& pod) {
  pod.spec.restartPolicy = "Never";
  pod.spec.containers.Mutable(0).resources.requests["cpu"] = "20";
}

TEST_CASE("a pod that is bound as soon as another's end is reported runs, and is not rejected", "[agent]") {
  SimulatedOptions options;
  options.behavior = [](const ContainerConfig&) { return SimulatedBehavior{1s, 0, {}, false}; };
  SimulatedNode node(options);
  node.Create("first", AskForMost);
  // What the scheduler does: the room of a pod is free when its phase is terminal.
  REQUIRE(node.UntilPhase("first", "Succeeded"));
  node.Create("second", AskForMost);
  REQUIRE(node.Until(
      "second", [](const core::Pod& pod) { return pod.status.phase == "Succeeded" || pod.status.phase == "Failed"; }));
  CHECK(node.Get("second").status.phase == "Succeeded");
  CHECK(node.Get("second").status.reason == "");
}

TEST_CASE("a pod waits for the room of one that is still stopping, for two minutes and no longer", "[agent]") {
  SimulatedOptions options;
  options.behavior = [](const ContainerConfig&) { return SimulatedBehavior{{}, 0, {}, true}; };
  SimulatedNode node(options);
  const int grace = GENERATE(20, 600);
  const core::Pod first = node.Create("first", [&](core::Pod& pod) {
    AskForMost(pod);
    pod.spec.terminationGracePeriodSeconds = grace;
  });
  REQUIRE(node.UntilReady("first"));
  REQUIRE(node.api.Delete(first).ok());
  node.env.RunFor(1s);
  node.Create("second", AskForMost);
  const WallTime before = node.env.clock().Now();
  node.env.RunFor(10s);
  CHECK(node.Get("second").status.startTime == std::nullopt);
  CHECK(CountSimulated(*node.machine).running == 1);
  // Who comes later does not overtake it.
  node.Create("third", AskForMost);
  REQUIRE(node.UntilPhase("third", "Failed"));
  if (grace < 120) {
    REQUIRE(node.UntilReady("second"));
    CHECK(node.env.clock().Now() - before < 25s);
  } else {
    REQUIRE(node.UntilPhase("second", "Failed"));
    CHECK(node.env.clock().Now() - before >= 120s);
    CHECK(node.env.clock().Now() - before < 130s);
    CHECK(node.Get("second").status.reason == "OutOfcpu");
    CHECK(node.Get("second").status.message ==
          "Pod was rejected: Node didn't have enough resource: cpu, requested: 20000, used: 20000, capacity: 32000");
  }
}

TEST_CASE("a pod past its deadline has its room until it has stopped", "[agent]") {
  SimulatedOptions options;
  options.behavior = [](const ContainerConfig&) { return SimulatedBehavior{{}, 0, {}, true}; };
  SimulatedNode node(options);
  node.Create("first", [](core::Pod& pod) {
    AskForMost(pod);
    pod.spec.activeDeadlineSeconds = 30;
    pod.spec.terminationGracePeriodSeconds = 20;
  });
  REQUIRE(node.UntilReady("first"));
  node.env.RunFor(35s);
  node.Create("second", AskForMost);
  node.env.RunFor(5s);
  CHECK(CountSimulated(*node.machine).running == 1);
  REQUIRE(node.UntilReady("second"));
}

TEST_CASE("a conflicting or failing status write is made good", "[agent]") {
  SimulatedNode node;
  int failures = 5;
  node.api.refuse = [&](const ApiRequest& request) {
    if (request.subresource != "status" || request.name != "a" || failures-- <= 0) return Status();
    return failures % 2 == 0 ? Status(Code::kConflict, "modified") : Status(Code::kUnavailable, "busy");
  };
  node.Create("a");
  REQUIRE(node.UntilReady("a"));
}

TEST_CASE("a status is written only when it has changed", "[agent]") {
  SimulatedNode node;
  node.Create("a");
  REQUIRE(node.UntilReady("a"));
  node.env.RunFor(1s);
  const int writes = node.api.Count<core::Pod>(Verb::kUpdate, "status");
  node.env.RunFor(30min);
  REQUIRE(node.api.Count<core::Pod>(Verb::kUpdate, "status") == writes);
}

}  // namespace
}  // namespace minikube
