// Pods: where in their life they are. Pure functions.
// Semantics: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
#pragma once

#include <cstdint>
#include <optional>

#include <minikube/api/core/v1.h>
#include <minikube/object.h>

namespace minikube::kube {

// Succeeded or Failed: nothing of it will run again.
bool IsPodFinished(const core::v1::Pod& pod);
// Neither finished nor on its way out: counts towards replicas.
bool IsPodActive(const core::v1::Pod& pod);
bool IsPodReady(const core::v1::Pod& pod);
// Since when it is ready or not; none if it never said.
Instant ReadySince(const core::v1::Pod& pod);
// When a ready pod has been (or will have been) ready for `min_ready_seconds`; nullopt if it is not ready.
std::optional<Instant> AvailableAt(const core::v1::Pod& pod, std::int32_t min_ready_seconds);
bool IsPodAvailable(const core::v1::Pod& pod, std::int32_t min_ready_seconds, Instant now);
// IsPodActive of an Object that is a Pod.
bool IsActivePod(const Object& pod);

}  // namespace minikube::kube
