// The arithmetic of deployments, and single steps of the planner.
#include <deque>

#include <catch2/catch.hpp>

#include "controllers/workloads/deployment_plan.h"
#include "controllers/workloads/deployment_status.h"
#include "controllers/workloads/deployment_util.h"
#include "controllers/workloads/pod_ranking.h"
#include "controllers/workloads/replica_set_plan.h"

#include "kube/conditions.h"

namespace minikube::controllers {
namespace {

using apps::v1::Deployment;
using apps::v1::ReplicaSet;
using core::v1::Pod;

Deployment Rolling(int replicas, IntOrString surge, IntOrString unavailable) {
  Deployment d;
  d.metadata.name = "web";
  d.spec.replicas = replicas;
  apps::v1::RollingUpdateDeployment rolling;
  rolling.maxSurge = surge;
  rolling.maxUnavailable = unavailable;
  d.spec.strategy.rollingUpdate = rolling;
  return d;
}

TEST_CASE("percentages round up for surge and down for unavailability") {
  struct Case {
    int replicas;
    IntOrString surge, unavailable;
    int max_surge, max_unavailable;
  };
  const Case cases[] = {
      {10, "25%", "25%", 3, 2}, {4, "25%", "25%", 1, 1},  {1, "25%", "25%", 1, 0}, {3, 0, 0, 0, 1},
      {3, 0, "10%", 0, 1},      {5, 2, 9, 2, 5},          {0, "50%", "50%", 0, 0}, {3, "100%", "100%", 3, 3},
      {3, "150%", 0, 5, 0},     {3, "nonsense", 0, 0, 1}, {3, -4, "-50%", 0, 1},   {7, "33%", "33%", 3, 2},
  };
  for (const Case& c : cases) {
    const Deployment d = Rolling(c.replicas, c.surge, c.unavailable);
    CAPTURE(c.replicas, c.surge.string_value.str(), c.surge.int_value, c.unavailable.string_value.str());
    CHECK(MaxSurge(d) == c.max_surge);
    CHECK(MaxUnavailable(d) == c.max_unavailable);
  }
  Deployment recreate = Rolling(4, 2, 2);
  recreate.spec.strategy.type = "Recreate";
  CHECK(MaxSurge(recreate) == 0);
  CHECK(MaxUnavailable(recreate) == 0);
}

TEST_CASE("the new replica set grows into what room there is") {
  const Deployment d = Rolling(10, 3, 2);
  CHECK(NewReplicaSetSize(d, 10, 0) == 3);
  CHECK(NewReplicaSetSize(d, 13, 3) == 3);
  CHECK(NewReplicaSetSize(d, 20, 3) == 3);
  CHECK(NewReplicaSetSize(d, 5, 5) == 10);  // never beyond what is wanted
  CHECK(NewReplicaSetSize(d, 0, 0) == 10);
}

TEST_CASE("a replica set's share of a change of scale") {
  Deployment d = Rolling(15, 3, 2);
  ReplicaSet rs;
  rs.spec.replicas = 8;
  rs.metadata.annotations[kMaxReplicas] = "13";
  CHECK(Proportion(rs, d, 5, 0) == 3);  // 8 * 18 / 13 = 11.08
  CHECK(Proportion(rs, d, 5, 4) == 1);  // no more than is left
  CHECK(Proportion(rs, d, 0, 0) == 0);
  d.spec.replicas = 5;
  CHECK(Proportion(rs, d, -5, 0) == -3);  // 8 * 8 / 13 = 4.92
  CHECK(Proportion(rs, d, -5, -3) == -2);
  d.spec.replicas = 0;
  CHECK(Proportion(rs, d, -13, 0) == -8);
  rs.metadata.annotations.clear();
  d.spec.replicas = 15;
  d.status.replicas = 0;
  CHECK(Proportion(rs, d, 5, 0) == 5);  // nothing to compare with does not divide by zero
}

TEST_CASE("the template hash depends on the template and on collisions only") {
  core::v1::PodTemplateSpec pod_template;
  pod_template.metadata.labels["app"] = "web";
  const std::string hash = TemplateHash(pod_template, std::nullopt);
  CHECK(hash == TemplateHash(pod_template, std::nullopt));
  CHECK(hash.find_first_not_of("bcdfghjklmnpqrstvwxz2456789") == std::string::npos);
  CHECK(hash != TemplateHash(pod_template, 1));
  CHECK(TemplateHash(pod_template, 1) != TemplateHash(pod_template, 2));
  pod_template.metadata.labels["app"] = "db";
  CHECK(hash != TemplateHash(pod_template, std::nullopt));
}

TEST_CASE("revisions and their history") {
  Deployment d;
  d.metadata.annotations["note"] = "copied";
  d.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"] = "not copied";
  ReplicaSet rs;
  SyncAnnotations(d, 1, rs);
  CHECK(rs.metadata.annotations.Find("note")->view() == "copied");
  CHECK_FALSE(rs.metadata.annotations.Contains("kubectl.kubernetes.io/last-applied-configuration"));
  CHECK(RevisionOf(rs.metadata) == 1);
  CHECK_FALSE(rs.metadata.annotations.Contains(kRevisionHistory));
  SyncAnnotations(d, 4, rs);
  SyncAnnotations(d, 3, rs);  // never back
  SyncAnnotations(d, 9, rs);
  CHECK(RevisionOf(rs.metadata) == 9);
  CHECK(rs.metadata.annotations.Find(kRevisionHistory)->view() == "1,4");
  for (int revision = 10; revision < 2000; ++revision) SyncAnnotations(d, revision, rs);
  CHECK(rs.metadata.annotations.Find(kRevisionHistory)->size() <= 2000);
  rs.metadata.annotations[kRevision] = "not a number";
  SyncAnnotations(d, 5000, rs);
  CHECK(rs.metadata.annotations.Find(kRevision)->view() == "not a number");
}

TEST_CASE("a name that is taken makes the next hash another one") {
  DeploymentView view;
  view.deployment = Rolling(2, 1, 0);
  view.name_taken = [](std::string_view) { return true; };
  const DeploymentPlan plan = PlanDeployment(view);
  CHECK_FALSE(plan.create);
  REQUIRE(plan.status);
  CHECK(plan.status->status.collisionCount == 1);
}

TEST_CASE("what could not be made is told") {
  DeploymentView view;
  view.deployment = Rolling(2, 1, 0);
  view.deployment.spec.progressDeadlineSeconds = 600;
  view.create_error = "quota";
  const DeploymentPlan plan = PlanDeployment(view);
  CHECK(plan.create);  // and tried again
  REQUIRE(plan.status);
  const auto* progressing = kube::FindCondition(plan.status->status.conditions, "Progressing");
  REQUIRE(progressing != nullptr);
  CHECK(progressing->reason == "ReplicaSetCreateError");
  CHECK(progressing->status == "False");
  CHECK(progressing->message == "quota");
}

ReplicaSet SetOf(const Deployment& d, std::string_view name, std::string_view image, int replicas, int available) {
  ReplicaSet rs;
  rs.metadata.name = name;
  rs.spec.template_ = d.spec.template_;
  rs.spec.template_.metadata.labels[kTemplateHash] = name;
  if (!image.empty()) rs.spec.template_.spec.containers.Mutable(0).image = image;
  rs.spec.replicas = replicas;
  rs.status.replicas = available;
  rs.status.availableReplicas = available;
  return rs;
}

TEST_CASE("pods that are to go already do not count as available") {
  DeploymentView view;
  view.deployment = Rolling(2, 1, 1);
  view.deployment.spec.template_.spec.containers.push_back({.name = "c", .image = "image:3"});
  view.replica_sets = {SetOf(view.deployment, "oldest", "image:1", 0, 1),
                       SetOf(view.deployment, "old", "image:2", 2, 1), SetOf(view.deployment, "fresh", "", 1, 0)};
  const DeploymentPlan plan = PlanDeployment(view);
  for (const ReplicaSet& rs : plan.update) {
    if (rs.metadata.name == "old") CHECK(rs.spec.replicas == 1);  // the unavailable one goes
  }
  CHECK(plan.scaled.contains("old"));
}

TEST_CASE("nothing is taken while a replica set tells of pods that it had before its last change of size") {
  DeploymentView view;
  view.deployment = Rolling(3, 0, 1);
  view.deployment.spec.template_.spec.containers.push_back({.name = "c", .image = "image:2"});
  ReplicaSet back = SetOf(view.deployment, "back", "", 1, 1);  // was scaled down, and is wanted again
  back.metadata.generation = 3;
  back.status.observedGeneration = 2;
  view.replica_sets = {SetOf(view.deployment, "old", "image:1", 2, 2), back};
  CHECK_FALSE(PlanDeployment(view).scaled.contains("old"));
  view.replica_sets[1].status.observedGeneration = 3;
  CHECK(PlanDeployment(view).scaled.contains("old"));
}

TEST_CASE("a paused deployment keeps its old pods until the new replica set has noticed its size") {
  DeploymentView view;
  view.deployment = Rolling(3, 1, 0);
  view.deployment.spec.paused = true;
  view.deployment.spec.template_.spec.containers.push_back({.name = "c", .image = "image:2"});
  ReplicaSet back = SetOf(view.deployment, "back", "image:2", 3, 3);  // had 3, was asked for 2, and for 3 again
  SetSizeAnnotations(view.deployment, back);
  back.metadata.generation = 3;
  back.status.observedGeneration = 1;
  view.replica_sets = {SetOf(view.deployment, "old", "image:1", 1, 1), back};
  CHECK_FALSE(PlanDeployment(view).scaled.contains("old"));
  view.replica_sets[1].status.observedGeneration = 3;
  CHECK(PlanDeployment(view).scaled.contains("old"));
}

TEST_CASE("recreate waits until an old replica set has noticed that it is to have no pods") {
  DeploymentView view;
  view.deployment = Rolling(1, 0, 0);
  view.deployment.spec.strategy = {};
  view.deployment.spec.strategy.type = "Recreate";
  view.deployment.spec.template_.spec.containers.push_back({.name = "c", .image = "image:2"});
  ReplicaSet old = SetOf(view.deployment, "old", "image:1", 0, 0);
  old.metadata.generation = 2;
  old.status.observedGeneration = 1;
  view.replica_sets = {old};
  CHECK_FALSE(PlanDeployment(view).create);
  view.replica_sets[0].status.observedGeneration = 2;
  CHECK(PlanDeployment(view).create);
}

TEST_CASE("conditions keep their transition time while their status stays") {
  List<apps::v1::DeploymentCondition> list;
  DeploymentConditions{list, Instant{10}}.Set("Progressing", "True", "A", "a");
  DeploymentConditions{list, Instant{20}}.Set("Progressing", "True", "B", "b");
  REQUIRE(list.size() == 1);
  CHECK(list[0].lastTransitionTime.micros == 10);
  CHECK(list[0].lastUpdateTime.micros == 20);
  DeploymentConditions{list, Instant{30}}.Set("Progressing", "True", "B", "other text");
  CHECK(list[0].message == "b");
  DeploymentConditions{list, Instant{40}}.Set("Progressing", "False", "C", "c");
  CHECK(list[0].lastTransitionTime.micros == 40);
}

// A pod that ranks in the middle of everything; `change` makes it differ.
RankedPod Ranked(const std::function<void(Pod&, int& rank)>& change) {
  Pod pod;
  pod.metadata.uid = "uid-m";
  pod.metadata.creationTimestamp = Time{Instant{1'000'000'000}};
  pod.spec.nodeName = "node";
  pod.status.phase = "Running";
  core::v1::PodCondition ready;
  ready.type = "Ready";
  ready.status = "True";
  ready.lastTransitionTime = Time{Instant{1'000'000'000}};
  pod.status.conditions = {ready};
  core::v1::ContainerStatus container;
  container.restartCount = 1;
  pod.status.containerStatuses = {container};
  int rank = 1;
  change(pod, rank);
  static std::deque<Pod> kept;
  kept.push_back(std::move(pod));
  return {&kept.back(), rank};
}

TEST_CASE("which pod goes first") {
  const Instant now{100'000'000'000};
  const RankedPod base = Ranked([](Pod&, int&) {});
  const auto goes_before = [&](const std::function<void(Pod&, int&)>& change) {
    const RankedPod other = Ranked(change);
    CHECK_FALSE((DeletedBefore(other, base, now) && DeletedBefore(base, other, now)));
    return DeletedBefore(other, base, now);
  };
  CHECK(goes_before([](Pod& p, int&) { p.spec.nodeName = ""; }));
  CHECK(goes_before([](Pod& p, int&) { p.status.phase = "Pending"; }));
  CHECK(goes_before([](Pod& p, int&) { p.status.conditions.Mutable(0).status = "False"; }));
  CHECK(goes_before([](Pod& p, int&) { p.metadata.annotations["controller.kubernetes.io/pod-deletion-cost"] = "-5"; }));
  CHECK_FALSE(
      goes_before([](Pod& p, int&) { p.metadata.annotations["controller.kubernetes.io/pod-deletion-cost"] = "5"; }));
  CHECK(goes_before([](Pod&, int& rank) { rank = 2; }));
  CHECK_FALSE(goes_before([](Pod&, int& rank) { rank = 0; }));
  CHECK(goes_before(
      [](Pod& p, int&) { p.status.conditions.Mutable(0).lastTransitionTime = Time{Instant{99'000'000'000}}; }));
  CHECK_FALSE(goes_before([](Pod& p, int&) { p.status.conditions.Mutable(0).lastTransitionTime = Time{Instant{1}}; }));
  CHECK(goes_before([](Pod& p, int&) { p.status.containerStatuses.Mutable(0).restartCount = 2; }));
  CHECK(goes_before([](Pod& p, int&) { p.metadata.creationTimestamp = Time{Instant{99'000'000'000}}; }));
  // An earlier rule outweighs all later ones.
  CHECK(goes_before([](Pod& p, int& rank) {
    p.spec.nodeName = "";
    rank = 0;
    p.metadata.annotations["controller.kubernetes.io/pod-deletion-cost"] = "100";
  }));
  CHECK_FALSE(DeletedBefore(base, base, now));
}

TEST_CASE("pods share a rank by node, counting active ones only") {
  const auto pod = [](std::string_view node, std::string_view phase) {
    Pod p;
    p.spec.nodeName = node;
    p.status.phase = phase;
    return p;
  };
  const Pod a = pod("a", "Running");
  const Pod b = pod("b", "Running");
  const Pod also_on_a = pod("a", "Running");
  const Pod failed = pod("b", "Failed");
  const std::vector<RankedPod> ranked = RankPods({&a, &b}, {&a, &b, &also_on_a, &failed});
  CHECK(ranked[0].rank == 2);
  CHECK(ranked[1].rank == 1);
}

TEST_CASE("a replica set counts its pods") {
  ReplicaSet rs;
  rs.metadata.generation = 3;
  rs.spec.minReadySeconds = 10;
  rs.spec.template_.metadata.labels["app"] = "web";
  rs.spec.template_.metadata.labels["extra"] = "yes";
  const Instant now{100'000'000};
  const auto pod = [](bool ready, std::int64_t since, bool labelled, std::string_view phase, bool terminating) {
    Pod p;
    p.metadata.labels["app"] = "web";
    if (labelled) p.metadata.labels["extra"] = "yes";
    if (terminating) p.metadata.deletionTimestamp = Time{Instant{1}};
    p.status.phase = phase;
    core::v1::PodCondition condition;
    condition.type = "Ready";
    condition.status = ready ? "True" : "False";
    condition.lastTransitionTime = Time{Instant{since}};
    p.status.conditions = {condition};
    return p;
  };
  const std::vector<Pod> all{
      pod(true, 90'000'000, true, "Running", false), pod(true, 95'000'000, false, "Running", false),
      pod(false, 0, true, "Pending", false),         pod(true, 0, true, "Running", true),
      pod(false, 0, true, "Failed", false),
  };
  std::vector<const Pod*> pods;
  for (const Pod& each : all) pods.push_back(&each);
  const apps::v1::ReplicaSetStatus status = CalculateStatus(rs, pods, std::nullopt, now);
  CHECK(status.replicas == 3);
  CHECK(status.fullyLabeledReplicas == 2);
  CHECK(status.readyReplicas == 2);
  CHECK(status.availableReplicas == 1);
  CHECK(status.terminatingReplicas == 1);
  CHECK(status.observedGeneration == 3);
  CHECK(NextAvailability(rs.spec.minReadySeconds, pods, now) == Duration(std::chrono::seconds(5)));
}

}  // namespace
}  // namespace minikube::controllers
