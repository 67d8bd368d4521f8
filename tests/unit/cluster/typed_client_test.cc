// The typed members of Client, as a host uses them.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <minikube/api/apiextensions/v1.h>
#include <minikube/custom_object.h>
#include <minikube/informers.h>
#include <minikube/minikube.h>
#include <minikube/simulated_env.h>

namespace minikube {
namespace {

using namespace std::chrono_literals;
using apps::v1::Deployment;
using core::v1::ConfigMap;
using core::v1::Pod;
using Maps = std::vector<ConfigMap>;

ConfigMap Map(std::string_view name, std::string_view value = "1") {
  ConfigMap map;
  map.metadata.name = name;
  map.metadata.namespace_ = "default";
  map.data["k"] = value;
  return map;
}

Deployment Web() {
  Deployment web;
  web.metadata.name = "web";
  web.metadata.namespace_ = "default";
  web.spec.selector.Mutable().matchLabels["app"] = "web";
  web.spec.template_.metadata.labels["app"] = "web";
  web.spec.template_.spec.containers.push_back({.name = "main", .image = "httpd:2"});
  return web;
}

std::vector<std::string> Names(const Maps& maps) {
  std::vector<std::string> out;
  for (const ConfigMap& map : maps) out.push_back(map.metadata.name.str());
  return out;
}

struct Host {
  Host() {
    ClusterOptions options;
    options.env = &env;
    options.api_server.listen = "";
    options.scheduler.reset();
    options.controllers.reset();
    cluster = Cluster::Start(std::move(options)).value();
  }
  Client& client() { return cluster->client(); }

  SimulatedEnv env;
  std::unique_ptr<Cluster> cluster;
};

// ---- Apply --------------------------------------------------------------------------------------------------------

TEST_CASE_METHOD(Host, "apply: what a manager sets is its own") {
  ConfigMap map = Map("shared");
  map.data["mine"] = "1";
  REQUIRE(client().Apply(map, "one").ok());
  ConfigMap other = Map("shared");
  other.data.Erase("k");
  other.data["theirs"] = "1";
  REQUIRE(client().Apply(other, "two").value().data.size() == 3);

  map.data.Erase("mine");
  const ConfigMap now = client().Apply(map, "one").value();
  CHECK_FALSE(now.data.Contains("mine"));  // not set any more
  CHECK(now.data.Contains("theirs"));      // somebody else's

  other.data["k"] = "2";
  const Status refused = client().Apply(other, "two").status();
  REQUIRE(refused.code() == Code::kConflict);
  REQUIRE(refused.details().causes.size() == 1);
  CHECK(refused.details().causes[0].field == ".data.k");
  CHECK(*client().Apply(other, "two", true).value().data.Find("k") == "2");
}

TEST_CASE_METHOD(Host, "apply: plain fields with their zero value are not set") {
  const Deployment made = client().Apply(Web(), "one").value();
  REQUIRE(made.metadata.managedFields.size() == 1);
  const std::string fields = made.metadata.managedFields[0].fieldsV1->json.str();
  CHECK(fields.find("f:image") != std::string::npos);
  CHECK(fields.find("f:strategy") == std::string::npos);
  CHECK(fields.find("f:resources") == std::string::npos);
  CHECK(fields.find("f:status") == std::string::npos);
  // Another manager may set what was not.
  Deployment other;
  other.metadata.name = "web";
  other.metadata.namespace_ = "default";
  other.spec.minReadySeconds = 5;
  const Deployment now = client().Apply(other, "two").value();
  CHECK(now.spec.minReadySeconds == 5);
  CHECK(now.spec.template_.spec.containers.size() == 1);
}

TEST_CASE_METHOD(Host, "apply: what was read can be applied, and its version is a condition") {
  const ConfigMap read = client().Create(Map("a")).value();
  REQUIRE_FALSE(read.metadata.managedFields.empty());
  ConfigMap next = read;
  next.data["k"] = "2";
  CHECK(*client().Apply(next, "one", true).value().data.Find("k") == "2");
  next.data["k"] = "3";
  CHECK(client().Apply(next, "one", true).status().code() == Code::kConflict);  // of the version before
}

TEST_CASE_METHOD(Host, "apply: the status is apart") {
  REQUIRE(client().Apply(Web(), "one").ok());
  Deployment status;
  status.metadata.name = "web";
  status.metadata.namespace_ = "default";
  status.status.replicas = 2;
  const Deployment now = client().ApplyStatus(status, "operator").value();
  CHECK(now.status.replicas == 2);
  CHECK(now.spec.template_.spec.containers.size() == 1);
}

// ---- Lists --------------------------------------------------------------------------------------------------------

TEST_CASE_METHOD(Host, "list: selectors and pages") {
  for (int i = 0; i < 7; ++i) {
    ConfigMap map = Map("m" + std::to_string(i));
    map.metadata.labels["odd"] = i % 2 == 1 ? "yes" : "no";
    REQUIRE(client().Create(map).ok());
  }
  CHECK(Names(client().List<ConfigMap>("default", "odd=yes").value()) == std::vector<std::string>{"m1", "m3", "m5"});
  CHECK(Names(client().List<ConfigMap>("default", {.field_selector = "metadata.name=m4"}).value()) ==
        std::vector<std::string>{"m4"});
  // All of them, whatever fits on a page.
  CHECK(client().List<ConfigMap>("default", {.label_selector = "odd", .limit = 2}).value().size() == 7);

  ListOptions options{.label_selector = "odd=no", .limit = 3};
  const Page<ConfigMap> first = client().ListPage<ConfigMap>("default", options).value();
  CHECK(Names(first.items) == std::vector<std::string>{"m0", "m2", "m4"});
  REQUIRE_FALSE(first.continue_token.empty());
  REQUIRE(client().Delete<ConfigMap>("default", "m6").ok());  // later pages are of the first one's state
  options.continue_token = first.continue_token;
  const Page<ConfigMap> second = client().ListPage<ConfigMap>("default", options).value();
  CHECK(Names(second.items) == std::vector<std::string>{"m6"});
  CHECK(second.continue_token.empty());
  CHECK(second.revision == first.revision);

  const ListOptions then{.resource_version = std::to_string(first.revision), .resource_version_match = "Exact"};
  CHECK(client().List<ConfigMap>("default", then).value().size() == 7);
  CHECK(client().List<ConfigMap>("default").value().size() == 6);
}

// ---- Deletions ----------------------------------------------------------------------------------------------------

TEST_CASE_METHOD(Host, "delete: preconditions, trial and what becomes of dependents") {
  const ConfigMap made = client().Create(Map("a")).value();
  CHECK(client().Delete<ConfigMap>("default", "a", {.uid = "another"}).code() == Code::kConflict);
  CHECK(client().Delete<ConfigMap>("default", "a", {.resource_version = "1"}).code() == Code::kConflict);
  CHECK(client().Delete<ConfigMap>("default", "a", {.dry_run = true}).ok());
  CHECK(client().Get<ConfigMap>("default", "a").ok());
  CHECK(client().Delete<ConfigMap>("default", "a", {.uid = made.metadata.uid.str()}).ok());
  CHECK(client().Get<ConfigMap>("default", "a").status().code() == Code::kNotFound);

  REQUIRE(client().Create(Web()).ok());
  REQUIRE(client().Delete<Deployment>("default", "web", {.propagation = Propagation::kOrphan}).ok());
  const Deployment going = client().Get<Deployment>("default", "web").value();  // nobody runs who orphans
  REQUIRE(going.metadata.finalizers.size() == 1);
  CHECK(going.metadata.finalizers[0] == "orphan");
}

// ---- Watches ------------------------------------------------------------------------------------------------------

TEST_CASE_METHOD(Host, "watch: typed, from what there is or from a version on") {
  const ConfigMap first = client().Create(Map("a")).value();
  const auto strand = env.NewStrand("watcher");
  std::vector<std::string> seen;
  const auto note = [&seen](const std::vector<TypedEvent<ConfigMap>>& events) {
    for (const TypedEvent<ConfigMap>& event : events) {
      seen.push_back(std::to_string(static_cast<int>(event.type)) + event.object.metadata.name.str());
    }
  };
  const auto all =
      client().Watch<ConfigMap>("default", {.field_selector = "metadata.name!=b"}, *strand, note, [](const Status&) {});
  REQUIRE(env.RunUntil([&] { return seen.size() == 1; }));
  REQUIRE(client().Create(Map("b")).ok());
  REQUIRE(client().Delete<ConfigMap>("default", "a").ok());
  REQUIRE(env.RunUntil([&] { return seen.size() == 2; }));
  CHECK(seen == std::vector<std::string>{"0a", "2a"});

  seen.clear();
  const auto later = client().Watch<ConfigMap>("default", {.resource_version = first.metadata.resourceVersion.str()},
                                               *strand, note, [](const Status&) {});
  REQUIRE(env.RunUntil([&] { return seen.size() == 2; }));
  CHECK(seen == std::vector<std::string>{"0b", "2a"});
}

// ---- Calls --------------------------------------------------------------------------------------------------------

TEST_CASE_METHOD(Host, "call: who lets go of it hears nothing") {
  const auto strand = env.NewStrand("caller");
  int answers = 0;
  const auto get = [&] {
    return client().Do(Client::NamedRequest<ConfigMap>(Verb::kList, "default", ""), *strand,
                       [&answers](const Result<ApiResponse>&) { ++answers; });
  };
  { const Call dropped = get(); }
  env.RunFor(1s);
  CHECK(answers == 0);
  get().Detach();
  env.RunFor(1s);
  CHECK(answers == 1);
  Call kept = get();
  kept = get();  // the one before is withdrawn
  env.RunFor(1s);
  CHECK(answers == 2);
  kept.Withdraw();  // it has been answered
  kept = get();
  kept.Withdraw();
  env.RunFor(1s);
  CHECK(answers == 2);
  // A call may outlive its client, whose end is an answer.
  auto other = cluster->NewClient({"admin", "", {"system:masters"}});
  std::optional<Code> code;
  Call last = other->Do(Client::NamedRequest<ConfigMap>(Verb::kList, "default", ""), *strand,
                        [&code](const Result<ApiResponse>& answer) { code = answer.status().code(); });
  other.reset();
  env.RunFor(1s);
  CHECK(code);
}

// ---- Discovery ----------------------------------------------------------------------------------------------------

TEST_CASE_METHOD(Host, "discovery: kinds by name, also those that no struct is for") {
  CHECK(client().FindServed("apps", "", "Deployment").value() == &Client::ResourceOf<Deployment>());
  CHECK(client().FindServed("autoscaling", "", "HorizontalPodAutoscaler").value()->version == "v2");
  CHECK(client().FindServed("autoscaling", "v1", "HorizontalPodAutoscaler").value()->version == "v1");
  CHECK(client().FindServed("example.com", "", "Widget").status().code() == Code::kNotFound);

  apiextensions::v1::CustomResourceDefinition definition;
  definition.metadata.name = "widgets.example.com";
  definition.spec.group = "example.com";
  definition.spec.scope = "Namespaced";
  definition.spec.names.plural = "widgets";
  definition.spec.names.kind = "Widget";
  apiextensions::v1::CustomResourceDefinitionVersion version{.name = "v1", .served = true, .storage = true};
  auto& schema = version.schema.Mutable().openAPIV3Schema.Mutable();
  schema.type = "object";
  schema.xKubernetesPreserveUnknownFields = true;
  definition.spec.versions.push_back(version);
  REQUIRE(client().Create(definition).ok());
  const ResourceDesc* widgets = nullptr;
  for (int i = 0; i < 100 && widgets == nullptr; ++i) {
    env.RunFor(1s);
    widgets = client().FindServed("example.com", "", "Widget").ok()
                  ? client().FindServed("example.com", "", "Widget").value()
                  : nullptr;
  }
  REQUIRE(widgets != nullptr);

  ObjectPtr widget = ObjectPtr::New(*widgets->message);
  widget->mutable_meta().name = "w";
  widget->mutable_meta().namespace_ = "default";
  AsCustomObject(*widget)->rest.Mutable("spec").Set("size", Json::Int(3));
  const ObjectRef wanted = std::move(widget).Freeze();
  REQUIRE(client().DoSync(Client::ApplyRequest(*widgets, *wanted, "host", false)).ok());
  const ApiResponse list = client().DoSync(Client::ListRequest(*widgets, Verb::kList, "default", {})).value();
  REQUIRE(list.items.size() == 1);
  CHECK(AsCustomObject(*list.items[0])->rest["spec"]["size"].AsInt64() == 3);
  CHECK(client().DoSync(Client::DeleteRequest(*widgets, "default", "w", {})).ok());
}

// ---- Informers ----------------------------------------------------------------------------------------------------

TEST_CASE_METHOD(Host, "informer: typed, and a view of several") {
  REQUIRE(client().Create(Map("a")).ok());
  REQUIRE(client().Create(Web()).ok());
  const auto strand = env.NewStrand("informers");
  std::unique_ptr<TypedInformer<ConfigMap>> maps;
  std::vector<std::string> changes;
  strand->Post([&] {
    maps = std::make_unique<TypedInformer<ConfigMap>>(client(), *strand, env, Informer::Options{.ns = "default"});
    maps->AddIndex("value", [](const ConfigMap& map) { return std::vector<std::string>{map.data.Find("k")->str()}; });
    maps->AddHandler([&](const ConfigMap* before, const ConfigMap* after) {
      const auto value = [](const ConfigMap* map) { return map != nullptr ? map->data.Find("k")->str() : "-"; };
      changes.push_back(value(before) + value(after));
    });
    maps->Start();
  });
  REQUIRE(env.RunUntil([&] { return maps != nullptr && maps->HasSynced(); }));
  ConfigMap next = client().Get<ConfigMap>("default", "a").value();
  next.data["k"] = "2";
  REQUIRE(client().Update(next).ok());
  REQUIRE(client().Create(Map("b", "2")).ok());
  REQUIRE(env.RunUntil([&] { return maps->size() == 2; }));
  CHECK(*maps->Get("default", "a")->data.Find("k") == "2");
  CHECK(maps->Get("default", "none") == nullptr);
  CHECK(maps->ByIndex("value", "2").size() == 2);
  CHECK(maps->ByIndex("value", "1").empty());
  int counted = 0;
  maps->ForEach("", [&](const ConfigMap&) { ++counted; });
  CHECK(counted == 2);
  REQUIRE(client().Delete<ConfigMap>("default", "b").ok());
  REQUIRE(env.RunUntil([&] { return maps->size() == 1; }));
  CHECK(changes.front() == "-1");
  CHECK(changes.back() == "2-");

  Informers informers(client(), *strand, env);
  informers.Of<ConfigMap>();
  informers.Of<Deployment>();
  informers.Start();
  REQUIRE(env.RunUntil([&] { return informers.Of<Deployment>().HasSynced(); }));
  const View view(informers, env.clock());
  CHECK(view.List<ConfigMap>("default").size() == 1);
  CHECK(view.Get<Deployment>("default", "web") != nullptr);
  maps.reset();
}

// ---- Options ------------------------------------------------------------------------------------------------------

TEST_CASE("cluster: its parts take their own options") {
  SimulatedEnv env;
  ClusterOptions options;
  options.env = &env;
  options.api_server.listen = "";
  options.scheduler->scheduler_name = "mine";
  options.controllers->disabled = {"deployment-controller"};
  options.simulated_nodes = {{.node = {.node_name = "a"}}};
  const auto cluster = Cluster::Start(std::move(options)).value();
  Client& client = cluster->client();
  REQUIRE(client.Create(Web()).ok());
  Pod pod;
  pod.metadata.name = "p";
  pod.metadata.namespace_ = "default";
  pod.spec.schedulerName = "mine";
  pod.spec.containers.push_back({.name = "main", .image = "httpd:2"});
  REQUIRE(client.Create(pod).ok());
  const auto bound = [](const Pod& now) { return now.spec.nodeName == "a"; };
  CHECK(WaitFor<Pod>(client, env, "default", "p", bound, 10min).ok());
  env.RunFor(1min);
  CHECK(client.List<apps::v1::ReplicaSet>("default").value().empty());
}

}  // namespace
}  // namespace minikube
