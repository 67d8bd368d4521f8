// Creates Jobs at the times of a schedule.
//
// A Job's name has its time in it, <cronjob>-<minutes since the epoch>, so that one time is one Job however often it is
// tried. What has been started is told by the Jobs there are; the status follows from them in the next run.
// Semantics: https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/
#include <algorithm>
#include <string>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/time_zone.h"
#include "controllers/controllers.h"
#include "kube/conditions.h"
#include "kube/cron.h"
#include "kube/numbers.h"
#include "kube/owners.h"
#include "kube/times.h"

namespace minikube::controllers {
namespace {

using batch::v1::CronJob;
using batch::v1::CronJobStatus;
using batch::v1::Job;

constexpr std::string_view kScheduledAt = "batch.kubernetes.io/cronjob-scheduled-timestamp";
// Clocks that are a little apart do not make a Job too early.
constexpr Duration kPadding = std::chrono::milliseconds(100);
constexpr std::int64_t kMany = 100;

std::int64_t SecondsOf(Instant time) { return time.unix_micros() / 1'000'000; }
Time TimeOf(std::int64_t seconds) { return Time{Instant::FromUnixMicros(seconds * 1'000'000)}; }

// "Complete" or "Failed"; "" while it is neither.
std::string_view EndOf(const Job& job) {
  for (const char* type : {"Complete", "Failed"}) {
    if (kube::IsConditionTrue(job.status.conditions, type)) return type;
  }
  return {};
}

const core::v1::ObjectReference* FindActive(const CronJobStatus& status, std::string_view uid) {
  for (const core::v1::ObjectReference& ref : status.active) {
    if (ref.uid == uid) return &ref;
  }
  return nullptr;
}

void RemoveActive(CronJobStatus& status, std::string_view uid) {
  for (std::size_t i = status.active.size(); i-- > 0;) {
    if (status.active[i].uid == uid) status.active.Erase(i);
  }
}

core::v1::ObjectReference RefTo(const Job& job) {
  core::v1::ObjectReference ref;
  ref.apiVersion = "batch/v1";
  ref.kind = "Job";
  ref.namespace_ = job.metadata.namespace_;
  ref.name = job.metadata.name;
  ref.uid = job.metadata.uid;
  ref.resourceVersion = job.metadata.resourceVersion;
  return ref;
}

class CronSync {
 public:
  CronSync(const View& view, const CronJob& cron, Plan& plan)
      : view_(view), cron_(cron), plan_(plan), status_(cron.status), now_(SecondsOf(view.Now())) {}

  void Run() {
    const std::vector<const Job*> jobs = view_.ControlledBy<Job>(cron_.metadata.uid);
    for (const Job* job : jobs) Account(*job);
    FindMissing(jobs);
    DropOld(jobs, "Complete", cron_.spec.successfulJobsHistoryLimit);
    DropOld(jobs, "Failed", cron_.spec.failedJobsHistoryLimit);
    plan_.Status(cron_, status_);
    if (plan_.empty()) Schedule();
  }

 private:
  std::string_view Name() const { return cron_.metadata.name; }
  std::string NameFor(std::int64_t time) const { return fmt::format("{}-{}", Name(), time / 60); }

  // The time for which the Job was made, if we made it.
  std::optional<std::int64_t> TimeOfJob(const Job& job) const {
    const std::string_view name = job.metadata.name;
    if (!name.starts_with(Name()) || name.size() < Name().size() + 2 || name[Name().size()] != '-') return std::nullopt;
    const auto minutes = kube::ParseInt<std::int64_t>(name.substr(Name().size() + 1));
    if (!minutes || *minutes < 0) return std::nullopt;
    return *minutes * 60;
  }

  void Account(const Job& job) {
    const bool active = FindActive(status_, job.metadata.uid) != nullptr;
    const std::string_view end = EndOf(job);
    const auto time = TimeOfJob(job);
    // One that was made in the last run.
    const bool is_new =
        time && (!cron_.status.lastScheduleTime || *time / 60 > SecondsOf(*cron_.status.lastScheduleTime) / 60);
    if (is_new && (!status_.lastScheduleTime || *time > SecondsOf(*status_.lastScheduleTime))) {
      status_.lastScheduleTime = ScheduledTimeOf(job).value_or(TimeOf(*time));
    }
    if (end.empty()) {
      if (active) return;
      if (is_new) {
        status_.active.push_back(RefTo(job));
      } else {
        plan_.Warning("UnexpectedJob", fmt::format("Saw a job that the controller did not create or forgot: {}",
                                                   job.metadata.name.view()));
      }
      return;
    }
    if (active) {
      RemoveActive(status_, job.metadata.uid);
      plan_.Event("SawCompletedJob",
                  fmt::format("Saw completed job: {}, condition: {}", job.metadata.name.view(), end));
    }
    const auto& completed = job.status.completionTime;
    if (end == "Complete" && completed && (!status_.lastSuccessfulTime || *status_.lastSuccessfulTime < *completed)) {
      status_.lastSuccessfulTime = *completed;
    }
  }

  // With its seconds, which the name has not.
  static std::optional<Time> ScheduledTimeOf(const Job& job) {
    const Str* text = job.metadata.annotations.Find(kScheduledAt);
    const Result<WallTime> time = text != nullptr ? ParseTime(*text) : Status(Code::kNotFound, "");
    if (!time) return std::nullopt;
    return kube::ToTime(*time);
  }

  // Those that the status counts and nobody has seen: the server knows.
  void FindMissing(const std::vector<const Job*>& jobs) {
    for (const core::v1::ObjectReference& ref : cron_.status.active) {
      const bool seen =
          std::any_of(jobs.begin(), jobs.end(), [&](const Job* job) { return job->metadata.uid == ref.uid; });
      if (seen) continue;
      const Result<ApiResponse>* answer = view_.Answer<Job>(cron_.metadata.namespace_, ref.name);
      if (answer == nullptr) {
        plan_.Read<Job>(cron_.metadata.namespace_, ref.name);
      } else if (!answer->ok() || !((*answer)->object->meta().uid == ref.uid)) {
        plan_.Event("MissingJob", fmt::format("Active job went missing: {}", ref.name.view()));
        RemoveActive(status_, ref.uid);
      }
    }
  }

  void DropOld(const std::vector<const Job*>& jobs, std::string_view end, std::optional<std::int32_t> limit) {
    if (!limit) return;
    std::vector<const Job*> ended;
    std::copy_if(jobs.begin(), jobs.end(), std::back_inserter(ended),
                 [&](const Job* job) { return EndOf(*job) == end && !job->metadata.deletionTimestamp; });
    if (ended.size() <= static_cast<std::size_t>(std::max(*limit, 0))) return;
    std::sort(ended.begin(), ended.end(), [](const Job* a, const Job* b) {
      const Instant left = a->status.startTime ? Instant(*a->status.startTime) : Instant();
      const Instant right = b->status.startTime ? Instant(*b->status.startTime) : Instant();
      return left != right ? left < right : a->metadata.name < b->metadata.name;
    });
    ended.resize(ended.size() - static_cast<std::size_t>(std::max(*limit, 0)));
    for (const Job* job : ended) Delete(*job);
  }

  void Delete(const Job& job) {
    RemoveActive(status_, job.metadata.uid);
    plan_.Delete(job)
        .Propagate(Propagation::kBackground)
        .Event("SuccessfulDelete", "Deleted job {}")
        .Warning("FailedDelete", "Deleted job: {}")
        .IgnoreGone();
  }

  // --- Times -------------------------------------------------------------------------------------------------------

  std::int64_t OffsetAt(std::int64_t time) const {
    // Without a zone it is the controller manager's, which is UTC here.
    return cron_.spec.timeZone ? base::NamedZoneOffset(*cron_.spec.timeZone, time).value_or(0) : 0;
  }
  std::optional<std::int64_t> NextAfter(std::int64_t time) const {
    return schedule_->Next(time, [this](std::int64_t at) { return OffsetAt(at); });
  }

  // The last time that has come and for which nothing was started, and how many came since the last start.
  struct Due {
    std::optional<std::int64_t> time;
    std::int64_t missed = 0;
  };
  Due FindDue() const {
    std::int64_t from = SecondsOf(cron_.metadata.creationTimestamp);
    if (status_.lastScheduleTime) from = SecondsOf(*status_.lastScheduleTime);
    if (cron_.spec.startingDeadlineSeconds) from = std::max(from, now_ - *cron_.spec.startingDeadlineSeconds);
    Due due;
    const auto first = NextAfter(from);
    if (!first || *first > now_) return due;
    due.time = first;
    const auto second = NextAfter(*first);
    if (!second || *second > now_) return due;
    // Those in between are not walked through, there may be years of them: about as many as fit.
    const std::int64_t interval = *second - *first;
    due.missed = (now_ - *first) / interval + 1;
    auto time = NextAfter(std::max(from, *first + (due.missed - 2) * interval));
    // Uneven schedules may have a gap there.
    if (!time || *time > now_) time = second;
    for (; time && *time <= now_; time = NextAfter(*time)) due.time = time;
    return due;
  }

  void AgainAtNext() {
    if (const auto next = NextAfter(now_)) {
      plan_.Again(kube::ToWallTime(TimeOf(*next)) - view_.WallNow() + kPadding);
    }
  }

  void Schedule() {
    if (cron_.metadata.deletionTimestamp || cron_.spec.suspend.value_or(false)) return;
    if (cron_.spec.timeZone && !base::NamedZoneOffset(*cron_.spec.timeZone, now_)) {
      plan_.Warning("UnknownTimeZone",
                    fmt::format("invalid timeZone: \"{0}\": unknown time zone {0}", cron_.spec.timeZone->view()));
      return;
    }
    Result<kube::CronSchedule> parsed = kube::CronSchedule::Parse(cron_.spec.schedule);
    if (!parsed) {
      plan_.Warning("UnparseableSchedule", fmt::format("unparseable schedule: \"{}\" : {}", cron_.spec.schedule.view(),
                                                       parsed.status().message()));
      return;
    }
    schedule_ = *std::move(parsed);
    const Due due = FindDue();
    AgainAtNext();
    if (!due.time) return;
    if (due.missed > kMany) {
      plan_.Warning("TooManyMissedTimes",
                    "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew");
    }
    if (cron_.spec.startingDeadlineSeconds && *due.time + *cron_.spec.startingDeadlineSeconds < now_) {
      plan_.Warning("MissSchedule", fmt::format("Missed scheduled time to start a job: {:%a, %d %b %Y %H:%M:%S} +0000",
                                                fmt::gmtime(static_cast<std::time_t>(*due.time))));
      return;
    }
    if (view_.Get<Job>(cron_.metadata.namespace_, NameFor(*due.time)) != nullptr) return;
    if (!status_.active.empty() && cron_.spec.concurrencyPolicy == "Forbid") {
      plan_.Event("JobAlreadyActive",
                  "Not starting job because prior execution is running and concurrency policy is Forbid");
      return;
    }
    if (!status_.active.empty() && cron_.spec.concurrencyPolicy == "Replace") return Replace();
    Start(*due.time);
  }

  // Takes down what runs; the next run starts the new one.
  void Replace() {
    for (const core::v1::ObjectReference& ref : cron_.status.active) {
      const auto* job = view_.Get<Job>(cron_.metadata.namespace_, ref.name);
      if (job != nullptr && job->metadata.uid == ref.uid) Delete(*job);
    }
    plan_.InOrder();
    plan_.Status(cron_, status_);
  }

  void Start(std::int64_t time) {
    Job job;
    job.metadata.namespace_ = cron_.metadata.namespace_;
    job.metadata.name = NameFor(time);
    job.metadata.labels = cron_.spec.jobTemplate.metadata.labels;
    job.metadata.annotations = cron_.spec.jobTemplate.metadata.annotations;
    job.metadata.annotations[kScheduledAt] = LocalText(time);
    job.metadata.ownerReferences = {kube::ControllerRefTo(cron_)};
    job.spec = cron_.spec.jobTemplate.spec;
    plan_.Create(job)
        .Event("SuccessfulCreate", "Created job {}")
        .Warning("FailedCreate", "Error creating job: {}")
        .Ignore(Code::kAlreadyExists)
        .Ignore(NamespaceTerminating);
  }

  // As RFC 3339 has it, by the schedule's own clock.
  std::string LocalText(std::int64_t time) const {
    const std::int64_t offset = OffsetAt(time);
    std::string text = fmt::format("{:%Y-%m-%dT%H:%M:%S}", fmt::gmtime(static_cast<std::time_t>(time + offset)));
    if (offset == 0) return text + "Z";
    const std::int64_t minutes = std::abs(offset) / 60;
    return text + fmt::format("{}{:02}:{:02}", offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
  }

  const View& view_;
  const CronJob& cron_;
  Plan& plan_;
  CronJobStatus status_;
  const std::int64_t now_;
  std::optional<kube::CronSchedule> schedule_;
};

}  // namespace

Plan ReconcileCronJob(const View& view, const CronJob& cron) {
  Plan plan;
  CronSync(view, cron, plan).Run();
  return plan;
}

ControllerEntry CronJobController() {
  return For<CronJob>("cronjob-controller")
      .Watches<Job>([](const View&, const Job& job, const Wake& wake) {
        const meta::v1::OwnerReference* owner = kube::ControllerOf(job.metadata);
        if (owner != nullptr && owner->kind == "CronJob") wake({job.metadata.namespace_, owner->name});
      })
      .Indexes<Job>(kByController)
      .Reconciles(&ReconcileCronJob);
}

}  // namespace minikube::controllers
