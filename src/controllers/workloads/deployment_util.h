// Arithmetic and bookkeeping of deployments: surge and unavailability, sizes, revisions, annotations. Pure functions.
// Semantics: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/api/apps/v1.h>

namespace minikube::controllers {

inline constexpr std::string_view kRevision = "deployment.kubernetes.io/revision";
inline constexpr std::string_view kRevisionHistory = "deployment.kubernetes.io/revision-history";
inline constexpr std::string_view kDesiredReplicas = "deployment.kubernetes.io/desired-replicas";
inline constexpr std::string_view kMaxReplicas = "deployment.kubernetes.io/max-replicas";
inline constexpr std::string_view kTemplateHash = "pod-template-hash";

// spec.replicas with its default.
std::int32_t Replicas(const apps::v1::Deployment& d);
std::int32_t Replicas(const apps::v1::ReplicaSet& rs);
bool IsRollingUpdate(const apps::v1::Deployment& d);
bool HasProgressDeadline(const apps::v1::Deployment& d);

// How many pods may exist above spec.replicas; 0 unless rolling. Percentages round up.
std::int32_t MaxSurge(const apps::v1::Deployment& d);
// How many of spec.replicas may be unavailable; percentages round down, and it is 1 when it and the surge come out as
// 0.
std::int32_t MaxUnavailable(const apps::v1::Deployment& d);

// Size the new replica set is to have next, given the pods all replica sets ask for together.
std::int32_t NewReplicaSetSize(const apps::v1::Deployment& d, std::int32_t all_replicas, std::int32_t new_replicas);
// What `rs` gets of `to_add` pods (negative: to remove) when `added` have been given out: its share of the deployment.
std::int32_t Proportion(const apps::v1::ReplicaSet& rs, const apps::v1::Deployment& d, std::int32_t to_add,
                        std::int32_t added);

// The revision in an object's annotations; 0 if there is none, nullopt if it is not a number.
std::optional<std::int64_t> RevisionOf(const meta::v1::ObjectMeta& meta);
// An integer annotation.
std::optional<std::int32_t> IntAnnotation(const meta::v1::ObjectMeta& meta, std::string_view name);
// Copies the deployment's annotations and raises the revision (the old one joins the history).
void SyncAnnotations(const apps::v1::Deployment& d, std::int64_t revision, apps::v1::ReplicaSet& rs);
// Notes the sizes that the deployment wants, for proportional scaling later.
void SetSizeAnnotations(const apps::v1::Deployment& d, apps::v1::ReplicaSet& rs);

// Equal but for the label that tells replica sets apart.
bool SameTemplate(const core::v1::PodTemplateSpec& a, const core::v1::PodTemplateSpec& b);
// The value of pod-template-hash.
std::string TemplateHash(const core::v1::PodTemplateSpec& pod_template, std::optional<std::int32_t> collisions);

}  // namespace minikube::controllers
