#include "kube/pods.h"

#include "kube/conditions.h"
#include "kube/times.h"

namespace minikube::kube {

using core::v1::Pod;
using core::v1::PodCondition;

bool IsPodFinished(const Pod& pod) { return pod.status.phase == "Succeeded" || pod.status.phase == "Failed"; }

bool IsPodActive(const Pod& pod) { return !IsPodFinished(pod) && !pod.metadata.deletionTimestamp; }

bool IsPodReady(const Pod& pod) { return IsConditionTrue(pod.status.conditions, "Ready"); }

Instant ReadySince(const Pod& pod) {
  const PodCondition* ready = FindCondition(pod.status.conditions, "Ready");
  return ready != nullptr ? Instant(ready->lastTransitionTime) : Instant{};
}

std::optional<Instant> AvailableAt(const Pod& pod, std::int32_t min_ready_seconds) {
  if (!IsPodReady(pod)) return std::nullopt;
  if (min_ready_seconds <= 0) return Instant{};
  return After(ReadySince(pod), min_ready_seconds);
}

bool IsPodAvailable(const Pod& pod, std::int32_t min_ready_seconds, Instant now) {
  const std::optional<Instant> at = AvailableAt(pod, min_ready_seconds);
  return at && *at <= now;
}

bool IsActivePod(const Object& pod) { return IsPodActive(pod.As<Pod>()); }

}  // namespace minikube::kube
