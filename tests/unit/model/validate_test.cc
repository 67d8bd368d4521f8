#include "model/validate.h"

#include <array>
#include <cstddef>

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>
#include <catch2/catch.hpp>

namespace minikube {
namespace {

TEST_CASE("A valid object has no errors") {
  core::v1::Pod pod;
  pod.metadata.name = "p";
  core::v1::Container container;
  container.name = "c";
  container.env = {core::v1::EnvVar{.name = "X"}, core::v1::EnvVar{.name = "X"}};  // legal in Kubernetes
  pod.spec.containers = {container};
  CHECK(ValidateStructure(*Share(pod)).ToString() == "");
  CHECK(ValidateStructure(*Share(apps::v1::Deployment{.spec = {.selector = meta::v1::LabelSelector{}}})).empty());
}

TEST_CASE("Required, unsupported and out-of-bounds values are named by their path") {
  apps::v1::Deployment deployment;
  deployment.spec.selector = meta::v1::LabelSelector{};
  deployment.spec.replicas = -1;
  deployment.spec.strategy.type = "Sometimes";
  core::v1::Container container;
  container.imagePullPolicy = "Maybe";
  core::v1::VolumeMount mount;
  mount.name = "v";
  container.volumeMounts = {mount};
  deployment.spec.template_.spec.containers = {container};
  const ErrorList errors = ValidateStructure(*Share(deployment));
  CHECK(errors.ToString() ==
        R"([spec.replicas: Invalid value: -1: must be greater than or equal to 0, )"
        R"(spec.template.spec.containers[0].name: Required value, )"
        R"(spec.template.spec.containers[0].volumeMounts[0].mountPath: Required value, )"
        R"(spec.template.spec.containers[0].imagePullPolicy: Unsupported value: "Maybe": supported values: "Always", )"
        R"("IfNotPresent", "Never", )"
        R"(spec.strategy.type: Unsupported value: "Sometimes": supported values: "Recreate", "RollingUpdate"])");
  REQUIRE(errors.size() == 5);
  CHECK(errors.causes()[1].reason == "FieldValueRequired");
  CHECK(errors.causes()[4].reason == "FieldValueNotSupported");
}

TEST_CASE("A box that is required must be there") {
  const ErrorList errors = ValidateStructure(*Share(apps::v1::Deployment{.spec = {.minReadySeconds = 1}}));
  CHECK(errors.ToString() == "spec.selector: Required value");
}

TEST_CASE("Enumerations hold for each element of a list") {
  core::v1::PersistentVolumeClaim claim;
  claim.spec.accessModes = {"ReadWriteOnce", "Never"};
  const ErrorList errors = ValidateStructure(*Share(claim));
  REQUIRE(errors.size() == 1);
  CHECK(errors.causes()[0].field == "spec.accessModes[1]");
}

TEST_CASE("Status of built-in kinds is believed, of custom resources it is not") {
  core::v1::Namespace ns;
  ns.status.phase = "Lost";
  CHECK(ValidateStructure(*Share(ns)).empty());
  CHECK(ValidateStructure(*Share(ns), Strictness::kCustom).ToString() ==
        R"(status.phase: Unsupported value: "Lost": supported values: "Active", "Terminating")");
}

TEST_CASE("Sets and maps of custom resources hold each element once") {
  core::v1::Service service;
  service.spec.ports = {core::v1::ServicePort{.protocol = "TCP", .port = 80},
                        core::v1::ServicePort{.protocol = "UDP", .port = 80},
                        core::v1::ServicePort{.protocol = "TCP", .port = 80}};
  CHECK(ValidateStructure(*Share(service)).empty());
  CHECK(ValidateStructure(*Share(service), Strictness::kCustom).ToString() ==
        R"(spec.ports[2]: Duplicate value: {"port":80,"protocol":"TCP"})");

  ErrorList errors;
  meta::v1::ObjectMeta metadata;
  metadata.finalizers = {"a", "b", "a"};
  ValidateMessage(DescriptorOf<meta::v1::ObjectMeta>(), &metadata, FieldPath("metadata"), Strictness::kCustom, errors);
  CHECK(errors.ToString() == R"(metadata.finalizers[2]: Duplicate value: "a")");
}

// A table as a custom resource's schema would give it.
struct Gauge {
  std::optional<std::int32_t> level;
  std::optional<std::int32_t> low;
};

TEST_CASE("Bounds on both sides are told as a range; a given zero counts") {
  static constexpr std::array kFields = {
      FieldDesc{.name = "level",
                .offset = offsetof(Gauge, level),
                .type = FieldType::kInt32,
                .shape = Shape::kOptional,
                .flags = kFieldRequired | kFieldHasMin | kFieldHasMax,
                .min = 1,
                .max = 5},
      FieldDesc{.name = "low",
                .offset = offsetof(Gauge, low),
                .type = FieldType::kInt32,
                .shape = Shape::kOptional,
                .flags = kFieldHasMax,
                .max = -1},
  };
  static constexpr std::array<std::uint16_t, 2> kByName = {0, 1};
  static constexpr MessageDesc kDesc = {
      .name = "Gauge", .size = sizeof(Gauge), .metadata_field = -1, .fields = kFields, .by_name = kByName};
  const auto errors = [](const Gauge& gauge) {
    ErrorList out;
    const FieldPath spec("spec");
    ValidateMessage(kDesc, &gauge, spec, Strictness::kCustom, out);
    return out.ToString();
  };
  CHECK(errors({.level = 5, .low = -1}) == "");
  CHECK(errors({}) == "spec.level: Required value");
  CHECK(errors({.level = 6}) == "spec.level: Invalid value: 6: must be between 1 and 5, inclusive");
  CHECK(errors({.level = 0, .low = 0}) ==
        "[spec.level: Invalid value: 0: must be between 1 and 5, inclusive, spec.low: Invalid value: 0: must be less "
        "than or equal to -1]");
}

}  // namespace
}  // namespace minikube
