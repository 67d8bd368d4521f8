// What the conditions of a node mean for its taints. Pure functions.
// Semantics: https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller and
// https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions
#pragma once

#include <string_view>

#include <minikube/api/core/v1.h>

namespace minikube::controllers {

// The status of condition `type`, "" if the node has none.
std::string_view ConditionStatus(const core::v1::Node& node, std::string_view type);

// Makes the conditions that the node itself reports Unknown. False if they were already.
bool MarkUnknown(core::v1::Node& node, Instant now);

// Brings the taints that come from conditions and from spec.unschedulable up to date, leaving all others alone. Pods
// are evicted (NoExecute) from a node that is not ready or unreachable only if `evict`. False if nothing changed.
bool SyncTaints(core::v1::Node& node, bool evict, Instant now);

// Whether the conditions ask for a NoExecute taint and the node has none of ours yet.
bool LacksEvictionTaint(const core::v1::Node& node);
// When condition Ready took its status.
Instant ReadySince(const core::v1::Node& node);

}  // namespace minikube::controllers
