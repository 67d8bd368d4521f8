#include "scheduler/plugins/volume_match.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "kube/volumes.h"
#include "scheduler/pod_info.h"

namespace minikube::scheduler {
namespace {

using core::v1::PersistentVolume;
using core::v1::PersistentVolumeClaim;
using core::v1::Pod;
using storage::v1::CSIDriver;
using storage::v1::CSIStorageCapacity;
using storage::v1::StorageClass;

Quantity SizeOf(const PersistentVolumeClaim& claim) {
  const Quantity* size = claim.spec.resources.requests.Find("storage");
  return size != nullptr ? *size : Quantity::FromInt(0);
}

const PersistentVolumeClaim& ClaimOf(const PodClaims::Unbound& unbound) {
  return unbound.claim->As<PersistentVolumeClaim>();
}

bool Suffices(const CSIStorageCapacity& capacity, const Quantity& size) {
  // The largest volume is more precise than what there is in total.
  const std::optional<Quantity>& limit = capacity.maximumVolumeSize ? capacity.maximumVolumeSize : capacity.capacity;
  return limit && limit->Compare(size) >= 0;
}

// Whether a volume can be made for the claim on the node; the conflict if not.
Verdict CannotMake(const PodClaims::Unbound& unbound, const meta::v1::ObjectMeta& node) {
  if (!unbound.storage_class) return kNothingToBind;
  const auto& storage_class = unbound.storage_class->As<StorageClass>();
  if (storage_class.provisioner.empty() || storage_class.provisioner == kube::kNoProvisioner) return kNothingToBind;
  if (!kube::AllowsNode(storage_class, node.labels)) return kNothingToBind;
  if (!unbound.limited) return kPass;
  const bool room = std::any_of(unbound.capacities.begin(), unbound.capacities.end(), [&](const ObjectRef& object) {
    const auto& topology = object->As<CSIStorageCapacity>().nodeTopology;
    if (!topology) return false;
    const Result<LabelSelector> selector = LabelSelector::From(topology.get());
    return selector && selector->Matches(node.labels);
  });
  return room ? kPass : static_cast<Verdict>(kNotEnoughSpace);
}

}  // namespace

// Candidates and capacities are looked for anew: they are few, and what was assumed of them counts.
void VolumeMatcher::AppendKey(const Pod& pod, std::string& key) const {
  AppendClaims(pod, storage_, key);
  const Result<std::unique_ptr<PodClaims>> claims = Claims(pod);
  if (!claims) return AppendPart(claims.status().message(), key);
  for (const PodClaims::Unbound& unbound : (*claims)->unbound) {
    AppendPart(unbound.chosen_node, key);
    for (const auto* list : {&unbound.candidates, &unbound.capacities}) {
      AppendNumber(static_cast<std::int64_t>(list->size()), key);
      for (const ObjectRef& object : *list) {
        AppendVersion(object, key);
        const auto* volume = object->TryAs<PersistentVolume>();
        if (volume == nullptr) continue;
        AppendPart(volume->spec.claimRef ? volume->spec.claimRef->uid.view() : std::string_view(), key);
      }
    }
    AppendNumber(unbound.limited ? 1 : 0, key);
  }
}

Status VolumeMatcher::Check(const Pod& pod, const core::v1::Volume& volume, const ObjectRef& object) const {
  const std::string name = kube::ClaimName(pod, volume);
  if (!object) {
    if (!volume.ephemeral) return NoClaim(name);
    return {Code::kNotFound,
            fmt::format("waiting for ephemeral volume controller to create the persistentvolumeclaim \"{}\"", name)};
  }
  const auto& claim = object->As<PersistentVolumeClaim>();
  if (claim.status.phase == "Lost") {
    return {Code::kNotFound, fmt::format("persistentvolumeclaim \"{}\" bound to non-existent persistentvolume \"{}\"",
                                         name, claim.spec.volumeName.view())};
  }
  if (claim.metadata.deletionTimestamp) {
    return {Code::kBadRequest, fmt::format("persistentvolumeclaim \"{}\" is being deleted", name)};
  }
  if (volume.ephemeral && !kube::IsMadeFor(claim, pod)) return {Code::kBadRequest, kube::NotMadeFor(claim, pod)};
  return {};
}

Result<std::unique_ptr<PodClaims>> VolumeMatcher::Claims(const Pod& pod) const {
  auto out = std::make_unique<PodClaims>();
  bool immediate = false;
  std::vector<std::string> seen;
  for (const core::v1::Volume& volume : pod.spec.volumes) {
    const std::string name = kube::ClaimName(pod, volume);
    if (name.empty()) continue;
    const ObjectRef object =
        storage_.objects.Find(Client::ResourceOf<PersistentVolumeClaim>(), pod.metadata.namespace_, name);
    MINIKUBE_RETURN_IF_ERROR(Check(pod, volume, object));
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) continue;
    seen.push_back(name);
    const auto& claim = object->As<PersistentVolumeClaim>();
    if (kube::IsFullyBound(claim)) {
      out->bound.push_back(storage_.objects.Find(Client::ResourceOf<PersistentVolume>(), {}, claim.spec.volumeName));
      continue;
    }
    const ObjectRef storage_class = storage_.objects.Find(Client::ResourceOf<StorageClass>(), {}, kube::ClassOf(claim));
    const bool delayed = storage_class && kube::WaitsForConsumer(storage_class->As<StorageClass>());
    if (delayed && claim.spec.volumeName.empty()) {
      AddUnbound(object, storage_class, *out);
    } else {
      immediate = true;  // the binder's; nothing can be said before it has done so
    }
  }
  if (immediate) return Status(Code::kBadRequest, "pod has unbound immediate PersistentVolumeClaims");
  // The smallest first, so that each gets the smallest volume that fits.
  std::stable_sort(out->unbound.begin(), out->unbound.end(),
                   [](const auto& a, const auto& b) { return SizeOf(ClaimOf(a)).Compare(SizeOf(ClaimOf(b))) < 0; });
  return out;
}

void VolumeMatcher::AddUnbound(const ObjectRef& object, const ObjectRef& storage_class, PodClaims& out) const {
  const auto& claim = object->As<PersistentVolumeClaim>();
  PodClaims::Unbound unbound;
  unbound.claim = object;
  unbound.storage_class = storage_class;
  const auto assumed = assumed_.chosen.find(kube::ClaimKey(claim.metadata.namespace_, claim.metadata.name));
  if (const Str* chosen = claim.metadata.annotations.Find(kube::kSelectedNode)) {
    unbound.chosen_node = *chosen;
  } else if (assumed != assumed_.chosen.end()) {
    unbound.chosen_node = assumed->second;
  } else {
    unbound.candidates = Candidates(claim);
  }
  AddCapacities(unbound);
  out.unbound.push_back(std::move(unbound));
}

std::vector<ObjectRef> VolumeMatcher::Candidates(const PersistentVolumeClaim& claim) const {
  std::vector<ObjectRef> out;
  const auto add = [&](const ObjectRef& object) {
    const auto assumed = assumed_.volumes.find(object->meta().name);
    out.push_back(assumed != assumed_.volumes.end() ? assumed->second : object);
  };
  const ResourceDesc& volumes = Client::ResourceOf<PersistentVolume>();
  storage_.objects.ForEachBy(volumes, kVolumesByClaim, kube::ClaimKey(claim.metadata.namespace_, claim.metadata.name),
                             add);
  storage_.objects.ForEachBy(volumes, kFreeVolumesByClass, kube::ClassKey(kube::ClassOf(claim)), add);
  return out;
}

// Only drivers that say so are asked how much space they have.
void VolumeMatcher::AddCapacities(PodClaims::Unbound& unbound) const {
  if (!unbound.storage_class) return;
  const auto& storage_class = unbound.storage_class->As<StorageClass>();
  const auto* driver = Find<CSIDriver>(storage_, {}, storage_class.provisioner);
  unbound.limited = driver != nullptr && driver->spec.storageCapacity.value_or(false);
  if (!unbound.limited) return;
  const Quantity size = SizeOf(ClaimOf(unbound));
  storage_.objects.ForEach(Client::ResourceOf<CSIStorageCapacity>(), {}, [&](const ObjectRef& object) {
    const auto& capacity = object->As<CSIStorageCapacity>();
    if (capacity.storageClassName == storage_class.metadata.name && Suffices(capacity, size)) {
      unbound.capacities.push_back(object);
    }
  });
}

// As kube-scheduler, it names the first conflict of the bound claims, and the first of those that are not.
VolumePlan VolumeMatcher::Match(const PodClaims& claims, const meta::v1::ObjectMeta& node) {
  VolumePlan plan;
  for (const ObjectRef& volume : claims.bound) {
    if (volume && kube::IsReachableFrom(volume->As<PersistentVolume>(), node.labels)) continue;
    plan.conflicts |= volume ? kNodeConflict : kVolumeMissing;
    break;
  }
  std::vector<const PodClaims::Unbound*> to_make;
  std::vector<const PodClaims::Unbound*> to_find;
  for (const PodClaims::Unbound& unbound : claims.unbound) {
    if (unbound.chosen_node.empty()) {
      to_find.push_back(&unbound);
    } else if (unbound.chosen_node == node.name) {
      to_make.push_back(&unbound);
    } else {
      plan.conflicts |= kNothingToBind;
      return plan;
    }
  }
  std::set<std::string_view> taken;
  for (const PodClaims::Unbound* unbound : to_find) {
    std::vector<const PersistentVolume*> volumes;
    for (const ObjectRef& object : unbound->candidates) {
      if (!taken.contains(object->meta().name)) volumes.push_back(&object->As<PersistentVolume>());
    }
    const PersistentVolumeClaim& claim = ClaimOf(*unbound);
    const PersistentVolume* best = kube::BestFor({.claim = claim, .node_labels = &node.labels}, volumes);
    if (best == nullptr) {
      to_make.push_back(unbound);
      continue;
    }
    taken.insert(best->metadata.name);
    // One that is kept for the claim already is the binder's to go on with; it is waited for.
    plan.bind.push_back(Share(kube::BindTo(*best, claim).value_or(*best)));
  }
  for (const PodClaims::Unbound* unbound : to_make) {
    const Verdict conflict = CannotMake(*unbound, node);
    plan.conflicts |= conflict;
    if (conflict != kPass) break;
    plan.make.push_back(unbound->claim);
  }
  return plan;
}

}  // namespace minikube::scheduler
