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

// A pod that has room on the node, or was promised it.
struct Neighbour {
  const core::Pod* pod = nullptr;
  bool ending = false;  // it will let go of what it has, and takes nothing more
};

struct Admission {
  std::optional<Rejection> rejection;
  // Not now, but as soon as those who are ending have ended; `rejection` says what is lacking until then.
  bool later = false;
};
Admission AdmitBeside(const core::Pod& pod, const core::Node& node, const std::vector<Neighbour>& neighbours);

// Whether the node's labels and fields satisfy the pod's nodeSelector and required node affinity.
bool MatchesNode(const core::Pod& pod, const core::Node& node);

}  // namespace minikube::agent
