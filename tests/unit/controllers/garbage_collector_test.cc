#include <catch2/catch.hpp>

#include <minikube/api/core/v1.h>

#include "controllers/controllers.h"
#include "controllers/gc/owner_graph.h"
#include "helpers/controller_host.h"
#include "helpers/fake_api.h"
#include "kube/owners.h"

namespace minikube::controllers {
namespace {

using core::v1::ConfigMap;
using core::v1::Node;
using core::v1::Secret;
using test::FakeApi;

template <typename T>
T Named(std::string_view name, std::string_view ns = "default") {
  T object;
  object.metadata.name = name;
  object.metadata.namespace_ = ns;
  return object;
}

template <typename T>
meta::v1::OwnerReference RefTo(const T& owner, bool blocking = true) {
  meta::v1::OwnerReference reference = kube::ControllerRefTo(DescriptorOf<T>(), owner.metadata);
  reference.controller.reset();
  reference.blockOwnerDeletion = blocking;
  return reference;
}

struct Fixture {
  template <typename Owner>
  Secret Owned(std::string_view name, const Owner& owner, bool blocking = true) {
    Secret secret = Named<Secret>(name);
    secret.metadata.ownerReferences.push_back(RefTo(owner, blocking));
    return api.Create(secret);
  }
  // Long enough for everything that is going to happen.
  void Settle() { env.RunFor(std::chrono::minutes(2)); }
  bool Exists(std::string_view secret) { return api.Get<Secret>("default", secret).ok(); }
  Status Delete(const ConfigMap& map, Propagation propagation) {
    return api.Delete(map, [&](ApiRequest& request) { request.propagation = propagation; });
  }

  SimulatedEnv env{GENERATE(1u, 2u, 3u)};
  FakeApi api{env};
  std::unique_ptr<Client> client = api.NewClient();
  test::ControllerHost collector{*client, env, {GarbageCollector()}};
};

TEST_CASE_METHOD(Fixture, "dependents follow their owner, through all generations") {
  const ConfigMap owner = api.Create(Named<ConfigMap>("owner"));
  const Secret child = Owned("child", owner);
  Owned("grandchild", child);
  api.Create(Named<Secret>("stranger"));
  Settle();
  CHECK(api.List<Secret>().size() == 3);
  REQUIRE(Delete(owner, Propagation::kBackground).ok());
  Settle();
  CHECK_FALSE(Exists("child"));
  CHECK_FALSE(Exists("grandchild"));
  CHECK(Exists("stranger"));
  CHECK(collector.Idle());
}

TEST_CASE_METHOD(Fixture, "an object made after its owner has gone is deleted") {
  const ConfigMap owner = api.Create(Named<ConfigMap>("owner"));
  REQUIRE(Delete(owner, Propagation::kBackground).ok());
  SECTION("the name is free") {}
  SECTION("the name belongs to another object") { api.Create(Named<ConfigMap>("owner")); }
  Owned("child", owner);
  Settle();
  CHECK_FALSE(Exists("child"));
}

TEST_CASE_METHOD(Fixture, "nothing is deleted before the API server itself says that the owner is absent") {
  Settle();
  api.Stall(Client::ResourceOf<ConfigMap>());
  const ConfigMap owner = api.Create(Named<ConfigMap>("owner"));  // the collector does not see it
  Owned("child", owner);
  Settle();
  CHECK(Exists("child"));
  CHECK(api.Count<ConfigMap>(Verb::kGet) > 0);
  SECTION("and an error says nothing") {
    api.refuse = [](const ApiRequest& request) {
      return request.verb == Verb::kGet ? Status(Code::kUnavailable, "away") : Status();
    };
    REQUIRE(Delete(owner, Propagation::kBackground).ok());
    Settle();
    CHECK(Exists("child"));
    api.refuse = nullptr;
  }
  REQUIRE((!api.Get<ConfigMap>("default", "owner") || Delete(owner, Propagation::kBackground).ok()));
  env.RunFor(std::chrono::minutes(30));
  CHECK_FALSE(Exists("child"));
}

TEST_CASE_METHOD(Fixture, "of several owners one is enough; the others are forgotten") {
  const ConfigMap a = api.Create(Named<ConfigMap>("a"));
  const ConfigMap b = api.Create(Named<ConfigMap>("b"));
  Secret child = Named<Secret>("child");
  child.metadata.ownerReferences = {RefTo(a), RefTo(b)};
  api.Create(child);
  Settle();
  REQUIRE(Delete(a, Propagation::kBackground).ok());
  Settle();
  REQUIRE(Exists("child"));
  const Secret left = api.Get<Secret>("default", "child").value();
  REQUIRE(left.metadata.ownerReferences.size() == 1);
  CHECK(left.metadata.ownerReferences[0].uid == b.metadata.uid);
  REQUIRE(Delete(b, Propagation::kBackground).ok());
  Settle();
  CHECK_FALSE(Exists("child"));
}

TEST_CASE_METHOD(Fixture, "foreground: the owner goes last, and waits for those that block it") {
  const ConfigMap owner = api.Create(Named<ConfigMap>("owner"));
  Secret slow = Owned("slow", owner);
  slow = api.Change<Secret>(slow, "", [](Secret& s) { s.metadata.finalizers.push_back("example.com/slow"); });
  Owned("quick", owner);
  Settle();
  REQUIRE(Delete(owner, Propagation::kForeground).ok());
  Settle();
  CHECK_FALSE(Exists("quick"));
  CHECK(Exists("slow"));
  CHECK(api.Get<Secret>("default", "slow")->metadata.deletionTimestamp.has_value());
  CHECK(api.Get<ConfigMap>("default", "owner").ok());
  api.Change<Secret>(slow, "", [](Secret& s) { s.metadata.finalizers.clear(); });
  Settle();
  CHECK_FALSE(Exists("slow"));
  CHECK_FALSE(api.Get<ConfigMap>("default", "owner").ok());
}

TEST_CASE_METHOD(Fixture, "foreground goes down through the generations") {
  const ConfigMap owner = api.Create(Named<ConfigMap>("owner"));
  const Secret child = Owned("child", owner);
  Secret grandchild = Owned("grandchild", child);
  grandchild =
      api.Change<Secret>(grandchild, "", [](Secret& s) { s.metadata.finalizers.push_back("example.com/slow"); });
  Settle();
  REQUIRE(Delete(owner, Propagation::kForeground).ok());
  Settle();
  CHECK(Exists("child"));
  CHECK(api.Get<ConfigMap>("default", "owner").ok());
  api.Change<Secret>(grandchild, "", [](Secret& s) { s.metadata.finalizers.clear(); });
  Settle();
  CHECK(api.List<Secret>().empty());
  CHECK_FALSE(api.Get<ConfigMap>("default", "owner").ok());
}

TEST_CASE_METHOD(Fixture, "foreground deletion of objects that own one another ends") {
  const ConfigMap a = api.Create(Named<ConfigMap>("a"));
  const Secret b = Owned("b", a);
  api.Change<ConfigMap>(a, "", [&](ConfigMap& map) { map.metadata.ownerReferences.push_back(RefTo(b)); });
  Settle();
  REQUIRE(Delete(a, Propagation::kForeground).ok());
  env.RunFor(std::chrono::minutes(10));
  CHECK_FALSE(Exists("b"));
  CHECK_FALSE(api.Get<ConfigMap>("default", "a").ok());
}

TEST_CASE_METHOD(Fixture, "orphaning lets the dependents go") {
  const ConfigMap owner = api.Create(Named<ConfigMap>("owner"));
  for (const char* name : {"x", "y"}) Owned(name, owner);
  Settle();
  REQUIRE(Delete(owner, Propagation::kOrphan).ok());
  Settle();
  CHECK_FALSE(api.Get<ConfigMap>("default", "owner").ok());
  REQUIRE(api.List<Secret>().size() == 2);
  for (const Secret& secret : api.List<Secret>()) CHECK(secret.metadata.ownerReferences.empty());
}

TEST_CASE_METHOD(Fixture, "owners that cannot be judged keep what they own") {
  meta::v1::OwnerReference reference;
  reference.name = "x";
  reference.uid = "no-such-uid";
  SECTION("of an unknown kind") {
    reference.apiVersion = "example.com/v1";
    reference.kind = "Widget";
    Secret secret = Named<Secret>("child");
    secret.metadata.ownerReferences = {reference};
    api.Create(secret);
    Settle();
    CHECK(Exists("child"));
  }
  SECTION("namespaced, of a cluster-scoped object") {
    reference.apiVersion = "v1";
    reference.kind = "ConfigMap";
    Node node = Named<Node>("child", "");
    node.metadata.ownerReferences = {reference};
    api.Create(node);
    Settle();
    CHECK(api.List<Node>().size() == 1);
  }
}

TEST_CASE_METHOD(Fixture, "an owner counts in its own namespace only") {
  const ConfigMap owner = api.Create(Named<ConfigMap>("owner", "other"));
  const Secret child = Owned("child", owner);
  Settle();
  CHECK_FALSE(Exists("child"));
  const std::vector<core::v1::Event> events = api.List<core::v1::Event>();
  REQUIRE(events.size() == 1);
  CHECK(events[0].type == "Warning");
  CHECK(events[0].reason == "OwnerRefInvalidNamespace");
  CHECK(events[0].involvedObject.uid == child.metadata.uid);
  CHECK(events[0].message == "ownerRef [v1/ConfigMap, namespace: default, name: owner, uid: " +
                                 owner.metadata.uid.str() + "] does not exist in namespace \"default\"");
}

TEST_CASE_METHOD(Fixture, "thousands of dependents go, whatever is refused in between") {
  const ConfigMap owner = api.Create(Named<ConfigMap>("owner"));
  for (int i = 0; i < 300; ++i) Owned("child-" + std::to_string(i), owner);
  Settle();
  api.refuse = [&](const ApiRequest& request) {
    return request.verb == Verb::kDelete && env.random().Next() % 5 == 0 ? Status(Code::kUnavailable, "busy")
                                                                         : Status();
  };
  REQUIRE(Delete(owner, Propagation::kBackground).ok());
  Settle();
  CHECK(api.List<Secret>().empty());
}

TEST_CASE("the graph follows owner references") {
  OwnerGraph graph;
  const ResourceDesc& resource = Client::ResourceOf<Secret>();
  Secret a = Named<Secret>("a");
  a.metadata.uid = "uid-a";
  Secret b = Named<Secret>("b");
  b.metadata.uid = "uid-b";
  b.metadata.ownerReferences = {RefTo(a)};
  graph.Put(resource, Share(b));
  CHECK(graph.HasDependents("uid-a"));  // though nobody has seen the owner yet
  CHECK(graph.Find("uid-a") == nullptr);
  graph.Put(resource, Share(a));
  REQUIRE(graph.DependentsOf("uid-a").size() == 1);
  CHECK(graph.DependentsOf("uid-a")[0].object->meta().name == "b");
  b.metadata.ownerReferences.clear();
  graph.Put(resource, Share(b));
  CHECK_FALSE(graph.HasDependents("uid-a"));
  graph.Remove(*Share(a));
  CHECK(graph.Find("uid-a") == nullptr);
  CHECK(graph.size() == 1);
}

}  // namespace
}  // namespace minikube::controllers
