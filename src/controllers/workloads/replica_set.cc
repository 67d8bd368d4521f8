// Keeps as many pods of a template as a ReplicaSet, or its elder form, a ReplicationController, asks for.
// Semantics: https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/
// and https://kubernetes.io/docs/concepts/workloads/controllers/replicationcontroller/
#include <algorithm>

#include "controllers/controllers.h"
#include "controllers/workloads/deployment_util.h"
#include "controllers/workloads/pod_ranking.h"
#include "controllers/workloads/replica_set_plan.h"
#include "kube/owners.h"
#include "kube/pods.h"

namespace minikube::controllers {
namespace {

using apps::v1::ReplicaSet;
using core::v1::Pod;
using core::v1::ReplicationController;

// At most so many pods are made or deleted in one run.
constexpr std::size_t kBurst = 500;

// The pods of all that the owner of this one controls besides it.
template <typename Owner>
std::vector<const Pod*> Related(const View& view, const Owner& set) {
  const meta::v1::OwnerReference* owner = kube::ControllerOf(set.metadata);
  if (owner == nullptr) return view.ControlledBy<Pod>(set.metadata.uid);
  std::vector<const Pod*> related;
  for (const Owner* sibling : view.ControlledBy<Owner>(owner->uid)) {
    const std::vector<const Pod*> pods = view.ControlledBy<Pod>(sibling->metadata.uid);
    related.insert(related.end(), pods.begin(), pods.end());
  }
  return related;
}

// Makes or deletes pods until there are as many as asked for.
template <typename Owner>
void Manage(const View& view, const Owner& set, const std::vector<const Pod*>& active, Plan& plan) {
  const auto wanted = static_cast<std::size_t>(std::max(0, Replicas(set)));
  if (active.size() < wanted) {
    plan.SlowStart();
    const Pod pod = NewPod(set.metadata, kube::ControllerRefTo(set), PodTemplateOf(set));
    for (std::size_t n = std::min(kBurst, wanted - active.size()); n > 0; --n) {
      plan.Create(pod)
          .Event("SuccessfulCreate", "Created pod: {}")
          .Warning("FailedCreate", "Error creating: {}")
          .Ignore(NamespaceTerminating);
    }
  } else if (active.size() > wanted) {
    const std::size_t count = std::min(kBurst, active.size() - wanted);
    std::vector<RankedPod> ranked =
        RankPods(active, count < active.size() ? Related(view, set) : std::vector<const Pod*>{});
    const auto last = ranked.begin() + static_cast<std::ptrdiff_t>(count);
    std::partial_sort(ranked.begin(), last, ranked.end(),
                      [now = view.Now()](const RankedPod& a, const RankedPod& b) { return DeletedBefore(a, b, now); });
    for (auto it = ranked.begin(); it != last; ++it) {
      plan.Delete(*it->pod)
          .Event("SuccessfulDelete", "Deleted pod: {}")
          .Warning("FailedDelete", "Error deleting: {}")
          .IgnoreGone();
    }
  }
}

std::optional<ReplicaFailure> FailureOf(const View& view) {
  if (const auto* failed = view.Failed<Pod>(Verb::kCreate))
    return ReplicaFailure{"FailedCreate", failed->status.message()};
  if (const auto* failed = view.Failed<Pod>(Verb::kDelete))
    return ReplicaFailure{"FailedDelete", failed->status.message()};
  return std::nullopt;
}

template <typename Owner>
Plan Reconcile(const View& view, const Owner& set) {
  Plan plan;
  const std::vector<const Pod*> pods = Owned<Owner, Pod>::Claim(view, set, plan, &kube::IsActivePod);
  if (!plan.empty()) return plan;
  std::vector<const Pod*> active;
  std::copy_if(pods.begin(), pods.end(), std::back_inserter(active),
               [](const Pod* pod) { return kube::IsPodActive(*pod); });
  const bool settled =
      set.metadata.deletionTimestamp || active.size() == static_cast<std::size_t>(std::max(0, Replicas(set)));
  // With nothing left to do, what failed has been overcome.
  const std::optional<ReplicaFailure> failure = settled ? std::nullopt : FailureOf(view);
  const auto status = CalculateStatus(set, pods, failure, view.Now());
  // A failure is told before trying again; else the pods come first.
  if (failure) plan.Status(set, status);
  if (!settled) Manage(view, set, active, plan);
  if (!failure) plan.Status(set, status);
  if (const auto next = NextAvailability(set.spec.minReadySeconds, pods, view.Now())) plan.Again(*next);
  return plan;
}

}  // namespace

Plan ReconcileReplicaSet(const View& view, const ReplicaSet& rs) { return Reconcile(view, rs); }
Plan ReconcileReplicationController(const View& view, const ReplicationController& rc) { return Reconcile(view, rc); }

ControllerEntry ReplicaSetController() {
  return For<ReplicaSet>("replicaset-controller")
      .Owns<Pod>()
      .Indexes<ReplicaSet>(kByController)
      .Reconciles(&ReconcileReplicaSet);
}

ControllerEntry ReplicationControllerController() {
  return For<ReplicationController>("replication-controller")
      .Owns<Pod>()
      .Indexes<ReplicationController>(kByController)
      .Reconciles(&ReconcileReplicationController);
}

}  // namespace minikube::controllers
