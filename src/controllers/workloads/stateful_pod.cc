#include "controllers/workloads/stateful_pod.h"

#include <fmt/format.h>

#include <minikube/object.h>

#include "kube/numbers.h"
#include "kube/owners.h"

namespace minikube::controllers {
namespace {

using apps::v1::StatefulSet;
using core::v1::PersistentVolumeClaim;
using core::v1::Pod;

std::string ClaimName(const StatefulSet& set, const PersistentVolumeClaim& claim, std::int32_t ordinal) {
  return fmt::format("{}-{}-{}", claim.metadata.name.view(), set.metadata.name.view(), ordinal);
}

template <typename T>
meta::v1::OwnerReference RefTo(const T& owner) {
  return kube::ControllerRefTo(owner);
}

}  // namespace

std::int32_t FirstOrdinal(const StatefulSet& set) { return set.spec.ordinals ? set.spec.ordinals->start : 0; }
std::int32_t Replicas(const StatefulSet& set) { return set.spec.replicas.value_or(1); }

std::optional<std::int32_t> OrdinalIn(std::string_view set, std::string_view pod) {
  if (!pod.starts_with(set) || pod.size() < set.size() + 2 || pod[set.size()] != '-') return std::nullopt;
  const std::string_view digits = pod.substr(set.size() + 1);
  const auto ordinal = kube::ParseInt<std::int32_t>(digits);
  return ordinal && std::to_string(*ordinal) == digits && *ordinal >= 0 ? ordinal : std::nullopt;
}

bool IsWithin(const StatefulSet& set, std::int32_t ordinal) {
  return ordinal >= FirstOrdinal(set) && ordinal - FirstOrdinal(set) < Replicas(set);
}

std::string_view RevisionOf(const Pod& pod) {
  const Str* revision = pod.metadata.labels.Find(kRevisionLabel);
  return revision != nullptr ? revision->view() : std::string_view();
}

Pod NewStatefulPod(const StatefulSet& set, const core::v1::PodTemplateSpec& pod_template, std::string_view revision,
                   std::int32_t ordinal) {
  Pod pod;
  pod.metadata.namespace_ = set.metadata.namespace_;
  pod.metadata.name = fmt::format("{}-{}", set.metadata.name.view(), ordinal);
  pod.metadata.labels = pod_template.metadata.labels;
  pod.metadata.annotations = pod_template.metadata.annotations;
  pod.metadata.finalizers = pod_template.metadata.finalizers;
  pod.metadata.ownerReferences.push_back(RefTo(set));
  pod.metadata.labels["statefulset.kubernetes.io/pod-name"] = pod.metadata.name;
  pod.metadata.labels["apps.kubernetes.io/pod-index"] = std::to_string(ordinal);
  pod.metadata.labels[kRevisionLabel] = revision;
  pod.spec = pod_template.spec;
  pod.spec.hostname = pod.metadata.name;
  pod.spec.subdomain = set.spec.serviceName;
  List<core::v1::Volume> volumes;
  for (const PersistentVolumeClaim& claim : set.spec.volumeClaimTemplates) {
    core::v1::Volume volume;
    volume.name = claim.metadata.name;
    volume.persistentVolumeClaim.Mutable().claimName = ClaimName(set, claim, ordinal);
    volumes.push_back(std::move(volume));
  }
  // A claim takes the place of a volume of its name.
  for (const core::v1::Volume& volume : pod.spec.volumes) {
    bool replaced = false;
    for (const core::v1::Volume& mine : volumes) replaced = replaced || mine.name == volume.name;
    if (!replaced) volumes.push_back(volume);
  }
  pod.spec.volumes = std::move(volumes);
  return pod;
}

std::vector<PersistentVolumeClaim> ClaimsOf(const StatefulSet& set, std::int32_t ordinal) {
  std::vector<PersistentVolumeClaim> out;
  for (const PersistentVolumeClaim& claim_template : set.spec.volumeClaimTemplates) {
    PersistentVolumeClaim claim = claim_template;
    claim.metadata.name = ClaimName(set, claim_template, ordinal);
    claim.metadata.namespace_ = set.metadata.namespace_;
    if (set.spec.selector) {
      for (const auto& [key, value] : set.spec.selector->matchLabels) claim.metadata.labels[key] = value;
    }
    claim.status = {};
    out.push_back(std::move(claim));
  }
  return out;
}

std::optional<PersistentVolumeClaim> RetainedClaim(const StatefulSet& set, const PersistentVolumeClaim& claim,
                                                   std::int32_t ordinal, const Pod* pod) {
  const auto* policy = set.spec.persistentVolumeClaimRetentionPolicy.get();
  const bool when_scaled = policy != nullptr && policy->whenScaled == "Delete";
  const bool when_deleted = policy != nullptr && policy->whenDeleted == "Delete";
  const bool scaled_away = !IsWithin(set, ordinal);
  const bool to_pod = when_scaled && scaled_away && pod != nullptr;
  const bool to_set = when_deleted && !(when_scaled && scaled_away);
  const meta::v1::OwnerReference* controller = kube::ControllerOf(claim.metadata);
  if (controller != nullptr && !(controller->uid == set.metadata.uid) &&
      (pod == nullptr || !(controller->uid == pod->metadata.uid))) {
    return std::nullopt;
  }
  PersistentVolumeClaim next = claim;
  kube::RemoveOwner(next.metadata, set.metadata.uid);
  if (pod != nullptr) kube::RemoveOwner(next.metadata, pod->metadata.uid);
  if (to_pod) next.metadata.ownerReferences.push_back(RefTo(*pod));
  if (to_set) next.metadata.ownerReferences.push_back(RefTo(set));
  if (DeepEqual(next.metadata, claim.metadata)) return std::nullopt;
  return next;
}

}  // namespace minikube::controllers
