// What the scheduler makes of the constraints on nodes that a pod has (kube/node_selector.h).
#pragma once

#include <optional>
#include <set>
#include <string>

#include <minikube/api/core/v1.h>
#include <minikube/scheduler_framework.h>

namespace minikube::scheduler {

// The nodes that required node affinity names by metadata.name, where every term does (as a DaemonSet's pods have it);
// null where some term does not, so that any node may match.
std::optional<std::set<Str>> NodesNamedBy(const core::v1::PodSpec& pod);

// For Plugin::Key: all that these constraints, preferred ones included, consist of.
void AppendNodeConstraints(const PodInfo& pod, std::string& key);

}  // namespace minikube::scheduler
