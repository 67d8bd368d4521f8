#include "controllers/workloads/replica_set_plan.h"

#include <algorithm>

#include <minikube/selector.h>

#include "kube/conditions.h"
#include "kube/owners.h"
#include "kube/pods.h"
#include "kube/times.h"

namespace minikube::controllers {

using apps::v1::ReplicaSet;
using apps::v1::ReplicaSetCondition;
using apps::v1::ReplicaSetStatus;
using core::v1::Pod;

ReplicaSetStatus CalculateStatus(const ReplicaSet& rs, const std::vector<const Pod*>& pods,
                                 const std::optional<ReplicaFailure>& failure, Instant now) {
  const LabelSelector labelled = LabelSelector::FromMap(rs.spec.template_.metadata.labels);
  ReplicaSetStatus status;
  status.observedGeneration = rs.metadata.generation;
  status.conditions = rs.status.conditions;
  status.terminatingReplicas = 0;
  for (const Pod* each : pods) {
    const Pod& pod = *each;
    if (kube::IsPodFinished(pod)) continue;
    if (pod.metadata.deletionTimestamp) {
      ++*status.terminatingReplicas;
      continue;
    }
    ++status.replicas;
    if (labelled.Matches(pod.metadata.labels)) ++status.fullyLabeledReplicas;
    if (kube::IsPodReady(pod)) ++status.readyReplicas;
    const std::optional<Instant> available = kube::AvailableAt(pod, rs.spec.minReadySeconds);
    if (available && *available <= now) ++status.availableReplicas;
  }
  const ReplicaSetCondition* old = kube::FindCondition(status.conditions, "ReplicaFailure");
  if (!failure) {
    kube::RemoveCondition(status.conditions, "ReplicaFailure");
  } else if (old == nullptr) {
    ReplicaSetCondition condition;
    condition.type = "ReplicaFailure";
    condition.status = "True";
    condition.reason = failure->reason;
    condition.message = failure->message;
    condition.lastTransitionTime = Time{now};
    status.conditions.push_back(std::move(condition));
  }
  return status;
}

std::optional<Duration> NextAvailability(const ReplicaSet& rs, const std::vector<const Pod*>& pods, Instant now) {
  std::optional<Duration> next;
  for (const Pod* each : pods) {
    const Pod& pod = *each;
    const std::optional<Instant> available = kube::AvailableAt(pod, rs.spec.minReadySeconds);
    if (!kube::IsPodActive(pod) || !available || *available <= now) continue;
    const Duration wait = kube::Since(now, *available);
    next = next ? std::min(*next, wait) : wait;
  }
  return next;
}

Pod NewPod(const ReplicaSet& rs) {
  Pod pod;
  pod.metadata.generateName = rs.metadata.name.str() + "-";
  pod.metadata.namespace_ = rs.metadata.namespace_;
  pod.metadata.labels = rs.spec.template_.metadata.labels;
  pod.metadata.annotations = rs.spec.template_.metadata.annotations;
  pod.metadata.finalizers = rs.spec.template_.metadata.finalizers;
  pod.metadata.ownerReferences.push_back(kube::ControllerRefTo(rs));
  pod.spec = rs.spec.template_.spec;
  return pod;
}

}  // namespace minikube::controllers
