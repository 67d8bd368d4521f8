// Jobs and CronJobs.
#include <fmt/format.h>

#include <minikube/api/batch/v1.h>
#include <minikube/selector.h>

#include "api/kinds/kinds.h"
#include "api/kinds/metadata.h"
#include "api/kinds/pod_spec.h"
#include "api/kinds/pod_warnings.h"
#include "api/kinds/workloads.h"
#include "base/time_zone.h"
#include "kube/cron.h"

namespace minikube::api {

namespace {

using batch::v1::CronJob;
using batch::v1::Job;
using batch::v1::JobSpec;

// A job selects its own pods by its UID, unless its user takes that on himself.
void PrepareJob(Object& next, const Object* before, const HookContext&) {
  if (before != nullptr) return;
  auto& job = next.As<Job>();
  job.status = {};
  if (job.spec.manualSelector.value_or(false)) return;
  Map<Str>& labels = job.spec.template_.metadata.labels;
  for (const std::string_view prefix : {"batch.kubernetes.io/", ""}) {
    labels[std::string(prefix) + "controller-uid"] = job.metadata.uid;
    labels[std::string(prefix) + "job-name"] = job.metadata.name;
  }
  job.spec.selector.Mutable().matchLabels["batch.kubernetes.io/controller-uid"] = job.metadata.uid;
}

void DefaultJobSpec(JobSpec& spec) {
  if (!spec.completions && !spec.parallelism) {
    spec.completions = 1;
    spec.parallelism = 1;
  }
  if (!spec.backoffLimit && spec.backoffLimitPerIndex) spec.backoffLimit = 2147483647;
  if (!spec.podReplacementPolicy) {
    spec.podReplacementPolicy = spec.podFailurePolicy ? Str("Failed") : Str("TerminatingOrFailed");
  }
  DefaultPodSpec(spec.template_.spec, PodSpecUse::kTemplate);
}

void DefaultJob(Object& next, const Object*) {
  auto& job = next.As<Job>();
  if (job.metadata.labels.empty()) job.metadata.labels = job.spec.template_.metadata.labels;
  DefaultJobSpec(job.spec);
}

void ValidateJobSpec(const JobSpec& spec, const FieldPath& path, ErrorList& errors) {
  const FieldPath template_path = path.Child("template");
  ValidatePodTemplate(spec.template_, template_path, errors);
  const FieldPath pod = template_path.Child("spec");
  const Str& policy = spec.template_.spec.restartPolicy;
  if (policy.empty() || policy == "Always") {
    errors.Required(pod.Child("restartPolicy"), "valid values: \"OnFailure\", \"Never\"");
  }
  if (spec.completionMode && *spec.completionMode == "Indexed" && !spec.completions) {
    errors.Required(path.Child("completions"), "when completion mode is Indexed");
  }
}

void ValidateJob(const Object& next, const Object* old, std::string_view, ErrorList& errors) {
  const auto& job = next.As<Job>();
  const FieldPath path("spec");
  if (old != nullptr && DeepEqual(job.spec, old->As<Job>().spec)) return;
  ValidateJobSpec(job.spec, path, errors);
  if (job.spec.selector) {
    Result<LabelSelector> selector = LabelSelector::From(job.spec.selector.get());
    if (selector && !selector->Matches(job.spec.template_.metadata.labels)) {
      errors.Invalid(FieldPath("spec.template.metadata.labels"), ShownMap(job.spec.template_.metadata.labels),
                     "`selector` does not match template `labels`");
    }
  }
  if (old == nullptr) return;
  const auto& before = old->As<Job>();
  ValidateSelectorUnchanged(job.spec.selector, before.spec.selector, errors);
  const bool elastic = job.spec.completionMode && *job.spec.completionMode == "Indexed";
  if (job.spec.completions != before.spec.completions && !elastic) {
    errors.Immutable(path.Child("completions"), job.spec.completions.value_or(0));
  }
  if (job.spec.completionMode != before.spec.completionMode) {
    errors.Immutable(path.Child("completionMode"), job.spec.completionMode.value_or(Str()));
  }
  // A job that has not begun may still be placed elsewhere.
  const bool suspended = before.spec.suspend.value_or(false) && !before.status.startTime;
  if (!suspended) ValidateUnchanged(job.spec.template_, before.spec.template_, path.Child("template"), errors);
}

void DefaultCronJob(Object& next, const Object*) {
  JobSpec& spec = next.As<CronJob>().spec.jobTemplate.spec;
  // completions and parallelism are defaulted in the jobs it makes.
  DefaultPodSpec(spec.template_.spec, PodSpecUse::kTemplate);
}

// Minute, hour, day of month, month, day of week, as crontab(5) has them; or @hourly and its like, or @every.
void ValidateSchedule(const Str& schedule, const FieldPath& path, ErrorList& errors) {
  if (schedule.empty()) return;  // required by the tables
  const std::string_view text = schedule.view();
  if (text.starts_with("TZ=") || text.starts_with("CRON_TZ=")) return;  // refused in its own words
  const Result<kube::CronSchedule> parsed = kube::CronSchedule::Parse(text);
  if (!parsed) errors.Invalid(path, schedule, parsed.status().message());
}

// A name of the IANA database.
void ValidateTimeZone(const Str& zone, const FieldPath& path, ErrorList& errors) {
  std::string lower = zone.str();
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (zone.empty()) {
    errors.Invalid(path, zone, "timeZone must be nil or non-empty string");
  } else if (lower == "local") {
    errors.Invalid(path, zone, "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones");
  } else if (!base::NamedZoneOffset(zone.view(), 0)) {
    errors.Invalid(path, zone, fmt::format("unknown time zone {}", zone.view()));
  }
}

void ValidateCronJob(const Object& next, const Object*, std::string_view, ErrorList& errors) {
  const auto& job = next.As<CronJob>();
  const FieldPath path("spec");
  const FieldPath schedule = path.Child("schedule");
  if (!job.spec.schedule.empty() && job.spec.schedule.view().find("TZ") != std::string_view::npos) {
    errors.Invalid(schedule, job.spec.schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
  }
  ValidateSchedule(job.spec.schedule, schedule, errors);
  if (job.spec.timeZone) ValidateTimeZone(*job.spec.timeZone, path.Child("timeZone"), errors);
  const FieldPath template_path = path.Child("jobTemplate");
  ValidateJobSpec(job.spec.jobTemplate.spec, template_path.Child("spec"), errors);
}

// Leaves room for the suffix of the jobs it makes.
Messages CronJobName(std::string_view name, NameUse use) {
  Messages messages = NameIsDnsSubdomain(name, use);
  if (use == NameUse::kName && name.size() > 52) messages.push_back("must be no more than 52 characters");
  return messages;
}

constexpr SelectableField kJobSelectors[] = {{"status.successful", "status.succeeded"}};

const Strategy kKinds[] = {
    {.group = "batch",
     .plural = "jobs",
     .generation = true,
     .status_writes_metadata = kMetadataParts,
     .field_selectors = kJobSelectors,
     .prepare = PrepareJob,
     .defaults = DefaultJob,
     .validate = ValidateJob,
     .warn = WarnOfTemplate<Job>},
    {.group = "batch",
     .plural = "cronjobs",
     .name = CronJobName,
     .generation = true,
     .status_writes_metadata = kMetadataParts,
     .defaults = DefaultCronJob,
     .validate = ValidateCronJob},
};

}  // namespace

std::span<const Strategy> BatchKinds() { return kKinds; }

}  // namespace minikube::api
