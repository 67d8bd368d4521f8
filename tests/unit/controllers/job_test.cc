// Jobs: what one step decides.
#include <catch2/catch.hpp>

#include "controllers/batch/index_set.h"
#include "controllers/batch/job_pods.h"
#include "controllers/controllers.h"
#include "helpers/fixed_view.h"
#include "kube/conditions.h"
#include "kube/owners.h"
#include "kube/times.h"

namespace minikube::controllers {
namespace {

using batch::v1::Job;
using core::v1::Pod;
using test::FixedView;
using test::Lines;
using Writes = std::vector<std::string>;

Job MakeJob(std::int32_t parallelism, std::optional<std::int32_t> completions) {
  Job job;
  job.metadata.name = "sum";
  job.metadata.namespace_ = "default";
  job.metadata.uid = "job-uid";
  job.spec.parallelism = parallelism;
  job.spec.completions = completions;
  job.spec.backoffLimit = 2;
  job.spec.completionMode = Str("NonIndexed");
  job.spec.selector.Mutable().matchLabels["job"] = "sum";
  job.spec.template_.metadata.labels["job"] = "sum";
  job.spec.template_.spec.restartPolicy = "Never";
  job.spec.template_.spec.containers.push_back({.name = "c", .image = "image:1"});
  return job;
}

Pod PodOf(const Job& job, std::string_view name, std::string_view phase, std::optional<std::int32_t> index = {}) {
  Pod pod = NewJobPod(job, index, nullptr);
  pod.metadata.name = name;
  pod.metadata.uid = "uid-" + std::string(name);
  pod.status.phase = phase;
  return pod;
}

const batch::v1::JobStatus& StatusIn(const Plan& plan) {
  for (const Step& step : plan.steps()) {
    if (step.request.subresource == "status" && !step.request.dry_run) return step.request.object->As<Job>().status;
  }
  static const batch::v1::JobStatus none;
  return none;
}
std::string Reason(const batch::v1::JobStatus& status, std::string_view type) {
  const auto* condition = kube::FindCondition(status.conditions, type);
  return condition != nullptr && condition->status == "True" ? condition->reason.str() : "";
}

TEST_CASE("sets of indexes read and write as Kubernetes spells them") {
  struct Case {
    const char* text;
    std::int32_t completions;
    const char* out;
    std::int64_t size;
  };
  for (const Case& c :
       {Case{"", 5, "", 0}, Case{"1,3-5", 10, "1,3-5", 4}, Case{"0-9", 4, "0-3", 4}, Case{"1,2", 5, "1,2", 2},
        Case{"1,2,3", 5, "1-3", 3}, Case{"x,2,5-1,-1", 5, "2", 1}, Case{"7", 5, "", 0}, Case{"3,1,2", 9, "1-3", 3}}) {
    CAPTURE(c.text);
    const IndexSet set = IndexSet::Parse(c.text, c.completions);
    CHECK(set.ToString() == c.out);
    CHECK(set.size() == c.size);
  }
  const IndexSet set = IndexSet::Parse("1,3-5", 10);
  CHECK(set.Contains(4));
  CHECK_FALSE(set.Contains(2));
  CHECK(set.FirstAbsent(3, 10) == std::vector<std::int32_t>{0, 2, 6});
  CHECK(set.FirstAbsent(9, 7) == std::vector<std::int32_t>{0, 2, 6});
  CHECK(set.Common(IndexSet::Parse("0-3,5", 10)) == 3);
}

TEST_CASE("how many pods a job makes") {
  struct Case {
    const char* name;
    std::int32_t parallelism;
    std::optional<std::int32_t> completions;
    std::vector<const char*> phases;
    std::size_t creates, deletes;
  };
  for (const Case& c :
       {Case{"as many as parallelism", 3, 5, {}, 3, 0}, Case{"no more than completions", 3, 2, {}, 2, 0},
        Case{"those that succeeded count", 3, 4, {"Succeeded", "Succeeded", "Running"}, 1, 0},
        Case{"too many", 1, 5, {"Running", "Running"}, 0, 1}, Case{"a queue", 2, std::nullopt, {"Running"}, 1, 0},
        Case{"a queue that had a success", 2, std::nullopt, {"Running", "Succeeded"}, 0, 0}}) {
    CAPTURE(c.name);
    const Job job = MakeJob(c.parallelism, c.completions);
    FixedView world;
    world.Add(job);
    int number = 0;
    for (const char* phase : c.phases) world.Add(PodOf(job, "p" + std::to_string(number++), phase));
    std::size_t creates = 0;
    std::size_t deletes = 0;
    for (const std::string& line : Lines(ReconcileJob(world.view(), job))) {
      creates += line == "create pods default/sum-*" ? 1 : 0;
      deletes += line.starts_with("delete pods") ? 1 : 0;
    }
    CHECK(creates == c.creates);
    CHECK(deletes == c.deletes);
  }
}

TEST_CASE("an end is told, then its pod let go, then counted") {
  Job job = MakeJob(1, 2);
  FixedView world;
  Pod pod = PodOf(job, "p", "Succeeded");
  world.Add(job).Add(pod);
  Plan plan = ReconcileJob(world.view(), job);
  CHECK(StatusIn(plan).uncountedTerminatedPods->succeeded == List<Str>{"uid-p"});
  CHECK(StatusIn(plan).succeeded == 0);
  CHECK(Lines(plan) == Writes{"create pods default/sum-*", "update jobs/status default/sum"});
  job.status = StatusIn(plan);
  world.Add(PodOf(job, "q", "Running"));
  plan = ReconcileJob(world.view(), job);
  CHECK(Lines(plan) == Writes{"patch pods default/p", "update jobs/status default/sum"});
  job.status = StatusIn(plan);
  pod.metadata.finalizers.clear();
  world.Add(pod);
  plan = ReconcileJob(world.view(), job);
  CHECK(StatusIn(plan).succeeded == 1);
  CHECK(StatusIn(plan).uncountedTerminatedPods->succeeded.empty());
  job.status = StatusIn(plan);
  CHECK(ReconcileJob(world.view(), job).empty());
}

TEST_CASE("a pod that has vanished with its end told is counted still") {
  Job job = MakeJob(1, 3);
  job.status.uncountedTerminatedPods.Mutable().succeeded = {"gone"};
  job.status.uncountedTerminatedPods.Mutable().failed = {"gone-too"};
  FixedView world;
  const Plan plan = ReconcileJob(world.Add(job).view(), job);
  CHECK(StatusIn(plan).succeeded == 1);
  CHECK(StatusIn(plan).failed == 1);
}

TEST_CASE("why a job fails") {
  struct Case {
    const char* reason;
    std::function<void(Job&, std::vector<Pod>&)> arrange;
  };
  const auto failed = [](const Job& job, std::string_view name, std::int32_t code) {
    Pod pod = PodOf(job, name, "Failed");
    core::v1::ContainerStatus status;
    status.name = "c";
    status.state.terminated.Mutable().exitCode = code;
    pod.status.containerStatuses = {status};
    return pod;
  };
  const auto rule = [](std::string_view action, std::string_view op, std::int32_t code) {
    batch::v1::PodFailurePolicyRule out;
    out.action = action;
    out.onExitCodes.Mutable().operator_ = op;
    out.onExitCodes.Mutable().values = {code};
    return out;
  };
  for (const Case& c : {
           Case{"",
                [&](Job&job, auto&pods) {
                  pods = {failed(job, "a", 1), failed(job, "b", 1)};
                }},
           Case{"BackoffLimitExceeded",
                [&](Job&job, auto&pods) {
                  pods = {failed(job, "a", 1), failed(job, "b", 1), failed(job, "c", 1)};
                }},
           Case{"BackoffLimitExceeded",
                [&](Job&job, auto&pods) {
                  job.spec.template_.spec.restartPolicy = "OnFailure";
                  pods = {PodOf(job, "a", "Running")};
                  pods[0].status.containerStatuses = {{.name = "c", .restartCount = 2}};
                }},
           Case{"DeadlineExceeded",
                [&](Job&job, auto&) {
                  job.spec.activeDeadlineSeconds = 5;
                  job.status.startTime = Time{Instant::FromUnixMicros(999'990'000'000)};
                }},
           Case{"PodFailurePolicy",
                [&](Job&job, auto&pods) {
                  job.spec.podFailurePolicy.Mutable().rules = {rule("FailJob", "In", 42)};
                  pods = {failed(job, "a", 42)};
                }},
           Case{"",
                [&](Job&job, auto&pods) {
                  job.spec.podFailurePolicy.Mutable().rules = {rule("Ignore", "NotIn", 42)};
                  pods = {failed(job, "a", 1), failed(job, "b", 1), failed(job, "c", 1)};
                }},
       }) {
    CAPTURE(c.reason);
    Job job = MakeJob(1, 3);
    std::vector<Pod> pods;
    c.arrange(job, pods);
    FixedView world;
    world.Add(job);
    for (const Pod& pod : pods) world.Add(pod);
    CHECK(Reason(StatusIn(ReconcileJob(world.view(), job)), "FailureTarget") == c.reason);
  }
}

TEST_CASE("indexed jobs: names, retries per index, early success") {
  Job job = MakeJob(2, 3);
  job.spec.completionMode = Str("Indexed");
  FixedView world;
  Plan plan = ReconcileJob(world.Add(job).view(), job);
  REQUIRE(Lines(plan)[1] == "create pods default/sum-1-*");
  const Pod& made = plan.steps()[1].request.object->As<Pod>();
  CHECK(made.spec.hostname == "sum-1");
  CHECK(*made.metadata.annotations.Find("batch.kubernetes.io/job-completion-index") == "1");
  CHECK(made.spec.containers[0].env[0].name == "JOB_COMPLETION_INDEX");
  SECTION("a failed index is tried again, with its count, and after a while") {
    job.spec.backoffLimitPerIndex = 1;
    Pod failed = PodOf(job, "f", "Failed", 0);
    failed.metadata.creationTimestamp = Time{kube::ToTime(world.now)};
    world.Add(failed).Add(PodOf(job, "r", "Running", 1));
    plan = ReconcileJob(world.view(), job);
    CHECK(plan.again() == Duration(std::chrono::seconds(10)));
    CHECK(Lines(plan) == Writes{"update jobs/status default/sum"});
    world.now += std::chrono::seconds(11);
    plan = ReconcileJob(world.view(), job);
    REQUIRE(Lines(plan)[0] == "create pods default/sum-0-*");
    Pod second = plan.steps()[0].request.object->As<Pod>();
    CHECK(*second.metadata.annotations.Find("batch.kubernetes.io/job-index-failure-count") == "1");
    second.metadata.name = "g";
    second.metadata.uid = "uid-g";
    second.status.phase = "Failed";
    world.Add(second);
    plan = ReconcileJob(world.view(), job);
    CHECK(StatusIn(plan).failedIndexes == Str("0"));
    CHECK(Reason(StatusIn(plan), "FailureTarget").empty());
    world.Add(PodOf(job, "r", "Succeeded", 1)).Add(PodOf(job, "s", "Succeeded", 2));
    plan = ReconcileJob(world.view(), job);
    CHECK(StatusIn(plan).completedIndexes == "1,2");
    CHECK(Reason(StatusIn(plan), "FailureTarget") == "FailedIndexes");
  }
  SECTION("a success policy ends it early") {
    batch::v1::SuccessPolicyRule rule;
    rule.succeededIndexes = Str("0");
    job.spec.successPolicy.Mutable().rules = {rule};
    world.Add(PodOf(job, "a", "Succeeded", 0)).Add(PodOf(job, "b", "Running", 1));
    plan = ReconcileJob(world.view(), job);
    CHECK(Reason(StatusIn(plan), "SuccessCriteriaMet") == "SuccessPolicy");
    CHECK(Lines(plan)[0] == "delete pods default/b");
  }
}

TEST_CASE("the job of another controller is left alone") {
  Job job = MakeJob(1, 1);
  job.spec.managedBy = Str("example.com/other");
  FixedView world;
  CHECK(ReconcileJob(world.Add(job).view(), job).empty());
}

TEST_CASE("a finished job is deleted when its time has passed") {
  struct Case {
    const char* condition;
    const char* status;
    std::optional<std::int32_t> ttl;
    std::int64_t ago;  // seconds since it finished
    bool deleted;
    std::int64_t again;  // seconds; 0 = never
  };
  for (const Case& c : {Case{"Complete", "True", 60, 60, true, 0}, Case{"Failed", "True", 60, 61, true, 0},
                        Case{"Complete", "True", 60, 20, false, 40}, Case{"Failed", "True", 0, 0, true, 0},
                        Case{"Complete", "True", std::nullopt, 60, false, 0},
                        Case{"Complete", "False", 60, 60, false, 0}, Case{"Suspended", "True", 60, 60, false, 0}}) {
    CAPTURE(c.condition, c.status, c.ago);
    const FixedView world;
    Job job = MakeJob(1, 1);
    job.metadata.resourceVersion = "7";
    job.spec.ttlSecondsAfterFinished = c.ttl;
    const Instant finished = kube::After(world.view().Now(), -c.ago);
    job.status.conditions = {kube::MakeCondition<batch::v1::JobCondition>(c.condition, c.status, "", "", finished)};
    const Plan plan = ReconcileFinishedJob(world.view(), job);
    CHECK(Lines(plan) == (c.deleted ? Writes{"delete jobs default/sum"} : Writes{}));
    CHECK(plan.again().value_or(Duration::zero()) == std::chrono::seconds(c.again));
    if (!c.deleted) continue;
    CHECK(plan.steps()[0].request.propagation == Propagation::kForeground);
    CHECK(plan.steps()[0].request.precondition_resource_version == "7");
    job.metadata.deletionTimestamp = Time{world.view().Now()};
    CHECK(Lines(ReconcileFinishedJob(world.view(), job)).empty());
  }
}

}  // namespace
}  // namespace minikube::controllers
