#include "model/patch.h"

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>
#include <catch2/catch.hpp>

namespace minikube {
namespace {

apps::v1::Deployment Web() {
  apps::v1::Deployment web;
  web.metadata.name = "web";
  web.metadata.labels = {{"app", "web"}};
  web.spec.replicas = 3;
  core::v1::Container nginx;
  nginx.name = "nginx";
  nginx.image = "nginx:1";
  web.spec.template_.spec.containers = {nginx};
  return web;
}

Result<ObjectPtr> Patch(PatchType type, std::string_view patch, const DecodeOptions& options = {}) {
  return ApplyPatch(*Share(Web()), type, patch, options);
}

apps::v1::Deployment Patched(PatchType type, std::string_view patch) {
  Result<ObjectPtr> out = Patch(type, patch);
  INFO(patch);
  INFO(out.status().ToString());
  REQUIRE(out.ok());
  return (*out)->As<apps::v1::Deployment>();
}

TEST_CASE("Every type of patch changes what it names and nothing else") {
  apps::v1::Deployment wanted = Web();
  wanted.spec.replicas = 5;
  CHECK(DeepEqual(Patched(PatchType::kJson, R"([{"op":"replace","path":"/spec/replicas","value":5}])"), wanted));
  CHECK(DeepEqual(Patched(PatchType::kMerge, R"({"spec":{"replicas":5}})"), wanted));
  CHECK(DeepEqual(Patched(PatchType::kStrategicMerge, R"({"spec":{"replicas":5}})"), wanted));
  CHECK(DeepEqual(Patched(PatchType::kMerge, "{}"), Web()));
}

TEST_CASE("A merge patch replaces lists, a strategic one merges them") {
  const char* patch = R"({"spec":{"template":{"spec":{"containers":[{"name":"log","image":"log:1"}]}}}})";
  CHECK(Patched(PatchType::kMerge, patch).spec.template_.spec.containers.size() == 1);
  const auto strategic = Patched(PatchType::kStrategicMerge, patch).spec.template_.spec.containers;
  REQUIRE(strategic.size() == 2);
  CHECK(strategic[0].name == "log");
  CHECK(strategic[1].image == "nginx:1");
}

TEST_CASE("Values pass through a patch unchanged") {
  core::v1::ConfigMap config;
  config.metadata.name = "c";
  config.data["x"] = "line\n\"quoted\" \xC3\xA4 \x01";
  config.binaryData["b"] = Bytes{std::string_view("\0\xff", 2)};
  config.metadata.generation = 9'007'199'254'740'993;
  Result<ObjectPtr> out = ApplyPatch(*Share(config), PatchType::kMerge, R"({"immutable":true})");
  REQUIRE(out.ok());
  config.immutable = true;
  CHECK(DeepEqual((*out)->As<core::v1::ConfigMap>(), config));
}

TEST_CASE("A malformed patch is a bad request") {
  for (PatchType type : {PatchType::kJson, PatchType::kMerge, PatchType::kStrategicMerge}) {
    CHECK(Patch(type, "{").status().code() == Code::kBadRequest);
    CHECK(Patch(type, "{").status().message() == "error decoding patch: unexpected end of JSON input");
    CHECK(Patch(type, "").status().code() == Code::kBadRequest);
    CHECK(Patch(type, "7").status().code() == Code::kBadRequest);
    CHECK(Patch(type, std::string(10'000, '[')).status().code() == Code::kBadRequest);
  }
  CHECK(Patch(PatchType::kMerge, "[]").status().code() == Code::kBadRequest);
  CHECK(Patch(PatchType::kStrategicMerge, "[]").status().code() == Code::kBadRequest);
}

TEST_CASE("A patch whose result is no object of the type is invalid") {
  const Status status = Patch(PatchType::kMerge, R"({"spec":{"replicas":"many"}})").status();
  CHECK(status.code() == Code::kInvalid);
  CHECK_THAT(status.message(), Catch::StartsWith(" \"\" is invalid: patch: Invalid value: \"{"));
  REQUIRE(status.details().causes.size() == 1);
  CHECK(status.details().causes[0].reason == "FieldValueInvalid");
  CHECK(status.details().causes[0].field == "patch");
  CHECK_THAT(status.message(), Catch::EndsWith("\": json: cannot unmarshal string into Go struct field "
                                               "DeploymentSpec.spec.replicas of type int32"));
  CHECK(
      Patch(PatchType::kStrategicMerge, R"({"spec":{"replicas":"many"}})").status().message() ==
      " \"\" is invalid: patch: Invalid value: \"map[spec:map[replicas:many]]\": json: cannot unmarshal string into Go "
      "struct field DeploymentSpec.spec.replicas of type int32");
  CHECK(Patch(PatchType::kMerge, R"({"kind":"Pod"})").status().code() == Code::kInvalid);
  CHECK(Patch(PatchType::kMerge, R"({"apiVersion":"apps/v7"})").status().code() == Code::kInvalid);
  CHECK(Patch(PatchType::kJson, R"([{"op":"replace","path":"","value":7}])").status().code() == Code::kInvalid);
  CHECK(Patch(PatchType::kJson, R"([{"op":"test","path":"/spec/replicas","value":4}])").status().code() ==
        Code::kInvalid);
}

TEST_CASE("Unknown and repeated fields are ignored, warned about or refused") {
  const char* unknown = R"({"spec":{"replica":5}})";
  const char* repeated = R"({"spec":{"replicas":5,"replicas":6}})";
  CHECK(DeepEqual(Patched(PatchType::kStrategicMerge, unknown), Web()));
  CHECK(Patched(PatchType::kMerge, repeated).spec.replicas == 6);

  std::vector<std::string> warnings;
  const DecodeOptions warn{.validation = FieldValidation::kWarn, .warnings = &warnings};
  CHECK(Patch(PatchType::kMerge, unknown, warn).ok());
  CHECK(Patch(PatchType::kMerge, repeated, warn).ok());
  CHECK(warnings == std::vector<std::string>{R"(unknown field "spec.replica")", R"(duplicate field "spec.replicas")"});

  const DecodeOptions strict{.validation = FieldValidation::kStrict};
  const Status no_unknown = Patch(PatchType::kMerge, unknown, strict).status();
  CHECK(no_unknown.code() == Code::kInvalid);
  CHECK_THAT(no_unknown.message(), Catch::EndsWith(R"(strict decoding error: unknown field "spec.replica")"));
  const Status no_repeated = Patch(PatchType::kMerge, repeated, strict).status();
  CHECK(no_repeated.code() == Code::kInvalid);
  CHECK_THAT(no_repeated.message(), Catch::EndsWith(R"(strict decoding error: duplicate field "spec.replicas")"));
}

}  // namespace
}  // namespace minikube
