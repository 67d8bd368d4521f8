// Persistent volumes, claims and storage classes: what is bound to what, and what fits what. Pure functions.
// Semantics: https://kubernetes.io/docs/concepts/storage/persistent-volumes/
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/api/core/v1.h>
#include <minikube/api/storage/v1.h>
#include <minikube/object.h>

namespace minikube::kube {

// Annotations by which binder, scheduler and provisioners tell one another how far they are.
inline constexpr std::string_view kBindCompleted = "pv.kubernetes.io/bind-completed";           // of a claim
inline constexpr std::string_view kBoundByController = "pv.kubernetes.io/bound-by-controller";  // of both
inline constexpr std::string_view kProvisionedBy = "pv.kubernetes.io/provisioned-by";           // of a volume
inline constexpr std::string_view kSelectedNode = "volume.kubernetes.io/selected-node";         // of a claim
inline constexpr std::string_view kStorageProvisioner = "volume.kubernetes.io/storage-provisioner";
inline constexpr std::string_view kBetaStorageProvisioner = "volume.beta.kubernetes.io/storage-provisioner";
inline constexpr std::string_view kDefaultClass = "storageclass.kubernetes.io/is-default-class";
inline constexpr std::string_view kBetaDefaultClass = "storageclass.beta.kubernetes.io/is-default-class";
// The provisioner of a class whose volumes are made by hand.
inline constexpr std::string_view kNoProvisioner = "kubernetes.io/no-provisioner";

inline constexpr std::string_view kClaimProtection = "kubernetes.io/pvc-protection";
inline constexpr std::string_view kVolumeProtection = "kubernetes.io/pv-protection";

// --- Classes ---------------------------------------------------------------------------------------------------------

// Whether the claim says which class it wants, be it "" (none).
// What a volume has and a claim asks for; 0 if nothing is said.
Quantity SizeOf(const core::v1::PersistentVolume& volume);
Quantity SizeOf(const core::v1::PersistentVolumeClaim& claim);
bool HasClass(const core::v1::PersistentVolumeClaim& claim);
std::string_view ClassOf(const core::v1::PersistentVolumeClaim& claim);
std::string_view ClassOf(const core::v1::PersistentVolume& volume);
bool IsDefaultClass(const storage::v1::StorageClass& storage_class);
// Of two default classes the newer one, of those of one second the first by name, is the default.
bool IsBetterDefault(const storage::v1::StorageClass& a, const storage::v1::StorageClass& b);
bool WaitsForConsumer(const storage::v1::StorageClass& storage_class);

// --- Pods ------------------------------------------------------------------------------------------------------------

// The claim behind a volume of the pod: the one it names, or that of a generic ephemeral volume; "" if there is none.
std::string ClaimName(const core::v1::Pod& pod, const core::v1::Volume& volume);
// Whether a claim of the name that ClaimName gives is the one made for this ephemeral volume.
bool IsMadeFor(const core::v1::PersistentVolumeClaim& claim, const core::v1::Pod& pod);
// What is wrong with a claim of that name that was made by somebody else, as Kubernetes says it.
std::string NotMadeFor(const core::v1::PersistentVolumeClaim& claim, const core::v1::Pod& pod);
// Every claim that the pod's volumes name, each once.
std::vector<std::string> ClaimsOf(const core::v1::Pod& pod);

// --- Binding ---------------------------------------------------------------------------------------------------------

// Whether the volume is bound to the claim, or kept for a claim of that name.
bool IsBoundTo(const core::v1::PersistentVolume& volume, const core::v1::PersistentVolumeClaim& claim);
// The binder has done everything for the claim.
bool IsFullyBound(const core::v1::PersistentVolumeClaim& claim);
// The volume as it is to be for this claim; nullopt if it is so already.
std::optional<core::v1::PersistentVolume> BindTo(const core::v1::PersistentVolume& volume,
                                                 const core::v1::PersistentVolumeClaim& claim);
bool IsBlock(const std::optional<Str>& volume_mode);
bool SameMode(const core::v1::PersistentVolume& volume, const core::v1::PersistentVolumeClaim& claim);
// All access modes that the claim asks for.
bool OffersModes(const core::v1::PersistentVolume& volume, const core::v1::PersistentVolumeClaim& claim);
// Whether a node with these labels reaches the volume.
bool IsReachableFrom(const core::v1::PersistentVolume& volume, const Map<Str>& node_labels);
// Why the volume that the claim names cannot be its; "" if it can.
std::string Mismatch(const core::v1::PersistentVolume& volume, const core::v1::PersistentVolumeClaim& claim);
// The volume to bind the claim to: one that is kept for it, else the smallest of those that fit, among them one with
// few access modes. Null if none does.
struct Wanted {
  const core::v1::PersistentVolumeClaim& claim;
  const Map<Str>* node_labels = nullptr;  // only what is reached from such a node; null: wherever
  bool only_kept = false;                 // the binder leaves claims that wait for a pod to the scheduler
};
const core::v1::PersistentVolume* BestFor(const Wanted& wanted,
                                          std::span<const core::v1::PersistentVolume* const> volumes);

// What indexes find volumes by. "<namespace>/<name>" of a claim; "class <name>".
std::string ClaimKey(std::string_view ns, std::string_view name);
std::string ClassKey(std::string_view storage_class);
std::vector<std::string> ClaimOfVolume(const Object& volume);      // that it is bound to or kept for
std::vector<std::string> ClassOfFreeVolume(const Object& volume);  // if nobody has it

// --- Provisioning ----------------------------------------------------------------------------------------------------

// What the class asks of the nodes where its volumes are made.
bool AllowsNode(const storage::v1::StorageClass& storage_class, const Map<Str>& node_labels);

// The provisioner of volumes on nodes' own disks that is part of the library, and its finalizer: the data of a volume
// that has it is on a node whose agent removes it.
inline constexpr std::string_view kLocalPath = "minikube.dev/local-path";
// On a Node: the directory in which its agent keeps such volumes. Nodes that run nothing have none.
inline constexpr std::string_view kLocalPathRoot = "minikube.dev/local-path-root";
// On such a volume: its agent has made the directory.
inline constexpr std::string_view kLocalPathMade = "minikube.dev/local-path-made";
// The name of the one node that reaches the volume, by its label kubernetes.io/hostname; "" if that is not how it is
// bound to nodes.
std::string_view HostnameOf(const core::v1::PersistentVolume& volume);

}  // namespace minikube::kube
