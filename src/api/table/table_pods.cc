// Pods, as `kubectl get pods` has always shown them: STATUS is not a field but a verdict over phase, conditions and the
// states of all containers.
#include <algorithm>

#include <fmt/format.h>

#include "api/table/table_cells.h"

namespace minikube::api {
namespace {

using core::v1::ContainerStatus;
using core::v1::Pod;

struct PodSummary {
  std::string reason;
  std::size_t ready = 0;
  std::size_t total = 0;
  std::int64_t restarts = 0;
  Instant last_restart;
};

bool HasCondition(const Pod& pod, std::string_view type) {
  for (const auto& condition : pod.status.conditions) {
    if (condition.type == type && condition.status == "True") return true;
  }
  return false;
}

// A sidecar: an init container that keeps running beside the others.
bool IsSidecar(const Pod& pod, std::string_view name) {
  for (const auto& container : pod.spec.initContainers) {
    if (container.name == name) return container.restartPolicy && *container.restartPolicy == "Always";
  }
  return false;
}

void CountRestarts(const ContainerStatus& status, std::int64_t& restarts, Instant& last) {
  restarts += status.restartCount;
  if (status.lastState.terminated) last = std::max<Instant>(last, status.lastState.terminated->finishedAt);
}

std::string ExitReason(const core::v1::ContainerStateTerminated& state) {
  if (!state.reason.empty()) return state.reason.str();
  if (state.signal != 0) return fmt::format("Signal:{}", state.signal);
  return fmt::format("ExitCode:{}", state.exitCode);
}

// Looks at init containers up to the first that is not done. Returns whether one holds the pod up.
bool SummarizeInit(const Pod& pod, PodSummary& summary, std::int64_t& sidecar_restarts, Instant& sidecar_last) {
  const auto& statuses = pod.status.initContainerStatuses;
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    const ContainerStatus& status = statuses[i];
    CountRestarts(status, summary.restarts, summary.last_restart);
    const bool sidecar = IsSidecar(pod, status.name);
    if (sidecar) CountRestarts(status, sidecar_restarts, sidecar_last);
    const auto& terminated = status.state.terminated;
    if (terminated && terminated->exitCode == 0) continue;
    if (sidecar && status.started.value_or(false)) {
      if (status.ready) ++summary.ready;
      continue;
    }
    if (terminated) {
      summary.reason = "Init:" + ExitReason(*terminated);
    } else if (status.state.waiting && !status.state.waiting->reason.empty() &&
               status.state.waiting->reason != "PodInitializing") {
      summary.reason = "Init:" + status.state.waiting->reason.str();
    } else {
      summary.reason = fmt::format("Init:{}/{}", i, pod.spec.initContainers.size());
    }
    return true;
  }
  return false;
}

void SummarizeContainers(const Pod& pod, PodSummary& summary) {
  bool any_running = false;
  const auto& statuses = pod.status.containerStatuses;
  // From the last to the first, so that the first container's trouble is what shows.
  for (std::size_t i = statuses.size(); i-- > 0;) {
    const ContainerStatus& status = statuses[i];
    CountRestarts(status, summary.restarts, summary.last_restart);
    if (status.state.waiting && !status.state.waiting->reason.empty()) {
      summary.reason = status.state.waiting->reason.str();
    } else if (status.state.terminated) {
      summary.reason = ExitReason(*status.state.terminated);
    } else if (status.ready && status.state.running) {
      any_running = true;
      ++summary.ready;
    }
  }
  if (summary.reason == "Completed" && any_running)
    summary.reason = HasCondition(pod, "Ready") ? "Running" : "NotReady";
}

PodSummary Summarize(const Pod& pod) {
  PodSummary summary;
  summary.total = pod.spec.containers.size();
  summary.reason = pod.status.reason.empty() ? pod.status.phase.str() : pod.status.reason.str();
  for (const auto& condition : pod.status.conditions) {
    if (condition.type == "PodScheduled" && condition.reason == "SchedulingGated") summary.reason = "SchedulingGated";
  }
  for (const auto& container : pod.spec.initContainers) {
    if (container.restartPolicy && *container.restartPolicy == "Always") ++summary.total;
  }
  std::int64_t sidecar_restarts = 0;
  Instant sidecar_last;
  const bool initializing = SummarizeInit(pod, summary, sidecar_restarts, sidecar_last);
  if (!initializing || HasCondition(pod, "Initialized")) {
    // Restarts while initialising are history once the pod runs; those of sidecars go on counting.
    summary.restarts = sidecar_restarts;
    summary.last_restart = sidecar_last;
    SummarizeContainers(pod, summary);
  }
  if (pod.metadata.deletionTimestamp) {
    const bool terminal = pod.status.phase == "Succeeded" || pod.status.phase == "Failed";
    if (pod.status.reason == "NodeLost") {
      summary.reason = "Unknown";
    } else if (!terminal) {
      summary.reason = "Terminating";
    }
  }
  return summary;
}

std::string ReadinessGates(const Pod& pod) {
  if (pod.spec.readinessGates.empty()) return std::string(kNone);
  std::size_t met = 0;
  for (const auto& gate : pod.spec.readinessGates) met += HasCondition(pod, gate.conditionType) ? 1 : 0;
  return fmt::format("{}/{}", met, pod.spec.readinessGates.size());
}

void PrintPod(const Object& object, WallTime now, Cells& cells) {
  const Pod& pod = object.As<Pod>();
  const PodSummary summary = Summarize(pod);
  cells.Text(pod.metadata.name);
  cells.Text(fmt::format("{}/{}", summary.ready, summary.total));
  cells.Text(summary.reason);
  if (summary.restarts != 0 && !summary.last_restart.empty()) {
    cells.Text(fmt::format("{} ({} ago)", summary.restarts, Age(summary.last_restart, now)));
  } else {
    cells.Text(fmt::format("{}", summary.restarts));
  }
  cells.Text(AgeOf(object, now));
  const Str ip = pod.status.podIPs.empty() ? pod.status.podIP : pod.status.podIPs.front().ip;
  cells.TextOr(ip, kNone);
  cells.TextOr(pod.spec.nodeName, kNone);
  cells.TextOr(pod.status.nominatedNodeName, kNone);
  cells.Text(ReadinessGates(pod));
}

void PrintPodTemplate(const Object& object, WallTime, Cells& cells) {
  const auto& pod_template = object.As<core::v1::PodTemplate>();
  const auto& containers = pod_template.template_.spec.containers;
  cells.Text(pod_template.metadata.name);
  cells.Text(ContainerNames(containers)).Text(ContainerImages(containers));
  cells.Text(LabelText(pod_template.template_.metadata.labels));
}

}  // namespace

Printer FindPodPrinter(const MessageDesc& desc) {
  if (&desc == &DescriptorOf<Pod>()) return PrintPod;
  if (&desc == &DescriptorOf<core::v1::PodTemplate>()) return PrintPodTemplate;
  return nullptr;
}

}  // namespace minikube::api
