// The rules of a pod's spec, by subject; pod_spec.cc applies them all. Every function appends what is wrong below
// `path`, in Kubernetes' words (k8s.io/kubernetes pkg/apis/core/validation).
#pragma once

#include <set>
#include <string_view>

#include <minikube/api/core/v1.h>

#include "api/world/stored_kind.h"

namespace minikube::api {

// pod_scheduling.cc: where a pod may run.
void ValidateNodeSelector(const core::v1::NodeSelector& selector, const FieldPath& path, ErrorList& errors);
void ValidateAffinity(const core::v1::Affinity& affinity, const FieldPath& path, ErrorList& errors);
void ValidateTolerations(const List<core::v1::Toleration>& tolerations, const FieldPath& path, ErrorList& errors);
void ValidateSpreadConstraints(const List<core::v1::TopologySpreadConstraint>& constraints, const FieldPath& path,
                               ErrorList& errors);
void ValidateGates(const core::v1::PodSpec& spec, const FieldPath& path, ErrorList& errors);

// pod_volumes.cc: what a pod mounts. `names` gets the names of the volumes.
void ValidateVolumes(const List<core::v1::Volume>& volumes, std::set<std::string_view>& names, const FieldPath& path,
                     ErrorList& errors);
// How many sources a volume has; one is right.
std::size_t SourcesOf(const core::v1::Volume& volume);
// No way up: relative, without "..".
void ValidateDescendingPath(std::string_view value, const FieldPath& path, ErrorList& errors);
enum class FieldRefUse : std::uint8_t { kEnv, kVolume };
void ValidateFieldRef(const core::v1::ObjectFieldSelector& ref, FieldRefUse use, const FieldPath& path,
                      ErrorList& errors);
void ValidateResourceFieldRef(const core::v1::ResourceFieldSelector& ref, FieldRefUse use, const FieldPath& path,
                              ErrorList& errors);

// pod_containers.cc: all containers of a pod, of all three sorts.
void ValidateContainers(const core::v1::PodSpec& spec, const std::set<std::string_view>& volumes, const FieldPath& path,
                        ErrorList& errors);

// resources.cc: what containers ask for.
void ValidateContainerResources(const core::v1::ResourceRequirements& resources, const FieldPath& path,
                                ErrorList& errors);

// pod_security.cc: rights, name resolution, operating system.
void ValidateSecurityContext(const core::v1::SecurityContext& context, bool host_users, const FieldPath& path,
                             ErrorList& errors);
void ValidatePodSecurity(const core::v1::PodSpec& spec, const FieldPath& path, ErrorList& errors);
void ValidatePodDns(const core::v1::PodSpec& spec, const FieldPath& path, ErrorList& errors);
void ValidatePodOs(const core::v1::PodSpec& spec, const FieldPath& path, ErrorList& errors);

}  // namespace minikube::api
