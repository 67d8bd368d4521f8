// CronJobs, as decisions: on a clock that is put forward.
#include <catch2/catch.hpp>

#include "base/time_zone.h"
#include "controllers/controllers.h"
#include "helpers/fixed_view.h"
#include "kube/times.h"

namespace minikube::controllers {
namespace {

using batch::v1::CronJob;
using batch::v1::Job;
using test::FixedView;

TEST_CASE("a cron job's clock is its zone's, in summer as in winter") {
  if (!base::NamedZoneOffset("Europe/Berlin", 0)) return;
  FixedView world(ParseTime("2026-03-28T00:00:00Z").value());
  CronJob cron;
  cron.metadata.name = "tick";
  cron.metadata.namespace_ = "default";
  cron.metadata.uid = "uid-tick";
  cron.metadata.creationTimestamp = kube::ToTime(world.now);
  cron.spec.schedule = "30 2 * * *";
  cron.spec.timeZone = Str("Europe/Berlin");
  cron.spec.concurrencyPolicy = "Allow";
  world.Add(cron);
  std::vector<std::string> times;
  for (int i = 0; i < 3 * 24 * 6; ++i) {
    world.now += std::chrono::minutes(10);
    const Plan plan = ReconcileCronJob(world.view(), *world.view().Get<CronJob>("default", "tick"));
    for (const Step& step : plan.steps()) {
      if (const auto* status = step.request.object->TryAs<CronJob>()) world.Add(*status);
      const auto* made = step.request.object->TryAs<Job>();
      if (made == nullptr) continue;
      Job job = *made;
      job.metadata.uid = "uid-" + job.metadata.name.str();
      world.Add(job);
      times.push_back(job.metadata.annotations.Find("batch.kubernetes.io/cronjob-scheduled-timestamp")->str());
    }
  }
  // Half past two is left out on the 29th.
  CHECK(times == std::vector<std::string>{"2026-03-28T02:30:00+01:00", "2026-03-30T02:30:00+02:00"});
}

}  // namespace
}  // namespace minikube::controllers
