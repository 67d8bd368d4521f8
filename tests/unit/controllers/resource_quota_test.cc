// ResourceQuotas, counted.
#include <vector>

#include <minikube/api/coordination/v1.h>
#include <catch2/catch.hpp>

#include "controllers/controllers.h"
#include "helpers/fixed_view.h"

namespace minikube::controllers {
namespace {

using core::v1::Pod;
using core::v1::ResourceQuota;
using test::FixedView;
using test::Lines;
using Writes = std::vector<std::string>;

ResourceQuota QuotaOf(Map<Quantity> hard) {
  ResourceQuota quota;
  quota.metadata.name = "q";
  quota.metadata.namespace_ = "default";
  quota.spec.hard = std::move(hard);
  return quota;
}

Pod PodOf(std::string_view name, std::string_view phase, Quantity cpu) {
  Pod pod;
  pod.metadata.name = name;
  pod.metadata.namespace_ = "default";
  pod.status.phase = phase;
  core::v1::Container container;
  container.name = "c";
  container.resources.requests = {{"cpu", cpu}};
  pod.spec.containers.push_back(container);
  return pod;
}

std::vector<const ResourceDesc*> Served() {
  std::vector<const ResourceDesc*> out;
  for (const ResourceDesc& resource : AllResources()) out.push_back(&resource);
  return out;
}

Plan Reconcile(const FixedView& world, const ResourceQuota& quota) {
  return ReconcileResourceQuota(world.view(), quota, Served());
}

const core::v1::ResourceQuotaStatus& StatusIn(const Plan& plan) {
  return plan.steps().front().request.object->As<ResourceQuota>().status;
}

TEST_CASE("quota: what is in the namespace is counted, and nothing is written if that is known") {
  FixedView world;
  world.Add(PodOf("a", "Running", "100m")).Add(PodOf("b", "Pending", "1")).Add(PodOf("c", "Succeeded", "2"));
  Pod elsewhere = PodOf("d", "Running", "4");
  elsewhere.metadata.namespace_ = "other";
  world.Add(elsewhere);
  ResourceQuota quota = QuotaOf({{"pods", "10"}, {"requests.cpu", "5"}, {"count/pods", "10"}, {"secrets", "1"}});
  const Plan plan = Reconcile(world, quota);
  REQUIRE(Lines(plan) == Writes{"update resourcequotas/status default/q"});
  CHECK(StatusIn(plan).hard == quota.spec.hard);
  CHECK(StatusIn(plan).used ==
        Map<Quantity>{{"pods", "2"}, {"requests.cpu", "1100m"}, {"count/pods", "3"}, {"secrets", "0"}});
  CHECK(plan.again() == Duration(std::chrono::minutes(5)));
  quota.status = StatusIn(plan);
  CHECK(Lines(Reconcile(world, quota)).empty());
}

TEST_CASE("quota: of kinds that nobody watches the API server is asked, and its answer counts") {
  FixedView world;
  const ResourceQuota quota = QuotaOf({{"count/leases.coordination.k8s.io", "5"}});
  const Plan question = Reconcile(world, quota);
  REQUIRE(Lines(question) == Writes{"list leases default/"});
  ApiResponse answer;
  coordination::v1::Lease lease;
  lease.metadata.name = "l";
  lease.metadata.namespace_ = "default";
  answer.items = {Share(lease), Share(lease)};
  world.last.answers.push_back({question.steps().front().request, answer});
  const Plan plan = Reconcile(world, quota);
  REQUIRE(Lines(plan) == Writes{"update resourcequotas/status default/q"});
  CHECK(StatusIn(plan).used == Map<Quantity>{{"count/leases.coordination.k8s.io", "2"}});
}

TEST_CASE("quota: only what is in its scopes counts") {
  FixedView world;
  Pod ends = PodOf("a", "Running", "1");
  ends.spec.activeDeadlineSeconds = 5;
  world.Add(ends).Add(PodOf("b", "Running", "1"));
  ResourceQuota quota = QuotaOf({{"pods", "10"}});
  quota.spec.scopes = {"Terminating"};
  CHECK(StatusIn(Reconcile(world, quota)).used == Map<Quantity>{{"pods", "1"}});
}

}  // namespace
}  // namespace minikube::controllers
