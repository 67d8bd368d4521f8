// CronJobs in whole lives.
#include <algorithm>

#include <minikube/api/batch/v1.h>

#include "integration/workloads/workloads.h"

namespace minikube {
namespace {

using batch::v1::CronJob;
using batch::v1::Job;
using core::v1::Event;

CronJob Make(std::string_view schedule) {
  CronJob cron;
  cron.metadata.name = "tick";
  cron.metadata.namespace_ = "default";
  cron.spec.schedule = schedule;
  cron.spec.jobTemplate.metadata.labels["made"] = "by-tick";
  cron.spec.jobTemplate.spec.template_ = Workloads::Template("tick");
  cron.spec.jobTemplate.spec.template_.spec.restartPolicy = "Never";
  return cron;
}

// Containers that run for so long.
SimulatedOptions Running(Duration time) {
  SimulatedOptions out;
  out.behavior = [time](const ContainerConfig&) {
    SimulatedBehavior behavior;
    behavior.run_for = time;
    return behavior;
  };
  return out;
}

struct Crons : Workloads {
  using Workloads::Workloads;
  std::vector<std::string> JobNames() {
    std::vector<std::string> out;
    for (const Job& job : List<Job>()) out.push_back(job.metadata.name.str());
    return out;
  }
  bool Said(std::string_view reason) {
    const std::vector<Event> events = List<Event>();
    return std::any_of(events.begin(), events.end(), [&](const Event& event) {
      return event.involvedObject.name == "tick" && event.reason == reason;
    });
  }
  // The times of all jobs that ever were, as their annotations have them.
  std::vector<std::string> Times(Duration length) {
    std::vector<std::string> out;
    const MonoTime end = env.clock().MonoNow() + length;
    while (env.clock().MonoNow() < end) {
      for (const Job& job : List<Job>()) {
        const Str* at = job.metadata.annotations.Find("batch.kubernetes.io/cronjob-scheduled-timestamp");
        if (at != nullptr && std::find(out.begin(), out.end(), at->str()) == out.end()) out.push_back(at->str());
      }
      env.RunFor(std::chrono::minutes(5));
    }
    return out;
  }
};

TEST_CASE("a cron job starts one job at each of its times, and keeps a few") {
  Crons world(Running(std::chrono::seconds(5)));
  REQUIRE(world.client().Create(Make("*/10 * * * *")).status().ToString() == "OK");
  const auto times = world.Times(std::chrono::minutes(69));
  CHECK(times == std::vector<std::string>{"2026-01-01T00:10:00Z", "2026-01-01T00:20:00Z", "2026-01-01T00:30:00Z",
                                          "2026-01-01T00:40:00Z", "2026-01-01T00:50:00Z", "2026-01-01T01:00:00Z"});
  CHECK(world.JobNames().size() == 3);  // successfulJobsHistoryLimit
  const Job last = world.List<Job>().back();
  CHECK(last.metadata.name == "tick-" + std::to_string((1767225600 + 3600) / 60));
  CHECK(last.metadata.labels.Contains("made"));
  const CronJob cron = world.Get<CronJob>("tick");
  CHECK(cron.status.active.empty());
  CHECK(cron.status.lastScheduleTime->unix_micros() / 1'000'000 == 1767225600 + 3600);
  CHECK(cron.status.lastSuccessfulTime);
  CHECK(world.Said("SuccessfulCreate"));
  CHECK(world.Said("SawCompletedJob"));
  CHECK(world.Said("SuccessfulDelete"));
  CHECK_FALSE(world.Said("UnexpectedJob"));
  CHECK_FALSE(world.Said("MissingJob"));
  REQUIRE(world.client().Delete<CronJob>("default", "tick").ok());
  CHECK(world.Until([&] { return world.List<Job>().empty() && world.List<core::v1::Pod>().empty(); }));
}

TEST_CASE("a cron job whose last job still runs does as it is told") {
  Crons world(Running(std::chrono::minutes(25)));
  CronJob cron = Make("*/10 * * * *");
  std::string policy;
  std::size_t running = 0;
  SECTION("Allow") {
    policy = "Allow";
    running = 3;
  }
  SECTION("Forbid") {
    policy = "Forbid";
    running = 1;
  }
  SECTION("Replace") {
    policy = "Replace";
    running = 1;
  }
  cron.spec.concurrencyPolicy = policy;
  REQUIRE(world.client().Create(cron).status().ToString() == "OK");
  REQUIRE(world.Until([&] { return world.List<Job>().size() == running && world.env.clock().MonoNow() > MonoTime(); }));
  world.env.RunFor(std::chrono::minutes(34));
  const CronJob now = world.Get<CronJob>("tick");
  CHECK(now.status.active.size() == running);
  CHECK(world.Said("JobAlreadyActive") == (policy == "Forbid"));
  CHECK(world.Said("SuccessfulDelete") == (policy == "Replace"));
}

TEST_CASE("a cron job that is suspended starts nothing, and makes up for the last time only") {
  Crons world(Running(std::chrono::seconds(5)));
  CronJob cron = Make("*/10 * * * *");
  cron.spec.suspend = true;
  const bool in_time = GENERATE(true, false);
  if (!in_time) cron.spec.startingDeadlineSeconds = 60;
  REQUIRE(world.client().Create(cron).status().ToString() == "OK");
  world.env.RunFor(std::chrono::minutes(35));
  CHECK(world.List<Job>().empty());
  world.Change<CronJob>("tick", [](CronJob& now) { now.spec.suspend = false; });
  world.env.RunFor(std::chrono::minutes(1));
  CHECK(world.List<Job>().size() == (in_time ? 1 : 0));
  world.env.RunFor(std::chrono::minutes(6));
  CHECK(world.List<Job>().size() == (in_time ? 2 : 1));
}

}  // namespace
}  // namespace minikube
