#include <minikube/api/batch/v1.h>

#include "integration/workloads/workloads.h"

namespace minikube {
namespace {

using batch::v1::Job;
using core::v1::Pod;

Job MakeJob(std::int32_t parallelism, std::int32_t completions) {
  Job job;
  job.metadata.name = "sum";
  job.metadata.namespace_ = "default";
  job.spec.parallelism = parallelism;
  job.spec.completions = completions;
  job.spec.backoffLimit = 2;
  job.spec.template_ = Workloads::Template("sum");
  job.spec.template_.spec.restartPolicy = "Never";
  return job;
}

bool Is(const Job& job, std::string_view type, std::string_view reason) {
  for (const auto& condition : job.status.conditions) {
    if (condition.type == type && condition.status == "True") return condition.reason == reason;
  }
  return false;
}

SimulatedOptions Ending(int code, std::optional<Duration> after = std::chrono::seconds(5)) {
  SimulatedOptions options;
  options.behavior = [=](const ContainerConfig&) { return SimulatedBehavior{.run_for = after, .exit_code = code}; };
  return options;
}

TEST_CASE("a job completes, with every end counted once") {
  Workloads world(Ending(0));
  Job job = MakeJob(2, 5);
  const bool indexed = GENERATE(false, true);
  if (indexed) job.spec.completionMode = Str("Indexed");
  REQUIRE(world.client().Create(job).status().ToString() == "OK");
  REQUIRE(world.Until<Job>("sum", [](const Job& now) { return Is(now, "Complete", "CompletionsReached"); }));
  const Job done = world.Get<Job>("sum");
  CHECK(done.status.succeeded == 5);
  CHECK(done.status.failed == 0);
  CHECK(done.status.active == 0);
  CHECK(done.status.completionTime.has_value());
  CHECK(done.status.completedIndexes == (indexed ? "0-4" : ""));
  CHECK(world.List<Pod>().size() == 5);
  for (const Pod& pod : world.List<Pod>()) CHECK(pod.metadata.finalizers.empty());
}

TEST_CASE("a job fails when its pods do, waiting longer each time") {
  Workloads world(Ending(1, std::chrono::seconds(1)));
  const MonoTime began = world.env.clock().MonoNow();
  REQUIRE(world.client().Create(MakeJob(1, 1)).status().ToString() == "OK");
  REQUIRE(world.Until<Job>("sum", [](const Job& now) { return Is(now, "Failed", "BackoffLimitExceeded"); }));
  CHECK(world.Get<Job>("sum").status.failed == 3);
  CHECK(world.env.clock().MonoNow() - began >= std::chrono::seconds(29));  // 10 s, then 20 s
}

TEST_CASE("a suspended job has no pods, and goes on when it may") {
  Workloads world(Ending(0, std::chrono::minutes(1)));
  REQUIRE(world.client().Create(MakeJob(2, 4)).status().ToString() == "OK");
  REQUIRE(world.Until<Job>("sum", [](const Job& now) { return now.status.ready == 2; }));
  world.Change<Job>("sum", [](Job& now) { now.spec.suspend = true; });
  REQUIRE(world.Until<Job>("sum", [](const Job& now) {
    return Is(now, "Suspended", "JobSuspended") && now.status.active == 0 && now.status.terminating == 0;
  }));
  CHECK_FALSE(world.Get<Job>("sum").status.startTime.has_value());
  world.Change<Job>("sum", [](Job& now) { now.spec.suspend = false; });
  REQUIRE(world.Until<Job>("sum", [](const Job& now) { return Is(now, "Complete", "CompletionsReached"); }));
}

TEST_CASE("a job that takes too long is ended") {
  Workloads world(Ending(0, std::nullopt));
  Job job = MakeJob(2, 2);
  job.spec.activeDeadlineSeconds = 30;
  REQUIRE(world.client().Create(job).status().ToString() == "OK");
  REQUIRE(world.Until<Job>("sum", [](const Job& now) { return Is(now, "Failed", "DeadlineExceeded"); }));
  CHECK(world.Get<Job>("sum").status.failed == 2);
  CHECK(world.Get<Job>("sum").status.active == 0);
}

TEST_CASE("pods of a job that has gone go too") {
  Workloads world(Ending(0, std::nullopt));
  REQUIRE(world.client().Create(MakeJob(2, 2)).status().ToString() == "OK");
  REQUIRE(world.Until<Job>("sum", [](const Job& now) { return now.status.ready == 2; }));
  REQUIRE(world.client().Delete<Job>("default", "sum").ok());
  CHECK(world.Until([&] { return world.List<Pod>().empty(); }));
}

TEST_CASE("a finished job goes with its pods after its time to live") {
  Workloads world(Ending(0, std::chrono::seconds(1)));
  Job job = MakeJob(2, 2);
  job.spec.ttlSecondsAfterFinished = 30;
  REQUIRE(world.client().Create(job).status().ToString() == "OK");
  REQUIRE(world.Until<Job>("sum", [](const Job& now) { return Is(now, "Complete", "CompletionsReached"); }));
  const MonoTime finished = world.env.clock().MonoNow();
  REQUIRE(world.Until([&] { return world.List<Job>().empty(); }));
  CHECK(world.env.clock().MonoNow() - finished >= std::chrono::seconds(28));
  CHECK(world.env.clock().MonoNow() - finished <= std::chrono::seconds(40));
  CHECK(world.List<Pod>().empty());
}

}  // namespace
}  // namespace minikube
