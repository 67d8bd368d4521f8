#include "api/kinds/token_volume.h"

#include <algorithm>

#include <minikube/object.h>

namespace minikube::api {
namespace {

using core::v1::Container;
using core::v1::Volume;
using core::v1::VolumeMount;

constexpr std::string_view kMountPath = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr std::string_view kVolumePrefix = "kube-api-access-";
// Kubernetes ends the name in five random letters. Here they are the same for all pods: nobody need tell them apart by
// it, pods that are alike stay alike for the scheduler, and they share one copy in memory.
constexpr std::string_view kVolumeName = "kube-api-access-token";
// An hour and seven seconds: recognised by TokenRequest as nobody's own choice.
constexpr std::int64_t kLifetimeSeconds = 3607;

List<Volume> MakeVolumes() {
  core::v1::VolumeProjection token;
  token.serviceAccountToken.Mutable().path = "token";
  token.serviceAccountToken.Mutable().expirationSeconds = kLifetimeSeconds;
  core::v1::VolumeProjection authority;
  core::v1::KeyToPath certificate;
  certificate.key = "ca.crt";
  certificate.path = "ca.crt";
  authority.configMap.Mutable().name = "kube-root-ca.crt";
  authority.configMap.Mutable().items.push_back(std::move(certificate));
  core::v1::VolumeProjection names;
  core::v1::DownwardAPIVolumeFile ns;
  ns.path = "namespace";
  ns.fieldRef.Mutable().apiVersion = "v1";
  ns.fieldRef.Mutable().fieldPath = "metadata.namespace";
  names.downwardAPI.Mutable().items.push_back(std::move(ns));
  Volume volume;
  volume.name = kVolumeName;
  volume.projected.Mutable().sources = {std::move(token), std::move(authority), std::move(names)};
  volume.projected.Mutable().defaultMode = 0644;
  return {std::move(volume)};
}

VolumeMount MountOf(Str volume) {
  VolumeMount mount;
  mount.name = std::move(volume);
  mount.readOnly = true;
  mount.mountPath = kMountPath;
  return mount;
}

// Shared by all pods that have no other volumes and mounts.
const List<Volume>& TheVolumes() {
  static const List<Volume> kVolumes = MakeVolumes();
  return kVolumes;
}
const List<VolumeMount>& TheMounts() {
  static const List<VolumeMount> kMounts = {MountOf(TheVolumes().front().name)};
  return kMounts;
}

// `list`, or where it is in `list`, becomes the one of `shared`.
template <typename T>
void Unify(const List<T>& shared, List<T>& list) {
  if (list.size() == 1 && DeepEqual(list.front(), shared.front())) {
    list = shared;
    return;
  }
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (DeepEqual(list[i], shared.front())) list.Mutable(i) = shared.front();
  }
}

}  // namespace

void ShareTokenVolume(core::v1::PodSpec& spec) {
  if (spec.volumes.empty()) return;
  Unify(TheVolumes(), spec.volumes);
  for (List<Container>* containers : {&spec.initContainers, &spec.containers}) {
    for (std::size_t i = 0; i < containers->size(); ++i) Unify(TheMounts(), containers->Mutable(i).volumeMounts);
  }
}

void MountServiceAccountToken(core::v1::PodSpec& spec) {
  const auto own = std::find_if(spec.volumes.begin(), spec.volumes.end(),
                                [](const Volume& volume) { return volume.name.view().starts_with(kVolumePrefix); });
  const bool there = own != spec.volumes.end();
  const List<VolumeMount> mounts = there ? List<VolumeMount>{MountOf(own->name)} : TheMounts();
  bool used = false;
  for (List<Container>* containers : {&spec.initContainers, &spec.containers}) {
    for (std::size_t i = 0; i < containers->size(); ++i) {
      const List<VolumeMount>& have = (*containers)[i].volumeMounts;
      if (std::any_of(have.begin(), have.end(), [](const VolumeMount& m) { return m.mountPath == kMountPath; }))
        continue;
      used = true;
      List<VolumeMount>& mounted = containers->Mutable(i).volumeMounts;
      if (mounted.empty()) {
        mounted = mounts;
      } else {
        mounted.push_back(mounts.front());
      }
    }
  }
  if (!used || there) return;
  if (spec.volumes.empty()) {
    spec.volumes = TheVolumes();
  } else {
    spec.volumes.push_back(TheVolumes().front());
  }
}

}  // namespace minikube::api
