// What the controllers decide: tables of views and plans. And that they share what they see.
#include <catch2/catch.hpp>

#include "controllers/controllers.h"
#include "helpers/controller_host.h"
#include "helpers/fake_api.h"
#include "helpers/fixed_view.h"
#include "kube/conditions.h"
#include "kube/owners.h"

namespace minikube::controllers {
namespace {

using apps::v1::Deployment;
using apps::v1::ReplicaSet;
using core::v1::ConfigMap;
using core::v1::Namespace;
using core::v1::Pod;
using core::v1::ServiceAccount;
using test::FixedView;
using test::Lines;
using Writes = std::vector<std::string>;

template <typename T>
T Named(std::string_view name, std::string_view ns = "default") {
  T object;
  object.metadata.name = name;
  object.metadata.namespace_ = ns;
  object.metadata.uid = "uid-" + std::string(name);
  object.metadata.resourceVersion = "7";
  return object;
}

Namespace Ns(std::string_view name, bool deleted = false) {
  Namespace ns = Named<Namespace>(name, "");
  ns.spec.finalizers = {"kubernetes"};
  if (deleted) ns.metadata.deletionTimestamp = Time{Instant{1}};
  return ns;
}

ReplicaSet Set(int replicas) {
  ReplicaSet rs = Named<ReplicaSet>("web");
  rs.spec.replicas = replicas;
  rs.spec.selector.Mutable().matchLabels["app"] = "web";
  rs.spec.template_.metadata.labels["app"] = "web";
  return rs;
}

Pod PodOf(const ReplicaSet& rs, std::string_view name) {
  Pod pod = Named<Pod>(name);
  pod.metadata.labels["app"] = "web";
  pod.metadata.ownerReferences = {kube::ControllerRefTo(rs)};
  return pod;
}

TEST_CASE("a namespace has its account and the authority's certificate") {
  FixedView world;
  CHECK(Lines(ReconcileDefaultAccount(world.view(), Ns("a"))) == Writes{"create serviceaccounts a/default"});
  CHECK(Lines(ReconcileDefaultAccount(world.view(), Ns("a", true))).empty());
  world.Add(Named<ServiceAccount>("default", "a"));
  CHECK(Lines(ReconcileDefaultAccount(world.view(), Ns("a"))).empty());

  CHECK(Lines(ReconcileRootCa(world.view(), Ns("a"), "pem")) == Writes{"create configmaps a/kube-root-ca.crt"});
  ConfigMap map = Named<ConfigMap>("kube-root-ca.crt", "a");
  map.data["ca.crt"] = "other";
  world.Add(map);
  const Plan mend = ReconcileRootCa(world.view(), Ns("a"), "pem");
  CHECK(Lines(mend) == Writes{"update configmaps a/kube-root-ca.crt"});
  world.Add(mend.steps()[0].request.object->As<ConfigMap>());
  CHECK(Lines(ReconcileRootCa(world.view(), Ns("a"), "pem")).empty());
}

TEST_CASE("a namespace is looked into, emptied, and let go") {
  const std::vector<const ResourceDesc*> resources{&Client::ResourceOf<ConfigMap>(), &Client::ResourceOf<Pod>()};
  const auto pause = std::chrono::seconds(1);
  const auto answer = [](const ResourceDesc& resource, std::vector<ObjectRef> items) {
    ApiRequest request;
    request.verb = Verb::kList;
    request.resource = &resource;
    ApiResponse response;
    response.items = std::move(items);
    return LastRun::Answer{request, response};
  };
  FixedView world;
  CHECK(Lines(ReconcileNamespace(world.view(), Ns("a"), resources, pause)).empty());
  Namespace ns = Ns("a", true);
  CHECK(Lines(ReconcileNamespace(world.view(), ns, resources, pause)) == Writes{"list configmaps a/", "list pods a/"});
  // Pods go before what they use.
  world.last.answers = {answer(*resources[0], {Share(Named<ConfigMap>("m"))}),
                        answer(*resources[1], {Share(Named<Pod>("p"))})};
  Plan plan = ReconcileNamespace(world.view(), ns, resources, pause);
  CHECK(Lines(plan) == Writes{"update namespaces/status a", "deletecollection pods a/"});
  CHECK(plan.again() == Duration(pause));
  CHECK_FALSE(plan.retry());
  world.last.answers = {answer(*resources[0], {Share(Named<ConfigMap>("m"))}), answer(*resources[1], {})};
  CHECK(Lines(ReconcileNamespace(world.view(), ns, resources, pause)) ==
        Writes{"update namespaces/status a", "deletecollection configmaps a/"});
  // Empty: first it is told, then the namespace goes.
  world.last.answers = {answer(*resources[0], {}), answer(*resources[1], {})};
  plan = ReconcileNamespace(world.view(), ns, resources, pause);
  REQUIRE(Lines(plan) == Writes{"update namespaces/status a"});
  // An answer about what is not served so any more says nothing: all is asked again.
  const std::vector<const ResourceDesc*> changed{resources[0]};
  CHECK(Lines(ReconcileNamespace(world.view(), ns, changed, pause)) == Writes{"list configmaps a/"});
  ns = plan.steps()[0].request.object->As<Namespace>();
  plan = ReconcileNamespace(world.view(), ns, resources, pause);
  REQUIRE(Lines(plan) == Writes{"update namespaces/finalize a"});
  CHECK(plan.steps()[0].request.object->As<Namespace>().spec.finalizers.empty());
}

TEST_CASE("a replica set makes, deletes and counts pods") {
  struct Case {
    const char* name;
    int wanted, have;
    Writes writes;
  };
  for (const Case& c :
       {Case{"none", 0, 0, {"update replicasets/status default/web"}},
        Case{"two more",
             3,
             1,
             {"create pods default/web-*", "create pods default/web-*", "update replicasets/status default/web"}},
        Case{"one too many", 1, 2, {"delete pods default/p0", "update replicasets/status default/web"}}}) {
    CAPTURE(c.name);
    const ReplicaSet rs = Set(c.wanted);
    FixedView world;
    world.Add(rs);
    for (int i = 0; i < c.have; ++i) {
      Pod pod = PodOf(rs, "p" + std::to_string(i));
      if (i > 0) pod.spec.nodeName = "n";
      world.Add(pod);
    }
    CHECK(Lines(ReconcileReplicaSet(world.view(), rs)) == c.writes);
  }
}

TEST_CASE("a replica set says why it has no pods before it tries again, and forgets it when all is well") {
  ReplicaSet rs = Set(1);
  FixedView world;
  world.last.failures = {{Client::RequestFor(Verb::kCreate, PodOf(rs, "")), Status(Code::kForbidden, "quota")}};
  const Plan plan = ReconcileReplicaSet(world.view(), rs);
  REQUIRE(Lines(plan) == Writes{"update replicasets/status default/web", "create pods default/web-*"});
  rs = plan.steps()[0].request.object->As<ReplicaSet>();
  REQUIRE(rs.status.conditions.size() == 1);
  CHECK(rs.status.conditions[0].reason == "FailedCreate");
  CHECK(rs.status.conditions[0].message == "quota");
  rs.spec.replicas = 0;
  const Plan after = ReconcileReplicaSet(world.view(), rs);
  REQUIRE(after.steps().size() == 1);
  CHECK(after.steps()[0].request.object->As<ReplicaSet>().status.conditions.empty());
}

TEST_CASE("an owner takes in orphans that it selects and lets strangers go") {
  const ReplicaSet rs = Set(3);
  Pod stranger = PodOf(rs, "stranger");
  stranger.metadata.labels["app"] = "other";
  Pod orphan = PodOf(rs, "orphan");
  orphan.metadata.ownerReferences.clear();
  Pod finished = orphan;
  finished.metadata.name = "finished";
  finished.status.phase = "Failed";
  FixedView world;
  world.Add(rs).Add(PodOf(rs, "mine"));
  SECTION("releasing needs no guard") {
    world.Add(stranger);
    CHECK(Lines(ReconcileReplicaSet(world.view(), rs)) == Writes{"patch pods default/stranger"});
  }
  SECTION("taking in does") {
    world.Add(orphan).Add(finished);
    const Plan plan = ReconcileReplicaSet(world.view(), rs);
    CHECK(Lines(plan) == Writes{"update replicasets/status default/web", "patch pods default/orphan"});
    CHECK(plan.steps()[0].request.dry_run);
    CHECK(plan.ordered());
  }
  SECTION("an owner that goes does neither") {
    ReplicaSet going = rs;
    going.metadata.deletionTimestamp = Time{Instant{1}};
    world.Add(orphan).Add(stranger);
    CHECK(Lines(ReconcileReplicaSet(world.view(), going)) == Writes{"update replicasets/status default/web"});
  }
}

TEST_CASE("a replication controller makes, takes in and deletes pods") {
  core::v1::ReplicationController rc = Named<core::v1::ReplicationController>("web");
  rc.spec.replicas = 2;
  rc.spec.selector["app"] = "web";
  rc.spec.template_.Mutable().metadata.labels["app"] = "web";
  FixedView world;
  const Plan make = ReconcileReplicationController(world.view(), rc);
  CHECK(Lines(make) == Writes{"create pods default/web-*", "create pods default/web-*"});
  CHECK(make.slow_start());
  CHECK(kube::IsControlledBy(make.steps()[0].request.object->meta(), "uid-web"));

  Pod pod = Named<Pod>("a");
  pod.metadata.labels["app"] = "web";
  world.Add(pod);
  CHECK(Lines(ReconcileReplicationController(world.view(), rc)) ==
        Writes{"update replicationcontrollers/status default/web", "patch pods default/a"});

  for (const char* name : {"a", "b", "c"}) {
    pod = Named<Pod>(name);
    pod.metadata.labels["app"] = "web";
    pod.metadata.ownerReferences = {kube::ControllerRefTo(rc)};
    if (std::string_view(name) != "b") {
      pod.status.phase = "Running";
      pod.status.conditions = {kube::MakeCondition<core::v1::PodCondition>("Ready", "True", "", "", Time{Instant{1}})};
    }
    world.Add(pod);
  }
  const Plan fewer = ReconcileReplicationController(world.view(), rc);
  CHECK(Lines(fewer) == Writes{"delete pods default/b", "update replicationcontrollers/status default/web"});
  const auto& status = fewer.steps()[1].request.object->As<core::v1::ReplicationController>().status;
  CHECK(status.replicas == 3);
  CHECK(status.fullyLabeledReplicas == 3);
  CHECK(status.readyReplicas == 2);
  CHECK(status.availableReplicas == 2);
}

TEST_CASE("a deployment makes its replica set, and says why it could not") {
  Deployment d = Named<Deployment>("web");
  d.spec.replicas = 2;
  d.spec.progressDeadlineSeconds = 600;
  d.spec.template_.metadata.labels["app"] = "web";
  FixedView world;
  (void)d.spec.selector.Mutable();  // empty: it selects everything
  CHECK(ReconcileDeployment(world.view(), d).events().size() == 1);
  d.spec.selector.Mutable().matchLabels["app"] = "web";
  Plan plan = ReconcileDeployment(world.view(), d);
  REQUIRE(plan.steps().size() == 2);
  CHECK(plan.steps()[0].request.verb == Verb::kCreate);
  CHECK(plan.steps()[0].on_success->reason == "ScalingReplicaSet");
  world.last.failures = {{plan.steps()[0].request, Status(Code::kForbidden, "quota")}};
  plan = ReconcileDeployment(world.view(), d);
  const Deployment& told = plan.steps()[1].request.object->As<Deployment>();
  bool said = false;
  for (const auto& condition : told.status.conditions) said = said || condition.reason == "ReplicaSetCreateError";
  CHECK(said);
}

TEST_CASE("controllers that see the same kind share one watch") {
  SimulatedEnv env;
  test::FakeApi api(env);
  const std::unique_ptr<Client> client = api.NewClient();
  const test::ControllerHost host(
      *client, env,
      {DeploymentController(), ReplicaSetController(), ServiceAccountController(), RootCaPublisher("pem"),
       NodeLifecycleController(std::chrono::seconds(40)), TaintEvictionController(), PodGarbageCollector(0)});
  REQUIRE(env.RunUntil([&] { return host.Idle(); }));
  CHECK(api.watches() == 8);  // deployments, replica sets, pods, namespaces, accounts, maps, nodes, leases
}

}  // namespace
}  // namespace minikube::controllers
