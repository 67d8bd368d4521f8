// What claims and volumes are given, and when a claim may grow.

#include <minikube/api/core/v1.h>
#include <minikube/api/storage/v1.h>

#include "api/admission/plugins.h"
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

bool IsNewClaim(const AdmissionTarget& target) {
  return target.operation == AdmissionOperation::kCreate && IsResource(target, "", "persistentvolumeclaims");
}
bool IsNewClaimOrVolume(const AdmissionTarget& target) {
  return IsNewClaim(target) ||
         (target.operation == AdmissionOperation::kCreate && IsResource(target, "", "persistentvolumes"));
}
bool IsChangedClaim(const AdmissionTarget& target) {
  return target.operation == AdmissionOperation::kUpdate && target.subresource.empty() &&
         IsResource(target, "", "persistentvolumeclaims");
}

// A new claim that says nothing of a class gets the default one, if there is one.
Status GiveClass(Attempt& attempt) {
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

// New claims and volumes have the finalizer that keeps them while they are used.
Status GiveFinalizer(Attempt& attempt) {
  if (attempt.next->TryAs<PersistentVolumeClaim>() != nullptr) {
    Protect(attempt.next->mutable_meta(), kube::kClaimProtection);
  } else if (attempt.next->TryAs<PersistentVolume>() != nullptr) {
    Protect(attempt.next->mutable_meta(), kube::kVolumeProtection);
  }
  return {};
}

// A claim asks for more only once it is bound, and only if its class allows it.
Status CheckSize(Attempt& attempt) {
  const auto* claim = &attempt.next->As<PersistentVolumeClaim>();
  const auto& old = attempt.before->As<PersistentVolumeClaim>();
  if (kube::SizeOf(*claim).Compare(kube::SizeOf(old)) <= 0) return {};
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

}  // namespace

const PlainPlugin kStorageObjectInUseProtection{"StorageObjectInUseProtection", IsNewClaimOrVolume, GiveFinalizer};
const PlainPlugin kDefaultStorageClass{"DefaultStorageClass", IsNewClaim, GiveClass};
const PlainPlugin kPersistentVolumeClaimResize{"PersistentVolumeClaimResize", IsChangedClaim, nullptr, CheckSize};

}  // namespace minikube::api
