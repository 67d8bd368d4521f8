// Counting and status of a ReplicaSet, or its elder form, a ReplicationController. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/env.h>

namespace minikube::controllers {

// Why pods could not be made or deleted the last time.
struct ReplicaFailure {
  std::string reason;  // FailedCreate or FailedDelete
  std::string message;
};

std::int32_t Replicas(const core::v1::ReplicationController& rc);
const core::v1::PodTemplateSpec& PodTemplateOf(const apps::v1::ReplicaSet& rs);
const core::v1::PodTemplateSpec& PodTemplateOf(const core::v1::ReplicationController& rc);

// The status of an `owner`, one of both, that has these pods (active, terminating, finished alike).
template <typename Owner>
decltype(Owner::status) CalculateStatus(const Owner& owner, const std::vector<const core::v1::Pod*>& pods,
                                        const std::optional<ReplicaFailure>& failure, Instant now);

// When the next ready pod becomes available by `min_ready_seconds`; nullopt if none is waiting.
std::optional<Duration> NextAvailability(std::int32_t min_ready_seconds, const std::vector<const core::v1::Pod*>& pods,
                                         Instant now);

// A new pod from the template, owned by this `owner`, named by the server.
core::v1::Pod NewPod(const meta::v1::ObjectMeta& owner, const meta::v1::OwnerReference& reference,
                     const core::v1::PodTemplateSpec& pod_template);

}  // namespace minikube::controllers
