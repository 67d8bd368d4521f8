// What a pod refers to by name: secrets, config maps, claims, its service account. Pure functions.
//
// Names are of the pod's own namespace.
#pragma once

#include <string>
#include <string_view>

#include <minikube/api/core/v1.h>
#include <minikube/function.h>

namespace minikube::kube {

// What a static pod shows of itself at the API server.
bool IsMirrorPod(const core::v1::Pod& pod);

bool ReadsSecret(const core::v1::Pod& pod, std::string_view secret);
bool ReadsConfigMap(const core::v1::Pod& pod, std::string_view config_map);
// Claims that a volume names, or that are made for an ephemeral one.
bool MountsClaim(const core::v1::Pod& pod, std::string_view claim);
bool UsesResourceClaim(const core::v1::Pod& pod, std::string_view claim);
bool RunsAs(const core::v1::Pod& pod, std::string_view service_account);

void ForEachClaim(const core::v1::Pod& pod, const Function<void(std::string_view claim)>& each);
// Whether a node needs that secret to mount the volume.
bool VolumeReadsSecret(const core::v1::PersistentVolume& volume, std::string_view ns, std::string_view secret);
// The first kind of object that the pod refers to ("secrets", "configmaps", ...), in kube-apiserver's order; "" if it
// refers to none.
std::string_view FirstReference(const core::v1::Pod& pod);

}  // namespace minikube::kube
