#include "model/apply.h"

#include <chrono>

#include <minikube/api/apps/v1.h>
#include <minikube/api/autoscaling/v1.h>
#include <minikube/api/autoscaling/v2.h>
#include <minikube/api/core/v1.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "model/field_set.h"
#include "model/patch.h"

namespace minikube {
namespace {

using Json = nlohmann::json;

FieldManager By(std::string name, int seconds = 0) {
  FieldManager out;
  out.name = std::move(name);
  out.now = WallTime(std::chrono::seconds(1'700'000'000 + seconds));
  return out;
}

template <typename T>
Result<ObjectPtr> Apply(const ObjectRef& current, std::string_view config, const FieldManager& manager,
                        ApplyForce force = ApplyForce::kNo) {
  return ServerSideApply(DescriptorOf<T>(), current.get(), config, force, manager);
}

template <typename T = apps::v1::Deployment>
ObjectRef Applied(const ObjectRef& current, std::string_view config, const FieldManager& manager,
                  ApplyForce force = ApplyForce::kNo) {
  Result<ObjectPtr> out = Apply<T>(current, config, manager, force);
  INFO(out.status().ToString());
  REQUIRE(out.ok());
  return std::move(*out).Freeze();
}

ObjectRef Updated(const ObjectRef& current, std::string_view merge_patch, const FieldManager& manager) {
  Result<ObjectPtr> out = ApplyPatch(*current, PatchType::kMerge, merge_patch);
  INFO(out.status().ToString());
  REQUIRE(out.ok());
  TrackUpdate(*current, **out, manager);
  return std::move(*out).Freeze();
}

const apps::v1::Deployment& Dep(const ObjectRef& object) { return object->As<apps::v1::Deployment>(); }

// Manager name to fields.
std::map<std::string, Json> Managers(const ObjectRef& object) {
  std::map<std::string, Json> out;
  for (const auto& entry : object->meta().managedFields) {
    out[entry.manager.str()] = Json::parse(entry.fieldsV1->json.view());
  }
  return out;
}

constexpr const char* kWeb =
    R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","labels":{"app":"web"}},
  "spec":{"replicas":3,"template":{"spec":{"containers":[{"name":"nginx","image":"nginx:1","ports":[{"containerPort":80}]}]}}}})";

TEST_CASE("Applying to nothing creates, and records what the configuration sets") {
  const ObjectRef web = Applied({}, kWeb, By("me"));
  CHECK(Dep(web).spec.replicas == 3);
  REQUIRE(web->meta().managedFields.size() == 1);
  const auto& entry = web->meta().managedFields[0];
  CHECK(entry.manager == "me");
  CHECK(entry.operation == "Apply");
  CHECK(entry.apiVersion == "apps/v1");
  CHECK(entry.fieldsType == "FieldsV1");
  CHECK(entry.time.has_value());
  CHECK(Managers(web)["me"] == Json::parse(R"({
    "f:metadata":{"f:labels":{"f:app":{}}},
    "f:spec":{"f:replicas":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"nginx\"}":{
      ".":{},"f:name":{},"f:image":{},
      "f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}}}}}})"));
}

TEST_CASE("Applying the same again changes nothing, not even the time") {
  const ObjectRef web = Applied({}, kWeb, By("me"));
  CHECK(Equal(*Applied(web, kWeb, By("me", 60)), *web));
}

TEST_CASE("Changing what another applied is a conflict, until forced") {
  const ObjectRef web = Applied({}, kWeb, By("me"));
  const char* two = R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":2}})";
  const Status status = Apply<apps::v1::Deployment>(web, two, By("you")).status();
  CHECK(status.code() == Code::kConflict);
  CHECK(status.message() == R"(Apply failed with 1 conflict: conflict with "me": .spec.replicas)");
  REQUIRE(status.details().causes.size() == 1);
  CHECK(status.details().causes[0].reason == "FieldManagerConflict");
  CHECK(status.details().causes[0].message == R"(conflict with "me")");
  CHECK(status.details().causes[0].field == ".spec.replicas");

  const ObjectRef forced = Applied(web, two, By("you"), ApplyForce::kYes);
  CHECK(Dep(forced).spec.replicas == 2);
  CHECK_FALSE(Managers(forced)["me"]["f:spec"].contains("f:replicas"));
  CHECK(Managers(forced)["you"] == Json::parse(R"({"f:spec":{"f:replicas":{}}})"));
}

TEST_CASE("Applying the same value shares the field") {
  const ObjectRef web = Applied({}, kWeb, By("me"));
  const char* three = R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":3}})";
  const ObjectRef shared = Applied(web, three, By("you"));
  CHECK(Managers(shared)["me"]["f:spec"].contains("f:replicas"));
  CHECK(Managers(shared)["you"]["f:spec"].contains("f:replicas"));
  // One lets go: the other keeps it.
  const ObjectRef let_go =
      Applied(shared, R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","labels":{"x":"y"}}})",
              By("you"));
  CHECK(Dep(let_go).spec.replicas == 3);
}

TEST_CASE("What a manager applies no more goes, unless somebody else has set it") {
  const ObjectRef web = Applied({}, kWeb, By("me"));
  const ObjectRef less = Applied(
      web, R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":3}})", By("me"));
  CHECK(Dep(less).metadata.labels.empty());
  CHECK(Dep(less).spec.template_.spec.containers.empty());
  CHECK(Dep(less).spec.replicas == 3);

  const ObjectRef sidecar = Applied(web,
                                    R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":
      {"template":{"spec":{"containers":[{"name":"log","image":"log:1"},{"name":"nginx","tty":true}]}}}})",
                                    By("you"));
  const auto& both = Dep(sidecar).spec.template_.spec.containers;
  REQUIRE(both.size() == 2);
  const ObjectRef without = Applied(sidecar,
                                    R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":
      {"replicas":3}})",
                                    By("me"));
  const auto& left = Dep(without).spec.template_.spec.containers;
  REQUIRE(left.size() == 2);
  for (const auto& container : left) {
    if (container.name == "nginx") {
      CHECK(container.image.empty());
      CHECK(container.tty);
    }
  }
}

TEST_CASE("A struct that was applied goes with the defaults it got meanwhile") {
  const char* with = R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[
    {"name":"c","image":"i","readinessProbe":{"httpGet":{"port":80}}}]}})";
  const char* without =
      R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}})";
  ObjectPtr created = Apply<core::v1::Pod>({}, with, By("me")).value();
  created->As<core::v1::Pod>().spec.containers.Mutable(0).readinessProbe.Mutable().periodSeconds = 10;
  const ObjectRef defaulted = std::move(created).Freeze();
  const ObjectRef gone = Applied<core::v1::Pod>(defaulted, without, By("me"));
  CHECK_FALSE(gone->As<core::v1::Pod>().spec.containers[0].readinessProbe);
  CHECK(gone->As<core::v1::Pod>().spec.containers[0].image == "i");
}

TEST_CASE("Updates take over fields, and appliers then conflict with them") {
  const ObjectRef web = Applied({}, kWeb, By("me"));
  const ObjectRef scaled = Updated(web, R"({"spec":{"replicas":7}})", By("kubectl-scale", 5));
  CHECK(Managers(scaled)["kubectl-scale"] == Json::parse(R"({"f:spec":{"f:replicas":{}}})"));
  CHECK_FALSE(Managers(scaled)["me"]["f:spec"].contains("f:replicas"));
  const Status status = Apply<apps::v1::Deployment>(scaled, kWeb, By("me")).status();
  CHECK(
      status.message() ==
      R"(Apply failed with 1 conflict: conflict with "kubectl-scale" using apps/v1 at 2023-11-14T22:13:25Z: .spec.replicas)");

  const ObjectRef removed = Updated(scaled, R"({"metadata":{"labels":null}})", By("kubectl-label", 6));
  CHECK_FALSE(Managers(removed)["me"].contains("f:metadata"));
  CHECK(Managers(removed).count("kubectl-label") == 0);  // it has set nothing
}

TEST_CASE("An update that changes nothing leaves managedFields alone") {
  const ObjectRef web = Applied({}, kWeb, By("me"));
  CHECK(Equal(*Updated(web, "{}", By("you", 60)), *web));
  CHECK(Equal(*Updated(web, R"({"metadata":{"managedFields":null}})", By("you", 60)), *web));
}

TEST_CASE("Objects that nobody applied carry no managedFields; the first apply finds what was there before") {
  apps::v1::Deployment plain;
  plain.metadata.name = "web";
  plain.spec.replicas = 1;
  const ObjectRef created = Share(plain);
  const ObjectRef updated = Updated(created, R"({"spec":{"replicas":2}})", By("you"));
  CHECK(updated->meta().managedFields.empty());
  const Status status = Apply<apps::v1::Deployment>(updated, kWeb, By("me")).status();
  CHECK(status.code() == Code::kConflict);
  CHECK_THAT(status.message(), Catch::Contains(R"("before-first-apply" using apps/v1)"));
  const ObjectRef applied = Applied(updated, kWeb, By("me"), ApplyForce::kYes);
  CHECK(Dep(applied).spec.replicas == 3);
}

TEST_CASE("kubectl may take over what its client-side apply set") {
  apps::v1::Deployment plain;
  plain.metadata.name = "web";
  plain.spec.replicas = 1;
  plain.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"] =
      R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":1}})";
  const char* two = R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":2}})";
  CHECK(Apply<apps::v1::Deployment>(Share(plain), two, By("other")).status().code() == Code::kConflict);
  const ObjectRef taken = Applied(Share(plain), two, By("kubectl"));
  CHECK(Dep(taken).spec.replicas == 2);
  CHECK(Json::parse(Dep(taken).metadata.annotations.Find("kubectl.kubernetes.io/last-applied-configuration")->view()) ==
        Json::parse(two));
}

TEST_CASE("Sets and atomic values") {
  const char* first =
      R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","finalizers":["a/x","a/y"]},"data":{"k":"1"}})";
  const char* second = R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","finalizers":["a/z","a/y"]}})";
  ObjectRef object = Applied<core::v1::ConfigMap>({}, first, By("one"));
  object = Applied<core::v1::ConfigMap>(object, second, By("two"));
  CHECK(object->meta().finalizers == List<Str>{"a/x", "a/z", "a/y"});
  CHECK(Managers(object)["two"] == Json::parse(R"({"f:metadata":{"f:finalizers":{"v:\"a/z\"":{},"v:\"a/y\"":{}}}})"));
  object = Applied<core::v1::ConfigMap>(
      object, R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","finalizers":["a/x"]}})", By("one"));
  CHECK(object->meta().finalizers == List<Str>{"a/x", "a/z", "a/y"});  // y is still two's
  CHECK(object->As<core::v1::ConfigMap>().data.empty());

  // A selector is atomic: changing a part changes it all.
  const char* selector =
      R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"selector":{"a":"1"}}})";
  ObjectRef service = Applied<core::v1::Service>({}, selector, By("one"));
  CHECK(Managers(service)["one"] == Json::parse(R"({"f:spec":{"f:selector":{}}})"));
  CHECK(Apply<core::v1::Service>(
            service, R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"selector":{"b":"1"}}})",
            By("two"))
            .status()
            .code() == Code::kConflict);
}

TEST_CASE("Managers of another version keep their fields in its terms") {
  const char* v1 = R"({"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler","metadata":{"name":"h"},
    "spec":{"maxReplicas":5,"targetCPUUtilizationPercentage":50,"scaleTargetRef":{"kind":"D","name":"d"}}})";
  const ObjectRef old = Applied<autoscaling::v1::HorizontalPodAutoscaler>({}, v1, By("me"));
  // Seen as v2, as if stored so.
  autoscaling::v2::HorizontalPodAutoscaler hpa;
  hpa.metadata = old->meta();
  hpa.spec.maxReplicas = 5;
  hpa.spec.scaleTargetRef = {.kind = "D", .name = "d"};
  autoscaling::v2::MetricSpec cpu;
  cpu.type = "Resource";
  cpu.resource.Mutable().name = "cpu";
  cpu.resource.Mutable().target = {.type = "Utilization", .averageUtilization = 50};
  hpa.spec.metrics = {cpu};
  const ObjectRef current = Share(hpa);
  const ObjectRef changed = Updated(current, R"({"spec":{"metrics":[]}})", By("you"));
  CHECK_FALSE(Managers(changed)["me"]["f:spec"].contains("f:targetCPUUtilizationPercentage"));
  CHECK(Managers(changed)["me"]["f:spec"].contains("f:maxReplicas"));
}

TEST_CASE("Configurations that cannot be applied") {
  const auto code = [](std::string_view config) { return Apply<apps::v1::Deployment>({}, config, By("me")).status(); };
  CHECK(code("{").code() == Code::kBadRequest);
  CHECK(code("[]").code() == Code::kBadRequest);
  CHECK(code(R"({"apiVersion":"apps/v2","kind":"Deployment"})").message() ==
        "Incorrect version specified in apply patch. Specified patch version: apps/v2, expected: apps/v1");
  CHECK_THAT(code(R"({"apiVersion":"apps/v1","kind":"Deployment","spec":{"nope":1}})").message(),
             Catch::Contains(R"(unknown field "spec.nope")"));
  CHECK(code(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"managedFields":[{"manager":"x"}]}})")
            .message() == "metadata.managedFields must be nil");
  CHECK_THAT(code(R"({"apiVersion":"apps/v1","kind":"Deployment","spec":{"template":{"spec":{"containers":
                     [{"name":"a"},{"name":"a"}]}}}})")
                 .message(),
             Catch::EndsWith(R"(.spec.template.spec.containers: duplicate entries for key [name="a"])"));
  CHECK_THAT(code(R"({"apiVersion":"apps/v1","kind":"Deployment","spec":{"template":{"spec":{"containers":
                     [{"image":"a"}]}}}})")
                 .message(),
             Catch::Contains("omits key field \"name\""));
}

TEST_CASE("Fields that a write cannot change are not owned by it") {
  constexpr std::string_view kStatus[] = {"status"};
  FieldManager manager = By("me");
  manager.ignored_fields = kStatus;
  const ObjectRef web = Applied({}, R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"w"},
    "spec":{"replicas":1},"status":{"replicas":9}})",
                                manager);
  CHECK(Managers(web)["me"] == Json::parse(R"({"f:spec":{"f:replicas":{}}})"));
}

TEST_CASE("Only so many updaters are told apart") {
  ObjectRef web = Applied({}, kWeb, By("me"));
  for (int i = 0; i < 15; ++i) {
    const std::string label = "l" + std::to_string(i);
    web = Updated(web, R"({"metadata":{"labels":{")" + label + R"(":"x"}}})", By("updater-" + label, i));
  }
  const auto managers = Managers(web);
  CHECK(managers.size() == 11);  // ten updaters and the applier
  REQUIRE(managers.contains("ancient-changes"));
  CHECK(managers.at("ancient-changes")["f:metadata"]["f:labels"].contains("f:l0"));
  CHECK(managers.contains("updater-l14"));
}

TEST_CASE("Field sets are sets") {
  const auto set = [](std::string_view json) { return FieldSet::Parse(json).value(); };
  const FieldSet a = set(R"({"f:a":{},"f:b":{".":{},"f:c":{}},"v:1":{},"k:{\"n\":\"x\"}":{"f:d":{}}})");
  CHECK(FieldSet::Parse(a.ToJson()).value() == a);
  CHECK(a.size() == 5);
  FieldSet b = a;
  b.Subtract(set(R"({"f:b":{".":{}},"f:a":{}})"));
  CHECK(b == set(R"({"f:b":{"f:c":{}},"v:1":{},"k:{\"n\":\"x\"}":{"f:d":{}}})"));
  b.Intersect(set(R"({"f:b":{"f:c":{}},"f:z":{}})"));
  CHECK(b.ToJson() == R"({"f:b":{"f:c":{}}})");
  b.Union(set(R"({"f:b":{".":{}}})"));
  CHECK(b.ToJson() == R"({"f:b":{".":{},"f:c":{}}})");
  b.Subtract(b);
  CHECK(b.empty());
  CHECK(b.ToJson() == "{}");
  std::vector<std::string> paths;
  a.ForEachPath([&](const std::string& path) { paths.push_back(path); });
  CHECK(paths == std::vector<std::string>{".a", ".b", ".b.c", R"([n="x"].d)", "[=1]"});
  for (const char* bad : {"", "[]", "1", R"({"a":{}})", R"({"x:a":{}})", R"({"f:a":1})"}) {
    CAPTURE(bad);
    CHECK_FALSE(FieldSet::Parse(bad).ok());
  }
}

}  // namespace
}  // namespace minikube
