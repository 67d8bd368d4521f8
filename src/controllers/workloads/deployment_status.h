// Status and conditions of a deployment. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/api/apps/v1.h>
#include <minikube/env.h>

namespace minikube::controllers {

struct DeploymentConditions {
  List<apps::v1::DeploymentCondition>& list;
  Instant now;
  // Nothing changes if status and reason are as they were; the transition time moves only with the status.
  void Set(std::string_view type, std::string_view status, std::string_view reason, std::string message);
};

// Progressing = Unknown while paused, and once after.
void SyncPausedCondition(const apps::v1::Deployment& d, DeploymentConditions conditions);

// Sums over `all` replica sets (with the sizes they are being given), `fresh` (may be null) being the one of the
// current template; starts from d.status and sets the Available condition.
apps::v1::DeploymentStatus CalculateStatus(const apps::v1::Deployment& d, const std::vector<apps::v1::ReplicaSet>& all,
                                           const apps::v1::ReplicaSet* fresh, Instant now);

bool IsComplete(const apps::v1::Deployment& d, const apps::v1::DeploymentStatus& status);

// Adds what a rollout in progress says: Progressing and ReplicaFailure. `before` is the status as stored.
void SyncProgress(const apps::v1::Deployment& d, const apps::v1::DeploymentStatus& before,
                  const std::vector<apps::v1::ReplicaSet>& all, const apps::v1::ReplicaSet* fresh, Instant now,
                  apps::v1::DeploymentStatus& status);

// When a rollout that does not move is to be looked at again; nullopt if there is no need.
std::optional<Duration> CheckAgainIn(const apps::v1::Deployment& d, const apps::v1::DeploymentStatus& status,
                                     Instant now);

}  // namespace minikube::controllers
