// What a deployment needs next: a pure function from the deployment and its replica sets to their next versions. It
// makes one step; the next one follows when the step is visible.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/api/apps/v1.h>
#include <minikube/env.h>

namespace minikube::controllers {

struct DeploymentView {
  apps::v1::Deployment deployment;
  std::vector<apps::v1::ReplicaSet> replica_sets;  // the ones it controls
  Instant now;
  std::string create_error;  // why the last attempt to make the new replica set failed; "" if it did not
  // Whether any replica set of the namespace has this name.
  std::function<bool(std::string_view)> name_taken = [](std::string_view) { return false; };
};

struct DeploymentPlan {
  std::optional<apps::v1::ReplicaSet> create;
  std::vector<apps::v1::ReplicaSet> update;
  std::vector<apps::v1::ReplicaSet> remove;
  std::optional<apps::v1::Deployment> annotate;  // the deployment with other annotations
  std::optional<apps::v1::Deployment> status;    // the deployment with another status; never together with annotate
  std::map<std::string, std::string> scaled;     // replica set -> what to say when its write has succeeded
  std::optional<Duration> requeue_after;
};

DeploymentPlan PlanDeployment(const DeploymentView& view);

}  // namespace minikube::controllers
