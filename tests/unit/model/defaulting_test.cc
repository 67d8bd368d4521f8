#include "model/defaulting.h"

#include <string>
#include <vector>

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/codec.h>
#include <catch2/catch.hpp>

#include "model/access.h"

namespace minikube {
namespace {

core::v1::Pod SmallPod() {
  core::v1::Pod pod;
  pod.metadata.name = "p";
  core::v1::Container container;
  container.name = "c";
  container.image = "i";
  container.ports = {core::v1::ContainerPort{.containerPort = 80}};
  container.readinessProbe.Mutable().httpGet.Mutable().port = 80;
  pod.spec.containers = {container};
  return pod;
}

TEST_CASE("Absent fields get their defaults, at any depth") {
  ObjectPtr object = ObjectPtr::Of(SmallPod());
  ApplyDefaults(*object);
  const auto& spec = object->As<core::v1::Pod>().spec;
  CHECK(spec.restartPolicy == "Always");
  CHECK(spec.dnsPolicy == "ClusterFirst");
  CHECK(spec.terminationGracePeriodSeconds == 30);
  CHECK(spec.containers[0].terminationMessagePolicy == "File");
  CHECK(spec.containers[0].ports[0].protocol == "TCP");
  CHECK(spec.containers[0].readinessProbe->httpGet->scheme == "HTTP");
  CHECK(spec.containers[0].readinessProbe->periodSeconds == 10);
  CHECK_FALSE(spec.containers[0].livenessProbe);  // nothing is made up to have its fields defaulted
}

TEST_CASE("What is set stays, zero included where zero can be told from absence") {
  core::v1::Pod pod = SmallPod();
  pod.spec.restartPolicy = "Never";
  pod.spec.terminationGracePeriodSeconds = 0;
  ObjectPtr object = ObjectPtr::Of(pod);
  ApplyDefaults(*object);
  CHECK(object->As<core::v1::Pod>().spec.restartPolicy == "Never");
  CHECK(object->As<core::v1::Pod>().spec.terminationGracePeriodSeconds == 0);

  apps::v1::Deployment deployment;
  deployment.spec.replicas = 0;
  ObjectPtr scaled = ObjectPtr::Of(deployment);
  ApplyDefaults(*scaled);
  CHECK(scaled->As<apps::v1::Deployment>().spec.replicas == 0);
  CHECK(scaled->As<apps::v1::Deployment>().spec.strategy.type == "RollingUpdate");
}

TEST_CASE("Parts that lack nothing stay shared with the other version") {
  ObjectPtr complete = ObjectPtr::Of(SmallPod());
  ApplyDefaults(*complete);
  const ObjectRef old = std::move(complete).Freeze();
  ObjectPtr next = ObjectPtr::Clone(*old);
  next->As<core::v1::Pod>().spec.restartPolicy = "";
  ApplyDefaults(*next);
  CHECK(next->As<core::v1::Pod>().spec.restartPolicy == "Always");
  CHECK(next->As<core::v1::Pod>().spec.containers.same(old->As<core::v1::Pod>().spec.containers));
}

// A message with every field present once, to a depth.
void Fill(const MessageDesc& desc, void* message, int depth) {
  if (depth == 0) return;
  for (const FieldDesc& field : desc.fields) {
    if (field.type != FieldType::kMessage) continue;
    switch (field.shape) {
      case Shape::kList:
        Fill(*field.message, model::ListAppend(field, message), depth - 1);
        break;
      case Shape::kMap:
        Fill(*field.message, model::MapMutable(field, message, "key"), depth - 1);
        break;
      default:
        Fill(*field.message, model::Mutable(field, message), depth - 1);
    }
  }
}

TEST_CASE("Defaulting is idempotent, for every kind") {
  for (const MessageDesc* desc : AllMessages()) {
    if (desc->gvk.kind.empty()) continue;
    CAPTURE(desc->name);
    ObjectPtr object = ObjectPtr::New(*desc);
    Fill(*desc, object->mutable_data(), 5);
    ApplyDefaults(*object);
    const ObjectPtr once = ObjectPtr::Clone(*object);
    ApplyDefaults(*object);
    CHECK(Equal(*once, *object));
  }
}

TEST_CASE("Every default in the tables is a value of its field") {
  std::size_t count = 0;
  for (const MessageDesc* desc : AllMessages()) {
    for (const FieldDesc& field : desc->fields) {
      if (field.default_json.empty()) continue;
      CAPTURE(desc->name, field.name, field.default_json);
      ++count;
      std::vector<std::uint64_t> memory((desc->size + 7) / 8);
      const std::string json = "{\"" + std::string(field.name) + "\":" + std::string(field.default_json) + "}";
      CHECK(DecodeJsonMessage(*desc, json, memory.data(), {.validation = FieldValidation::kStrict}).ok());
      std::vector<std::uint64_t> defaulted((desc->size + 7) / 8);
      ApplyDefaults(*desc, defaulted.data());
      ApplyDefaults(*desc, memory.data());
      CHECK(EqualMessages(*desc, memory.data(), defaulted.data()));
      model::DestroyMessage(*desc, memory.data());
      model::DestroyMessage(*desc, defaulted.data());
    }
  }
  CHECK(count > 100);
}

}  // namespace
}  // namespace minikube
