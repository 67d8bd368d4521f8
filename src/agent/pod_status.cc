#include "agent/pod_status.h"
#include "kube/conditions.h"
#include "kube/pods.h"
#include "kube/times.h"

#include <algorithm>

#include <fmt/format.h>

namespace minikube::agent {
namespace {

constexpr std::string_view kTrue = "True";
constexpr std::string_view kFalse = "False";

core::ContainerStateTerminated Terminated(const Instance& instance) {
  core::ContainerStateTerminated out;
  out.exitCode = instance.exit_code;
  out.reason = instance.reason.empty() ? Str(instance.exit_code == 0 ? "Completed" : "Error") : instance.reason;
  out.message = instance.message;
  out.startedAt = instance.started;
  out.finishedAt = instance.finished;
  if (!instance.id.empty()) out.containerID = fmt::format("runc://{}", instance.id.view());
  return out;
}

// `over`: nothing waits to be started any more.
core::ContainerStatus MakeContainerStatus(const core::Container& spec, const ContainerView& view, bool init, bool over,
                                          std::string_view usual_reason) {
  core::ContainerStatus out;
  out.name = spec.name;
  out.image = spec.image;
  out.restartCount = static_cast<std::int32_t>(view.restarts);
  out.started = view.started;
  out.ready = view.ready;
  const Instance* before = view.last ? &*view.last : nullptr;
  const bool waiting = !view.current || (!view.current->running() && !view.current->exited()) ||
                       (view.current->exited() && !view.waiting_reason.empty() && !over);
  if (view.current) {
    if (!view.current->image.empty()) out.image = view.current->image;
    out.imageID = view.current->image_id;
    if (!view.current->id.empty()) out.containerID = fmt::format("runc://{}", view.current->id.view());
  }
  if (waiting) {
    core::ContainerStateWaiting& state = out.state.waiting.Mutable();
    state.reason = view.waiting_reason.empty() ? Str(usual_reason) : view.waiting_reason;
    state.message = view.waiting_message;
    if (view.current && view.current->exited()) before = &*view.current;
  } else if (view.current->running()) {
    out.state.running.Mutable().startedAt = view.current->started;
    if (!spec.resources.limits.empty() || !spec.resources.requests.empty()) {
      out.resources = spec.resources;
      out.allocatedResources = spec.resources.requests;
    }
  } else {
    out.state.terminated = Terminated(*view.current);
    if (init && view.current->exit_code == 0) out.ready = true;
  }
  if (before != nullptr && before->exited()) out.lastState.terminated = Terminated(*before);
  return out;
}

// "[a b]", as lists of names are printed in conditions.
std::string Names(const std::vector<std::string_view>& names) { return fmt::format("[{}]", fmt::join(names, " ")); }

core::PodCondition Condition(std::string_view type, bool status, std::string_view reason = {},
                             std::string message = {}) {
  core::PodCondition out;
  out.type = type;
  out.status = status ? kTrue : kFalse;
  out.reason = reason;
  out.message = message;
  return out;
}

core::PodCondition InitializedCondition(const core::Pod& pod, const core::PodStatus& status) {
  constexpr std::string_view kType = "Initialized";
  if (status.phase == "Succeeded") return Condition(kType, true, "PodCompleted");
  // Init containers do not run again beside app containers of the same sandbox: once one of these ran, all was done.
  for (const core::ContainerStatus& container : status.containerStatuses) {
    if (container.state.running || container.state.terminated) return Condition(kType, true);
  }
  std::vector<std::string_view> incomplete;
  for (std::size_t i = 0; i < status.initContainerStatuses.size(); ++i) {
    const core::ContainerStatus& init = status.initContainerStatuses[i];
    const bool done = IsSidecar(pod.spec.initContainers[i])
                          ? init.started.value_or(false)
                          : init.state.terminated && init.state.terminated->exitCode == 0;
    if (!done) incomplete.push_back(init.name);
  }
  if (incomplete.empty()) return Condition(kType, true);
  return Condition(kType, false, "ContainersNotInitialized",
                   fmt::format("containers with incomplete status: {}", Names(incomplete)));
}

core::PodCondition ContainersReadyCondition(const core::Pod& pod, const core::PodStatus& status) {
  constexpr std::string_view kType = "ContainersReady";
  if (status.phase == "Succeeded") return Condition(kType, false, "PodCompleted");
  if (status.phase == "Failed") return Condition(kType, false, "PodFailed");
  std::vector<std::string_view> unready;
  for (std::size_t i = 0; i < status.initContainerStatuses.size(); ++i) {
    if (IsSidecar(pod.spec.initContainers[i]) && !status.initContainerStatuses[i].ready) {
      unready.push_back(pod.spec.initContainers[i].name);
    }
  }
  for (const core::ContainerStatus& container : status.containerStatuses) {
    if (!container.ready) unready.push_back(container.name);
  }
  if (unready.empty()) return Condition(kType, true);
  return Condition(kType, false, "ContainersNotReady",
                   fmt::format("containers with unready status: {}", Names(unready)));
}

core::PodCondition ReadyCondition(const core::Pod& pod, const core::PodStatus& status,
                                  const core::PodCondition& containers_ready) {
  core::PodCondition out = containers_ready;
  out.type = "Ready";
  if (!(out.status == kTrue)) return out;
  std::string message;
  for (const core::PodReadinessGate& gate : pod.spec.readinessGates) {
    const core::PodCondition* condition = kube::FindCondition(status.conditions, gate.conditionType);
    if (condition != nullptr && condition->status == kTrue) continue;
    if (!message.empty()) message += ", ";
    message += condition == nullptr
                   ? fmt::format("corresponding condition of pod readiness gate \"{}\" does not exist.",
                                 gate.conditionType.view())
                   : fmt::format("the status of pod readiness gate \"{}\" is not \"True\", but {}",
                                 gate.conditionType.view(), condition->status.view());
  }
  if (message.empty()) return out;
  return Condition("Ready", false, "ReadinessGatesNotReady", message);
}

// Puts `condition` in place of the one of its type; its transition time moves only with its status.
void SetCondition(core::PodStatus& status, core::PodCondition condition, std::int64_t generation, Time now) {
  condition.observedGeneration = generation;
  condition.lastTransitionTime = now;
  for (core::PodCondition& old : status.conditions.Mutable()) {
    if (!(old.type == condition.type)) continue;
    if (old.status == condition.status && !old.lastTransitionTime.empty()) {
      condition.lastTransitionTime = old.lastTransitionTime;
    }
    condition.lastProbeTime = old.lastProbeTime;
    old = std::move(condition);
    return;
  }
  status.conditions.push_back(std::move(condition));
}

bool SkipsRun(const core::ContainerStatus& status) { return status.state.waiting && !status.lastState.terminated; }

}  // namespace

Instance ToInstance(const ContainerState& state) {
  Instance out;
  out.id = state.id;
  out.image = state.image;
  out.image_id = state.image_id;
  out.reason = state.reason;
  out.message = state.message;
  out.attempt = state.attempt;
  out.exit_code = state.exit_code;
  out.phase = state.phase;
  if (state.started != WallTime{}) out.started = kube::ToTime(state.started);
  if (state.finished != WallTime{}) out.finished = kube::ToTime(state.finished);
  return out;
}

bool RestartsAfter(const core::Pod& pod, const core::Container& container, bool init, int exit_code) {
  std::string_view policy = pod.spec.restartPolicy.empty() ? std::string_view("Always") : pod.spec.restartPolicy.view();
  if (container.restartPolicy && !container.restartPolicy->empty()) policy = *container.restartPolicy;
  for (const core::ContainerRestartRule& rule : container.restartPolicyRules) {
    if (!rule.exitCodes || !(rule.action == "Restart")) continue;
    const bool listed = std::any_of(rule.exitCodes->values.begin(), rule.exitCodes->values.end(),
                                    [&](std::int32_t code) { return code == exit_code; });
    if (rule.exitCodes->operator_ == "In" ? listed : !listed) return true;
  }
  if (policy == "Never") return false;
  // A plain init container that succeeded has done its duty, whatever the policy.
  if (policy == "OnFailure" || (init && !IsSidecar(container))) return exit_code != 0;
  return true;
}

bool IsInitialized(const core::Pod& pod, const std::vector<ContainerView>& init) {
  for (std::size_t i = 0; i < init.size(); ++i) {
    const ContainerView& view = init[i];
    const bool done = IsSidecar(pod.spec.initContainers[i])
                          ? view.started
                          : view.current && view.current->exited() && view.current->exit_code == 0;
    if (!done) return false;
  }
  return true;
}

std::string_view PhaseOf(const core::PodSpec& spec, const List<core::ContainerStatus>& init,
                         const List<core::ContainerStatus>& containers, bool over) {
  bool initializing = false;
  bool init_failed = false;
  for (std::size_t i = 0; i < init.size(); ++i) {
    const core::ContainerStatus& status = init[i];
    if (IsSidecar(spec.initContainers[i])) {
      // A sidecar that ended after it had started does not take the pod back to Pending.
      if (!status.started.value_or(false) && SkipsRun(status)) initializing = true;
      continue;
    }
    if (status.state.terminated) {
      if (status.state.terminated->exitCode != 0) {
        initializing = true;
        init_failed = true;
      }
    } else if (status.state.waiting && status.lastState.terminated) {
      if (status.lastState.terminated->exitCode != 0) initializing = true;
    } else {
      initializing = true;
    }
  }

  int waiting = 0;
  int running = 0;
  int stopped = 0;
  int succeeded = 0;
  bool ran = false;  // some app container has begun: init containers need not be asked again
  for (const core::ContainerStatus& status : containers) {
    if (status.state.running) {
      ++running;
      ran = true;
    } else if (status.state.terminated) {
      ++stopped;
      ran = true;
      if (status.state.terminated->exitCode == 0) ++succeeded;
    } else if (status.lastState.terminated) {
      ++stopped;
    } else {
      ++waiting;
    }
  }
  const bool never = spec.restartPolicy == "Never";
  if (init_failed && (never || over)) return "Failed";
  if (initializing && !ran) return over ? "Failed" : "Pending";
  if (over) return waiting == 0 && stopped > 0 && stopped == succeeded ? "Succeeded" : "Failed";
  if (waiting > 0) return "Pending";
  if (running > 0) return "Running";
  if (stopped == 0) return "Pending";
  if (spec.restartPolicy.empty() || spec.restartPolicy == "Always") return "Running";
  if (stopped == succeeded) return "Succeeded";
  return never ? "Failed" : "Running";
}

core::PodStatus MakePodStatus(const core::Pod& pod, const PodView& view, Time now) {
  core::PodStatus out = pod.status;
  const std::string_view usual_reason =
      !pod.spec.initContainers.empty() && !IsInitialized(pod, view.init) ? "PodInitializing" : "ContainerCreating";
  out.initContainerStatuses.clear();
  for (std::size_t i = 0; i < view.init.size(); ++i) {
    out.initContainerStatuses.push_back(
        MakeContainerStatus(pod.spec.initContainers[i], view.init[i], true, view.over, usual_reason));
  }
  out.containerStatuses.clear();
  for (std::size_t i = 0; i < view.containers.size(); ++i) {
    out.containerStatuses.push_back(
        MakeContainerStatus(pod.spec.containers[i], view.containers[i], false, view.over, usual_reason));
  }
  out.ephemeralContainerStatuses.clear();
  const std::size_t ephemeral = std::min(view.ephemeral.size(), pod.spec.ephemeralContainers.size());
  for (std::size_t i = 0; i < ephemeral; ++i) {
    core::ContainerStatus status = MakeContainerStatus(AsContainer(pod.spec.ephemeralContainers[i]), view.ephemeral[i],
                                                       false, view.over, "ContainerCreating");
    // Nobody waits for it: it has no probes, and the pod's readiness does not ask for it.
    status.ready = false;
    status.started.reset();
    out.ephemeralContainerStatuses.push_back(std::move(status));
  }
  out.observedGeneration = pod.metadata.generation;
  out.qosClass = QosName(QosOf(pod));
  if (!view.start_time.empty()) out.startTime = view.start_time;
  out.phase = PhaseOf(pod.spec, out.initContainerStatuses, out.containerStatuses, view.over);
  // The end is announced when nothing runs any more, sidecars included: who sees it may count on it.
  if (!view.over && (out.phase == "Succeeded" || out.phase == "Failed")) {
    out.phase = IsInitialized(pod, view.init) ? "Running" : "Pending";
  }
  if (view.failed_reason) {
    if (view.over || view.containers.empty()) out.phase = "Failed";
    out.reason = *view.failed_reason;
    out.message = view.failed_message;
  }
  // A pod that has ended does not begin again.
  if (kube::IsPodFinished(pod)) out.phase = pod.status.phase;

  if (!view.host_ips.empty()) {
    out.hostIP = view.host_ips.front();
    out.hostIPs.clear();
    for (const std::string& ip : view.host_ips) out.hostIPs.push_back({ip});
  }
  const std::vector<std::string>& ips = pod.spec.hostNetwork ? view.host_ips : view.pod_ips;
  if (view.sandbox_ready && !ips.empty()) {
    out.podIP = ips.front();
    out.podIPs.clear();
    for (const std::string& ip : ips) out.podIPs.push_back({ip});
  }

  const core::PodCondition containers_ready = ContainersReadyCondition(pod, out);
  const core::PodCondition ready = ReadyCondition(pod, out, containers_ready);
  const std::int64_t generation = pod.metadata.generation;
  SetCondition(out, Condition("PodReadyToStartContainers", view.sandbox_ready), generation, now);
  SetCondition(out, InitializedCondition(pod, out), generation, now);
  SetCondition(out, ready, generation, now);
  SetCondition(out, containers_ready, generation, now);
  if (kube::FindCondition(out.conditions, "PodScheduled") == nullptr)
    SetCondition(out, Condition("PodScheduled", true), generation, now);
  return out;
}

}  // namespace minikube::agent
