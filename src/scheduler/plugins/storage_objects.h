// Claims and volumes of pods, as the plugins of storage look at them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <minikube/api/core/v1.h>
#include <minikube/api/storage/v1.h>

#include "scheduler/plugins/plugins.h"

namespace minikube::scheduler {

extern const Index kVolumesByClaim;
extern const Index kFreeVolumesByClass;
extern const Index kAttachmentsByNode;

inline const core::v1::Pod& PodOf(const PodInfo& pod) { return pod.object->As<core::v1::Pod>(); }

template <typename T>
const T* Find(const Storage& storage, std::string_view ns, std::string_view name) {
  const ObjectRef object = storage.objects.Find(Client::ResourceOf<T>(), ns, name);
  return object ? &object->As<T>() : nullptr;
}

// Whether any volume of the pod is a claim's.
bool HasClaims(const core::v1::Pod& pod);
// Which version of the object there is, for Plugin::Key; also that there is none.
void AppendVersion(const ObjectRef& object, std::string& key);
// The versions of everything that is behind the pod's claims: the claims, their volumes, their classes.
void AppendClaims(const core::v1::Pod& pod, const Storage& storage, std::string& key);

// "persistentvolumeclaim "x" not found".
Status NoClaim(std::string_view name);

}  // namespace minikube::scheduler
