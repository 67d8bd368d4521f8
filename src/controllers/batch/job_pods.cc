#include "controllers/batch/job_pods.h"

#include <algorithm>

#include <fmt/format.h>

#include "kube/conditions.h"
#include "kube/numbers.h"
#include "kube/owners.h"
#include "kube/pods.h"
#include "kube/times.h"

namespace minikube::controllers {
namespace {

using batch::v1::Job;
using core::v1::ContainerStatus;
using core::v1::Pod;

constexpr std::string_view kIndex = "batch.kubernetes.io/job-completion-index";
constexpr std::string_view kIndexFailures = "batch.kubernetes.io/job-index-failure-count";
constexpr std::string_view kIgnoredIndexFailures = "batch.kubernetes.io/job-index-ignored-failure-count";
constexpr std::string_view kIndexVariable = "JOB_COMPLETION_INDEX";
constexpr Duration kBackoff = std::chrono::seconds(10);
constexpr Duration kMaxBackoff = std::chrono::minutes(10);
constexpr std::size_t kMaxPrefix = 58;  // of a generated name: five random characters follow

std::int32_t CountIn(const Pod& pod, std::string_view annotation) {
  const Str* text = pod.metadata.annotations.Find(annotation);
  return text != nullptr ? std::max(0, kube::ParseInt<std::int32_t>(*text).value_or(0)) : 0;
}

const ContainerStatus* MatchExitCode(const List<ContainerStatus>& containers,
                                     const batch::v1::PodFailurePolicyOnExitCodesRequirement& wanted) {
  for (const ContainerStatus& container : containers) {
    const auto* ended = container.state.terminated.get();
    if (ended == nullptr || ended->exitCode == 0) continue;
    if (wanted.containerName && !(*wanted.containerName == container.name)) continue;
    const bool listed = std::find(wanted.values.begin(), wanted.values.end(), ended->exitCode) != wanted.values.end();
    if (wanted.operator_ == "In" ? listed : wanted.operator_ == "NotIn" && !listed) return &container;
  }
  return nullptr;
}

// Why the rule matches; nullopt if it does not.
std::optional<std::string> Match(const batch::v1::PodFailurePolicyRule& rule, std::size_t index, const Pod& pod) {
  if (rule.onExitCodes) {
    const ContainerStatus* container = MatchExitCode(pod.status.containerStatuses, *rule.onExitCodes);
    if (container == nullptr) container = MatchExitCode(pod.status.initContainerStatuses, *rule.onExitCodes);
    if (container == nullptr) return std::nullopt;
    return fmt::format("Container {} for pod {}/{} failed with exit code {} matching {} rule at index {}",
                       container->name.view(), pod.metadata.namespace_.view(), pod.metadata.name.view(),
                       container->state.terminated->exitCode, rule.action.view(), index);
  }
  for (const core::v1::PodCondition& condition : pod.status.conditions) {
    for (const auto& pattern : rule.onPodConditions) {
      if (!(pattern.type == condition.type) || !(pattern.status == condition.status)) continue;
      return fmt::format("Pod {}/{} has condition {} matching {} rule at index {}", pod.metadata.namespace_.view(),
                         pod.metadata.name.view(), condition.type.view(), rule.action.view(), index);
    }
  }
  return std::nullopt;
}

// The latest end of these containers; nullopt unless all have ended.
std::optional<Instant> LatestEnd(const Pod& pod) {
  std::optional<Instant> latest;
  for (const ContainerStatus& container : pod.status.containerStatuses) {
    const auto* ended = container.state.terminated.get();
    if (ended == nullptr || ended->finishedAt.empty()) return std::nullopt;
    latest = std::max(latest.value_or(Instant{}), Instant(ended->finishedAt));
  }
  return latest;
}

void AddIndexVariable(List<core::v1::Container>& containers) {
  for (std::size_t i = 0; i < containers.size(); ++i) {
    const auto& env = containers[i].env;
    if (std::any_of(env.begin(), env.end(), [](const auto& each) { return each.name == kIndexVariable; })) continue;
    core::v1::EnvVar variable;
    variable.name = kIndexVariable;
    variable.valueFrom.Mutable().fieldRef.Mutable().fieldPath = fmt::format("metadata.labels['{}']", kIndex);
    containers.Mutable(i).env.push_back(std::move(variable));
  }
}

}  // namespace

bool IsIndexed(const Job& job) { return job.spec.completionMode && *job.spec.completionMode == "Indexed"; }
bool IsSuspended(const Job& job) { return job.spec.suspend.value_or(false); }
bool HasBackoffPerIndex(const Job& job) { return IsIndexed(job) && job.spec.backoffLimitPerIndex.has_value(); }
bool ReplacesFailedOnly(const Job& job) {
  return job.spec.podFailurePolicy || (job.spec.podReplacementPolicy && *job.spec.podReplacementPolicy == "Failed");
}
bool IsJobFinished(const Job& job) {
  return kube::IsConditionTrue(job.status.conditions, "Complete") ||
         kube::IsConditionTrue(job.status.conditions, "Failed");
}

std::optional<std::int32_t> IndexOf(const Job& job, const Pod& pod) {
  const Str* text = pod.metadata.annotations.Find(kIndex);
  if (text == nullptr) return std::nullopt;
  const auto index = kube::ParseInt<std::int32_t>(*text);
  return index && *index >= 0 && *index < job.spec.completions.value_or(0) ? index : std::nullopt;
}

bool HasFailed(const Job& job, const Pod& pod) {
  if (pod.status.phase == "Failed") return true;
  return !ReplacesFailedOnly(job) && IsTerminating(pod);
}

bool IsTerminating(const Pod& pod) { return pod.metadata.deletionTimestamp && !kube::IsPodFinished(pod); }

Instant FinishTime(const Pod& pod) {
  if (const std::optional<Instant> end = LatestEnd(pod)) return *end;
  const auto* ready = kube::FindCondition(pod.status.conditions, "Ready");
  if (ready != nullptr && ready->status == "False" && !ready->lastTransitionTime.empty()) {
    return ready->lastTransitionTime;
  }
  if (pod.metadata.deletionTimestamp) {
    return kube::After(*pod.metadata.deletionTimestamp, -pod.metadata.deletionGracePeriodSeconds.value_or(0));
  }
  return pod.metadata.creationTimestamp;
}

FailureVerdict Judge(const Job& job, const Pod& failed) {
  FailureVerdict verdict;
  if (!job.spec.podFailurePolicy) return verdict;
  std::size_t index = 0;
  for (const batch::v1::PodFailurePolicyRule& rule : job.spec.podFailurePolicy->rules) {
    std::optional<std::string> why = Match(rule, index++, failed);
    if (!why) continue;
    if (rule.action == "Ignore") verdict.counts = false;
    if (rule.action == "FailIndex") verdict.fails_index = true;
    if (rule.action == "FailJob") verdict.fails_job = std::move(why);
    break;
  }
  return verdict;
}

std::optional<std::string> MeetsSuccessPolicy(const Job& job, const IndexSet& succeeded) {
  if (!job.spec.successPolicy || succeeded.empty()) return std::nullopt;
  for (std::size_t i = 0; i < job.spec.successPolicy->rules.size(); ++i) {
    const batch::v1::SuccessPolicyRule& rule = job.spec.successPolicy->rules[i];
    bool met = false;
    if (rule.succeededIndexes) {
      const IndexSet wanted = IndexSet::Parse(*rule.succeededIndexes, job.spec.completions.value_or(0));
      const std::int64_t common = wanted.Common(succeeded);
      met = !wanted.empty() && (common == wanted.size() || (rule.succeededCount && common >= *rule.succeededCount));
    } else {
      met = rule.succeededCount && succeeded.size() >= *rule.succeededCount;
    }
    if (met) return fmt::format("Matched rules at index {}", i);
  }
  return std::nullopt;
}

std::int32_t IndexFailures(const Pod& pod) { return CountIn(pod, kIndexFailures); }
std::int32_t IgnoredIndexFailures(const Pod& pod) { return CountIn(pod, kIgnoredIndexFailures); }

Duration BackoffLeft(std::int64_t failures, Instant last, Instant now) {
  if (failures <= 0) return Duration(0);
  const Duration backoff = failures > 6 ? kMaxBackoff : std::min(kMaxBackoff, kBackoff * (1 << (failures - 1)));
  return std::max(Duration(0), backoff - kube::Since(last, now));
}

Duration BackoffLeft(const Job& job, const std::vector<const Pod*>& pods, Instant now) {
  Instant last_success;
  for (const Pod* pod : pods) {
    if (pod->status.phase == "Succeeded") last_success = std::max(last_success, FinishTime(*pod));
  }
  std::int64_t failures = 0;
  Instant last_failure;
  for (const Pod* pod : pods) {
    if (!HasFailed(job, *pod) || FinishTime(*pod) <= last_success) continue;
    ++failures;
    last_failure = std::max(last_failure, FinishTime(*pod));
  }
  return BackoffLeft(failures, last_failure, now);
}

Pod NewJobPod(const Job& job, std::optional<std::int32_t> index, const Pod* replaced) {
  Pod pod;
  pod.metadata.namespace_ = job.metadata.namespace_;
  pod.metadata.generateName = job.metadata.name.str() + "-";
  pod.metadata.labels = job.spec.template_.metadata.labels;
  pod.metadata.annotations = job.spec.template_.metadata.annotations;
  pod.metadata.finalizers = job.spec.template_.metadata.finalizers;
  if (!kube::HasFinalizer(pod.metadata, kTracking)) pod.metadata.finalizers.push_back(kTracking);
  pod.metadata.ownerReferences.push_back(kube::ControllerRefTo(job));
  pod.spec = job.spec.template_.spec;
  if (!index) return pod;
  const std::string number = std::to_string(*index);
  const std::string suffix = "-" + number + "-";
  pod.metadata.generateName = std::string(job.metadata.name.view().substr(0, kMaxPrefix - suffix.size())) + suffix;
  pod.metadata.annotations[kIndex] = number;
  pod.metadata.labels[kIndex] = number;
  pod.spec.hostname = fmt::format("{}-{}", job.metadata.name.view(), number);
  AddIndexVariable(pod.spec.initContainers);
  AddIndexVariable(pod.spec.containers);
  if (!HasBackoffPerIndex(job)) return pod;
  std::int32_t counted = 0;
  std::int32_t ignored = 0;
  if (replaced != nullptr) {
    const bool counts = Judge(job, *replaced).counts;
    counted = IndexFailures(*replaced) + (counts ? 1 : 0);
    ignored = IgnoredIndexFailures(*replaced) + (counts ? 0 : 1);
  }
  pod.metadata.annotations[kIndexFailures] = std::to_string(counted);
  if (ignored > 0) pod.metadata.annotations[kIgnoredIndexFailures] = std::to_string(ignored);
  return pod;
}

}  // namespace minikube::controllers
