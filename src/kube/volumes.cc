#include "kube/volumes.h"
#include "kube/names.h"

#include <algorithm>

#include <fmt/format.h>

#include <minikube/selector.h>

#include "kube/node_selector.h"
#include "kube/owners.h"

namespace minikube::kube {
namespace {

using core::v1::PersistentVolume;
using core::v1::PersistentVolumeClaim;
using core::v1::Pod;
using storage::v1::StorageClass;

constexpr std::string_view kOldClass = "volume.beta.kubernetes.io/storage-class";

std::string_view TextOf(const std::optional<Str>& text) { return text ? text->view() : std::string_view(); }

bool SameAttributes(const PersistentVolume& volume, const PersistentVolumeClaim& claim) {
  return TextOf(volume.spec.volumeAttributesClassName) == TextOf(claim.spec.volumeAttributesClassName);
}

bool Selects(const PersistentVolumeClaim& claim, const PersistentVolume& volume) {
  if (!claim.spec.selector) return true;
  const Result<LabelSelector> selector = LabelSelector::From(claim.spec.selector.get());
  return selector && selector->Matches(volume.metadata.labels);
}

}  // namespace

Quantity SizeOf(const PersistentVolume& volume) {
  const Quantity* size = volume.spec.capacity.Find("storage");
  return size != nullptr ? *size : Quantity::FromInt(0);
}

Quantity SizeOf(const PersistentVolumeClaim& claim) {
  const Quantity* size = claim.spec.resources.requests.Find("storage");
  return size != nullptr ? *size : Quantity::FromInt(0);
}

bool HasClass(const PersistentVolumeClaim& claim) {
  return claim.metadata.annotations.Contains(kOldClass) || claim.spec.storageClassName;
}

std::string_view ClassOf(const PersistentVolumeClaim& claim) {
  if (const Str* old = claim.metadata.annotations.Find(kOldClass)) return *old;
  return TextOf(claim.spec.storageClassName);
}

std::string_view ClassOf(const PersistentVolume& volume) {
  if (const Str* old = volume.metadata.annotations.Find(kOldClass)) return *old;
  return volume.spec.storageClassName;
}

bool IsDefaultClass(const StorageClass& storage_class) {
  for (const std::string_view name : {kDefaultClass, kBetaDefaultClass}) {
    const Str* value = storage_class.metadata.annotations.Find(name);
    if (value != nullptr && *value == "true") return true;
  }
  return false;
}

bool IsBetterDefault(const StorageClass& a, const StorageClass& b) {
  if (a.metadata.creationTimestamp != b.metadata.creationTimestamp) {
    return a.metadata.creationTimestamp > b.metadata.creationTimestamp;
  }
  return a.metadata.name < b.metadata.name;
}

bool WaitsForConsumer(const StorageClass& storage_class) {
  return TextOf(storage_class.volumeBindingMode) == "WaitForFirstConsumer";
}

std::string ClaimName(const Pod& pod, const core::v1::Volume& volume) {
  if (volume.persistentVolumeClaim) return volume.persistentVolumeClaim->claimName.str();
  if (volume.ephemeral) return fmt::format("{}-{}", pod.metadata.name.view(), volume.name.view());
  return {};
}

bool IsMadeFor(const PersistentVolumeClaim& claim, const Pod& pod) {
  return claim.metadata.namespace_ == pod.metadata.namespace_ && IsControlledBy(claim.metadata, pod.metadata.uid);
}

std::string NotMadeFor(const PersistentVolumeClaim& claim, const Pod& pod) {
  return fmt::format("PVC {0}/{1} was not created for pod {0}/{2} (pod is not owner)", pod.metadata.namespace_.view(),
                     claim.metadata.name.view(), pod.metadata.name.view());
}

std::vector<std::string> ClaimsOf(const Pod& pod) {
  std::vector<std::string> names;
  for (const core::v1::Volume& volume : pod.spec.volumes) {
    std::string name = ClaimName(pod, volume);
    if (name.empty() || std::find(names.begin(), names.end(), name) != names.end()) continue;
    names.push_back(std::move(name));
  }
  return names;
}

bool IsBoundTo(const PersistentVolume& volume, const PersistentVolumeClaim& claim) {
  if (!volume.spec.claimRef) return false;
  const core::v1::ObjectReference& ref = *volume.spec.claimRef;
  return ref.name == claim.metadata.name && ref.namespace_ == claim.metadata.namespace_ &&
         (ref.uid.empty() || ref.uid == claim.metadata.uid);
}

bool IsFullyBound(const PersistentVolumeClaim& claim) {
  return !claim.spec.volumeName.empty() && claim.metadata.annotations.Contains(kBindCompleted);
}

std::optional<PersistentVolume> BindTo(const PersistentVolume& volume, const PersistentVolumeClaim& claim) {
  const bool kept = IsBoundTo(volume, claim);
  if (kept && volume.spec.claimRef->uid == claim.metadata.uid) return std::nullopt;
  PersistentVolume next = volume;
  core::v1::ObjectReference ref;
  ref.kind = "PersistentVolumeClaim";
  ref.apiVersion = "v1";
  ref.namespace_ = claim.metadata.namespace_;
  ref.name = claim.metadata.name;
  ref.uid = claim.metadata.uid;
  ref.resourceVersion = claim.metadata.resourceVersion;
  next.spec.claimRef = std::move(ref);
  if (!kept && !next.metadata.annotations.Contains(kBoundByController)) {
    next.metadata.annotations[kBoundByController] = "yes";
  }
  return next;
}

bool IsBlock(const std::optional<Str>& volume_mode) { return TextOf(volume_mode) == "Block"; }

bool SameMode(const PersistentVolume& volume, const PersistentVolumeClaim& claim) {
  return IsBlock(volume.spec.volumeMode) == IsBlock(claim.spec.volumeMode);
}

bool OffersModes(const PersistentVolume& volume, const PersistentVolumeClaim& claim) {
  const List<Str>& offered = volume.spec.accessModes;
  return std::all_of(claim.spec.accessModes.begin(), claim.spec.accessModes.end(),
                     [&](const Str& mode) { return std::find(offered.begin(), offered.end(), mode) != offered.end(); });
}

bool IsReachableFrom(const PersistentVolume& volume, const Map<Str>& node_labels) {
  if (!volume.spec.nodeAffinity || !volume.spec.nodeAffinity->required) return true;
  meta::v1::ObjectMeta node;  // of a node, its labels alone count
  node.labels = node_labels;
  return Matches(*volume.spec.nodeAffinity->required, node);
}

std::string Mismatch(const PersistentVolume& volume, const PersistentVolumeClaim& claim) {
  if (volume.metadata.deletionTimestamp) {
    return fmt::format("the volume is marked for deletion \"{}\"", volume.metadata.name.view());
  }
  if (SizeOf(volume).Compare(SizeOf(claim)) < 0) return "requested PV is too small";
  if (ClassOf(volume) != ClassOf(claim)) return "storageClassName does not match";
  if (!SameAttributes(volume, claim)) return "volumeAttributesClassName does not match";
  if (!SameMode(volume, claim)) return "incompatible volumeMode";
  if (!OffersModes(volume, claim)) return "incompatible accessMode";
  return {};
}

const PersistentVolume* BestFor(const Wanted& wanted, std::span<const PersistentVolume* const> volumes) {
  const PersistentVolumeClaim& claim = wanted.claim;
  const Quantity size = SizeOf(claim);
  const PersistentVolume* best = nullptr;
  const auto better = [](const PersistentVolume& a, const PersistentVolume& b) {
    if (a.spec.accessModes.size() != b.spec.accessModes.size()) {
      return a.spec.accessModes.size() < b.spec.accessModes.size();
    }
    return SizeOf(a).Compare(SizeOf(b)) < 0;
  };
  for (const PersistentVolume* volume : volumes) {
    const bool kept = IsBoundTo(*volume, claim);
    if (volume->spec.claimRef && !kept) continue;
    if (volume->metadata.deletionTimestamp || !SameMode(*volume, claim) || !SameAttributes(*volume, claim)) continue;
    if (SizeOf(*volume).Compare(size) < 0) continue;
    const bool reached = wanted.node_labels == nullptr || IsReachableFrom(*volume, *wanted.node_labels);
    // What is kept for the claim is what it gets, or it gets nothing there.
    if (kept) return reached ? volume : nullptr;
    if (wanted.only_kept || !reached || !(volume->status.phase == "Available")) continue;
    if (ClassOf(*volume) != ClassOf(claim) || !OffersModes(*volume, claim) || !Selects(claim, *volume)) continue;
    if (best == nullptr || better(*volume, *best)) best = volume;
  }
  return best;
}

std::string ClaimKey(std::string_view ns, std::string_view name) { return fmt::format("{}/{}", ns, name); }
std::string ClassKey(std::string_view storage_class) { return fmt::format("class {}", storage_class); }

std::vector<std::string> ClaimOfVolume(const Object& volume) {
  const auto& ref = volume.As<PersistentVolume>().spec.claimRef;
  if (!ref) return {};
  return {ClaimKey(ref->namespace_, ref->name)};
}

std::vector<std::string> ClassOfFreeVolume(const Object& object) {
  const auto& volume = object.As<PersistentVolume>();
  if (volume.spec.claimRef) return {};
  return {ClassKey(ClassOf(volume))};
}

bool AllowsNode(const StorageClass& storage_class, const Map<Str>& node_labels) {
  const auto& terms = storage_class.allowedTopologies;
  if (terms.empty()) return true;
  return std::any_of(terms.begin(), terms.end(), [&](const core::v1::TopologySelectorTerm& term) {
    if (term.matchLabelExpressions.empty()) return false;
    return std::all_of(term.matchLabelExpressions.begin(), term.matchLabelExpressions.end(), [&](const auto& wanted) {
      const Str* value = node_labels.Find(wanted.key);
      return value != nullptr && std::find(wanted.values.begin(), wanted.values.end(), *value) != wanted.values.end();
    });
  });
}

std::string_view HostnameOf(const PersistentVolume& volume) {
  if (!volume.spec.nodeAffinity || !volume.spec.nodeAffinity->required) return {};
  const auto& terms = volume.spec.nodeAffinity->required->nodeSelectorTerms;
  if (terms.size() != 1 || terms[0].matchExpressions.size() != 1 || !terms[0].matchFields.empty()) return {};
  const core::v1::NodeSelectorRequirement& requirement = terms[0].matchExpressions[0];
  if (!(requirement.key == kHostnameLabel) || !(requirement.operator_ == "In") || requirement.values.size() != 1)
    return {};
  return requirement.values[0];
}

}  // namespace minikube::kube
