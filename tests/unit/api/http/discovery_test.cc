#include "api/openapi/discovery.h"
#include "unit/api/built_in_catalogue.h"

#include <catch2/catch.hpp>

#include <set>

#include <nlohmann/json.hpp>

#include <minikube/api/apidiscovery/v2.h>
#include <minikube/api/meta/v1.h>
#include <minikube/codec.h>

#include "api/openapi/openapi_model.h"
#include "api/openapi/openapi_v2.h"
#include "api/openapi/openapi_v3.h"

using namespace minikube;
using namespace minikube::api;
using nlohmann::json;

namespace {

HttpReply Discover(const std::vector<std::string>& segments, std::string accept = "", std::string etag = "") {
  HttpRequest request;
  request.method = "GET";
  if (!accept.empty()) request.headers.emplace_back("Accept", std::move(accept));
  if (!etag.empty()) request.headers.emplace_back("If-None-Match", std::move(etag));
  return DiscoveryReply(api::testing::BuiltInCatalogue(), request, segments, "127.0.0.1:6443");
}

std::string HeaderOf(const HttpReply& reply, std::string_view name) {
  for (const auto& [key, value] : reply.headers) {
    if (key == name) return value;
  }
  return "";
}

const json* Find(const json& list, std::string_view key, std::string_view value) {
  for (const json& entry : list) {
    if (entry.value(key, "") == value) return &entry;
  }
  return nullptr;
}

// Every $ref of a document.
void References(const json& node, std::set<std::string>& out) {
  if (node.is_object() && node.contains("$ref") && node["$ref"].is_string()) out.insert(node["$ref"]);
  for (const json& child : node) {
    if (child.is_structured()) References(child, out);
  }
}

}  // namespace

TEST_CASE("discovery: resources of a group and version") {
  const json list = json::parse(Discover({"api", "v1"}).body);
  CHECK(list["kind"] == "APIResourceList");
  CHECK(list["groupVersion"] == "v1");
  const json* pods = Find(list["resources"], "name", "pods");
  REQUIRE(pods != nullptr);
  CHECK((*pods)["namespaced"] == true);
  CHECK((*pods)["kind"] == "Pod");
  CHECK((*pods)["shortNames"] == json({"po"}));
  CHECK((*pods)["categories"] == json({"all"}));
  CHECK((*pods)["singularName"] == "pod");
  CHECK((*pods)["storageVersionHash"] == "xPOwRZ+Yhw8=");  // what a v1.20 server says
  const json* eviction = Find(list["resources"], "name", "pods/eviction");
  REQUIRE(eviction != nullptr);
  CHECK((*eviction)["group"] == "policy");
  CHECK((*eviction)["kind"] == "Eviction");
  CHECK((*eviction)["verbs"] == json({"create"}));

  const json apps = json::parse(Discover({"apis", "apps", "v1"}).body);
  CHECK(apps["groupVersion"] == "apps/v1");
  CHECK((*Find(apps["resources"], "name", "deployments/scale"))["group"] == "autoscaling");
}

TEST_CASE("discovery: groups") {
  const json core = json::parse(Discover({"api"}).body);
  CHECK(core["versions"] == json({"v1"}));
  CHECK(core["serverAddressByClientCIDRs"][0]["serverAddress"] == "127.0.0.1:6443");
  const json groups = json::parse(Discover({"apis"}).body);
  CHECK(groups["kind"] == "APIGroupList");
  const json* autoscaling = Find(groups["groups"], "name", "autoscaling");
  REQUIRE(autoscaling != nullptr);
  CHECK((*autoscaling)["preferredVersion"]["version"] == "v2");
  CHECK((*autoscaling)["versions"].size() == 2);
  CHECK(json::parse(Discover({"apis", "autoscaling"}).body)["name"] == "autoscaling");
  CHECK(Discover({"apis", "nonsense"}).status == 404);
  CHECK(Discover({"apis", "apps", "v9"}).status == 404);
  CHECK(Discover({"api", "v2"}).status == 404);
}

TEST_CASE("discovery: aggregated, as kubectl asks") {
  const char* accept =
      "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
      "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
  const HttpReply reply = Discover({"apis"}, accept);
  CHECK(reply.content_type == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
  const json list = json::parse(reply.body);
  CHECK(list["kind"] == "APIGroupDiscoveryList");
  CHECK(list["apiVersion"] == "apidiscovery.k8s.io/v2");
  bool seen = false;
  for (const json& group : list["items"]) {
    if (group["metadata"]["name"] != "apps") continue;
    const json& version = group["versions"][0];
    CHECK(version["version"] == "v1");
    CHECK(version["freshness"] == "Current");
    const json* deployments = Find(version["resources"], "resource", "deployments");
    REQUIRE(deployments != nullptr);
    CHECK((*deployments)["scope"] == "Namespaced");
    CHECK((*deployments)["responseKind"]["kind"] == "Deployment");
    CHECK(Find((*deployments)["subresources"], "subresource", "scale") != nullptr);
    seen = true;
  }
  CHECK(seen);
  const json core = json::parse(Discover({"api"}, accept).body);
  CHECK(core["items"].size() == 1);

  // A client that has it gets nothing again; one that prefers the plain form gets that.
  const HttpReply again = Discover({"apis"}, accept, HeaderOf(reply, "ETag"));
  CHECK(again.status == 304);
  CHECK(again.body.empty());
  CHECK(json::parse(Discover({"apis"}, "application/json").body)["kind"] == "APIGroupList");
  CHECK(json::parse(Discover({"apis"}, "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList")
                        .body)["apiVersion"] == "apidiscovery.k8s.io/v2beta1");

  const HttpReply binary =
      Discover({"apis"}, "application/vnd.kubernetes.protobuf;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
  const ObjectPtr decoded = Decode(MediaType::kProtobuf, binary.body, nullptr).value();
  REQUIRE(decoded->TryAs<apidiscovery::v2::APIGroupDiscoveryList>() != nullptr);
}

TEST_CASE("openapi: v2 is closed under references and tells kubectl what it needs") {
  const json doc = json::parse(OpenApiV2Json(api::testing::BuiltInCatalogue()));
  CHECK(doc["swagger"] == "2.0");
  std::set<std::string> refs;
  References(doc["paths"], refs);
  for (const auto& [name, definition] : doc["definitions"].items()) {
    const json properties = definition.value("properties", json::object());
    for (const auto& [field, schema] : properties.items()) References(schema, refs);
  }
  CHECK(refs.size() > 500);
  for (const std::string& ref : refs) {
    CAPTURE(ref);
    CHECK(doc["definitions"].contains(ref.substr(std::string("#/definitions/").size())));
  }
  const json& pod_spec = doc["definitions"]["io.k8s.api.core.v1.PodSpec"];
  CHECK(pod_spec["properties"]["containers"]["x-kubernetes-patch-merge-key"] == "name");
  CHECK(pod_spec["properties"]["containers"]["x-kubernetes-list-map-keys"] == json({"name"}));
  CHECK(pod_spec["properties"]["volumes"]["x-kubernetes-patch-strategy"] == "merge,retainKeys");
  CHECK(pod_spec["required"] == json({"containers"}));
  const json& patch = doc["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
  CHECK(patch["x-kubernetes-group-version-kind"]["kind"] == "Deployment");
  CHECK(patch["x-kubernetes-action"] == "patch");
  CHECK(Find(patch["parameters"], "name", "dryRun") != nullptr);
  CHECK(Find(patch["parameters"], "name", "fieldValidation") != nullptr);
  CHECK(patch["operationId"] == "patchAppsV1NamespacedDeployment");
}

TEST_CASE("openapi: operation ids are unique") {
  const json doc = json::parse(OpenApiV2Json(api::testing::BuiltInCatalogue()));
  std::set<std::string> ids;
  for (const auto& [path, item] : doc["paths"].items()) {
    for (const auto& [method, op] : item.items()) {
      if (!op.is_object()) continue;
      CAPTURE(path, method);
      CHECK(ids.insert(op["operationId"].get<std::string>()).second);
    }
  }
}

TEST_CASE("openapi: v2 by Accept and ETag") {
  HttpRequest request;
  request.headers.emplace_back("Accept", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf");
  const HttpReply binary = OpenApiV2Reply(api::testing::BuiltInCatalogue(), request);
  CHECK(binary.status == 200);
  CHECK(binary.content_type == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
  CHECK(
      binary.body.starts_with("\x0a\x03"
                              "2.0"));
  request.headers.emplace_back("If-None-Match", HeaderOf(binary, "ETag"));
  CHECK(OpenApiV2Reply(api::testing::BuiltInCatalogue(), request).status == 304);
  request.headers = {{"Accept", "application/json"}, {"If-None-Match", HeaderOf(binary, "ETag")}};
  CHECK(OpenApiV2Reply(api::testing::BuiltInCatalogue(), request).status == 200);
  request.headers = {{"Accept", "text/html"}};
  CHECK(OpenApiV2Reply(api::testing::BuiltInCatalogue(), request).status == 406);
}

TEST_CASE("openapi: v3 index and documents") {
  HttpRequest request;
  const json index = json::parse(OpenApiV3Reply(api::testing::BuiltInCatalogue(), request, {"openapi", "v3"}, "").body);
  const std::string url = index["paths"]["apis/apps/v1"]["serverRelativeURL"];
  CHECK(url.starts_with("/openapi/v3/apis/apps/v1?hash="));
  CHECK(index["paths"].contains("api/v1"));

  const std::string hash = url.substr(url.find('=') + 1);
  const HttpReply reply =
      OpenApiV3Reply(api::testing::BuiltInCatalogue(), request, {"openapi", "v3", "apis", "apps", "v1"}, hash);
  CHECK(HeaderOf(reply, "Cache-Control").find("immutable") != std::string::npos);
  const json doc = json::parse(reply.body);
  std::set<std::string> refs;
  References(doc["paths"], refs);
  References(doc["components"], refs);
  for (const std::string& ref : refs) {
    CAPTURE(ref);
    CHECK(doc["components"]["schemas"].contains(ref.substr(std::string("#/components/schemas/").size())));
  }
  const json& path = doc["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"];
  CHECK(Find(path["patch"]["parameters"], "name", "fieldValidation") != nullptr);
  CHECK(path["get"]["x-kubernetes-group-version-kind"]["kind"] == "Deployment");
  const json& deployment = doc["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"];
  CHECK(deployment["x-kubernetes-group-version-kind"][0]["group"] == "apps");

  CHECK(OpenApiV3Reply(api::testing::BuiltInCatalogue(), request, {"openapi", "v3", "apis", "nonsense", "v1"}, "")
            .status == 404);
  CHECK(OpenApiV3Reply(api::testing::BuiltInCatalogue(), request, {"openapi", "v3", "x"}, "").status == 404);
  CHECK(HeaderOf(OpenApiV3Reply(api::testing::BuiltInCatalogue(), request, {"openapi", "v3", "api", "v1"}, "old"),
                 "Cache-Control")
            .empty());
}
