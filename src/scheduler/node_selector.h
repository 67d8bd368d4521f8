// core/v1 NodeSelector: terms are alternatives, the requirements of a term must all hold.
#pragma once

#include <optional>
#include <set>
#include <string>

#include <minikube/api/core/v1.h>
#include <minikube/scheduler_framework.h>

namespace minikube::scheduler {

// A term without requirements matches nothing, as Kubernetes has it.
bool MatchesTerm(const core::v1::NodeSelectorTerm& term, const meta::v1::ObjectMeta& node);
bool Matches(const core::v1::NodeSelector& selector, const meta::v1::ObjectMeta& node);

// spec.nodeSelector and required node affinity together.
bool MatchesNodeConstraints(const core::v1::PodSpec& pod, const meta::v1::ObjectMeta& node);

// The nodes that required node affinity names by metadata.name, where every term does (as a DaemonSet's pods have it);
// null where some term does not, so that any node may match.
std::optional<std::set<Str>> NodesNamedBy(const core::v1::PodSpec& pod);

// For Plugin::Key: all that these constraints, preferred ones included, consist of.
void AppendNodeConstraints(const PodInfo& pod, std::string& key);

}  // namespace minikube::scheduler
