// Pods of StatefulSets: their names, and the claims that go with them. Pure functions.
// Semantics: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#pod-identity
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>

namespace minikube::controllers {

inline constexpr std::string_view kRevisionLabel = "controller-revision-hash";

std::int32_t FirstOrdinal(const apps::v1::StatefulSet& set);
std::int32_t Replicas(const apps::v1::StatefulSet& set);
// The ordinal in a name of the form <set>-<ordinal>; nullopt for any other name.
std::optional<std::int32_t> OrdinalIn(std::string_view set, std::string_view pod);
bool IsWithin(const apps::v1::StatefulSet& set, std::int32_t ordinal);
std::string_view RevisionOf(const core::v1::Pod& pod);

// The pod of that ordinal, made from `pod_template`, which is that of `revision`.
core::v1::Pod NewStatefulPod(const apps::v1::StatefulSet& set, const core::v1::PodTemplateSpec& pod_template,
                             std::string_view revision, std::int32_t ordinal);
// The claims that the pod of that ordinal uses.
std::vector<core::v1::PersistentVolumeClaim> ClaimsOf(const apps::v1::StatefulSet& set, std::int32_t ordinal);
// The claim with the owners that the retention policy gives it: the set, the pod (null: none), or nobody. nullopt: it
// has them already, or somebody else controls it.
std::optional<core::v1::PersistentVolumeClaim> RetainedClaim(const apps::v1::StatefulSet& set,
                                                             const core::v1::PersistentVolumeClaim& claim,
                                                             std::int32_t ordinal, const core::v1::Pod* pod);

}  // namespace minikube::controllers
