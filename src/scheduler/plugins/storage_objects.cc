#include "scheduler/plugins/storage_objects.h"

#include <algorithm>

#include <fmt/format.h>

#include "kube/volumes.h"
#include "scheduler/pod_info.h"

namespace minikube::scheduler {
namespace {

using core::v1::PersistentVolume;
using core::v1::PersistentVolumeClaim;
using storage::v1::StorageClass;
using storage::v1::VolumeAttachment;

std::vector<std::string> NodeOfAttachment(const Object& object) {
  return {object.As<VolumeAttachment>().spec.nodeName.str()};
}

}  // namespace

const Index kVolumesByClaim{"volumesByClaim", kube::ClaimOfVolume};
const Index kFreeVolumesByClass{"freeVolumesByClass", kube::ClassOfFreeVolume};
const Index kAttachmentsByNode{"attachmentsByNode", NodeOfAttachment};

std::vector<std::pair<const ResourceDesc*, const Index*>> StorageIndexes() {
  return {{&Client::ResourceOf<PersistentVolume>(), &kVolumesByClaim},
          {&Client::ResourceOf<PersistentVolume>(), &kFreeVolumesByClass},
          {&Client::ResourceOf<VolumeAttachment>(), &kAttachmentsByNode}};
}

bool HasClaims(const core::v1::Pod& pod) {
  return std::any_of(pod.spec.volumes.begin(), pod.spec.volumes.end(),
                     [](const core::v1::Volume& volume) { return volume.persistentVolumeClaim || volume.ephemeral; });
}

void AppendVersion(const ObjectRef& object, std::string& key) {
  AppendPart(object ? object->meta().uid.view() : std::string_view(), key);
  AppendPart(object ? object->meta().resourceVersion.view() : std::string_view(), key);
}

void AppendClaims(const core::v1::Pod& pod, const Storage& storage, std::string& key) {
  const auto find = [&](const ResourceDesc& resource, std::string_view ns, std::string_view name) {
    return storage.objects.Find(resource, ns, name);
  };
  AppendPart(pod.metadata.namespace_, key);
  for (const core::v1::Volume& volume : pod.spec.volumes) {
    const std::string name = kube::ClaimName(pod, volume);
    if (name.empty()) continue;
    AppendPart(name, key);
    if (volume.ephemeral) AppendPart(pod.metadata.uid, key);  // whose claim it must be
    const ObjectRef claim = find(Client::ResourceOf<PersistentVolumeClaim>(), pod.metadata.namespace_, name);
    AppendVersion(claim, key);
    if (!claim) continue;
    const auto& spec = claim->As<PersistentVolumeClaim>();
    AppendVersion(find(Client::ResourceOf<PersistentVolume>(), {}, spec.spec.volumeName), key);
    AppendVersion(find(Client::ResourceOf<StorageClass>(), {}, kube::ClassOf(spec)), key);
  }
}

Status NoClaim(std::string_view name) {
  return {Code::kNotFound, fmt::format("persistentvolumeclaim \"{}\" not found", name)};
}

}  // namespace minikube::scheduler
