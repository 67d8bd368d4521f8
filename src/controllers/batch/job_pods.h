// Pods of Jobs: their indexes, what their failures mean, and how long to wait before the next. Pure functions.
// Semantics: https://kubernetes.io/docs/concepts/workloads/controllers/job/
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/api/batch/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/env.h>

#include "controllers/batch/index_set.h"

namespace minikube::controllers {

// Keeps a pod until its end has been counted in the status of its Job.
inline constexpr std::string_view kTracking = "batch.kubernetes.io/job-tracking";

bool IsIndexed(const batch::v1::Job& job);
bool IsSuspended(const batch::v1::Job& job);
bool HasBackoffPerIndex(const batch::v1::Job& job);
// A pod is replaced only when it has failed, not when its deletion begins.
bool ReplacesFailedOnly(const batch::v1::Job& job);
// Has condition Complete or Failed.
bool IsJobFinished(const batch::v1::Job& job);

// The index of a pod if the Job has such a one.
std::optional<std::int32_t> IndexOf(const batch::v1::Job& job, const core::v1::Pod& pod);
// Has failed, or counts as failed because it is being deleted.
bool HasFailed(const batch::v1::Job& job, const core::v1::Pod& pod);
// Is being deleted and has not ended.
bool IsTerminating(const core::v1::Pod& pod);
Instant FinishTime(const core::v1::Pod& pod);

// What the pod failure policy says of a failed pod.
struct FailureVerdict {
  bool counts = true;
  bool fails_index = false;
  std::optional<std::string> fails_job;  // why
};
FailureVerdict Judge(const batch::v1::Job& job, const core::v1::Pod& failed);

// Whether the success policy is met, and what to say then.
std::optional<std::string> MeetsSuccessPolicy(const batch::v1::Job& job, const IndexSet& succeeded);

// How often pods of this index had failed, counted or ignored, when this one was made.
std::int32_t IndexFailures(const core::v1::Pod& pod);
std::int32_t IgnoredIndexFailures(const core::v1::Pod& pod);

// How long no pod may be made after `failures` in a row, the last of them then; 0 = none.
Duration BackoffLeft(std::int64_t failures, Instant last, Instant now);
// The same by what has happened since the last success among `pods`.
Duration BackoffLeft(const batch::v1::Job& job, const std::vector<const core::v1::Pod*>& pods, Instant now);

// A new pod; `index` for indexed Jobs, and `replaced` the failed one it takes the place of (may be null).
core::v1::Pod NewJobPod(const batch::v1::Job& job, std::optional<std::int32_t> index, const core::v1::Pod* replaced);

}  // namespace minikube::controllers
