// Finds a volume for every claim, or has one made.
//
// A binding is written in four steps, each of which the next run of the key can see: the volume names the claim (the
// one write that decides, compared with the version of the volume that was chosen), the volume's phase, the claim names
// the volume, the claim's status. Whoever stops in between leaves something that the next run goes on with.
// Semantics: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#binding
#include <algorithm>

#include <fmt/format.h>

#include "controllers/controllers.h"
#include "controllers/storage/storage.h"
#include "kube/pods.h"
#include "kube/volumes.h"

namespace minikube::controllers {
namespace {

using core::v1::PersistentVolume;
using core::v1::PersistentVolumeClaim;
using core::v1::Pod;
using storage::v1::StorageClass;

class ClaimSync {
 public:
  ClaimSync(const View& view, const PersistentVolumeClaim& claim, Plan& plan)
      : view_(view), claim_(claim), plan_(plan) {}

  void Run() {
    if (claim_.metadata.annotations.Contains(kube::kBindCompleted)) return SyncBound();
    // Who takes a claim back needs no volume for it.
    if (claim_.metadata.deletionTimestamp) return;
    if (!claim_.spec.volumeName.empty()) return SyncRequested();
    FindVolume();
  }

 private:
  std::string_view VolumeName() const { return claim_.spec.volumeName; }

  void Pending() { PutClaimStatus(claim_, "Pending", nullptr, plan_); }

  void FindVolume() {
    const std::string_view class_name = kube::ClassOf(claim_);
    const auto* storage_class = class_name.empty() ? nullptr : view_.Get<StorageClass>("", class_name);
    const bool delayed = storage_class != nullptr && kube::WaitsForConsumer(*storage_class);
    std::vector<const PersistentVolume*> volumes = view_.By<PersistentVolume>(kVolumesByClaim, ClaimKey(claim_));
    if (!delayed) {
      const auto free = view_.By<PersistentVolume>(kFreeVolumesByClass, kube::ClassKey(class_name));
      volumes.insert(volumes.end(), free.begin(), free.end());
    }
    if (const PersistentVolume* volume = kube::BestFor({.claim = claim_, .only_kept = delayed}, volumes)) {
      return Bind(*volume);
    }
    if (AssignDefaultClass()) return;
    if (delayed && !claim_.metadata.annotations.Contains(kube::kSelectedNode)) {
      TellWhoIsWaitedFor();
    } else if (!class_name.empty()) {
      return Provision(class_name, storage_class);
    } else {
      plan_.Event("FailedBinding", "no persistent volumes available for this claim and no storage class is set");
    }
    Pending();
  }

  // A claim that says nothing of a class gets the default one, also if that comes later than the claim.
  bool AssignDefaultClass() {
    if (kube::HasClass(claim_)) return false;
    const StorageClass* fallback = DefaultClass(view_);
    if (fallback == nullptr) return false;
    PersistentVolumeClaim next = claim_;
    next.spec.storageClassName = fallback->metadata.name;
    plan_.Update(next).IgnoreGone();
    return true;
  }

  void TellWhoIsWaitedFor() {
    std::string names;
    int count = 0;
    for (const Pod* pod : view_.By<Pod>(kPodsByClaim, ClaimKey(claim_))) {
      if (kube::IsPodFinished(*pod) || !pod->spec.nodeName.empty()) continue;
      names += (count++ > 0 ? "," : "") + pod->metadata.name.str();
    }
    if (count == 0) {
      plan_.Event("WaitForFirstConsumer", "waiting for first consumer to be created before binding");
    } else {
      plan_.Event("WaitForPodScheduled",
                  fmt::format("waiting for {} {} to be scheduled", count > 1 ? "pods" : "pod", names));
    }
  }

  // Tells the class's provisioner that a volume is wanted; it makes one that is kept for the claim.
  void Provision(std::string_view class_name, const StorageClass* storage_class) {
    if (storage_class == nullptr) {
      plan_.Warning("ProvisioningFailed", fmt::format("storageclass.storage.k8s.io \"{}\" not found", class_name));
      return Pending();
    }
    const Str& provisioner = storage_class->provisioner;
    if (provisioner.view().starts_with("kubernetes.io/")) {
      plan_.Warning("ProvisioningFailed", fmt::format("no volume plugin matched name: {}", provisioner.view()));
      return Pending();
    }
    PersistentVolumeClaim next = claim_;
    next.metadata.annotations[kube::kStorageProvisioner] = provisioner;
    next.metadata.annotations[kube::kBetaStorageProvisioner] = provisioner;
    if (next.metadata.annotations != claim_.metadata.annotations) plan_.Update(next).IgnoreGone();
    plan_.Event("ExternalProvisioning",
                fmt::format("Waiting for a volume to be created either by the external provisioner '{}' or manually by "
                            "the system administrator. If volume creation is delayed, please verify that the "
                            "provisioner is running and correctly registered.",
                            provisioner.view()));
  }

  // The claim names its volume.
  void SyncRequested() {
    const auto* volume = view_.Get<PersistentVolume>("", VolumeName());
    if (volume == nullptr) return Pending();
    if (!volume->spec.claimRef) {
      const std::string mismatch = kube::Mismatch(*volume, claim_);
      if (mismatch.empty()) return Bind(*volume);
      plan_.Warning("VolumeMismatch",
                    fmt::format("Cannot bind to requested volume \"{}\": {}", VolumeName(), mismatch));
    } else if (kube::IsBoundTo(*volume, claim_)) {
      return Bind(*volume);
    } else {
      plan_.Warning("FailedBinding", fmt::format("volume \"{}\" already bound to a different claim.", VolumeName()));
    }
    Pending();
  }

  void SyncBound() {
    if (VolumeName().empty()) {
      return Lose("ClaimLost", "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!");
    }
    const auto* volume = view_.Get<PersistentVolume>("", VolumeName());
    if (volume == nullptr) {
      // It may be newer than what is seen.
      const Result<ApiResponse>* answer = view_.Answer<PersistentVolume>("", VolumeName());
      if (answer == nullptr && !(claim_.status.phase == "Lost")) {
        plan_.Read<PersistentVolume>("", VolumeName());
      } else if (answer == nullptr || answer->ok()) {
        return;  // the informer will show it
      } else {
        Lose("ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
      }
      return;
    }
    if (volume->spec.claimRef && !(volume->spec.claimRef->uid == claim_.metadata.uid)) {
      return Lose("ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly");
    }
    Bind(*volume);
  }

  void Lose(std::string_view reason, std::string message) {
    if (claim_.status.phase == "Lost") return;
    Announce(PutClaimStatus(claim_, "Lost", nullptr, plan_), "Warning", reason, std::move(message));
  }

  void Bind(const PersistentVolume& volume) {
    if (const auto next = kube::BindTo(volume, claim_)) {
      plan_.Update(*next).IgnoreGone();
      return;
    }
    plan_.InOrder();
    PutVolumePhase(volume, "Bound", "", plan_);
    PersistentVolumeClaim next = claim_;
    if (next.spec.volumeName != volume.metadata.name) {
      next.spec.volumeName = volume.metadata.name;
      next.metadata.annotations[kube::kBoundByController] = "yes";
    }
    if (!next.metadata.annotations.Contains(kube::kBindCompleted)) {
      next.metadata.annotations[kube::kBindCompleted] = "yes";
      plan_.Update(next).IgnoreGone();
      return;
    }
    PutClaimStatus(claim_, "Bound", &volume, plan_);
  }

  const View& view_;
  const PersistentVolumeClaim& claim_;
  Plan& plan_;
};

bool IsFree(const PersistentVolume& volume) { return !volume.spec.claimRef && volume.status.phase == "Available"; }

void WakeUnbound(const View& view, std::string_view key, const Wake& wake) {
  for (const auto* claim : view.By<PersistentVolumeClaim>(kUnboundClaimsByClass, key)) wake(KeyOf(*claim));
}

void OnVolume(const View& view, const PersistentVolume* before, const PersistentVolume* after, const Wake& wake) {
  for (const PersistentVolume* volume : {before, after}) {
    if (volume != nullptr && volume->spec.claimRef) {
      wake({volume->spec.claimRef->namespace_, volume->spec.claimRef->name});
    }
  }
  const Str& name = (after != nullptr ? after : before)->metadata.name;
  for (const auto* claim : view.By<PersistentVolumeClaim>(kClaimsByVolume, name)) wake(KeyOf(*claim));
  if (after == nullptr || !IsFree(*after)) return;
  const bool news = before == nullptr || !IsFree(*before) || before->metadata.labels != after->metadata.labels ||
                    !DeepEqual(before->spec, after->spec);
  if (news) WakeUnbound(view, kube::ClassKey(kube::ClassOf(*after)), wake);
  if (news && kube::ClassOf(*after).empty()) WakeUnbound(view, kNoClass, wake);
}

void OnClass(const View& view, const StorageClass* before, const StorageClass* after, const Wake& wake) {
  WakeUnbound(view, kube::ClassKey((after != nullptr ? after : before)->metadata.name), wake);
  if (after != nullptr && kube::IsDefaultClass(*after)) WakeUnbound(view, kNoClass, wake);
}

void OnPod(const View& view, const Pod* before, const Pod* after, const Wake& wake) {
  if (before != nullptr && after != nullptr && before->spec.nodeName == after->spec.nodeName) return;
  const Pod& pod = after != nullptr ? *after : *before;
  for (const std::string& name : kube::ClaimsOf(pod)) {
    const auto* claim = view.Get<PersistentVolumeClaim>(pod.metadata.namespace_, name);
    if (claim != nullptr && !kube::IsFullyBound(*claim)) wake(KeyOf(*claim));
  }
}

}  // namespace

Plan ReconcileClaim(const View& view, const PersistentVolumeClaim& claim) {
  Plan plan;
  ClaimSync(view, claim, plan).Run();
  return plan;
}

ControllerEntry ClaimBinder() {
  return For<PersistentVolumeClaim>("persistent-volume-binder")
      .Watches<PersistentVolume>(&OnVolume)
      .Watches<StorageClass>(&OnClass)
      .Watches<Pod>(&OnPod)
      .Indexes<PersistentVolume>(kVolumesByClaim)
      .Indexes<PersistentVolume>(kFreeVolumesByClass)
      .Indexes<PersistentVolumeClaim>(kClaimsByVolume)
      .Indexes<PersistentVolumeClaim>(kUnboundClaimsByClass)
      .Indexes<Pod>(kPodsByClaim)
      .Reconciles(&ReconcileClaim);
}

}  // namespace minikube::controllers
