// Custom objects in the life of a cluster: they go with their namespace, and with their owners.
#include <string>

#include <catch2/catch.hpp>

#include <minikube/api/apiextensions/v1.h>
#include <minikube/codec.h>
#include <minikube/custom_object.h>
#include <minikube/latch.h>
#include <minikube/minikube.h>
#include <minikube/simulated_env.h>

namespace minikube {
namespace {

using apiextensions::v1::CustomResourceDefinition;
using core::v1::ConfigMap;
using core::v1::Namespace;

CustomResourceDefinition WidgetDefinition() {
  CustomResourceDefinition out;
  out.metadata.name = "widgets.example.com";
  out.spec.group = "example.com";
  out.spec.scope = "Namespaced";
  out.spec.names.plural = "widgets";
  out.spec.names.singular = "widget";
  out.spec.names.kind = "Widget";
  out.spec.names.listKind = "WidgetList";
  apiextensions::v1::CustomResourceDefinitionVersion version;
  version.name = "v1";
  version.served = true;
  version.storage = true;
  auto& schema = version.schema.Mutable().openAPIV3Schema.Mutable();
  schema.type = "object";
  schema.xKubernetesPreserveUnknownFields = true;
  out.spec.versions.push_back(version);
  return out;
}

meta::v1::OwnerReference OwnerOf(std::string_view api_version, std::string_view kind,
                                 const meta::v1::ObjectMeta& meta) {
  meta::v1::OwnerReference out;
  out.apiVersion = api_version;
  out.kind = kind;
  out.name = meta.name;
  out.uid = meta.uid;
  return out;
}

ConfigMap MapNamed(std::string_view name, std::string_view ns = "default") {
  ConfigMap out;
  out.metadata.name = name;
  out.metadata.namespace_ = ns;
  return out;
}

struct Fixture {
  Fixture() {
    ClusterOptions options;
    options.env = &env;
    options.api_server.listen = "";
    auto started = Cluster::Start(std::move(options));
    REQUIRE(started.status().ToString() == "OK");
    cluster = *std::move(started);
    REQUIRE(client().Create(WidgetDefinition()).status().ToString() == "OK");
  }

  Client& client() { return cluster->client(); }

  const ResourceDesc& Widgets() { return *client().FindServed("example.com", "", "Widget").value(); }

  ApiRequest OnWidget(Verb verb, std::string_view ns, std::string_view name) {
    ApiRequest request;
    request.verb = verb;
    request.resource = &Widgets();
    request.ns = ns;
    request.name = name;
    return request;
  }

  meta::v1::ObjectMeta MakeWidget(std::string_view ns, std::string_view name,
                                  const meta::v1::OwnerReference* owner = nullptr) {
    ApiRequest request = OnWidget(Verb::kCreate, ns, name);
    ObjectPtr widget =
        Decode(MediaType::kJson, R"({"apiVersion":"example.com/v1","kind":"Widget"})", request.resource->message)
            .value();
    widget->mutable_meta().name = name;
    widget->mutable_meta().namespace_ = ns;
    if (owner != nullptr) widget->mutable_meta().ownerReferences.push_back(*owner);
    request.object = std::move(widget).Freeze();
    return client().DoSync(std::move(request)).value().object->meta();
  }

  bool Exists(std::string_view ns, std::string_view widget) {
    return client().DoSync(OnWidget(Verb::kGet, ns, widget)).ok();
  }
  Status WaitUntilWidgetGone(std::string_view ns, std::string_view name) {
    return WaitFor(client(), env, Widgets(), ns, name, [](const ObjectRef& now) { return !now; }).status();
  }
  // Long enough for everything that is going to happen.
  void Settle() {
    Latch never;
    env.Await(never, std::chrono::minutes(2));
  }

  SimulatedEnv env;
  std::unique_ptr<Cluster> cluster;
};

TEST_CASE_METHOD(Fixture, "custom objects go with their namespace") {
  Namespace ns;
  ns.metadata.name = "crowded";
  REQUIRE(client().Create(ns).ok());
  MakeWidget("crowded", "a");
  MakeWidget("crowded", "b");
  MakeWidget("default", "a");
  REQUIRE(client().Delete<Namespace>("", "crowded").ok());
  CHECK(WaitUntilGone<Namespace>(client(), env, "", "crowded").ToString() == "OK");
  CHECK_FALSE(Exists("crowded", "a"));
  CHECK_FALSE(Exists("crowded", "b"));
  CHECK(Exists("default", "a"));
}

TEST_CASE_METHOD(Fixture, "custom objects follow their owners, and are followed") {
  const ConfigMap owner = client().Create(MapNamed("owner")).value();
  const meta::v1::OwnerReference by_map = OwnerOf("v1", "ConfigMap", owner.metadata);
  const meta::v1::ObjectMeta widget = MakeWidget("default", "child", &by_map);
  ConfigMap grandchild = MapNamed("grandchild");
  grandchild.metadata.ownerReferences.push_back(OwnerOf("example.com/v1", "Widget", widget));
  REQUIRE(client().Create(grandchild).ok());
  Settle();
  CHECK(Exists("default", "child"));
  CHECK(client().Get<ConfigMap>("default", "grandchild").ok());
  REQUIRE(client().Delete<ConfigMap>("default", "owner").ok());
  CHECK(WaitUntilWidgetGone("default", "child").ToString() == "OK");
  CHECK(WaitUntilGone<ConfigMap>(client(), env, "default", "grandchild").ToString() == "OK");
}

TEST_CASE_METHOD(Fixture, "a reference to a custom object that never was counts for nothing") {
  ConfigMap map = MapNamed("stray");
  meta::v1::ObjectMeta nobody;
  nobody.name = "nobody";
  nobody.uid = "no-such-uid";
  map.metadata.ownerReferences.push_back(OwnerOf("example.com/v1", "Widget", nobody));
  REQUIRE(client().Create(map).ok());
  CHECK(WaitUntilGone<ConfigMap>(client(), env, "default", "stray").ToString() == "OK");
}

TEST_CASE_METHOD(Fixture, "a definition takes its objects and what they own along, and may come back") {
  ConfigMap map = MapNamed("owned");
  map.metadata.ownerReferences.push_back(OwnerOf("example.com/v1", "Widget", MakeWidget("default", "a")));
  REQUIRE(client().Create(map).ok());
  Settle();
  REQUIRE(client().Delete<CustomResourceDefinition>("", "widgets.example.com").ok());
  REQUIRE(WaitUntilGone<CustomResourceDefinition>(client(), env, "", "widgets.example.com").ToString() == "OK");
  CHECK(WaitUntilGone<ConfigMap>(client(), env, "default", "owned").ToString() == "OK");

  REQUIRE(client().Create(WidgetDefinition()).ok());
  map.metadata.name = "again";
  map.metadata.ownerReferences = {};
  map.metadata.ownerReferences.push_back(OwnerOf("example.com/v1", "Widget", MakeWidget("default", "b")));
  REQUIRE(client().Create(map).ok());
  REQUIRE(client().DoSync(OnWidget(Verb::kDelete, "default", "b")).ok());
  CHECK(WaitUntilGone<ConfigMap>(client(), env, "default", "again").ToString() == "OK");
}

TEST_CASE_METHOD(Fixture, "what custom objects own outlives every change of their definition") {
  const meta::v1::ObjectMeta widget = MakeWidget("default", "a");
  ConfigMap map = MapNamed("owned");
  map.metadata.ownerReferences.push_back(OwnerOf("example.com/v1", "Widget", widget));
  REQUIRE(client().Create(map).ok());
  Settle();
  const auto change = [&](auto how) {
    auto definition = client().Get<CustomResourceDefinition>("", "widgets.example.com").value();
    how(definition);
    REQUIRE(client().Update(definition).status().ToString() == "OK");
    Settle();
  };
  change([](CustomResourceDefinition& d) { d.spec.names.shortNames.push_back("wd"); });
  CHECK(client().Get<ConfigMap>("default", "owned").ok());
  change([](CustomResourceDefinition& d) { d.spec.versions.Mutable(0).served = false; });
  CHECK(client().Get<ConfigMap>("default", "owned").ok());
  map = client().Get<ConfigMap>("default", "owned").value();
  map.data["touched"] = "while nobody can see the owner";
  REQUIRE(client().Update(map).ok());
  Settle();
  CHECK(client().Get<ConfigMap>("default", "owned").ok());
  change([](CustomResourceDefinition& d) { d.spec.versions.Mutable(0).served = true; });
  CHECK(client().Get<ConfigMap>("default", "owned").ok());
  REQUIRE(client().DoSync(OnWidget(Verb::kDelete, "default", "a")).ok());
  CHECK(WaitUntilGone<ConfigMap>(client(), env, "default", "owned").ToString() == "OK");
}

TEST_CASE_METHOD(Fixture, "custom objects are orphaned, and waited for in the foreground") {
  const ConfigMap owner = client().Create(MapNamed("owner")).value();
  meta::v1::OwnerReference reference = OwnerOf("v1", "ConfigMap", owner.metadata);
  reference.blockOwnerDeletion = true;
  MakeWidget("default", "child", &reference);
  ApiRequest request = Client::NamedRequest<ConfigMap>(Verb::kDelete, "default", "owner");
  SECTION("orphan") {
    request.propagation = Propagation::kOrphan;
    REQUIRE(client().DoSync(request).ok());
    REQUIRE(WaitUntilGone<ConfigMap>(client(), env, "default", "owner").ToString() == "OK");
    Settle();
    REQUIRE(Exists("default", "child"));
    const ObjectRef child = client().DoSync(OnWidget(Verb::kGet, "default", "child")).value().object;
    CHECK(child->meta().ownerReferences.empty());
  }
  SECTION("foreground") {
    request.propagation = Propagation::kForeground;
    REQUIRE(client().DoSync(request).ok());
    REQUIRE(WaitUntilGone<ConfigMap>(client(), env, "default", "owner").ToString() == "OK");
    CHECK_FALSE(Exists("default", "child"));
  }
}

}  // namespace
}  // namespace minikube
