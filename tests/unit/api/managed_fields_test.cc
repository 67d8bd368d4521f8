// metadata.managedFields through the engine: who is said to have set what, from an object's creation on.
#include <map>
#include <string>

#include <fmt/format.h>
#include <minikube/api/autoscaling/v1.h>
#include <minikube/api/batch/v1.h>
#include <nlohmann/json.hpp>

#include "unit/api/engine_fixture.h"

namespace minikube::api::testing {
namespace {

using apps::v1::Deployment;
using core::v1::ConfigMap;
using core::v1::Pod;
using Json = nlohmann::json;

std::string Key(const meta::v1::ManagedFieldsEntry& entry) {
  std::string out = fmt::format("{} {} {}", entry.manager.view(), entry.operation.view(), entry.apiVersion.view());
  if (!entry.subresource.empty()) out += " " + entry.subresource.str();
  return out;
}

// "manager Operation version [subresource]" to fields.
std::map<std::string, Json> Managers(const meta::v1::ObjectMeta& meta) {
  std::map<std::string, Json> out;
  for (const auto& entry : meta.managedFields) {
    CHECK(entry.fieldsType == "FieldsV1");
    out[Key(entry)] = Json::parse(entry.fieldsV1->json.view());
  }
  return out;
}

std::vector<std::string> Names(const meta::v1::ObjectMeta& meta) {
  std::vector<std::string> out;
  for (const auto& entry : meta.managedFields) out.push_back(Key(entry));
  return out;
}

template <typename T>
ApiRequest By(std::string manager, Verb verb, std::string_view name, std::string_view subresource = {}) {
  ApiRequest request = Request<T>(verb, "default", name);
  request.field_manager = std::move(manager);
  request.subresource = subresource;
  return request;
}

template <typename T>
T Patched(Fixture& f, std::string manager, std::string_view name, PatchType type, std::string_view patch,
          std::string_view subresource = {}) {
  ApiRequest request = By<T>(std::move(manager), Verb::kPatch, name, subresource);
  request.patch_type = type;
  request.patch = patch;
  const Result<ApiResponse> response = f.client->DoSync(std::move(request));
  INFO(response.status().ToString());
  REQUIRE(response.ok());
  return response->object->As<T>();
}

ConfigMap MakeConfigMap(std::string_view name, std::map<std::string, std::string> data) {
  ConfigMap map;
  map.metadata.name = name;
  map.metadata.namespace_ = "default";
  for (const auto& [key, value] : data) map.data[key] = value;
  return map;
}

void Bind(Fixture& f, std::string_view pod, std::string_view node) {
  core::v1::Binding binding;
  binding.metadata.name = pod;
  binding.metadata.namespace_ = "default";
  binding.target = {.kind = "Node", .name = node};
  ApiRequest request = Request<Pod>(Verb::kCreate, "default", pod);
  request.subresource = "binding";
  request.object = Share(binding);
  REQUIRE(f.client->DoSync(std::move(request)).ok());
}

constexpr std::string_view kShared = R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"shared"},)"
                                     R"("data":{"mine":"1"}})";

TEST_CASE("managed fields: going from client-side to server-side apply deletes nothing of others") {
  Fixture f;
  ConfigMap map;
  map.metadata.name = "shared";
  map.metadata.namespace_ = "default";
  map.data["mine"] = "1";
  map.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"] =
      R"({"apiVersion":"v1","data":{"mine":"1"},"kind":"ConfigMap","metadata":{"annotations":{},"name":"shared"}})";
  ApiRequest create = By<ConfigMap>("kubectl-client-side-apply", Verb::kCreate, "");
  create.object = Share(map);
  (void)f.client->DoSync(std::move(create)).value();
  (void)Patched<ConfigMap>(f, "kubectl-patch", "shared", PatchType::kMerge, R"({"data":{"theirs":"2"}})");

  const ConfigMap applied = Patched<ConfigMap>(f, "kubectl", "shared", PatchType::kApply, kShared);
  CHECK(applied.data.Contains("theirs"));
  CHECK(Names(applied.metadata) ==
        std::vector<std::string>{"kubectl Apply v1", "kubectl-client-side-apply Update v1", "kubectl-patch Update v1"});

  // What kubectl then does with what its other way of applying has set: it becomes the applier's.
  meta::v1::ObjectMeta migrated = applied.metadata;
  const Json fields = Managers(migrated)["kubectl-client-side-apply Update v1"];
  Json entries = Json::array();
  for (const auto& [name, owned] : Managers(migrated)) {
    if (name.starts_with("kubectl-client")) continue;
    Json merged = owned;
    if (name.starts_with("kubectl Apply")) merged.merge_patch(fields);
    entries.push_back({{"manager", name.substr(0, name.find(' '))},
                       {"operation", name.find("Apply") != std::string::npos ? "Apply" : "Update"},
                       {"apiVersion", "v1"},
                       {"time", "2026-01-01T00:00:00Z"},
                       {"fieldsType", "FieldsV1"},
                       {"fieldsV1", merged}});
  }
  const Json patch = {
      {{"op", "replace"}, {"path", "/metadata/managedFields"}, {"value", entries}},
      {{"op", "replace"}, {"path", "/metadata/resourceVersion"}, {"value", applied.metadata.resourceVersion.str()}}};
  const ConfigMap after = Patched<ConfigMap>(f, "kubectl", "shared", PatchType::kJson, patch.dump());
  CHECK(Names(after.metadata) == std::vector<std::string>{"kubectl Apply v1", "kubectl-patch Update v1"});
  const ConfigMap again = Patched<ConfigMap>(f, "kubectl", "shared", PatchType::kApply, kShared);
  CHECK(again.data.Contains("theirs"));
  CHECK(again.data.Contains("mine"));
}

TEST_CASE("managed fields: a creator owns what it set and what the API filled in, not what admission adds") {
  Fixture f;
  Pod pod = MakePod("web");
  pod.metadata.labels["app"] = "web";
  ApiRequest request = By<Pod>("kubectl-run", Verb::kCreate, "");
  request.object = Share(pod);
  const Pod created = f.client->DoSync(std::move(request)).value().object->As<Pod>();
  CHECK(created.spec.tolerations.size() == 2);
  REQUIRE(created.metadata.managedFields.size() == 1);
  CHECK(created.metadata.managedFields[0].time.has_value());
  CHECK(Managers(created.metadata)["kubectl-run Update v1"] == Json::parse(R"({
    "f:metadata":{"f:labels":{".":{},"f:app":{}}},
    "f:spec":{
      "f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:image":{},"f:imagePullPolicy":{},"f:name":{},
        "f:resources":{},"f:terminationMessagePath":{},"f:terminationMessagePolicy":{}}},
      "f:dnsPolicy":{},"f:enableServiceLinks":{},"f:restartPolicy":{},"f:schedulerName":{},"f:securityContext":{},
      "f:terminationGracePeriodSeconds":{}}})"));
}

TEST_CASE("managed fields: updates, patches and statuses are told apart") {
  Fixture f;
  (void)f.client->Create(MakeDeployment("web", 1)).value();
  (void)Patched<Deployment>(f, "labels", "web", PatchType::kMerge, R"({"metadata":{"labels":{"a":"b"}}})");
  (void)Patched<Deployment>(f, "labels", "web", PatchType::kStrategicMerge, R"({"metadata":{"labels":{"c":"d"}}})");
  Deployment d =
      Patched<Deployment>(f, "controller", "web", PatchType::kMerge, R"({"status":{"replicas":1}})", "status");
  auto managers = Managers(d.metadata);
  CHECK(managers["labels Update apps/v1"] == Json::parse(R"({"f:metadata":{"f:labels":{"f:a":{},"f:c":{},".":{}}}})"));
  CHECK(managers["controller Update apps/v1 status"] == Json::parse(R"({"f:status":{"f:replicas":{}}})"));
  CHECK(managers.size() == 3);

  // The spec that comes with a status is not taken, and neither is the ownership.
  d.spec.replicas = 7;
  d.status.replicas = 2;
  ApiRequest status = By<Deployment>("other", Verb::kUpdate, "web", "status");
  status.object = Share(d);
  d = f.client->DoSync(std::move(status)).value().object->As<Deployment>();
  managers = Managers(d.metadata);
  CHECK(managers["other Update apps/v1 status"] == Json::parse(R"({"f:status":{"f:replicas":{}}})"));
  CHECK(managers.count("controller Update apps/v1 status") == 0);  // nothing is left to it

  // Fields that are gone have no owner.
  d = Patched<Deployment>(f, "cleaner", "web", PatchType::kMerge, R"({"metadata":{"labels":null}})");
  CHECK(Managers(d.metadata).count("labels Update apps/v1") == 0);
  CHECK(Managers(d.metadata).count("cleaner Update apps/v1") == 0);
}

TEST_CASE("managed fields: what changes nothing is not written down") {
  Fixture f;
  const ConfigMap before = f.client->Create(MakeConfigMap("c", {{"a", "1"}})).value();
  const ConfigMap after = Patched<ConfigMap>(f, "you", "c", PatchType::kMerge, R"({"data":{"a":"1"}})");
  CHECK(after.metadata.resourceVersion == before.metadata.resourceVersion);
  CHECK(DeepEqual(after, before));
  // A client that does not know of managedFields does not take them away.
  ConfigMap unaware = before;
  unaware.metadata.managedFields.clear();
  CHECK(DeepEqual(f.client->Update(unaware).value(), before));
}

TEST_CASE("managed fields: who says so clears them, nonsense is passed over") {
  Fixture f;
  const ConfigMap before = f.client->Create(MakeConfigMap("c", {{"a", "1"}})).value();
  REQUIRE(before.metadata.managedFields.size() == 1);
  const ConfigMap wrong = Patched<ConfigMap>(
      f, "you", "c", PatchType::kMerge,
      R"({"metadata":{"managedFields":[{"manager":"x","operation":"Guess","apiVersion":"v1","fieldsType":"FieldsV1"}]}})");
  CHECK(DeepEqual(wrong, before));
  const ConfigMap cleared =
      Patched<ConfigMap>(f, "you", "c", PatchType::kMerge, R"({"metadata":{"managedFields":[{}]}})");
  CHECK(cleared.metadata.managedFields.empty());
  // From then on it is as an object that is older than field management, until somebody applies it.
  const ConfigMap later = Patched<ConfigMap>(f, "you", "c", PatchType::kMerge, R"({"data":{"b":"2"}})");
  CHECK(later.metadata.managedFields.empty());
  const ConfigMap applied =
      Patched<ConfigMap>(f, "me", "c", PatchType::kApply,
                         R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"a":"1"}})");
  CHECK(Names(applied.metadata) == std::vector<std::string>{"me Apply v1", "before-first-apply Update v1"});
  CHECK(applied.data.Contains("b"));
}

TEST_CASE("managed fields: a write names the version and kind it is made in") {
  Fixture f;
  ApiRequest request = By<autoscaling::v1::HorizontalPodAutoscaler>("me", Verb::kCreate, "");
  autoscaling::v1::HorizontalPodAutoscaler hpa;
  hpa.metadata.name = "h";
  hpa.metadata.namespace_ = "default";
  hpa.spec.maxReplicas = 3;
  hpa.spec.scaleTargetRef = {.kind = "Deployment", .name = "d", .apiVersion = "apps/v1"};
  hpa.spec.targetCPUUtilizationPercentage = 50;
  request.object = Share(hpa);
  const ApiResponse created = f.client->DoSync(std::move(request)).value();
  const Json fields = Managers(created.object->meta())["me Update autoscaling/v1"];
  CHECK(fields["f:spec"].contains("f:targetCPUUtilizationPercentage"));
  CHECK_FALSE(fields["f:spec"].contains("f:metrics"));
}

TEST_CASE("managed fields: scaling takes the replicas over") {
  Fixture f;
  ApiRequest create = By<Deployment>("creator", Verb::kCreate, "");
  create.object = Share(MakeDeployment("web", 1));
  (void)f.client->DoSync(std::move(create)).value();
  ApiRequest request = By<Deployment>("scaler", Verb::kPatch, "web", "scale");
  request.patch = R"({"spec":{"replicas":3}})";
  const ApiResponse scaled = f.client->DoSync(request).value();
  CHECK(Managers(scaled.object->meta())["scaler Update autoscaling/v1 scale"] ==
        Json::parse(R"({"f:spec":{"f:replicas":{}}})"));
  const Deployment d = f.client->Get<Deployment>("default", "web").value();
  auto managers = Managers(d.metadata);
  CHECK(managers["scaler Update apps/v1 scale"] == Json::parse(R"({"f:spec":{"f:replicas":{}}})"));
  CHECK_FALSE(managers["creator Update apps/v1"]["f:spec"].contains("f:replicas"));

  // An applier of the scale is one of the object, and conflicts with the scaler.
  request.patch_type = PatchType::kApply;
  request.field_manager = "applier";
  request.patch = R"({"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"web","namespace":"default"},)"
                  R"("spec":{"replicas":5}})";
  const Status conflict = f.client->DoSync(request).status();
  CHECK(conflict.code() == Code::kConflict);
  request.force = true;
  REQUIRE(f.client->DoSync(request).ok());
  managers = Managers(f.client->Get<Deployment>("default", "web").value().metadata);
  CHECK(managers.contains("applier Apply apps/v1 scale"));
  CHECK_FALSE(managers.contains("scaler Update apps/v1 scale"));
}

TEST_CASE("managed fields: what the server makes up belongs to nobody, and so survives an applier who lets go of all") {
  Fixture f;
  batch::v1::Job job;
  job.metadata.name = "once";
  job.metadata.namespace_ = "default";
  job.spec.template_.spec = MakePod("x").spec;
  job.spec.template_.spec.restartPolicy = "Never";
  ApiRequest create = By<batch::v1::Job>("me", Verb::kCreate, "");
  create.object = Share(job);
  const auto created = f.client->DoSync(std::move(create)).value().object->As<batch::v1::Job>();
  REQUIRE(created.spec.selector);
  const Json fields = Managers(created.metadata)["me Update batch/v1"];
  CHECK_FALSE(fields["f:spec"].contains("f:selector"));
  // As if all that the creator owns had been applied, and is no more: kubectl's way from one apply to the other.
  const Json patch = {{{"op", "replace"}, {"path", "/metadata/managedFields/0/operation"}, {"value", "Apply"}}};
  (void)Patched<batch::v1::Job>(f, "me", "once", PatchType::kJson, patch.dump());
  const auto applied = Patched<batch::v1::Job>(
      f, "me", "once", PatchType::kApply,
      R"({"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"once"},"spec":{"template":{"spec":{)"
      R"("restartPolicy":"Never","containers":[{"name":"main","image":"busybox:1.36"}]}}}})");
  CHECK(DeepEqual(applied.spec, created.spec));
}

TEST_CASE("managed fields: bindings and graceful deletions are no writes of fields") {
  Fixture f;
  (void)f.client->Create(MakePod("web")).value();
  const auto before = f.client->Get<Pod>("default", "web").value().metadata.managedFields;
  Bind(f, "web", "n1");
  const Pod bound = f.client->Get<Pod>("default", "web").value();
  CHECK(bound.spec.nodeName == "n1");
  CHECK(bound.metadata.managedFields.same(before));
}

TEST_CASE("managed fields: objects that are alike share them") {
  Fixture f;
  const Pod one = f.client->Create(MakePod("one")).value();
  const Pod two = f.client->Create(MakePod("two")).value();
  REQUIRE(one.metadata.managedFields.size() == 1);
  CHECK(one.metadata.managedFields[0].fieldsV1->json.same(two.metadata.managedFields[0].fieldsV1->json));
}

TEST_CASE("managed fields: the manager is the program that writes") {
  Fixture f;
  const auto name = [&](std::string user) {
    auto client = f.engine->NewClient({std::move(user), "", {"system:masters"}});
    static int n = 0;
    const ConfigMap made = client->Create(MakeConfigMap(fmt::format("m{}", ++n), {{"a", "1"}})).value();
    return made.metadata.managedFields[0].manager.str();
  };
  CHECK(name("system:kube-scheduler") == "kube-scheduler");
  CHECK(name("system:serviceaccount:kube-system:replicaset-controller") == "kube-controller-manager");
  CHECK(name("system:node:n1") == "kubelet");
  CHECK(name("jane") == "jane");

  ApiRequest request = By<ConfigMap>(std::string(129, 'x'), Verb::kCreate, "");
  request.object = Share(MakeConfigMap("long", {}));
  CHECK(f.client->DoSync(request).status().message() ==
        "CreateOptions.meta.k8s.io \"\" is invalid: fieldManager: Too long: may not be more than 128 bytes");
  request.field_manager = "a\tb";
  CHECK(f.client->DoSync(request).status().code() == Code::kInvalid);
}

TEST_CASE("managed fields: a dry run tells, and writes nothing") {
  Fixture f;
  (void)f.client->Create(MakeConfigMap("c", {{"a", "1"}})).value();
  ApiRequest request = By<ConfigMap>("dry", Verb::kPatch, "c");
  request.patch = R"({"data":{"b":"2"}})";
  request.dry_run = true;
  CHECK(Managers(f.client->DoSync(request).value().object->meta()).contains("dry Update v1"));
  CHECK_FALSE(Managers(f.client->Get<ConfigMap>("default", "c").value().metadata).contains("dry Update v1"));
}

}  // namespace
}  // namespace minikube::api::testing
