// core/v1 NodeSelector: terms are alternatives, the requirements of a term must all hold. Pure functions.
// Semantics: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/
#pragma once

#include <minikube/api/core/v1.h>

namespace minikube::kube {

// A term without requirements matches nothing, as Kubernetes has it.
bool MatchesTerm(const core::v1::NodeSelectorTerm& term, const meta::v1::ObjectMeta& node);
bool Matches(const core::v1::NodeSelector& selector, const meta::v1::ObjectMeta& node);

// spec.nodeSelector and required node affinity together.
bool MatchesNodeConstraints(const core::v1::PodSpec& pod, const meta::v1::ObjectMeta& node);

}  // namespace minikube::kube
