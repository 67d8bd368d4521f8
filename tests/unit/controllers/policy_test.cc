// Disruption budgets and aggregated roles, as decisions.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "controllers/controllers.h"
#include "helpers/fixed_view.h"
#include "kube/conditions.h"
#include "kube/owners.h"

namespace minikube::controllers {
namespace {

using apps::v1::Deployment;
using apps::v1::ReplicaSet;
using core::v1::Pod;
using policy::v1::PodDisruptionBudget;
using policy::v1::PodDisruptionBudgetStatus;
using rbac::v1::ClusterRole;
using test::FixedView;
using test::Lines;
using Writes = std::vector<std::string>;

// A Deployment of ten, its replica set, and as many pods as told, the first `ready` of them ready.
FixedView Web(int pods, int ready) {
  FixedView world;
  Deployment deployment;
  deployment.metadata.name = "web";
  deployment.metadata.namespace_ = "default";
  deployment.metadata.uid = "uid-deployment";
  deployment.spec.replicas = 10;
  ReplicaSet rs;
  rs.metadata.name = "web-1";
  rs.metadata.namespace_ = "default";
  rs.metadata.uid = "uid-rs";
  rs.metadata.ownerReferences = {kube::ControllerRefTo(deployment)};
  rs.spec.replicas = 12;  // surging
  world.Add(deployment).Add(rs);
  for (int i = 0; i < pods; ++i) {
    Pod pod;
    pod.metadata.name = fmt::format("web-{}", i);
    pod.metadata.namespace_ = "default";
    pod.metadata.labels["app"] = "web";
    pod.metadata.ownerReferences = {kube::ControllerRefTo(rs)};
    core::v1::PodCondition& condition = pod.status.conditions.push_back({});
    condition.type = "Ready";
    condition.status = i < ready ? "True" : "False";
    world.Add(pod);
  }
  return world;
}

PodDisruptionBudget Budget() {
  PodDisruptionBudget budget;
  budget.metadata.name = "web";
  budget.metadata.namespace_ = "default";
  budget.metadata.generation = 3;
  budget.spec.selector.Mutable().matchLabels["app"] = "web";
  return budget;
}

PodDisruptionBudgetStatus StatusAfter(const FixedView& world, const PodDisruptionBudget& budget) {
  const Plan plan = ReconcileDisruptionBudget(world.view(), budget);
  REQUIRE(Lines(plan) == Writes{"update poddisruptionbudgets/status default/web"});
  return plan.steps()[0].request.object->As<PodDisruptionBudget>().status;
}

TEST_CASE("a budget allows what it can spare") {
  FixedView world = Web(10, 9);
  PodDisruptionBudget budget = Budget();
  struct Row {
    std::optional<IntOrString> min_available;
    std::optional<IntOrString> max_unavailable;
    int expected, desired, allowed;
  };
  // An absolute minimum is of the pods there are; everything else is of those that the Deployment wants.
  const Row row = GENERATE(Row{IntOrString(7), {}, 10, 7, 2}, Row{IntOrString(9), {}, 10, 9, 0},
                           Row{IntOrString(50), {}, 10, 50, 0}, Row{IntOrString("75%"), {}, 10, 8, 1},
                           Row{{}, IntOrString(3), 10, 7, 2}, Row{{}, IntOrString("25%"), 10, 7, 2},
                           Row{{}, IntOrString("200%"), 10, 0, 9});
  budget.spec.minAvailable = row.min_available;
  budget.spec.maxUnavailable = row.max_unavailable;
  const PodDisruptionBudgetStatus status = StatusAfter(world, budget);
  CHECK(status.expectedPods == row.expected);
  CHECK(status.desiredHealthy == row.desired);
  CHECK(status.currentHealthy == 9);
  CHECK(status.disruptionsAllowed == row.allowed);
  CHECK(status.observedGeneration == 3);
  const auto* condition = kube::FindCondition(status.conditions, "DisruptionAllowed");
  REQUIRE(condition != nullptr);
  CHECK(condition->status == (row.allowed > 0 ? "True" : "False"));
  CHECK(condition->reason == (row.allowed > 0 ? "SufficientPods" : "InsufficientPods"));
  budget.status = status;
  CHECK(Lines(ReconcileDisruptionBudget(world.view(), budget)).empty());
}

TEST_CASE("an eviction counts until its pod is gone, or two minutes have passed") {
  FixedView world = Web(10, 10);
  PodDisruptionBudget budget = Budget();
  budget.spec.minAvailable = IntOrString(8);
  budget.status.disruptedPods["web-0"] = world.view().Now();
  budget.status.disruptedPods["gone"] = world.view().Now();
  const Plan plan = ReconcileDisruptionBudget(world.view(), budget);
  const auto status = plan.steps()[0].request.object->As<PodDisruptionBudget>().status;
  CHECK(status.currentHealthy == 9);
  CHECK(status.disruptionsAllowed == 1);
  CHECK(status.disruptedPods.size() == 1);
  CHECK(plan.again());
  world.now += std::chrono::seconds(121);
  CHECK(StatusAfter(world, budget).disruptionsAllowed == 2);
}

TEST_CASE("a budget without pods allows nothing") {
  FixedView world;
  PodDisruptionBudget budget = Budget();
  budget.spec.maxUnavailable = IntOrString(1);
  CHECK(StatusAfter(world, budget).disruptionsAllowed == 0);
}

TEST_CASE("a budget whose pods cannot be counted allows nothing, and says why") {
  FixedView world = Web(3, 3);
  Pod pod = *world.view().Get<Pod>("default", "web-0");
  pod.metadata.ownerReferences.Mutable(0).kind = "Website";
  world.Add(pod);
  PodDisruptionBudget budget = Budget();
  budget.spec.maxUnavailable = IntOrString(1);
  budget.status.disruptionsAllowed = 2;
  const PodDisruptionBudgetStatus status = StatusAfter(world, budget);
  CHECK(status.disruptionsAllowed == 0);
  const auto* condition = kube::FindCondition(status.conditions, "DisruptionAllowed");
  REQUIRE(condition != nullptr);
  CHECK(condition->reason == "SyncFailed");
  CHECK(condition->message == "found no controllers for pod \"web-0\"");
}

ClusterRole Role(std::string_view name, std::string_view resource, bool part) {
  ClusterRole role;
  role.metadata.name = name;
  if (part) role.metadata.labels["part-of"] = "all";
  rbac::v1::PolicyRule rule;
  rule.verbs = {"get"};
  rule.apiGroups = {""};
  rule.resources = {Str(resource)};
  role.rules.push_back(rule);
  return role;
}

TEST_CASE("an aggregated role has the rules of those it selects, each once") {
  FixedView world;
  ClusterRole all = Role("all", "old", true);
  all.aggregationRule.Mutable().clusterRoleSelectors.push_back({});
  all.aggregationRule.Mutable().clusterRoleSelectors.Mutable(0).matchLabels["part-of"] = "all";
  world.Add(all);
  world.Add(Role("b", "pods", true)).Add(Role("a", "services", true)).Add(Role("c", "pods", true));
  world.Add(Role("other", "secrets", false));
  const Plan plan = ReconcileAggregatedRole(world.view(), all);
  REQUIRE(Lines(plan) == Writes{"update clusterroles all"});
  const ClusterRole next = plan.steps()[0].request.object->As<ClusterRole>();
  REQUIRE(next.rules.size() == 2);
  CHECK(next.rules[0].resources[0] == "services");
  CHECK(next.rules[1].resources[0] == "pods");
  CHECK(Lines(ReconcileAggregatedRole(world.view(), next)).empty());
  CHECK(Lines(ReconcileAggregatedRole(world.view(), Role("plain", "pods", false))).empty());
}

}  // namespace
}  // namespace minikube::controllers
