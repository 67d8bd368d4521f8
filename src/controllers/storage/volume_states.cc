// Keeps the phase of every volume, and reclaims those whose claim has gone.
// Semantics: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#reclaiming
#include <fmt/format.h>

#include "controllers/controllers.h"
#include "controllers/storage/storage.h"
#include "kube/volumes.h"

namespace minikube::controllers {
namespace {

using core::v1::ObjectReference;
using core::v1::PersistentVolume;
using core::v1::PersistentVolumeClaim;

class VolumeSync {
 public:
  VolumeSync(const View& view, const PersistentVolume& volume, Plan& plan)
      : view_(view), volume_(volume), plan_(plan) {}

  void Run() {
    if (!volume_.spec.claimRef || volume_.spec.claimRef->uid.empty()) {
      PutVolumePhase(volume_, "Available", "", plan_);  // free, or kept for a claim that has not come to it yet
      return;
    }
    const PersistentVolumeClaim* claim = nullptr;
    if (!FindClaim(claim)) return;
    if (claim == nullptr) return Release();
    if (claim->spec.volumeName.empty()) return TellMismatch(*claim);  // else the claim's own run will go on with it
    if (claim->spec.volumeName == volume_.metadata.name) {
      PutVolumePhase(volume_, "Bound", "", plan_);
    } else if (IsProvisioned() && volume_.spec.persistentVolumeReclaimPolicy == "Delete") {
      Release();  // it was made for this claim, which has another now
    } else {
      Unbind();
    }
  }

 private:
  const ObjectReference& Ref() const { return *volume_.spec.claimRef; }
  bool WasReleased() const { return volume_.status.phase == "Released" || volume_.status.phase == "Failed"; }
  std::string_view Provisioner() const {
    const Str* by = volume_.metadata.annotations.Find(kube::kProvisionedBy);
    return by != nullptr ? by->view() : std::string_view();
  }
  bool IsProvisioned() const { return volume_.metadata.annotations.Contains(kube::kProvisionedBy); }

  // The claim that the volume is bound to, null if there is none any more. False while the server is asked: a claim
  // that is only newer than what is seen must not cost the user his data.
  bool FindClaim(const PersistentVolumeClaim*& claim) {
    const auto* seen = view_.Get<PersistentVolumeClaim>(Ref().namespace_, Ref().name);
    if (seen != nullptr && seen->metadata.uid == Ref().uid) {
      claim = seen;
      return true;
    }
    if (WasReleased()) return true;
    const Result<ApiResponse>* answer = view_.Answer<PersistentVolumeClaim>(Ref().namespace_, Ref().name);
    if (answer == nullptr) {
      plan_.Read<PersistentVolumeClaim>(Ref().namespace_, Ref().name);
      return false;
    }
    // If the server knows it, the informer will show it.
    return !answer->ok() || !((*answer)->object->meta().uid == Ref().uid);
  }

  void TellMismatch(const PersistentVolumeClaim& claim) {
    if (kube::SameMode(volume_, claim)) return;
    plan_.Warning("VolumeMismatch", fmt::format("Cannot bind PersistentVolume to requested PersistentVolumeClaim "
                                                "\"{}\" due to incompatible volumeMode.",
                                                claim.metadata.name.view()));
  }

  void Release() {
    if (!WasReleased()) {
      PutVolumePhase(volume_, "Released", "", plan_);
      return;
    }
    const std::string_view policy = volume_.spec.persistentVolumeReclaimPolicy;
    if (policy == "Retain") return;
    if (policy == "Delete") return Delete();
    if (policy == "Recycle") return Fail("VolumeFailedRecycle", "No recycler plugin found for the volume!");
    Fail("VolumeUnknownReclaimPolicy", "Volume has unrecognized PersistentVolumeReclaimPolicy");
  }

  void Delete() {
    if (Provisioner() == kube::kLocalPath) {
      // Its finalizers keep it until its node has removed the data. Of this version: somebody may be keeping it.
      if (!volume_.metadata.deletionTimestamp) plan_.Delete(volume_).OfThisVersion(volume_.metadata).IgnoreGone();
      return;
    }
    const bool external = (!Provisioner().empty() && !Provisioner().starts_with("kubernetes.io/")) || volume_.spec.csi;
    if (external) return;  // whoever made it deletes it
    Fail("VolumeFailedDelete",
         fmt::format("error getting deleter volume plugin for volume \"{}\": no deletable volume plugin matched",
                     volume_.metadata.name.view()));
  }

  void Fail(std::string_view reason, const std::string& message) {
    Announce(PutVolumePhase(volume_, "Failed", message, plan_), "Warning", reason, message);
  }

  // The claim is bound to another volume: this one is free again, or kept for the claim if its maker wanted that.
  void Unbind() {
    PersistentVolume next = volume_;
    if (next.metadata.annotations.Erase(kube::kBoundByController)) {
      next.spec.claimRef.reset();
    } else {
      next.spec.claimRef.Mutable().uid = Str();
    }
    plan_.Update(next).IgnoreGone();
  }

  const View& view_;
  const PersistentVolume& volume_;
  Plan& plan_;
};

void OnClaim(const View& view, const PersistentVolumeClaim& claim, const Wake& wake) {
  if (!claim.spec.volumeName.empty()) wake({Str(), claim.spec.volumeName});
  for (const auto* volume : view.By<PersistentVolume>(kVolumesByClaim, ClaimKey(claim))) wake(KeyOf(*volume));
}

}  // namespace

Plan ReconcileVolume(const View& view, const PersistentVolume& volume) {
  Plan plan;
  VolumeSync(view, volume, plan).Run();
  return plan;
}

ControllerEntry VolumeStates() {
  return For<PersistentVolume>("persistent-volume-states")
      .As("persistent-volume-binder")
      .Watches<PersistentVolumeClaim>(&OnClaim)
      .Indexes<PersistentVolume>(kVolumesByClaim)
      .Reconciles(&ReconcileVolume);
}

}  // namespace minikube::controllers
