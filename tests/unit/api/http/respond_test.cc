#include "api/front/respond.h"
#include "api/wire/reply.h"

#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include <minikube/api/core/v1.h>
#include <minikube/api/meta/v1.h>

#include "api/wire/json_text.h"
#include "api/wire/proto_wire.h"

using namespace minikube;
using namespace minikube::api;
using nlohmann::json;

namespace {

const WallTime kNow{std::chrono::seconds(1'800'000'000)};

ObjectRef ConfigMap(std::string name, std::string payload = "v") {
  core::v1::ConfigMap map;
  map.metadata.name = name;
  map.metadata.namespace_ = "d";
  map.metadata.resourceVersion = "5";
  map.data["k"] = payload;
  return Share(std::move(map));
}

Route ListRoute(Accepted accepted = {}) {
  Route route;
  route.kind = RouteKind::kResource;
  route.accepted = std::move(accepted);
  route.request.verb = Verb::kList;
  route.request.resource = FindResource("", "v1", "configmaps");
  return route;
}

Route GetRoute(Accepted accepted = {}) {
  Route route = ListRoute(std::move(accepted));
  route.request.verb = Verb::kGet;
  return route;
}

ApiResponse ThreeMaps() {
  ApiResponse response;
  for (const char* name : {"a", "b", "c"}) response.items.push_back(ConfigMap(name));
  response.revision = 77;
  response.continue_token = "more";
  response.remaining = 4;
  return response;
}

ApiResponse One(ObjectRef object) {
  ApiResponse response;
  response.object = std::move(object);
  return response;
}

std::string BodyOf(HttpReply& reply) {
  if (!reply.source) return reply.body;
  std::string out;
  while (reply.source->Pull(4096, out) == BodySource::State::kMore) {
  }
  return out;
}

}  // namespace

TEST_CASE("respond: errors are metav1.Status") {
  StatusDetails details;
  details.name = "web";
  details.kind = "pods";
  details.causes.push_back({"FieldValueRequired", "Required value", "spec.containers"});
  // A client that has nothing to learn from them gets none.
  CHECK_FALSE(json::parse(StatusReply({Code::kBadRequest, "no"}).body).contains("details"));
  CHECK(json::parse(StatusReply({Code::kNotFound, "no"}).body)["details"].empty());
  const HttpReply reply = StatusReply({Code::kInvalid, "Pod \"web\" is invalid", details});
  CHECK(reply.status == 422);
  const json body = json::parse(reply.body);
  CHECK(body["kind"] == "Status");
  CHECK(body["apiVersion"] == "v1");
  CHECK(body["status"] == "Failure");
  CHECK(body["reason"] == "Invalid");
  CHECK(body["code"] == 422);
  CHECK(body["details"]["name"] == "web");
  CHECK(body["details"]["causes"][0]["field"] == "spec.containers");

  StatusDetails later;
  later.retry_after_seconds = 3;
  const HttpReply busy = StatusReply({Code::kUnavailable, "busy", later}, MediaType::kYaml);
  CHECK(busy.status == 503);
  CHECK(busy.content_type == "application/yaml");
  CHECK(busy.headers == std::vector<std::pair<std::string, std::string>>{{"Retry-After", "3"}});
  CHECK(StatusReply({Code::kTooManyRequests, "slow down"}).headers.size() == 1);
  StatusDetails budget;
  budget.causes.push_back({"DisruptionBudget", "no disruption is allowed", ""});
  CHECK(StatusReply({Code::kTooManyRequests, "not now", budget}).headers.empty());
}

TEST_CASE("respond: lists in JSON, YAML and protobuf") {
  HttpReply reply = ResourceReply(ListRoute(), ThreeMaps(), kNow);
  const json body = json::parse(BodyOf(reply));
  CHECK(body["kind"] == "ConfigMapList");
  CHECK(body["apiVersion"] == "v1");
  CHECK(body["metadata"]["resourceVersion"] == "77");
  CHECK(body["metadata"]["continue"] == "more");
  CHECK(body["metadata"]["remainingItemCount"] == 4);
  REQUIRE(body["items"].size() == 3);
  CHECK(body["items"][1]["metadata"]["name"] == "b");
  CHECK_FALSE(body["items"][1].contains("kind"));

  HttpReply empty = ResourceReply(ListRoute(), ApiResponse{}, kNow);
  CHECK(json::parse(BodyOf(empty))["items"] == json::array());

  Accepted yaml;
  yaml.type = MediaType::kYaml;
  HttpReply text = ResourceReply(ListRoute(yaml), ThreeMaps(), kNow);
  CHECK(text.content_type == "application/yaml");
  CHECK(json::parse(YamlToJson(text.body).value()) == body);

  Accepted protobuf;
  protobuf.type = MediaType::kProtobuf;
  HttpReply binary = ResourceReply(ListRoute(protobuf), ThreeMaps(), kNow);
  const ObjectPtr decoded = Decode(MediaType::kProtobuf, binary.body, nullptr).value();
  const auto* list = decoded->TryAs<core::v1::ConfigMapList>();
  REQUIRE(list != nullptr);
  CHECK(list->metadata.continue_ == "more");
  REQUIRE(list->items.size() == 3);
  CHECK(list->items[2].metadata.name == "c");
}

TEST_CASE("respond: a long list is streamed in pieces") {
  ApiResponse response;
  for (int i = 0; i < 2000; ++i) response.items.push_back(ConfigMap("m" + std::to_string(i), std::string(500, 'x')));
  HttpReply reply = ResourceReply(ListRoute(), std::move(response), kNow);
  REQUIRE(reply.source);
  std::string out;
  int pulls = 0;
  std::size_t largest = 0;
  auto state = BodySource::State::kMore;
  while (state == BodySource::State::kMore) {
    const std::size_t before = out.size();
    state = reply.source->Pull(32 * 1024, out);
    largest = std::max(largest, out.size() - before);
    ++pulls;
  }
  CHECK(state == BodySource::State::kDone);
  CHECK(pulls > 20);
  CHECK(largest < 256 * 1024);
  CHECK(json::parse(out)["items"].size() == 2000);
}

TEST_CASE("respond: objects, created, pretty, warnings") {
  ApiResponse response = One(ConfigMap("a"));
  response.created = true;
  response.warnings = {"unknown field \"spec.foo\"", "line\nbreak"};
  const HttpReply reply = ResourceReply(GetRoute(), std::move(response), kNow);
  CHECK(reply.status == 201);
  CHECK(json::parse(reply.body)["kind"] == "ConfigMap");
  REQUIRE(reply.headers.size() == 2);
  CHECK(reply.headers[0] == std::pair<std::string, std::string>("Warning", "299 - \"unknown field \\\"spec.foo\\\"\""));
  CHECK(reply.headers[1].second.find('\n') == std::string::npos);

  Accepted pretty;
  pretty.pretty = true;
  const HttpReply indented = ResourceReply(GetRoute(pretty), One(ConfigMap("a")), kNow);
  CHECK(indented.body.find("\n  \"metadata\": {\n    \"name\": \"a\"") != std::string::npos);
  CHECK(json::parse(indented.body) == json::parse(reply.body));

  const HttpReply failed = ResourceReply(GetRoute(), Status(Code::kNotFound, "no"), kNow);
  CHECK(failed.status == 404);
}

TEST_CASE("respond: partial metadata") {
  Accepted accepted;
  accepted.transform = Transform::kPartialMetadata;
  accepted.transform_version = "v1";
  const json one = json::parse(ResourceReply(GetRoute(accepted), One(ConfigMap("a")), kNow).body);
  CHECK(one["kind"] == "PartialObjectMetadata");
  CHECK(one["apiVersion"] == "meta.k8s.io/v1");
  CHECK(one["metadata"]["name"] == "a");
  CHECK_FALSE(one.contains("data"));

  accepted.transform = Transform::kPartialMetadataList;
  HttpReply list = ResourceReply(ListRoute(accepted), ThreeMaps(), kNow);
  const json many = json::parse(BodyOf(list));
  CHECK(many["kind"] == "PartialObjectMetadataList");
  CHECK(many["items"][2]["metadata"]["name"] == "c");

  accepted.type = MediaType::kProtobuf;
  const HttpReply binary = ResourceReply(ListRoute(accepted), ThreeMaps(), kNow);
  const ObjectPtr decoded = Decode(MediaType::kProtobuf, binary.body, nullptr).value();
  REQUIRE(decoded->TryAs<meta::v1::PartialObjectMetadataList>() != nullptr);
  CHECK(decoded->As<meta::v1::PartialObjectMetadataList>().items[0].metadata.name == "a");
}

TEST_CASE("respond: tables, and what is not one") {
  Accepted accepted;
  accepted.transform = Transform::kTable;
  accepted.transform_version = "v1";
  HttpReply reply = ResourceReply(ListRoute(accepted), ThreeMaps(), kNow);
  const json table = json::parse(BodyOf(reply));
  CHECK(table["kind"] == "Table");
  CHECK(table["apiVersion"] == "meta.k8s.io/v1");
  CHECK(table["metadata"]["resourceVersion"] == "77");
  CHECK(table["columnDefinitions"][0]["name"] == "Name");
  REQUIRE(table["rows"].size() == 3);
  CHECK(table["rows"][0]["cells"] == json({"a", 1, "<unknown>"}));
  CHECK(table["rows"][0]["object"]["kind"] == "PartialObjectMetadata");
  CHECK(json::parse(ResourceReply(GetRoute(accepted), One(ConfigMap("z")), kNow).body)["rows"][0]["cells"][0] == "z");
  // The Status of a deletion stays a Status.
  meta::v1::Status done;
  done.status = "Success";
  CHECK(json::parse(ResourceReply(GetRoute(accepted), One(Share(done)), kNow).body)["kind"] == "Status");
}

TEST_CASE("json_text: strings and indentation") {
  std::string out;
  AppendJsonString("a\"b\\c\n\x01\xc3\xa9", out);
  CHECK(out == "\"a\\\"b\\\\c\\n\\u0001\xc3\xa9\"");
  CHECK(IndentJson(R"({"a":[1,{"b":"x:,{}\""}],"c":{},"d":[]})") ==
        "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x:,{}\\\"\"\n    }\n  ],\n  \"c\": {},\n  \"d\": []\n}\n");
  // Malformed input is the caller's bug, but must not run away.
  for (const char* bad : {"", "{", "}", "]]", "\"open", "\"\\", "[\"a\\"}) CHECK(!IndentJson(bad).empty());
}
