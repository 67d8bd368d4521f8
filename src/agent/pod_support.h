// What pods may ask for and this node does not do. A pure function.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/pod_admission.h"

namespace minikube::agent {

struct Unsupported {
  // Why the pod must not run here: it counts on being shielded from something. nullopt = it may.
  std::optional<Rejection> rejection;
  // What it will have to do without, each a sentence for its events.
  std::vector<std::string> ignored;
};
Unsupported UnsupportedBy(const core::Pod& pod);
// Why one container must not run: for those that are added to a pod that does.
std::optional<Rejection> UnsupportedBy(const core::Container& container);

}  // namespace minikube::agent
