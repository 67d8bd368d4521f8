#include "controllers/workloads/replica_set_plan.h"

#include <algorithm>
#include <type_traits>

#include <minikube/selector.h>

#include "kube/conditions.h"
#include "kube/owners.h"
#include "kube/pods.h"
#include "kube/times.h"

namespace minikube::controllers {

using apps::v1::ReplicaSet;
using core::v1::Pod;
using core::v1::PodTemplateSpec;
using core::v1::ReplicationController;

std::int32_t Replicas(const ReplicationController& rc) { return rc.spec.replicas.value_or(1); }
const PodTemplateSpec& PodTemplateOf(const ReplicaSet& rs) { return rs.spec.template_; }
const PodTemplateSpec& PodTemplateOf(const ReplicationController& rc) {
  static const PodTemplateSpec none;
  return rc.spec.template_ ? *rc.spec.template_ : none;
}

template <typename Owner>
decltype(Owner::status) CalculateStatus(const Owner& owner, const std::vector<const Pod*>& pods,
                                        const std::optional<ReplicaFailure>& failure, Instant now) {
  const LabelSelector labelled = LabelSelector::FromMap(PodTemplateOf(owner).metadata.labels);
  decltype(Owner::status) status;
  status.observedGeneration = owner.metadata.generation;
  status.conditions = owner.status.conditions;
  [[maybe_unused]] std::int32_t terminating = 0;
  for (const Pod* each : pods) {
    const Pod& pod = *each;
    if (kube::IsPodFinished(pod)) continue;
    if (pod.metadata.deletionTimestamp) {
      ++terminating;
      continue;
    }
    ++status.replicas;
    if (labelled.Matches(pod.metadata.labels)) ++status.fullyLabeledReplicas;
    if (kube::IsPodReady(pod)) ++status.readyReplicas;
    const std::optional<Instant> available = kube::AvailableAt(pod, owner.spec.minReadySeconds);
    if (available && *available <= now) ++status.availableReplicas;
  }
  if constexpr (requires { status.terminatingReplicas; }) status.terminatingReplicas = terminating;
  if (!failure) {
    kube::RemoveCondition(status.conditions, "ReplicaFailure");
  } else if (kube::FindCondition(status.conditions, "ReplicaFailure") == nullptr) {
    using Condition = std::remove_cvref_t<decltype(status.conditions[0])>;
    status.conditions.push_back(
        kube::MakeCondition<Condition>("ReplicaFailure", "True", failure->reason, failure->message, now));
  }
  return status;
}
template apps::v1::ReplicaSetStatus CalculateStatus(const ReplicaSet&, const std::vector<const Pod*>&,
                                                    const std::optional<ReplicaFailure>&, Instant);
template core::v1::ReplicationControllerStatus CalculateStatus(const ReplicationController&,
                                                               const std::vector<const Pod*>&,
                                                               const std::optional<ReplicaFailure>&, Instant);

std::optional<Duration> NextAvailability(std::int32_t min_ready_seconds, const std::vector<const Pod*>& pods,
                                         Instant now) {
  std::optional<Duration> next;
  for (const Pod* each : pods) {
    const Pod& pod = *each;
    const std::optional<Instant> available = kube::AvailableAt(pod, min_ready_seconds);
    if (!kube::IsPodActive(pod) || !available || *available <= now) continue;
    const Duration wait = kube::Since(now, *available);
    next = next ? std::min(*next, wait) : wait;
  }
  return next;
}

Pod NewPod(const meta::v1::ObjectMeta& owner, const meta::v1::OwnerReference& reference,
           const PodTemplateSpec& pod_template) {
  Pod pod;
  pod.metadata.generateName = owner.name.str() + "-";
  pod.metadata.namespace_ = owner.namespace_;
  pod.metadata.labels = pod_template.metadata.labels;
  pod.metadata.annotations = pod_template.metadata.annotations;
  pod.metadata.finalizers = pod_template.metadata.finalizers;
  pod.metadata.ownerReferences.push_back(reference);
  pod.spec = pod_template.spec;
  return pod;
}

}  // namespace minikube::controllers
