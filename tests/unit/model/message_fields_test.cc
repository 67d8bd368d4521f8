// What messages set and change, against what is told of the same objects by way of JSON documents.
#include "model/message_fields.h"

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/codec.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "helpers/random_object.h"

namespace minikube {
namespace {

using Json = nlohmann::json;

ObjectPtr Pod(std::string_view json) { return Decode(MediaType::kJson, json, &DescriptorOf<core::v1::Pod>()).value(); }

FieldChanges Compare(std::string_view before, std::string_view after) {
  const ObjectPtr a = Pod(before);
  const ObjectPtr b = Pod(after);
  return CompareMessages(a->desc(), a->data(), b->data());
}

TEST_CASE("message fields: scalars, maps and structs") {
  const FieldChanges changes =
      Compare(R"({"metadata":{"labels":{"a":"1","b":"2"}},"spec":{"containers":null,"hostname":"h"}})",
              R"({"metadata":{"labels":{"a":"9","c":"3"}},"spec":{"containers":null,"nodeName":"n",
                  "securityContext":{"runAsUser":0}}})");
  CHECK(
      changes.added.ToJson() ==
      R"({"f:metadata":{"f:labels":{"f:c":{}}},"f:spec":{"f:nodeName":{},"f:securityContext":{".":{},"f:runAsUser":{}}}})");
  CHECK(changes.modified.ToJson() == R"({"f:metadata":{"f:labels":{"f:a":{}}}})");
  CHECK(changes.removed.ToJson() == R"({"f:metadata":{"f:labels":{"f:b":{}}},"f:spec":{"f:hostname":{}}})");
}

TEST_CASE("message fields: elements of lists by their keys and values") {
  const FieldChanges changes = Compare(
      R"({"metadata":{"finalizers":["x"]},"spec":{"containers":[{"name":"a","image":"1"},{"name":"b"}],
          "tolerations":[{"key":"k"}]}})",
      R"({"metadata":{"finalizers":["y"]},"spec":{"containers":[{"name":"c"},{"name":"a","image":"2"}],
          "tolerations":[{"key":"l"}]}})");
  CHECK(
      changes.added.ToJson() ==
      R"({"f:metadata":{"f:finalizers":{"v:\"y\"":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:name":{},"f:resources":{}}}}})");
  CHECK(changes.modified.ToJson() ==
        R"({"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{"f:image":{}}},"f:tolerations":{}}})");
  CHECK(
      changes.removed.ToJson() ==
      R"({"f:metadata":{"f:finalizers":{"v:\"x\"":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"b\"}":{".":{},"f:name":{},"f:resources":{}}}}})");
}

TEST_CASE("message fields: keys take their defaults, numbers come in order, repetitions are one field") {
  const FieldChanges changes = Compare(
      R"({"spec":{"containers":[{"name":"a","env":[{"name":"E","value":"1"}]}]}})",
      R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":8080},{"containerPort":443,"protocol":"UDP"}],
          "env":[{"name":"E","value":"1"},{"name":"E","value":"2"}]}]}})");
  CHECK(changes.added.ToJson() ==
        R"({"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{"f:env":{"k:{\"name\":\"E\"}":{}},"f:ports":{".":{},)"
        R"("k:{\"containerPort\":443,\"protocol\":\"UDP\"}":{".":{},"f:containerPort":{},"f:protocol":{}},)"
        R"("k:{\"containerPort\":8080,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}}}})");
  CHECK(
      changes.removed.ToJson() ==
      R"({"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{"f:env":{"k:{\"name\":\"E\"}":{".":{},"f:name":{},"f:value":{}}}}}}})");
}

TEST_CASE("message fields: equal objects differ in nothing, whatever they are") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    const ObjectPtr object = testing::RandomObject(DescriptorOf<apps::v1::Deployment>(), seed);
    std::string bytes;
    Encode(MediaType::kProtobuf, *object, bytes);
    const ObjectPtr copy = Decode(MediaType::kProtobuf, bytes, &object->desc()).value();
    CHECK(CompareMessages(object->desc(), object->data(), copy->data()).empty());
  }
}

TEST_CASE("message fields: what is new is what an empty object lacks") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    const ObjectPtr object = testing::RandomObject(DescriptorOf<core::v1::Pod>(), seed);
    const ObjectPtr nothing = ObjectPtr::New(object->desc());
    FieldChanges changes = CompareMessages(object->desc(), nothing->data(), object->data());
    CHECK(changes.removed.empty());
    FieldSet taken = changes.added;
    taken.Union(changes.modified);
    for (std::string_view name : NobodysNames()) taken.ErasePath(std::string("metadata.").append(name));
    taken.ErasePath("status");
    static constexpr std::string_view ignored[] = {"status"};
    const Str fields = FieldsOfNew(object->desc(), object->data(), ignored);
    CHECK(fields == taken.ToJson());
    // What was remembered of the shape is that of the shape.
    CHECK(FieldsOfNew(object->desc(), object->data(), ignored).same(fields));
  }
}

TEST_CASE("message fields: objects that differ in values alone share what is said of them, others do not") {
  const auto fields = [](std::string_view json) {
    const ObjectPtr pod = Pod(json);
    return FieldsOfNew(pod->desc(), pod->data(), {});
  };
  const Str one =
      fields(R"({"metadata":{"name":"a","labels":{"l":"1"}},"spec":{"containers":[{"name":"c","image":"x"}]}})");
  CHECK(fields(R"({"metadata":{"name":"b","labels":{"l":"2"}},"spec":{"containers":[{"name":"c","image":"y"}]}})")
            .same(one));
  for (
      const char* other :
      {R"({"metadata":{"labels":{"k":"1"}},"spec":{"containers":[{"name":"c","image":"x"}]}})",
       R"({"metadata":{"labels":{"l":"1"}},"spec":{"containers":[{"name":"d","image":"x"}]}})",
       R"({"metadata":{"labels":{"l":"1"}},"spec":{"containers":[{"name":"c","command":["x"]}]}})",
       R"({"metadata":{"labels":{"l":"1"},"finalizers":["c"]},"spec":{"containers":[{"name":"c","image":"x"}]}})",
       R"({"metadata":{"labels":{"l":"1"}},"spec":{"containers":[{"name":"c","image":"x"}],"securityContext":{}}})",
       R"({"metadata":{"labels":{"l":"1"}},"spec":{"containers":[{"name":"c","image":"x"},{"name":"c","image":"x"}]}})"}) {
    CHECK_FALSE(fields(other) == one);
  }
}

}  // namespace
}  // namespace minikube
