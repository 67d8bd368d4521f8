// When a pod has to leave its node because of NoExecute taints. Pure functions.
// Semantics: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
#pragma once

#include <functional>
#include <optional>

#include <minikube/api/core/v1.h>

namespace minikube::controllers {

bool HasNoExecute(const core::v1::Node& node);

// The instant at which the pod is to be deleted (perhaps past); nullopt: it may stay. `since` tells when a taint began.
std::optional<Instant> EvictionTime(const core::v1::Pod& pod, const core::v1::Node& node,
                                    const std::function<Instant(const core::v1::Taint&)>& since);

}  // namespace minikube::controllers
