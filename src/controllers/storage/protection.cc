// Claims that pods use and volumes that claims are bound to are not removed: a finalizer holds them until they are
// free. Semantics: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#storage-object-in-use-protection
#include <algorithm>

#include "controllers/controllers.h"
#include "controllers/storage/storage.h"
#include "kube/owners.h"
#include "kube/volumes.h"

namespace minikube::controllers {
namespace {

using core::v1::PersistentVolume;
using core::v1::PersistentVolumeClaim;
using core::v1::Pod;

// Nothing of it runs any more, whatever its object says.
bool IsShutDown(const Pod& pod) {
  return pod.metadata.deletionTimestamp && pod.metadata.deletionGracePeriodSeconds.value_or(1) == 0;
}

// A pod without a node uses nothing yet, and will not be given a node while its claim is going.
bool Uses(const Pod& pod, const PersistentVolumeClaim& claim) {
  if (pod.spec.nodeName.empty()) return false;
  return std::any_of(pod.spec.volumes.begin(), pod.spec.volumes.end(), [&](const core::v1::Volume& volume) {
    if (kube::ClaimName(pod, volume) != claim.metadata.name.view()) return false;
    return volume.persistentVolumeClaim || (!IsShutDown(pod) && kube::IsMadeFor(claim, pod));
  });
}

template <typename T>
void AddFinalizer(const T& object, std::string_view finalizer, Plan& plan) {
  T next = object;
  next.metadata.finalizers.push_back(finalizer);
  plan.Update(next).IgnoreGone();
}

template <typename T>
void RemoveFinalizer(const T& object, std::string_view finalizer, Plan& plan) {
  T next = object;
  kube::RemoveFinalizer(next.metadata, finalizer);
  plan.Update(next).IgnoreGone();
}

// What the server says of the pods of the claim's namespace, if it was asked.
const LastRun::Answer* AnsweredPods(const View& view) {
  for (const LastRun::Answer& answer : view.last().answers) {
    if (answer.request.resource == &Client::ResourceOf<Pod>()) return &answer;
  }
  return nullptr;
}

}  // namespace

Plan ReconcileClaimProtection(const View& view, const PersistentVolumeClaim& claim) {
  Plan plan;
  const bool held = kube::HasFinalizer(claim.metadata, kube::kClaimProtection);
  if (!claim.metadata.deletionTimestamp) {
    if (!held) AddFinalizer(claim, kube::kClaimProtection, plan);
    return plan;
  }
  if (!held) return plan;
  for (const Pod* pod : view.By<Pod>(kPodsByClaim, ClaimKey(claim))) {
    if (Uses(*pod, claim)) return plan;  // its end wakes us
  }
  // A pod may be newer than what is seen.
  const LastRun::Answer* answer = AnsweredPods(view);
  if (answer == nullptr) {
    plan.ReadAll(Client::ResourceOf<Pod>(), claim.metadata.namespace_);
    return plan;
  }
  if (!answer->response) return plan;
  const auto& pods = answer->response->items;
  const bool used =
      std::any_of(pods.begin(), pods.end(), [&](const ObjectRef& pod) { return Uses(pod->As<Pod>(), claim); });
  if (!used) RemoveFinalizer(claim, kube::kClaimProtection, plan);
  return plan;
}

ControllerEntry ClaimProtection() {
  return For<PersistentVolumeClaim>("pvc-protection-controller")
      .Watches<Pod>([](const View& view, const Pod& pod, const Wake& wake) {
        for (const std::string& name : kube::ClaimsOf(pod)) {
          const auto* claim = view.Get<PersistentVolumeClaim>(pod.metadata.namespace_, name);
          if (claim != nullptr && claim->metadata.deletionTimestamp) wake(KeyOf(*claim));
        }
      })
      .Indexes<Pod>(kPodsByClaim)
      .Reconciles(&ReconcileClaimProtection);
}

Plan ReconcileVolumeProtection(const View&, const PersistentVolume& volume) {
  Plan plan;
  const bool held = kube::HasFinalizer(volume.metadata, kube::kVolumeProtection);
  if (!volume.metadata.deletionTimestamp) {
    if (!held) AddFinalizer(volume, kube::kVolumeProtection, plan);
  } else if (held && !(volume.status.phase == "Bound")) {
    RemoveFinalizer(volume, kube::kVolumeProtection, plan);
  }
  return plan;
}

ControllerEntry VolumeProtection() {
  return For<PersistentVolume>("pv-protection-controller").Reconciles(&ReconcileVolumeProtection);
}

}  // namespace minikube::controllers
