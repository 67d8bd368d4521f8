#include "controllers/storage/storage.h"

#include <vector>

#include <fmt/format.h>

#include "kube/volumes.h"

namespace minikube::controllers {
namespace {

using core::v1::PersistentVolume;
using core::v1::PersistentVolumeClaim;
using core::v1::Pod;

std::vector<std::string> VolumeOfClaim(const Object& object) {
  const Str& name = object.As<PersistentVolumeClaim>().spec.volumeName;
  if (name.empty()) return {};
  return {name.str()};
}

std::vector<std::string> ClassOfUnboundClaim(const Object& object) {
  const auto& claim = object.As<PersistentVolumeClaim>();
  if (kube::IsFullyBound(claim)) return {};
  if (!kube::HasClass(claim)) return {std::string(kNoClass)};
  return {kube::ClassKey(kube::ClassOf(claim))};
}

std::vector<std::string> ClaimsOfPod(const Object& object) {
  const auto& pod = object.As<Pod>();
  std::vector<std::string> keys = kube::ClaimsOf(pod);
  for (std::string& key : keys) key = kube::ClaimKey(pod.metadata.namespace_, key);
  return keys;
}

}  // namespace

const Index kVolumesByClaim{"volumesByClaim", kube::ClaimOfVolume};
const Index kFreeVolumesByClass{"freeVolumesByClass", kube::ClassOfFreeVolume};
const Index kClaimsByVolume{"claimsByVolume", VolumeOfClaim};
const Index kUnboundClaimsByClass{"unboundClaimsByClass", ClassOfUnboundClaim};
const Index kPodsByClaim{"podsByClaim", ClaimsOfPod};

std::string ClaimKey(const PersistentVolumeClaim& claim) {
  return kube::ClaimKey(claim.metadata.namespace_, claim.metadata.name);
}

Step* PutClaimStatus(const PersistentVolumeClaim& claim, std::string_view phase, const PersistentVolume* volume,
                     Plan& plan) {
  core::v1::PersistentVolumeClaimStatus status = claim.status;
  status.phase = phase;
  if (volume == nullptr) {
    status.accessModes.clear();
    status.capacity.clear();
    status.currentVolumeAttributesClassName.reset();
  } else {
    status.accessModes = volume->spec.accessModes;
    // Once bound, what the claim has may be less than the volume for a while: it is being expanded.
    if (!(claim.status.phase == phase)) {
      status.capacity = volume->spec.capacity;
      status.currentVolumeAttributesClassName = volume->spec.volumeAttributesClassName;
    }
  }
  return plan.Status(claim, status);
}

Step* PutVolumePhase(const PersistentVolume& volume, std::string_view phase, std::string_view message, Plan& plan) {
  if (volume.status.phase == phase) return nullptr;
  core::v1::PersistentVolumeStatus status = volume.status;
  status.phase = phase;
  status.message = message;
  return plan.Status(volume, status);
}

void Announce(Step* step, std::string_view type, std::string_view reason, std::string message) {
  if (step == nullptr) return;
  step->on_success = PlannedEvent{std::string(type), std::string(reason), std::move(message)};
}

const storage::v1::StorageClass* DefaultClass(const View& view) {
  const storage::v1::StorageClass* best = nullptr;
  for (const storage::v1::StorageClass* candidate : view.List<storage::v1::StorageClass>()) {
    if (!kube::IsDefaultClass(*candidate)) continue;
    if (best == nullptr || kube::IsBetterDefault(*candidate, *best)) best = candidate;
  }
  return best;
}

}  // namespace minikube::controllers
