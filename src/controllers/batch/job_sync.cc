#include "controllers/batch/job_sync.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "controllers/batch/index_set.h"
#include "controllers/batch/job_pods.h"
#include "controllers/workloads/pod_ranking.h"
#include "kube/conditions.h"
#include "kube/owners.h"
#include "kube/pods.h"
#include "kube/times.h"

namespace minikube::controllers {
namespace {

using batch::v1::Job;
using batch::v1::JobCondition;
using core::v1::Pod;

constexpr std::size_t kBurst = 500;         // pods made or deleted in one step
constexpr std::size_t kMaxUncounted = 500;  // UIDs in the status
constexpr std::string_view kInterimFailure = "FailureTarget";
constexpr std::string_view kInterimSuccess = "SuccessCriteriaMet";

bool IsTracked(const Pod& pod) { return kube::HasFinalizer(pod.metadata, kTracking); }

class Sync {
 public:
  Sync(const View& view, const Job& job, std::vector<const Pod*> pods, Plan& plan)
      : view_(view),
        job_(job),
        pods_(std::move(pods)),
        plan_(plan),
        completions_(job.spec.completions.value_or(0)),
        indexed_(IsIndexed(job)),
        status_(job.status) {
    std::stable_sort(pods_.begin(), pods_.end(), [&](const Pod* a, const Pod* b) {
      return IndexOf(job_, *a).value_or(-1) < IndexOf(job_, *b).value_or(-1);
    });
    for (const Pod* pod : pods_) {
      if (kube::IsPodActive(*pod)) active_.push_back(pod);
      terminating_ += IsTerminating(*pod) ? 1 : 0;
    }
    if (status_.uncountedTerminatedPods) {
      for (const Str& uid : status_.uncountedTerminatedPods->succeeded) uncounted_succeeded_.insert(uid);
      for (const Str& uid : status_.uncountedTerminatedPods->failed) uncounted_failed_.insert(uid);
    }
  }

  void Run() {
    Count();
    if (!status_.startTime && !IsSuspended(job_)) status_.startTime = view_.Now();
    Decide();
    // What is decided is told first, and the pods go; only then are those that ran counted and the Job ended.
    if (decided_) {
      for (const Pod* pod : active_) Delete(*pod);
    } else {
      if (!job_.metadata.deletionTimestamp) {
        Manage();
        SyncSuspended();
      }
      if (!deleting_ && creating_ == 0) DecideCompletion();
    }
    Record();
    status_.active = static_cast<std::int32_t>(active_.size());
    status_.ready = static_cast<std::int32_t>(
        std::count_if(active_.begin(), active_.end(), [](const Pod* pod) { return kube::IsPodReady(*pod); }));
    status_.terminating = terminating_;
    End();
    if (Step* step = plan_.Status(job_, status_); step != nullptr && event_) step->on_success = event_;
  }

 private:
  struct Decision {
    std::string_view type;  // kInterimFailure or kInterimSuccess
    std::string reason;
    std::string message;
  };

  bool Counts(const Pod& pod) const { return !indexed_ || IndexOf(job_, pod).has_value(); }

  // What has ended, counted or not.
  void Count() {
    const auto fresh = [&](const Pod& pod) { return IsTracked(pod) && Counts(pod); };
    if (indexed_) succeeded_indexes_ = IndexSet::Parse(job_.status.completedIndexes, completions_);
    std::int64_t succeeded = job_.status.succeeded + static_cast<std::int64_t>(uncounted_succeeded_.size());
    failed_ = job_.status.failed + static_cast<std::int64_t>(uncounted_failed_.size());
    for (const Pod* pod : pods_) {
      if (!fresh(*pod)) continue;
      if (pod->status.phase == "Succeeded") {
        if (indexed_) succeeded_indexes_.Add(*IndexOf(job_, *pod));
        if (!uncounted_succeeded_.contains(pod->metadata.uid)) ++succeeded;
      } else if (HasFailed(job_, *pod) && !uncounted_failed_.contains(pod->metadata.uid) && Judge(job_, *pod).counts) {
        ++failed_;
      }
    }
    succeeded_ = indexed_ ? succeeded_indexes_.size() : succeeded;
    if (HasBackoffPerIndex(job_)) CountFailedIndexes();
  }

  void CountFailedIndexes() {
    failed_indexes_ = IndexSet::Parse(job_.status.failedIndexes.value_or(Str()), completions_);
    std::set<std::int32_t> active;
    for (const Pod* pod : active_) active.insert(IndexOf(job_, *pod).value_or(-1));
    for (const Pod* pod : pods_) {
      if (!IsTracked(*pod) || !Counts(*pod) || !HasFailed(job_, *pod)) continue;
      const FailureVerdict verdict = Judge(job_, *pod);
      if (verdict.fails_index || (verdict.counts && IndexFailures(*pod) >= *job_.spec.backoffLimitPerIndex)) {
        failed_indexes_.Add(*IndexOf(job_, *pod));
      }
    }
    // The pod whose counts its successor takes over stays until that one is there.
    for (const Pod* pod : pods_) {
      if (!IsTracked(*pod) || !Counts(*pod) || !HasFailed(job_, *pod)) continue;
      const std::int32_t index = *IndexOf(job_, *pod);
      if (succeeded_indexes_.Contains(index) || failed_indexes_.Contains(index) || active.contains(index)) continue;
      const Pod*& last = replaceable_[index];
      const auto failures = [](const Pod& p) { return IndexFailures(p) + IgnoredIndexFailures(p); };
      if (last == nullptr || (failures(*last) <= failures(*pod) && FinishTime(*pod) >= FinishTime(*last))) last = pod;
    }
  }

  const JobCondition* Interim(std::string_view type) const {
    const JobCondition* condition = kube::FindCondition(job_.status.conditions, type);
    return condition != nullptr && condition->status == "True" ? condition : nullptr;
  }

  // Whether the Job is over but for the end of its pods: what was decided before holds, failure comes before success.
  void Decide() {
    for (const std::string_view type : {kInterimSuccess, kInterimFailure}) {
      if (const JobCondition* before = Interim(type)) {
        decided_ = Decision{type, before->reason.str(), before->message.str()};
        return;
      }
    }
    for (const Pod* pod : pods_) {
      if (!HasFailed(job_, *pod)) continue;
      if (std::optional<std::string> why = Judge(job_, *pod).fails_job) return Fail("PodFailurePolicy", *why);
    }
    if (failed_ > job_.spec.backoffLimit.value_or(6) || RestartedTooOften()) {
      return Fail("BackoffLimitExceeded", "Job has reached the specified backoff limit");
    }
    if (job_.spec.activeDeadlineSeconds && status_.startTime && !IsSuspended(job_)) {
      const Duration left =
          std::chrono::seconds(*job_.spec.activeDeadlineSeconds) - kube::Since(*status_.startTime, view_.Now());
      if (left <= Duration(0)) return Fail("DeadlineExceeded", "Job was active longer than specified deadline");
      plan_.Again(left);
    }
    if (HasBackoffPerIndex(job_)) {
      if (job_.spec.maxFailedIndexes && failed_indexes_.size() > *job_.spec.maxFailedIndexes) {
        return Fail("MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes");
      }
      if (!failed_indexes_.empty() && failed_indexes_.size() + succeeded_indexes_.size() >= completions_) {
        return Fail("FailedIndexes", "Job has failed indexes");
      }
    }
    if (!indexed_) return;
    if (std::optional<std::string> why = MeetsSuccessPolicy(job_, succeeded_indexes_)) {
      Decide(kInterimSuccess, "SuccessPolicy", *why);
    }
  }
  void DecideCompletion() {
    const bool enough = job_.spec.completions ? succeeded_ >= *job_.spec.completions : succeeded_ > 0;
    if (enough && active_.empty()) {
      Decide(kInterimSuccess, "CompletionsReached", "Reached expected number of succeeded pods");
    }
  }
  void Fail(std::string reason, std::string message) { Decide(kInterimFailure, std::move(reason), std::move(message)); }
  void Decide(std::string_view type, std::string reason, std::string message) {
    Put(type, "True", reason, message);
    decided_ = Decision{type, std::move(reason), std::move(message)};
  }

  // Of pods that restart in their place, restarts are the failures.
  bool RestartedTooOften() const {
    if (!(job_.spec.template_.spec.restartPolicy == "OnFailure")) return false;
    std::int64_t restarts = 0;
    for (const Pod* pod : pods_) {
      if (!(pod->status.phase == "Running") && !(pod->status.phase == "Pending")) continue;
      for (const auto& container : pod->status.initContainerStatuses) restarts += container.restartCount;
      for (const auto& container : pod->status.containerStatuses) restarts += container.restartCount;
    }
    const std::int64_t limit = job_.spec.backoffLimit.value_or(6);
    return limit == 0 ? restarts > 0 : restarts >= limit;
  }

  void Put(std::string_view type, std::string_view status, std::string_view reason, std::string_view message) {
    JobCondition next = kube::MakeCondition<JobCondition>(type, status, reason, message, view_.Now());
    next.lastProbeTime = view_.Now();
    kube::SetCondition(status_.conditions, std::move(next));
  }

  void SyncSuspended() {
    const JobCondition* old = kube::FindCondition(job_.status.conditions, "Suspended");
    const bool was = old != nullptr && old->status == "True";
    if (IsSuspended(job_) == was) return;
    if (IsSuspended(job_)) {
      Put("Suspended", "True", "JobSuspended", "Job suspended");
      status_.startTime.reset();
      event_ = PlannedEvent{"Normal", "Suspended", "Job suspended"};
    } else {
      Put("Suspended", "False", "JobResumed", "Job resumed");
      status_.startTime = view_.Now();  // the deadline is about time in which it is not suspended
      event_ = PlannedEvent{"Normal", "Resumed", "Job resumed"};
    }
  }

  void Delete(const Pod& pod) {
    deleting_ = true;
    plan_.Delete(pod)
        .Event("SuccessfulDelete", "Deleted pod: {}")
        .Warning("FailedDelete", "Error deleting: {}")
        .IgnoreGone();
  }

  // Brings the number of active pods to what is wanted: deletes, or else makes some.
  void Manage() {
    const auto active = static_cast<std::int64_t>(active_.size());
    std::int64_t wanted = job_.spec.parallelism.value_or(1);
    if (IsSuspended(job_)) {
      wanted = 0;
    } else if (job_.spec.completions) {
      wanted = std::clamp<std::int64_t>(*job_.spec.completions - succeeded_, 0, wanted);
    } else if (succeeded_ > 0) {
      wanted = active;
    }
    std::vector<const Pod*> surplus = Surplus(static_cast<std::size_t>(std::max<std::int64_t>(0, active - wanted)));
    if (!IsSuspended(job_) && surplus.size() > kBurst) surplus.resize(kBurst);
    for (const Pod* pod : surplus) Delete(*pod);
    if (!surplus.empty()) return;
    const std::int64_t missing = wanted - active - (ReplacesFailedOnly(job_) ? terminating_ : 0);
    if (missing > 0) Make(static_cast<std::size_t>(missing));
  }

  // Pods that are too many: those without an index of the Job, doubles, and `at_least` in all.
  std::vector<const Pod*> Surplus(std::size_t at_least) const {
    std::vector<const Pod*> order = active_;
    std::sort(order.begin(), order.end(), [now = view_.Now()](const Pod* a, const Pod* b) {
      return DeletedBefore({a, 0}, {b, 0}, now);
    });
    std::vector<const Pod*> surplus;
    std::vector<const Pod*> kept;
    std::set<std::int32_t> taken;
    for (auto it = order.rbegin(); it != order.rend(); ++it) {
      const bool keeps = !indexed_ || (IndexOf(job_, **it) && taken.insert(*IndexOf(job_, **it)).second);
      (keeps ? kept : surplus).push_back(*it);
    }
    for (auto it = kept.rbegin(); it != kept.rend() && surplus.size() < at_least; ++it) surplus.push_back(*it);
    return surplus;
  }

  void Make(std::size_t count) {
    if (!HasBackoffPerIndex(job_)) {
      if (const Duration left = BackoffLeft(job_, pods_, view_.Now()); left > Duration(0)) return plan_.Again(left);
    }
    count = std::min(count, kBurst);
    plan_.SlowStart();
    if (!indexed_) {
      const Pod pod = NewJobPod(job_, std::nullopt, nullptr);
      for (; count > 0; --count) Create(pod);
      return;
    }
    IndexSet not_pending = succeeded_indexes_;
    not_pending.Add(failed_indexes_);
    for (const Pod* pod : pods_) {
      const bool blocks = kube::IsPodActive(*pod) || (ReplacesFailedOnly(job_) && IsTerminating(*pod));
      if (const auto index = IndexOf(job_, *pod); index && blocks) not_pending.Add(*index);
    }
    for (const std::int32_t index : not_pending.FirstAbsent(count, completions_)) {
      const auto found = replaceable_.find(index);
      const Pod* replaced = found != replaceable_.end() ? found->second : nullptr;
      if (replaced != nullptr) {
        const std::int64_t failures = IndexFailures(*replaced) + IgnoredIndexFailures(*replaced) + 1;
        if (const Duration left = BackoffLeft(failures, FinishTime(*replaced), view_.Now()); left > Duration(0)) {
          plan_.Again(left);
          continue;
        }
      }
      Create(NewJobPod(job_, index, replaced));
    }
  }
  void Create(const Pod& pod) {
    ++creating_;
    plan_.Create(pod)
        .Event("SuccessfulCreate", "Created pod: {}")
        .Warning("FailedCreate", "Error creating: {}")
        .Ignore(NamespaceTerminating);
  }

  // Whether the pod's end may be counted and its finalizer go.
  bool MayGo(const Pod& pod) const {
    if (job_.metadata.deletionTimestamp || pod.status.phase == "Succeeded") return true;
    if (decided_ && (pod.metadata.deletionTimestamp || kube::IsPodFinished(pod))) return true;
    if (!HasFailed(job_, pod)) return false;
    const auto index = IndexOf(job_, pod);
    const auto found = index ? replaceable_.find(*index) : replaceable_.end();
    return found == replaceable_.end() || found->second != &pod;
  }

  // (1) and (3) of what the header tells, and (2) for those whose (1) is visible.
  void Record() {
    std::set<Str> tracked;
    for (const Pod* pod : pods_) {
      if (IsTracked(*pod)) tracked.insert(pod->metadata.uid);
    }
    batch::v1::UncountedTerminatedPods uncounted;
    const auto settle = [&](const std::set<Str>& uids, List<Str>& waiting, std::int32_t& counter) {
      for (const Str& uid : uids) {
        if (tracked.contains(uid)) {
          waiting.push_back(uid);
        } else {
          ++counter;
        }
      }
    };
    settle(uncounted_succeeded_, uncounted.succeeded, status_.succeeded);
    settle(uncounted_failed_, uncounted.failed, status_.failed);
    const IndexSet told = IndexSet::Parse(job_.status.completedIndexes, completions_);
    IndexSet completed = told;
    std::size_t fresh = uncounted.succeeded.size() + uncounted.failed.size();
    for (const Pod* pod : pods_) {
      if (fresh >= kMaxUncounted) break;
      if (!IsTracked(*pod) || !MayGo(*pod)) continue;
      const Str& uid = pod->metadata.uid;
      const bool known_failed = uncounted_failed_.contains(uid);
      if (pod->status.phase == "Succeeded" && !known_failed) {
        if (indexed_) {
          const auto index = IndexOf(job_, *pod);
          if (!index || told.Contains(*index)) {
            Untrack(*pod, plan_);
          } else {
            completed.Add(*index);
            ++fresh;
          }
        } else if (uncounted_succeeded_.contains(uid)) {
          Untrack(*pod, plan_);
        } else {
          uncounted.succeeded.push_back(uid);
          ++fresh;
        }
      } else if (known_failed || !FailureCounts(*pod)) {
        Untrack(*pod, plan_);
      } else {
        uncounted.failed.push_back(uid);
        ++fresh;
      }
    }
    fresh_ = fresh;
    if (indexed_) {
      status_.completedIndexes = completed.ToString();
      status_.succeeded = static_cast<std::int32_t>(completed.size());
      if (HasBackoffPerIndex(job_)) status_.failedIndexes = Str(failed_indexes_.ToString());
    }
    status_.uncountedTerminatedPods = std::move(uncounted);
  }
  // Once failure is decided, whatever had not ended is a failure too.
  bool FailureCounts(const Pod& pod) const {
    if (!Counts(pod)) return false;
    const bool failed = HasFailed(job_, pod) || (decided_ && decided_->type == kInterimFailure);
    return failed && Judge(job_, pod).counts;
  }

  // The last word, when what was decided is visible, everything is counted, and no pod is left to end.
  void End() {
    if (!decided_ || Interim(decided_->type) == nullptr || deleting_ || fresh_ > 0 || terminating_ > 0) return;
    for (const Pod* pod : pods_) {
      if (IsTracked(*pod)) return;
    }
    if (decided_->type == kInterimFailure) {
      Put("Failed", "True", decided_->reason, decided_->message);
      event_ = PlannedEvent{"Warning", decided_->reason, decided_->message};
      return;
    }
    Put("Complete", "True", decided_->reason, decided_->message);
    status_.completionTime = view_.Now();
    event_ = PlannedEvent{"Normal", "Completed", "Job completed"};
    if (job_.spec.completions && status_.succeeded > *job_.spec.completions) {
      plan_.Warning("TooManySucceededPods", "Too many succeeded pods running after completion count reached");
    }
  }

  const View& view_;
  const Job& job_;
  std::vector<const Pod*> pods_;  // by index
  Plan& plan_;
  const std::int32_t completions_;
  const bool indexed_;
  batch::v1::JobStatus status_;  // as it shall be
  std::vector<const Pod*> active_;
  std::int32_t terminating_ = 0;
  std::set<Str> uncounted_succeeded_;  // as stored
  std::set<Str> uncounted_failed_;
  std::int64_t succeeded_ = 0;
  std::int64_t failed_ = 0;
  IndexSet succeeded_indexes_;
  IndexSet failed_indexes_;
  std::map<std::int32_t, const Pod*> replaceable_;  // by index: failed, and its successor not there yet
  std::optional<Decision> decided_;
  bool deleting_ = false;
  std::size_t creating_ = 0;
  std::size_t fresh_ = 0;  // ends that are on their way into the counters
  std::optional<PlannedEvent> event_;
};

}  // namespace

void PlanJob(const View& view, const Job& job, std::vector<const Pod*> pods, Plan& plan) {
  Sync(view, job, std::move(pods), plan).Run();
}

void Untrack(const Pod& pod, Plan& plan) {
  meta::v1::ObjectMeta next = pod.metadata;
  if (!kube::RemoveFinalizer(next, kTracking)) return;
  plan.PatchOwners(Client::ResourceOf<Pod>(), pod.metadata, next).IgnoreGone();
}

}  // namespace minikube::controllers
