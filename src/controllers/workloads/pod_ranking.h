// Which pods go first when there are too many. Pure functions.
// Semantics: https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#scaling-down-a-replicaset
#pragma once

#include <vector>

#include <minikube/api/core/v1.h>

namespace minikube::controllers {

// A pod that may be deleted, and how many active pods of the same owner share its node (a higher rank goes first).
struct RankedPod {
  const core::v1::Pod* pod = nullptr;
  int rank = 0;
};

// Ranks `candidates` by `related`: the active pods of all replica sets of the same owner.
std::vector<RankedPod> RankPods(const std::vector<const core::v1::Pod*>& candidates,
                                const std::vector<const core::v1::Pod*>& related);

// Whether `a` is to be deleted before `b`: unassigned, pending, not ready, cheap, crowded, young in ready time (ages
// that are alike count as equal, so that the youngest do not always pay), often restarted, young.
bool DeletedBefore(const RankedPod& a, const RankedPod& b, Instant now);

}  // namespace minikube::controllers
