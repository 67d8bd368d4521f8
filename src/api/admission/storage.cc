#include "api/admission/storage.h"

#include <minikube/api/core/v1.h>
#include <minikube/api/storage/v1.h>

#include "api/wire/errors.h"
#include "kube/owners.h"
#include "kube/volumes.h"

namespace minikube::api {

namespace {

using core::v1::PersistentVolume;
using core::v1::PersistentVolumeClaim;
using storage::v1::StorageClass;

const StoredKind& Classes(const Attempt& attempt) {
  return attempt.world->catalogue->Get("storage.k8s.io", "storageclasses");
}

void Protect(meta::v1::ObjectMeta& meta, std::string_view finalizer) {
  if (!kube::HasFinalizer(meta, finalizer)) meta.finalizers.push_back(finalizer);
}

Quantity SizeOf(const PersistentVolumeClaim& claim) {
  const Quantity* size = claim.spec.resources.requests.Find("storage");
  return size != nullptr ? *size : Quantity::FromInt(0);
}

}  // namespace

Status DefaultStorageClass(Attempt& attempt) {
  if (attempt.effect != Attempt::Effect::kCreate) return {};
  if (attempt.next->TryAs<PersistentVolumeClaim>() == nullptr) return {};
  auto& claim = attempt.next->As<PersistentVolumeClaim>();
  if (kube::HasClass(claim)) return {};
  const StorageClass* best = nullptr;
  for (auto it = attempt.world->kinds[Classes(attempt).index].Begin(); it; ++it) {
    const auto& candidate = it->object->As<StorageClass>();
    if (!kube::IsDefaultClass(candidate)) continue;
    if (best == nullptr || kube::IsBetterDefault(candidate, *best)) best = &candidate;
  }
  if (best != nullptr) claim.spec.storageClassName = best->metadata.name;
  return {};
}

Status StorageObjectInUseProtection(Attempt& attempt) {
  if (attempt.effect != Attempt::Effect::kCreate) return {};
  if (attempt.next->TryAs<PersistentVolumeClaim>() != nullptr) {
    Protect(attempt.next->mutable_meta(), kube::kClaimProtection);
  } else if (attempt.next->TryAs<PersistentVolume>() != nullptr) {
    Protect(attempt.next->mutable_meta(), kube::kVolumeProtection);
  }
  return {};
}

Status PersistentVolumeClaimResize(Attempt& attempt) {
  if (attempt.effect != Attempt::Effect::kUpdate || attempt.subresource != nullptr || !attempt.before) return {};
  const auto* claim = attempt.next->TryAs<PersistentVolumeClaim>();
  if (claim == nullptr) return {};
  const auto& old = attempt.before->As<PersistentVolumeClaim>();
  if (SizeOf(*claim).Compare(SizeOf(old)) <= 0) return {};
  const auto refuse = [&](std::string_view why) {
    return ForbiddenError(attempt.resource(), claim->metadata.name.view(), why);
  };
  if (!(old.status.phase == "Bound")) return refuse("Only bound persistent volume claims can be expanded");
  const std::string_view name = kube::ClassOf(*claim);
  const Entry* entry = attempt.world->Find(Classes(attempt).index, {}, name);
  const bool allowed = !name.empty() && name == kube::ClassOf(old) && entry != nullptr &&
                       entry->object->As<StorageClass>().allowVolumeExpansion.value_or(false);
  if (allowed) return {};
  return refuse(
      "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support "
      "resize");
}

}  // namespace minikube::api
