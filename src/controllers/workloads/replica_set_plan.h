// Counting and status of a replica set. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <minikube/api/apps/v1.h>
#include <minikube/env.h>

namespace minikube::controllers {

// Why pods could not be made or deleted the last time.
struct ReplicaFailure {
  std::string reason;  // FailedCreate or FailedDelete
  std::string message;
};

// The status of a replica set that has these pods (active, terminating, finished alike).
apps::v1::ReplicaSetStatus CalculateStatus(const apps::v1::ReplicaSet& rs,
                                           const std::vector<const core::v1::Pod*>& pods,
                                           const std::optional<ReplicaFailure>& failure, Instant now);

// When the next ready pod becomes available by minReadySeconds; nullopt if none is waiting.
std::optional<Duration> NextAvailability(const apps::v1::ReplicaSet& rs, const std::vector<const core::v1::Pod*>& pods,
                                         Instant now);

// A new pod from the template, owned by the replica set, named by the server.
core::v1::Pod NewPod(const apps::v1::ReplicaSet& rs);

}  // namespace minikube::controllers
