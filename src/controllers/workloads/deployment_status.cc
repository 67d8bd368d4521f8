#include "controllers/workloads/deployment_status.h"

#include <algorithm>

#include <fmt/format.h>

#include "controllers/workloads/deployment_util.h"
#include "kube/conditions.h"
#include "kube/times.h"

namespace minikube::controllers {
namespace {

using apps::v1::Deployment;
using apps::v1::DeploymentCondition;
using apps::v1::DeploymentStatus;
using apps::v1::ReplicaSet;

bool MadeProgress(const DeploymentStatus& before, const DeploymentStatus& after) {
  return after.updatedReplicas > before.updatedReplicas ||
         after.replicas - after.updatedReplicas < before.replicas - before.updatedReplicas ||
         after.readyReplicas > before.readyReplicas || after.availableReplicas > before.availableReplicas;
}

Instant Deadline(const Deployment& d, const DeploymentCondition& progressing) {
  return Instant{progressing.lastUpdateTime.micros + std::int64_t{*d.spec.progressDeadlineSeconds} * 1'000'000};
}

bool TimedOut(const Deployment& d, const DeploymentStatus& status, Instant now) {
  const DeploymentCondition* progressing = kube::FindCondition(status.conditions, "Progressing");
  if (progressing == nullptr || progressing->reason == "NewReplicaSetAvailable") return false;
  return progressing->reason == "ProgressDeadlineExceeded" || Deadline(d, *progressing) < now;
}

std::string Says(const Deployment& d, const ReplicaSet* fresh, std::string_view what) {
  return fresh != nullptr ? fmt::format("ReplicaSet \"{}\" {}", fresh->metadata.name.view(), what)
                          : fmt::format("Deployment \"{}\" {}", d.metadata.name.view(), what);
}

// The condition of a replica set that cannot make or delete its pods; the new one's first.
const apps::v1::ReplicaSetCondition* FindFailure(const std::vector<ReplicaSet>& all, const ReplicaSet* fresh) {
  if (fresh != nullptr) {
    if (const auto* failure = kube::FindCondition(fresh->status.conditions, "ReplicaFailure")) return failure;
  }
  for (const ReplicaSet& rs : all) {
    if (const auto* failure = kube::FindCondition(rs.status.conditions, "ReplicaFailure")) return failure;
  }
  return nullptr;
}

}  // namespace

void DeploymentConditions::Set(std::string_view type, std::string_view status, std::string_view reason,
                               std::string message) {
  DeploymentCondition condition;
  condition.type = type;
  condition.status = status;
  condition.reason = reason;
  condition.message = message;
  condition.lastUpdateTime = Time{now};
  condition.lastTransitionTime = Time{now};
  if (const DeploymentCondition* old = kube::FindCondition(list, type)) {
    if (old->status == status && old->reason == reason) return;
    if (old->status == status) condition.lastTransitionTime = old->lastTransitionTime;
    kube::RemoveCondition(list, type);
  }
  list.push_back(std::move(condition));
}

void SyncPausedCondition(const Deployment& d, DeploymentConditions conditions) {
  if (!HasProgressDeadline(d)) return;
  const DeploymentCondition* progressing = kube::FindCondition(conditions.list, "Progressing");
  if (progressing != nullptr && progressing->reason == "ProgressDeadlineExceeded") return;
  const bool says_paused = progressing != nullptr && progressing->reason == "DeploymentPaused";
  if (d.spec.paused && !says_paused) {
    conditions.Set("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused");
  } else if (!d.spec.paused && says_paused) {
    conditions.Set("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed");
  }
}

DeploymentStatus CalculateStatus(const Deployment& d, const std::vector<ReplicaSet>& all, const ReplicaSet* fresh,
                                 Instant now) {
  DeploymentStatus status;
  status.observedGeneration = d.metadata.generation;
  status.collisionCount = d.status.collisionCount;
  status.conditions = d.status.conditions;
  std::int32_t wanted = 0;
  std::optional<std::int32_t> terminating = 0;
  for (const ReplicaSet& rs : all) {
    wanted += Replicas(rs);
    status.replicas += rs.status.replicas;
    status.readyReplicas += rs.status.readyReplicas;
    status.availableReplicas += rs.status.availableReplicas;
    if (!rs.status.terminatingReplicas) terminating.reset();
    if (terminating) *terminating += *rs.status.terminatingReplicas;
  }
  if (fresh != nullptr) status.updatedReplicas = fresh->status.replicas;
  status.unavailableReplicas = std::max(0, wanted - status.availableReplicas);
  status.terminatingReplicas = terminating;
  DeploymentConditions conditions{status.conditions, now};
  if (status.availableReplicas >= Replicas(d) - MaxUnavailable(d)) {
    conditions.Set("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.");
  } else {
    conditions.Set("Available", "False", "MinimumReplicasUnavailable",
                   "Deployment does not have minimum availability.");
  }
  return status;
}

bool IsComplete(const Deployment& d, const DeploymentStatus& status) {
  return status.updatedReplicas == Replicas(d) && status.replicas == Replicas(d) &&
         status.availableReplicas == Replicas(d) && status.observedGeneration >= d.metadata.generation;
}

void SyncProgress(const Deployment& d, const DeploymentStatus& before, const std::vector<ReplicaSet>& all,
                  const ReplicaSet* fresh, Instant now, DeploymentStatus& status) {
  DeploymentConditions conditions{status.conditions, now};
  const DeploymentCondition* progressing = kube::FindCondition(status.conditions, "Progressing");
  if (!HasProgressDeadline(d)) {
    kube::RemoveCondition(status.conditions, "Progressing");
  } else if (status.replicas != status.updatedReplicas || progressing == nullptr ||
             !(progressing->reason == "NewReplicaSetAvailable")) {
    if (IsComplete(d, status)) {
      conditions.Set("Progressing", "True", "NewReplicaSetAvailable", Says(d, fresh, "has successfully progressed."));
    } else if (MadeProgress(before, status)) {
      // Every step renews lastUpdateTime, from which the deadline counts.
      std::optional<Time> since;
      if (progressing != nullptr && progressing->status == "True") since = progressing->lastTransitionTime;
      kube::RemoveCondition(status.conditions, "Progressing");
      conditions.Set("Progressing", "True", "ReplicaSetUpdated", Says(d, fresh, "is progressing."));
      if (since) status.conditions.Mutable(status.conditions.size() - 1).lastTransitionTime = *since;
    } else if (TimedOut(d, status, now)) {
      conditions.Set("Progressing", "False", "ProgressDeadlineExceeded", Says(d, fresh, "has timed out progressing."));
    }
  }
  if (const apps::v1::ReplicaSetCondition* failure = FindFailure(all, fresh)) {
    conditions.Set("ReplicaFailure", failure->status, failure->reason, failure->message.str());
  } else {
    kube::RemoveCondition(status.conditions, "ReplicaFailure");
  }
}

std::optional<Duration> CheckAgainIn(const Deployment& d, const DeploymentStatus& status, Instant now) {
  const DeploymentCondition* progressing = kube::FindCondition(status.conditions, "Progressing");
  if (!HasProgressDeadline(d) || d.spec.paused || progressing == nullptr || IsComplete(d, status) ||
      progressing->reason == "ProgressDeadlineExceeded" || progressing->reason == "NewReplicaSetAvailable") {
    return std::nullopt;
  }
  // A second later than the deadline, because times in conditions are whole seconds.
  const Duration wait = kube::Since(now, Deadline(d, *progressing)) + std::chrono::seconds(1);
  return std::max<Duration>(wait, std::chrono::seconds(1));
}

}  // namespace minikube::controllers
