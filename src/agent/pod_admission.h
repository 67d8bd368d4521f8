// Whether a node takes a pod that was bound to it. The scheduler decided from its view of the world; the node knows
// what is so. A pod that is not admitted becomes Failed, with the reason here. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/pod_util.h"

namespace minikube::agent {

struct Rejection {
  std::string reason;  // OutOfcpu, NodeAffinity, NodePorts, ...
  std::string message;
};

// `others` are the pods that the node runs already. nullopt: admitted.
std::optional<Rejection> Admit(const core::Pod& pod, const core::Node& node,
                               const std::vector<const core::Pod*>& others);

// Whether the node's labels and fields satisfy the pod's nodeSelector and required node affinity.
bool MatchesNode(const core::Pod& pod, const core::Node& node);

}  // namespace minikube::agent
