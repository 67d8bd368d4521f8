// The scale subresource of custom kinds, the fields that they are selected by, and what OpenAPI tells of them.
#include <minikube/api/apiextensions/v1.h>
#include <minikube/api/autoscaling/v1.h>
#include <minikube/custom_object.h>

#include "api/openapi/openapi_v3.h"
#include "unit/api/engine_fixture.h"

namespace minikube::api::testing {
namespace {

using apiextensions::v1::CustomResourceDefinition;
using apiextensions::v1::CustomResourceDefinitionVersion;
using autoscaling::v1::Scale;

constexpr std::string_view kDefinition = R"({
  "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
  "metadata": {"name": "shoals.example.com"},
  "spec": {
    "group": "example.com", "scope": "Namespaced",
    "names": {"plural": "shoals", "singular": "shoal", "kind": "Shoal", "listKind": "ShoalList"},
    "versions": [
      {"name": "v1", "served": true, "storage": true,
       "schema": {"openAPIV3Schema": {"type": "object", "properties": {
         "spec": {"type": "object", "properties": {
           "fish": {"type": "object", "properties": {"count": {"type": "integer"}}},
           "color": {"type": "string"}, "wild": {"type": "boolean"}, "depth": {"type": "integer"},
           "tags": {"type": "array", "items": {"type": "string"}}}},
         "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}},
       "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.fish.count",
         "statusReplicasPath": ".status.count", "labelSelectorPath": ".status.selector"}},
       "selectableFields": [{"jsonPath": ".spec.color"}, {"jsonPath": ".spec.wild"}, {"jsonPath": ".spec.depth"}]},
      {"name": "v2", "served": true, "storage": false,
       "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}})";

struct ShoalFixture : Fixture {
  ShoalFixture() { REQUIRE(Define(kDefinition).ok()); }

  Status Define(std::string_view json) {
    ApiRequest request = Request<CustomResourceDefinition>(Verb::kCreate, "", "");
    request.object = Decode(MediaType::kJson, json, &DescriptorOf<CustomResourceDefinition>()).value().Freeze();
    return client->DoSync(request).status();
  }
  const ResourceDesc& Shoals(std::string_view version = "v1") {
    return *engine->catalogue()->FindResource("example.com", version, "shoals");
  }
  ApiRequest On(Verb verb, std::string name = "", std::string subresource = "", std::string_view version = "v1") {
    ApiRequest request;
    request.resource = &Shoals(version);
    request.verb = verb;
    request.ns = "default";
    request.name = std::move(name);
    request.subresource = std::move(subresource);
    return request;
  }
  Result<ApiResponse> Create(std::string_view name, std::string_view rest) {
    const std::string json =
        fmt::format(R"({{"apiVersion":"example.com/v1","kind":"Shoal","metadata":{{"name":"{}"}},{}}})", name, rest);
    ApiRequest request = On(Verb::kCreate);
    request.object = Decode(MediaType::kJson, json, Shoals().message).value().Freeze();
    return client->DoSync(request);
  }
  Result<ApiResponse> Patch(std::string name, std::string subresource, std::string patch,
                            PatchType type = PatchType::kMerge) {
    ApiRequest request = On(Verb::kPatch, std::move(name), std::move(subresource));
    request.patch_type = type;
    request.patch = std::move(patch);
    request.field_manager = "scaler";
    return client->DoSync(request);
  }
  // The names of what a selector finds.
  Result<std::vector<std::string>> Select(std::string selector, std::string_view version = "v1") {
    ApiRequest request = On(Verb::kList, "", "", version);
    request.field_selector = std::move(selector);
    const Result<ApiResponse> found = client->DoSync(request);
    if (!found) return found.status();
    std::vector<std::string> out;
    for (const ObjectRef& object : found->items) out.push_back(object->meta().name.str());
    return out;
  }
};

const Json& Rest(const ObjectRef& object) { return AsCustomObject(*object)->rest; }
const Scale& AsScale(const ApiResponse& response) { return response.object->As<Scale>(); }
using Names = std::vector<std::string>;

TEST_CASE("custom scale: what the definition says is shown as a Scale") {
  ShoalFixture f;
  REQUIRE(f.Create("a", R"("spec":{"fish":{"count":3}})").ok());
  REQUIRE(f.Patch("a", "status", R"({"status":{"count":2,"selector":"app=fish"}})").ok());
  const ApiResponse got = f.client->DoSync(f.On(Verb::kGet, "a", "scale")).value();
  CHECK(AsScale(got).spec.replicas == 3);
  CHECK(AsScale(got).status.replicas == 2);
  CHECK(AsScale(got).status.selector == "app=fish");
  CHECK(AsScale(got).metadata.name == "a");
  CHECK_FALSE(AsScale(got).metadata.uid.empty());
  // The other version has no such subresource.
  CHECK(f.client->DoSync(f.On(Verb::kGet, "a", "scale", "v2")).status().code() == Code::kNotFound);
}

TEST_CASE("custom scale: replicas are written where the definition says, by whoever says so") {
  ShoalFixture f;
  REQUIRE(f.Create("a", R"("spec":{"fish":{"count":3},"color":"red"})").ok());
  CHECK(AsScale(f.Patch("a", "scale", R"({"spec":{"replicas":5}})").value()).spec.replicas == 5);
  ObjectRef shoal = f.client->DoSync(f.On(Verb::kGet, "a")).value().object;
  CHECK(Rest(shoal)["spec"].ToString() == R"({"color":"red","fish":{"count":5}})");
  CHECK(shoal->meta().generation == 2);
  const auto& managers = shoal->meta().managedFields;
  const auto scaler =
      std::find_if(managers.begin(), managers.end(), [](const auto& entry) { return entry.manager == "scaler"; });
  REQUIRE(scaler != managers.end());
  CHECK(scaler->subresource == "scale");
  CHECK(scaler->apiVersion == "example.com/v1");
  CHECK(scaler->fieldsV1->json.view() == R"({"f:spec":{"f:fish":{"f:count":{}}}})");

  ApiRequest put = f.On(Verb::kUpdate, "a", "scale");
  Scale scale = AsScale(f.client->DoSync(f.On(Verb::kGet, "a", "scale")).value());
  scale.spec.replicas = 7;
  put.object = Share(scale);
  REQUIRE(f.client->DoSync(put).ok());
  shoal = f.client->DoSync(f.On(Verb::kGet, "a")).value().object;
  CHECK(Rest(shoal)["spec"]["fish"]["count"].text() == "7");
  // An old resourceVersion does not win.
  CHECK(f.client->DoSync(put).status().code() == Code::kConflict);
}

TEST_CASE("custom scale: a number that is not there has to be brought") {
  ShoalFixture f;
  REQUIRE(f.Create("a", R"("spec":{"color":"red"})").ok());
  const Status got = f.client->DoSync(f.On(Verb::kGet, "a", "scale")).status();
  CHECK(got.code() == Code::kInternal);
  CHECK(got.message() == "Internal error occurred: the spec replicas field \".spec.fish.count\" does not exist");
  const Status patched = f.Patch("a", "scale", R"({"metadata":{"labels":{"a":"b"}}})").status();
  CHECK(patched.code() == Code::kBadRequest);
  CHECK(patched.message() == "the spec replicas field \".spec.fish.count\" cannot be empty");
  REQUIRE(f.Patch("a", "scale", R"({"spec":{"replicas":1}})").ok());
  CHECK(AsScale(f.client->DoSync(f.On(Verb::kGet, "a", "scale")).value()).spec.replicas == 1);
}

TEST_CASE("custom scale: numbers of replicas are held to be numbers of replicas") {
  ShoalFixture f;
  REQUIRE(f.Create("a", R"("spec":{"fish":{"count":3}})").ok());
  const Status negative = f.Patch("a", "scale", R"({"spec":{"replicas":-1}})").status();
  CHECK(negative.code() == Code::kInvalid);
  CHECK(negative.message() ==
        "Shoal.example.com \"a\" is invalid: .spec.fish.count: Invalid value: -1: should be a non-negative integer");
  CHECK(f.Create("b", R"("spec":{"fish":{"count":2147483648}})").status().message() ==
        "Shoal.example.com \"b\" is invalid: .spec.fish.count: Invalid value: 2147483648: should be less than or "
        "equal to 2147483647");
  CHECK(f.Patch("a", "status", R"({"status":{"count":"two"}})").status().message() ==
        "Shoal.example.com \"a\" is invalid: .status.count: Invalid value: 0: .status.count accessor error: two is of "
        "the type string, expected int64");
}

TEST_CASE("selectable fields: lists and watches select by them, in the versions that have them") {
  ShoalFixture f;
  REQUIRE(f.Create("a", R"("spec":{"color":"red","wild":true,"depth":3})").ok());
  REQUIRE(f.Create("b", R"("spec":{"color":"blue","wild":false})").ok());
  REQUIRE(f.Create("c", R"("spec":{"color":"red"})").ok());
  CHECK(f.Select("spec.color=red").value() == Names{"a", "c"});
  CHECK(f.Select("spec.color!=red").value() == Names{"b"});
  CHECK(f.Select("spec.wild=true").value() == Names{"a"});
  CHECK(f.Select("spec.depth=3,metadata.name=a").value() == Names{"a"});
  CHECK(f.Select("spec.depth=").value() == Names{"b", "c"});
  const Status unknown = f.Select("spec.tags=x").status();
  CHECK(unknown.code() == Code::kBadRequest);
  CHECK(unknown.message() == "field label not supported: spec.tags");
  CHECK(f.Select("spec.color=red", "v2").status().code() == Code::kBadRequest);

  ApiRequest watch = f.On(Verb::kWatch);
  watch.field_selector = "spec.color=red";
  watch.resource_version = std::to_string(f.engine->revision());
  WatchLog log(*f.client, *f.strand, watch);
  REQUIRE(f.Patch("a", "", R"({"spec":{"color":"green"}})").ok());
  REQUIRE(f.Patch("b", "", R"({"spec":{"color":"red"}})").ok());
  CHECK(Spelled(log.Wait(2)) == Names{"DELETED a", "ADDED b"});

  ApiRequest drop = f.On(Verb::kDeleteCollection);
  drop.field_selector = "spec.color=red";
  REQUIRE(f.client->DoSync(drop).ok());
  CHECK(f.Select("").value() == Names{"a"});
}

TEST_CASE("selectable fields: a definition names scalars that its schema has") {
  Fixture f;
  const auto why = [&](std::vector<std::string> paths) {
    CustomResourceDefinition definition =
        Decode(MediaType::kJson, kDefinition, &DescriptorOf<CustomResourceDefinition>())
            .value()
            ->As<CustomResourceDefinition>();
    CustomResourceDefinitionVersion version = definition.spec.versions[0];
    version.selectableFields.clear();
    for (const std::string& path : paths) version.selectableFields.push_back({.jsonPath = path});
    definition.spec.versions.Mutable(0) = version;
    ApiRequest request = Request<CustomResourceDefinition>(Verb::kCreate, "", "");
    request.object = Share(definition);
    request.dry_run = true;
    const std::string said = f.client->DoSync(request).status().message();
    const std::size_t at = said.find("jsonPath: ");
    return at == std::string::npos ? said : said.substr(at + 10);
  };
  CHECK(why({".spec.color", ".spec.wild", ".spec.depth"}) == "");
  CHECK(why({""}) == "Required value");
  CHECK(why({".spec.nothing"}) ==
        "Invalid value: \".spec.nothing\": is an invalid path: does not refer to a valid field");
  CHECK(why({".spec['color']"}) ==
        "Invalid value: \".spec['color']\": is an invalid path: array notation is not allowed");
  CHECK(why({".spec.tags"}) ==
        "Invalid value: \".spec.tags\": must point to a field of type string, boolean or integer. Enum string fields "
        "and strings with formats are allowed.");
  CHECK(why({".spec.color", ".spec.color"}) == "Duplicate value: \".spec.color\"");
}

TEST_CASE("openapi: a custom kind is described as its definition says, so that kubectl can explain it") {
  ShoalFixture f;
  const Json document = Json::Parse(OpenApiV3Document(*f.engine->catalogue(), "example.com", "v1")).value();
  const Json& schemas = document["components"]["schemas"];
  const Json& shoal = schemas["com.example.v1.Shoal"];
  CHECK(shoal["type"].text() == "object");
  const Json& properties = shoal["properties"];
  CHECK(properties["spec"]["properties"]["fish"]["properties"]["count"]["type"].text() == "integer");
  CHECK(properties["status"]["x-kubernetes-preserve-unknown-fields"].boolean());
  // What every object has, and where its metadata is described.
  CHECK(properties["apiVersion"]["type"].text() == "string");
  CHECK(properties["kind"]["type"].text() == "string");
  constexpr std::string_view kMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
  CHECK(properties["metadata"].ToString().find(fmt::format("#/components/schemas/{}", kMeta)) != std::string::npos);
  CHECK(schemas.Find(kMeta) != nullptr);
  CHECK(shoal["x-kubernetes-group-version-kind"].ToString() ==
        R"([{"group":"example.com","kind":"Shoal","version":"v1"}])");
  CHECK(shoal["x-kubernetes-selectable-fields"].ToString() ==
        R"([{"fieldPath":"spec.color"},{"fieldPath":"spec.wild"},{"fieldPath":"spec.depth"}])");
  CHECK(schemas["com.example.v1.ShoalList"]["properties"]["items"]["items"]["$ref"].text() ==
        "#/components/schemas/com.example.v1.Shoal");
  // Another schema makes another document, under another hash.
  const std::string before = OpenApiV3Index(*f.engine->catalogue());
  ApiRequest patch = Request<CustomResourceDefinition>(Verb::kPatch, "", "shoals.example.com");
  patch.patch_type = PatchType::kJson;
  patch.patch = R"([{"op":"add","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/whole",
    "value":{"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true}}])";
  REQUIRE(f.client->DoSync(patch).status().message() == "");
  CHECK(OpenApiV3Index(*f.engine->catalogue()) != before);
  const Json after = Json::Parse(OpenApiV3Document(*f.engine->catalogue(), "example.com", "v1")).value();
  const Json& spec = after["components"]["schemas"]["com.example.v1.Shoal"]["properties"]["spec"];
  CHECK(spec["properties"]["whole"]["properties"]["kind"]["type"].text() == "string");
}

}  // namespace
}  // namespace minikube::api::testing
