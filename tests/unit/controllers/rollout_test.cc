// The deployment and the replica set controllers together, on nodes that start pods, lose them and fail them at random.
#include <catch2/catch.hpp>

#include <random>

#include <fmt/format.h>

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>

#include "controllers/controllers.h"
#include "controllers/workloads/deployment_util.h"
#include "helpers/controller_host.h"
#include "helpers/fake_api.h"
#include "kube/conditions.h"
#include "kube/owners.h"
#include "kube/pods.h"
#include "kube/times.h"

namespace minikube::controllers {
namespace {

using apps::v1::Deployment;
using apps::v1::ReplicaSet;
using core::v1::Event;
using core::v1::Pod;
using test::ControllerHost;
using test::FakeApi;

Deployment Web(int replicas, IntOrString surge, IntOrString unavailable) {
  Deployment d;
  d.metadata.name = "web";
  d.metadata.namespace_ = "default";
  d.spec.replicas = replicas;
  meta::v1::LabelSelector selector;
  selector.matchLabels["app"] = "web";
  d.spec.selector = selector;
  d.spec.template_.metadata.labels["app"] = "web";
  core::v1::Container container;
  container.name = "c";
  container.image = "image:1";
  d.spec.template_.spec.containers.push_back(container);
  d.spec.strategy.type = "RollingUpdate";
  apps::v1::RollingUpdateDeployment rolling;
  rolling.maxSurge = surge;
  rolling.maxUnavailable = unavailable;
  d.spec.strategy.rollingUpdate = rolling;
  d.spec.revisionHistoryLimit = 2;
  d.spec.progressDeadlineSeconds = 600;
  return d;
}

void SetReady(Pod& pod, bool ready, Instant now) {
  pod.status.phase = "Running";
  kube::RemoveCondition(pod.status.conditions, "Ready");
  core::v1::PodCondition condition;
  condition.type = "Ready";
  condition.status = ready ? "True" : "False";
  condition.lastTransitionTime = Time{now};
  pod.status.conditions.push_back(condition);
}

struct World {
  explicit World(std::uint64_t seed) : env(seed), random(seed) {
    deployments = std::make_unique<ControllerHost>(*client, env, std::vector{DeploymentController()}, "deployments");
    replica_sets = std::make_unique<ControllerHost>(*client, env, std::vector{ReplicaSetController()}, "replica sets");
  }
  ~World() {
    deployments.reset();
    replica_sets.reset();
  }

  Instant Now() { return kube::ToTime(env.clock().Now()); }
  bool Idle() const { return deployments->Idle() && replica_sets->Idle(); }
  Deployment Get() { return api.Get<Deployment>("default", "web").value(); }
  void Update(const std::function<void(Deployment&)>& change) { api.Change<Deployment>(Get(), "", change); }
  void SetImage(std::string_view image) {
    Update([&](Deployment& d) { d.spec.template_.spec.containers.Mutable(0).image = image; });
  }

  // One thing that happens on the nodes: a pod is bound, starts, turns unready, fails, or ends its termination.
  void HappenOnNodes(bool failures) {
    const std::vector<Pod> pods = api.List<Pod>();
    if (pods.empty()) return;
    const Pod& pod = pods[random() % pods.size()];
    if (pod.metadata.deletionTimestamp) {
      (void)api.Delete(pod, [](ApiRequest& request) { request.grace_period_seconds = 0; });
    } else if (pod.spec.nodeName.empty()) {
      api.Change<Pod>(pod, "", [](Pod& p) { p.spec.nodeName = "node"; });
    } else if (!kube::IsPodReady(pod) && !kube::IsPodFinished(pod)) {
      if (bad_image.empty() || !(pod.spec.containers[0].image == bad_image)) {
        api.Change<Pod>(pod, "status", [&](Pod& p) { SetReady(p, true, Now()); });
      }
    } else if (failures && !kube::IsPodFinished(pod) && random() % 8 == 0) {
      if (random() % 2 == 0) {
        api.Change<Pod>(pod, "status", [&](Pod& p) { SetReady(p, false, Now()); });
      } else {
        api.Change<Pod>(pod, "status", [&](Pod& p) {
          SetReady(p, false, Now());
          p.status.phase = "Failed";
        });
      }
      ++broken;
    }
  }

  // Until nothing is left to do: every wanted pod of the current template is ready.
  bool Converge(const std::function<void()>& check) {
    for (int step = 0; step < 4000; ++step) {
      env.RunFor(std::chrono::milliseconds(random() % 200));
      check();
      const Deployment d = Get();
      const bool complete = d.status.observedGeneration == d.metadata.generation &&
                            d.status.updatedReplicas == *d.spec.replicas && d.status.replicas == *d.spec.replicas &&
                            d.status.availableReplicas == *d.spec.replicas;
      if (complete && Idle()) return true;
      HappenOnNodes(step < 400);
    }
    return false;
  }

  int Active() {
    return Count([](const Pod& pod) { return kube::IsPodActive(pod); });
  }
  int Ready() {
    return Count([](const Pod& pod) { return kube::IsPodActive(pod) && kube::IsPodReady(pod); });
  }
  int Count(const std::function<bool(const Pod&)>& which) {
    const std::vector<Pod> pods = api.List<Pod>();
    return static_cast<int>(std::count_if(pods.begin(), pods.end(), which));
  }
  // Of active pods; or of all that may still run.
  std::vector<std::string> Images(bool terminating = false) {
    std::vector<std::string> images;
    for (const Pod& pod : api.List<Pod>()) {
      if (kube::IsPodActive(pod) || (terminating && !kube::IsPodFinished(pod)))
        images.push_back(pod.spec.containers[0].image.str());
    }
    return images;
  }
  const apps::v1::DeploymentCondition* Condition(const Deployment& d, std::string_view type) {
    return kube::FindCondition(d.status.conditions, type);
  }
  std::vector<std::string> Messages(std::string_view reason) {
    std::vector<std::string> messages;
    for (const Event& event : api.List<Event>()) {
      if (event.reason == reason) messages.push_back(event.message.str());
    }
    return messages;
  }

  SimulatedEnv env;
  std::mt19937_64 random;
  FakeApi api{env};
  std::unique_ptr<Client> client = api.NewClient();
  std::unique_ptr<ControllerHost> deployments;
  std::unique_ptr<ControllerHost> replica_sets;
  std::string bad_image;  // never gets ready
  int broken = 0;
};

void Nothing() {}

TEST_CASE("a rollout keeps its promises whatever the nodes do") {
  const std::uint64_t seed = GENERATE(range(0u, 30u)) + Catch::rngSeed();
  CAPTURE(seed);
  World world(seed);
  const int replicas = 1 + static_cast<int>(world.random() % 9);
  const IntOrString surge =
      world.random() % 2 == 0 ? IntOrString("25%") : IntOrString(static_cast<std::int32_t>(world.random() % 3));
  const IntOrString unavailable =
      world.random() % 2 == 0 ? IntOrString("25%") : IntOrString(static_cast<std::int32_t>(world.random() % 3));
  const Deployment made = world.api.Create(Web(replicas, surge, unavailable));
  const int most = replicas + MaxSurge(made);
  const auto never_too_many = [&] { CHECK(world.Active() <= most); };
  REQUIRE(world.Converge(never_too_many));
  for (int round = 2; round < 5; ++round) {
    CAPTURE(round);
    world.SetImage(fmt::format("image:{}", round));
    // Whatever breaks by itself is not the rollout's doing; every broken pod may be missing on top.
    world.broken = 0;
    REQUIRE(world.Converge([&] {
      never_too_many();
      CHECK(world.Ready() + world.broken >= replicas - MaxUnavailable(made));
    }));
    CHECK(world.Active() == replicas);
    for (const std::string& image : world.Images()) CHECK(image == fmt::format("image:{}", round));
  }
}

TEST_CASE("lost answers and conflicts make no pod too many") {
  const std::uint64_t seed = GENERATE(range(0u, 10u)) + Catch::rngSeed();
  CAPTURE(seed);
  World world(seed);
  world.api.refuse = [&](const ApiRequest& request) {
    return request.verb != Verb::kList && world.random() % 10 == 0 ? Status(Code::kUnavailable, "before") : Status();
  };
  world.api.Create(Web(5, 2, 1));
  REQUIRE(world.Converge([&] { CHECK(world.Active() <= 7); }));
  world.SetImage("image:2");
  int round = 0;
  REQUIRE(world.Converge([&] {
    CHECK(world.Active() <= 7);
    if (++round % 20 == 0) world.api.EndWatches({Code::kUnavailable, "broken"});
    if (round % 50 == 0) world.api.Compact();
  }));
}

TEST_CASE("a deployment tells how it goes") {
  World world(7);
  world.api.Create(Web(3, 1, 0));
  REQUIRE(world.Converge(Nothing));
  Deployment d = world.Get();
  REQUIRE(world.Condition(d, "Available") != nullptr);
  CHECK(world.Condition(d, "Available")->status == "True");
  CHECK(world.Condition(d, "Available")->reason == "MinimumReplicasAvailable");
  REQUIRE(world.Condition(d, "Progressing") != nullptr);
  CHECK(world.Condition(d, "Progressing")->reason == "NewReplicaSetAvailable");
  CHECK(d.metadata.annotations.Find(kRevision)->view() == "1");
  CHECK(d.status.unavailableReplicas == 0);
  const std::vector<ReplicaSet> sets = world.api.List<ReplicaSet>();
  REQUIRE(sets.size() == 1);
  CHECK(sets[0].metadata.name.str() == "web-" + sets[0].metadata.labels.Find(kTemplateHash)->str());
  CHECK(kube::ControllerOf(sets[0].metadata)->uid == d.metadata.uid);
  CHECK(world.Messages("ScalingReplicaSet") ==
        std::vector<std::string>{fmt::format("Scaled up replica set {} from 0 to 3", sets[0].metadata.name.view())});
  CHECK(world.Messages("SuccessfulCreate").size() == 3);
  for (const Pod& pod : world.api.List<Pod>()) {
    CHECK(pod.metadata.name.view().substr(0, sets[0].metadata.name.size() + 1) == sets[0].metadata.name.str() + "-");
    CHECK(pod.metadata.labels.Find(kTemplateHash)->view() == sets[0].metadata.labels.Find(kTemplateHash)->view());
    CHECK(kube::ControllerOf(pod.metadata)->uid == sets[0].metadata.uid);
  }
}

TEST_CASE("going back to an old template brings its replica set back, as the newest revision") {
  World world(8);
  world.api.Create(Web(2, 1, 1));
  REQUIRE(world.Converge(Nothing));
  const std::string first = world.api.List<ReplicaSet>()[0].metadata.name.str();
  world.SetImage("image:2");
  REQUIRE(world.Converge(Nothing));
  CHECK(world.Get().metadata.annotations.Find(kRevision)->view() == "2");
  world.SetImage("image:1");
  REQUIRE(world.Converge(Nothing));
  CHECK(world.api.List<ReplicaSet>().size() == 2);
  const ReplicaSet back = world.api.Get<ReplicaSet>("default", first).value();
  CHECK(*back.spec.replicas == 2);
  CHECK(back.metadata.annotations.Find(kRevision)->view() == "3");
  CHECK(back.metadata.annotations.Find(kRevisionHistory)->view() == "1");
  CHECK(world.Get().metadata.annotations.Find(kRevision)->view() == "3");
}

TEST_CASE("history beyond the limit is deleted, the oldest first") {
  World world(9);
  world.api.Create(Web(1, 1, 0));
  for (int i = 1; i <= 6; ++i) {
    if (i > 1) world.SetImage(fmt::format("image:{}", i));
    REQUIRE(world.Converge(Nothing));
  }
  world.env.RunFor(std::chrono::minutes(1));
  std::vector<std::string> revisions;
  for (const ReplicaSet& rs : world.api.List<ReplicaSet>())
    revisions.push_back(rs.metadata.annotations.Find(kRevision)->str());
  std::sort(revisions.begin(), revisions.end());
  CHECK(revisions == std::vector<std::string>{"4", "5", "6"});
}

TEST_CASE("a rollout that does not move is told after its deadline") {
  World world(10);
  world.api.Create(Web(3, 1, 1));
  REQUIRE(world.Converge(Nothing));
  world.bad_image = "image:bad";
  world.SetImage("image:bad");
  for (int i = 0; i < 300; ++i) {
    world.env.RunFor(std::chrono::milliseconds(100));
    world.HappenOnNodes(false);
  }
  CHECK_FALSE(world.Condition(world.Get(), "Progressing")->reason == "ProgressDeadlineExceeded");
  CHECK(world.Ready() >= 2);
  world.env.RunFor(std::chrono::seconds(610));
  const Deployment d = world.Get();
  CHECK(world.Condition(d, "Progressing")->status == "False");
  CHECK(world.Condition(d, "Progressing")->reason == "ProgressDeadlineExceeded");
  world.SetImage("image:3");
  REQUIRE(world.Converge(Nothing));
  CHECK(world.Condition(world.Get(), "Progressing")->reason == "NewReplicaSetAvailable");
}

TEST_CASE("a paused deployment scales but does not roll") {
  World world(11);
  world.api.Create(Web(2, 1, 0));
  REQUIRE(world.Converge(Nothing));
  world.Update([](Deployment& d) {
    d.spec.paused = true;
    d.spec.template_.spec.containers.Mutable(0).image = "image:2";
    d.spec.replicas = 4;
  });
  for (int i = 0; i < 200; ++i) {
    world.env.RunFor(std::chrono::milliseconds(100));
    world.HappenOnNodes(false);
  }
  CHECK(world.Ready() == 4);
  for (const std::string& image : world.Images()) CHECK(image == "image:1");
  CHECK(world.Condition(world.Get(), "Progressing")->reason == "DeploymentPaused");
  world.Update([](Deployment& d) { d.spec.paused = false; });
  REQUIRE(world.Converge(Nothing));
  for (const std::string& image : world.Images()) CHECK(image == "image:2");
}

TEST_CASE("Recreate never runs two templates at once") {
  const std::uint64_t seed = GENERATE(range(0u, 10u)) + Catch::rngSeed();
  CAPTURE(seed);
  World world(seed);
  Deployment d = Web(3, 1, 1);
  d.spec.strategy.type = "Recreate";
  d.spec.strategy.rollingUpdate.reset();
  world.api.Create(d);
  REQUIRE(world.Converge(Nothing));
  world.SetImage("image:2");
  REQUIRE(world.Converge([&] {
    const std::vector<std::string> images = world.Images(true);
    CHECK(std::count(images.begin(), images.end(), "image:1") * std::count(images.begin(), images.end(), "image:2") ==
          0);
  }));
  for (const std::string& image : world.Images()) CHECK(image == "image:2");
}

TEST_CASE("scaling in the middle of a rollout is spread over the replica sets") {
  World world(12);
  world.api.Create(Web(10, 3, 2));
  REQUIRE(world.Converge(Nothing));
  world.bad_image = "image:bad";
  world.SetImage("image:bad");
  for (int i = 0; i < 300; ++i) {
    world.env.RunFor(std::chrono::milliseconds(100));
    world.HappenOnNodes(false);
  }
  const auto size_of = [&](bool old) {
    for (const ReplicaSet& rs : world.api.List<ReplicaSet>()) {
      if ((rs.spec.template_.spec.containers[0].image == "image:1") == old) return *rs.spec.replicas;
    }
    return -1;
  };
  CHECK(size_of(true) == 8);
  CHECK(size_of(false) == 5);
  world.Update([](Deployment& d) { d.spec.replicas = 15; });
  world.env.RunFor(std::chrono::seconds(10));
  // 15 + 3 in all, 8 : 5 as before (the example of the Kubernetes documentation).
  CHECK(size_of(true) == 11);
  CHECK(size_of(false) == 7);
}

TEST_CASE("a replica set that cannot make pods says so, and the deployment repeats it") {
  World world(13);
  bool quota = true;
  world.api.refuse = [&](const ApiRequest& request) {
    const bool pod = request.verb == Verb::kCreate && request.resource == &Client::ResourceOf<Pod>();
    return quota && pod ? Status(Code::kForbidden, "exceeded quota") : Status();
  };
  world.api.Create(Web(100, 1, 0));
  world.env.RunFor(std::chrono::seconds(10));
  CHECK(world.api.Count<Pod>(Verb::kCreate) < 30);
  const ReplicaSet rs = world.api.List<ReplicaSet>()[0];
  const auto* failure = kube::FindCondition(rs.status.conditions, "ReplicaFailure");
  REQUIRE(failure != nullptr);
  CHECK(failure->reason == "FailedCreate");
  CHECK(failure->message == "exceeded quota");
  REQUIRE(world.Condition(world.Get(), "ReplicaFailure") != nullptr);
  CHECK(world.Messages("FailedCreate").size() == 1);
  quota = false;
  REQUIRE(world.env.RunUntil([&] { return world.Active() == 100 && world.Idle(); }));
  CHECK(kube::FindCondition(world.api.List<ReplicaSet>()[0].status.conditions, "ReplicaFailure") == nullptr);
  CHECK(world.Condition(world.Get(), "ReplicaFailure") == nullptr);
}

TEST_CASE("matching orphans are taken in, and what no longer matches is let go") {
  World world(14);
  world.api.Create(Web(2, 1, 0));
  REQUIRE(world.Converge(Nothing));
  const ReplicaSet mine = world.api.List<ReplicaSet>()[0];
  SECTION("a replica set without owner") {
    world.api.Change<ReplicaSet>(mine, "", [](ReplicaSet& rs) { rs.metadata.ownerReferences.clear(); });
    world.env.RunFor(std::chrono::seconds(10));
    REQUIRE(world.api.List<ReplicaSet>().size() == 1);
    REQUIRE(kube::ControllerOf(world.api.List<ReplicaSet>()[0].metadata) != nullptr);
    CHECK(kube::ControllerOf(world.api.List<ReplicaSet>()[0].metadata)->uid == world.Get().metadata.uid);
  }
  SECTION("a replica set with other labels") {
    world.api.Change<ReplicaSet>(mine, "", [](ReplicaSet& rs) { rs.metadata.labels["app"] = "other"; });
    world.env.RunFor(std::chrono::seconds(10));
    CHECK(world.api.Get<ReplicaSet>("default", mine.metadata.name)->metadata.ownerReferences.empty());
  }
  SECTION("a pod without owner") {
    const Pod pod = world.api.List<Pod>()[0];
    world.api.Change<Pod>(pod, "", [](Pod& p) { p.metadata.ownerReferences.clear(); });
    world.env.RunFor(std::chrono::seconds(1));
    CHECK(kube::ControllerOf(world.api.Get<Pod>("default", pod.metadata.name)->metadata)->uid == mine.metadata.uid);
    CHECK(world.Active() == 2);
  }
  SECTION("a pod with other labels") {
    const Pod pod = world.api.List<Pod>()[0];
    world.api.Change<Pod>(pod, "", [](Pod& p) { p.metadata.labels["app"] = "debug"; });
    world.env.RunFor(std::chrono::seconds(1));
    CHECK(world.api.Get<Pod>("default", pod.metadata.name)->metadata.ownerReferences.empty());
    CHECK(world.Active() == 3);
  }
}

}  // namespace
}  // namespace minikube::controllers
