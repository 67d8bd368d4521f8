// The provisioner minikube.dev/local-path: volumes that are directories on the disk of the node where their first pod
// runs. Here are the objects; the directories are the node agent's (src/agent/local_volumes.h), which makes one when it
// sees its volume and removes it before the volume's object goes, held by a finalizer until then. On nodes that run
// nothing there are no directories, and nothing holds the object.
#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "controllers/controllers.h"
#include "controllers/storage/storage.h"
#include "kube/names.h"
#include "kube/owners.h"
#include "kube/times.h"
#include "kube/volumes.h"

namespace minikube::controllers {
namespace {

using core::v1::Node;
using core::v1::PersistentVolume;
using core::v1::PersistentVolumeClaim;
using storage::v1::StorageClass;

// Where the directories of a node would be that has none.
constexpr std::string_view kNowhere = "/var/lib/minikube/local-path";
// A node that was deleted may come back, if its agent still runs.
constexpr Duration kNodeGone = std::chrono::minutes(5);

std::vector<std::string> HostnameOfNode(const Object& object) {
  const Str* name = object.meta().labels.Find(kube::kHostnameLabel);
  if (name == nullptr) return {};
  return {name->str()};
}
const Index kNodesByHostname{"nodesByHostname", HostnameOfNode};

std::string VolumeNameFor(const PersistentVolumeClaim& claim) {
  return fmt::format("pvc-{}", claim.metadata.uid.view());
}

// What a claim asks for that a directory is not; "" if nothing.
std::string NotPossible(const PersistentVolumeClaim& claim) {
  if (kube::IsBlock(claim.spec.volumeMode)) return "local-path volumes are directories: volumeMode must be Filesystem";
  if (claim.spec.selector) return "claim.spec.selector is not supported by local-path volumes";
  if (claim.spec.dataSource || claim.spec.dataSourceRef)
    return "local-path volumes cannot be filled from a data source";
  const auto& modes = claim.spec.accessModes;
  const bool single = std::all_of(modes.begin(), modes.end(), [](const Str& mode) {
    return mode == "ReadWriteOnce" || mode == "ReadWriteOncePod";
  });
  if (!single) return "local-path volumes are on one node: only ReadWriteOnce and ReadWriteOncePod are supported";
  return {};
}

PersistentVolume VolumeFor(const PersistentVolumeClaim& claim, const StorageClass& storage_class, const Node& node) {
  PersistentVolume volume;
  volume.metadata.name = VolumeNameFor(claim);
  volume.metadata.annotations[kube::kProvisionedBy] = kube::kLocalPath;
  const Str* root = node.metadata.annotations.Find(kube::kLocalPathRoot);
  if (root != nullptr) volume.metadata.finalizers.push_back(kube::kLocalPath);
  volume.spec.capacity["storage"] = *claim.spec.resources.requests.Find("storage");
  volume.spec.accessModes = claim.spec.accessModes;
  volume.spec.persistentVolumeReclaimPolicy = storage_class.reclaimPolicy.value_or("Delete");
  volume.spec.storageClassName = storage_class.metadata.name;
  volume.spec.volumeMode = Str("Filesystem");
  volume.spec.mountOptions = storage_class.mountOptions;
  volume.spec.local.Mutable().path =
      fmt::format("{}/{}", root != nullptr ? root->view() : kNowhere, volume.metadata.name.view());
  core::v1::NodeSelectorRequirement here;
  const Str* hostname = node.metadata.labels.Find(kube::kHostnameLabel);
  here.key = kube::kHostnameLabel;
  here.operator_ = "In";
  here.values = {hostname != nullptr ? *hostname : node.metadata.name};
  core::v1::NodeSelectorTerm term;
  term.matchExpressions = {here};
  volume.spec.nodeAffinity.Mutable().required.Mutable().nodeSelectorTerms = {term};
  core::v1::ObjectReference ref;
  ref.kind = "PersistentVolumeClaim";
  ref.apiVersion = "v1";
  ref.namespace_ = claim.metadata.namespace_;
  ref.name = claim.metadata.name;
  ref.uid = claim.metadata.uid;
  ref.resourceVersion = claim.metadata.resourceVersion;
  volume.spec.claimRef = std::move(ref);
  return volume;
}

// Whether a volume of ours is wanted for the claim.
bool IsOurs(const PersistentVolumeClaim& claim) {
  const Str* provisioner = claim.metadata.annotations.Find(kube::kStorageProvisioner);
  return provisioner != nullptr && *provisioner == kube::kLocalPath && claim.spec.volumeName.empty() &&
         !claim.metadata.deletionTimestamp && !claim.metadata.annotations.Contains(kube::kBindCompleted);
}

// Says that the scheduler has to choose again: its node is not there.
void ChooseAgain(const PersistentVolumeClaim& claim, std::string_view node, Plan& plan) {
  PersistentVolumeClaim next = claim;
  next.metadata.annotations.Erase(kube::kSelectedNode);
  plan.Update(next).IgnoreGone();
  plan.Warning("ProvisioningFailed",
               fmt::format("failed to provision volume with StorageClass \"{}\": node \"{}\" not found",
                           kube::ClassOf(claim), node));
}

}  // namespace

Plan ProvisionLocalPath(const View& view, const PersistentVolumeClaim& claim) {
  Plan plan;
  if (!IsOurs(claim)) return plan;
  const auto* storage_class = view.Get<StorageClass>("", kube::ClassOf(claim));
  if (storage_class == nullptr || !(storage_class->provisioner == kube::kLocalPath)) return plan;
  for (const auto* volume : view.By<PersistentVolume>(kVolumesByClaim, ClaimKey(claim))) {
    if (kube::IsBoundTo(*volume, claim)) return plan;  // the binder's turn
  }
  const auto fail = [&](std::string_view why) {
    plan.Warning("ProvisioningFailed", fmt::format("failed to provision volume with StorageClass \"{}\": {}",
                                                   storage_class->metadata.name.view(), why));
    return plan;
  };
  if (const std::string why = NotPossible(claim); !why.empty()) return fail(why);
  const Str* selected = claim.metadata.annotations.Find(kube::kSelectedNode);
  if (selected == nullptr) {
    return fail(
        "local-path volumes are made where their first pod runs: the StorageClass must have volumeBindingMode "
        "WaitForFirstConsumer");
  }
  const auto* node = view.Get<Node>("", *selected);
  if (node == nullptr) {
    const Result<ApiResponse>* answer = view.Answer<Node>("", *selected);
    if (answer == nullptr) {
      plan.Read<Node>("", *selected);
    } else if (!answer->ok()) {
      ChooseAgain(claim, *selected, plan);
    }
    return plan;
  }
  const PersistentVolume volume = VolumeFor(claim, *storage_class, *node);
  plan.Create(volume)
      .Event("ProvisioningSucceeded", fmt::format("Successfully provisioned volume {}", volume.metadata.name.view()))
      .Warning("ProvisioningFailed", fmt::format("failed to provision volume with StorageClass \"{}\": {{}}",
                                                 storage_class->metadata.name.view()))
      .About(claim)
      .Ignore(Code::kAlreadyExists);
  return plan;
}

ControllerEntry LocalPathProvisioner() {
  return For<PersistentVolumeClaim>("local-path-provisioner")
      .When([](const View&, const PersistentVolumeClaim& claim) { return IsOurs(claim); })
      .Watches<PersistentVolume>([](const View&, const PersistentVolume& volume, const Wake& wake) {
        if (volume.spec.claimRef) wake({volume.spec.claimRef->namespace_, volume.spec.claimRef->name});
      })
      .Reads<StorageClass>()
      .Reads<Node>()
      .Indexes<PersistentVolume>(kVolumesByClaim)
      .Reconciles(&ProvisionLocalPath);
}

Plan AbandonLocalPath(const View& view, const PersistentVolume& volume) {
  Plan plan;
  if (!volume.metadata.deletionTimestamp || !kube::HasFinalizer(volume.metadata, kube::kLocalPath)) return plan;
  const std::string_view hostname = kube::HostnameOf(volume);
  if (!view.By<Node>(kNodesByHostname, hostname).empty()) return plan;  // its agent sees to it
  const Duration left = kNodeGone - kube::Since(*volume.metadata.deletionTimestamp, view.Now());
  if (left > Duration::zero()) {
    plan.Again(left);
    return plan;
  }
  PersistentVolume next = volume;
  kube::RemoveFinalizer(next.metadata, kube::kLocalPath);
  plan.Update(next).IgnoreGone();
  plan.Warning("NodeGone", fmt::format("node \"{}\" is gone, and the data of the volume with it", hostname));
  return plan;
}

ControllerEntry LocalPathReclaimer() {
  return For<PersistentVolume>("local-path-reclaimer")
      .As("local-path-provisioner")
      .When([](const View&, const PersistentVolume& volume) { return volume.metadata.deletionTimestamp.has_value(); })
      .Watches<Node>([](const View& view, const Node* before, const Node* after, const Wake& wake) {
        if (before == nullptr || after != nullptr) return;
        for (const auto* volume : view.List<PersistentVolume>()) {
          if (volume->metadata.deletionTimestamp) wake(KeyOf(*volume));
        }
      })
      .Indexes<Node>(kNodesByHostname)
      .Reconciles(&AbandonLocalPath);
}

}  // namespace minikube::controllers
