// Makes volumes larger whose claims ask for more than they have. The built-in provisioner's are directories, so that
// only the numbers change; other volumes are their driver's to expand.
// Semantics: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#expanding-persistent-volumes-claims
#include "controllers/controllers.h"
#include "controllers/storage/storage.h"
#include "kube/volumes.h"

namespace minikube::controllers {
namespace {

using core::v1::PersistentVolume;
using core::v1::PersistentVolumeClaim;

}  // namespace

Plan ReconcileExpansion(const View& view, const PersistentVolumeClaim& claim) {
  Plan plan;
  const Quantity* wanted = claim.spec.resources.requests.Find("storage");
  const Quantity* has = claim.status.capacity.Find("storage");
  if (!kube::IsFullyBound(claim) || !(claim.status.phase == "Bound") || wanted == nullptr || has == nullptr)
    return plan;
  if (wanted->Compare(*has) <= 0) return plan;
  const auto* volume = view.Get<PersistentVolume>("", claim.spec.volumeName);
  if (volume == nullptr || !volume->spec.claimRef || !(volume->spec.claimRef->uid == claim.metadata.uid)) return plan;
  const Str* provisioner = volume->metadata.annotations.Find(kube::kProvisionedBy);
  if (provisioner == nullptr || !(*provisioner == kube::kLocalPath)) {
    if (volume->spec.csi) {
      plan.Event("ExternalExpanding", "waiting for an external controller to expand this PVC");
    } else {
      plan.Warning("ExternalExpanding",
                   "Ignoring the PVC: didn't find a plugin capable of expanding the volume; waiting for an external "
                   "controller to process this PVC.");
    }
    return plan;
  }
  const Quantity* size = volume->spec.capacity.Find("storage");
  if (size == nullptr || size->Compare(*wanted) < 0) {
    PersistentVolume next = *volume;
    next.spec.capacity["storage"] = *wanted;
    plan.Update(next).IgnoreGone();
    return plan;
  }
  core::v1::PersistentVolumeClaimStatus status = claim.status;
  status.capacity["storage"] = *size;
  Announce(plan.Status(claim, status), "Normal", "VolumeResizeSuccessful", "ExpandVolume succeeded for volume");
  return plan;
}

ControllerEntry ExpandController() {
  return For<PersistentVolumeClaim>("expand-controller")
      .Watches<PersistentVolume>([](const View&, const PersistentVolume& volume, const Wake& wake) {
        if (volume.spec.claimRef) wake({volume.spec.claimRef->namespace_, volume.spec.claimRef->name});
      })
      .Reconciles(&ReconcileExpansion);
}

}  // namespace minikube::controllers
