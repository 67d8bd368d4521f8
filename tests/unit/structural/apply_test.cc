// Server-side apply of custom objects goes by what their schema says of lists and maps.
#include "model/apply.h"

#include <string>

#include <minikube/api/apiextensions/v1.h>
#include <minikube/codec.h>
#include <minikube/custom_object.h>
#include <catch2/catch.hpp>

#include "structural/structural_schema.h"

namespace minikube {
namespace {

const CustomKind& Kind() {
  static const CustomKind kind("g.io", "v1", "K", "KList");
  return kind;
}

std::shared_ptr<const StructuralSchema> Schema() {
  apiextensions::v1::JSONSchemaProps props;
  const std::string json = YamlToJson(R"yaml(
type: object
properties:
  spec:
    type: object
    properties:
      map: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [name, protocol],
            items: {type: object, properties: {name: {type: string}, protocol: {type: string, default: TCP},
                                               port: {type: integer}}}}
      set: {type: array, x-kubernetes-list-type: set, items: {type: string}}
      list: {type: array, items: {type: string}}
      atomic: {type: object, x-kubernetes-map-type: atomic, additionalProperties: {type: string}}
      granular: {type: object, additionalProperties: {type: string}}
)yaml")
                               .value();
  REQUIRE(DecodeJsonMessage(DescriptorOf<apiextensions::v1::JSONSchemaProps>(), json, &props).ok());
  return StructuralSchema::Make(props);
}

// Applies the `spec`s one after the other, each as its manager.
class Applied {
 public:
  Status Apply(std::string_view name, std::string_view spec, ApplyForce force = ApplyForce::kNo) {
    FieldManager manager;
    manager.name = name;
    manager.shape = &schema_->root();
    const std::string config =
        R"({"apiVersion":"g.io/v1","kind":"K","metadata":{"name":"x"},"spec":)" + std::string(spec) + "}";
    Result<ObjectPtr> next = ServerSideApply(Kind().object(), object_ ? &*object_ : nullptr, config, force, manager);
    if (!next) return next.status();
    object_ = std::move(*next);
    return {};
  }
  std::string spec() const { return AsCustomObject(*object_)->rest["spec"].ToString(); }

 private:
  std::shared_ptr<const StructuralSchema> schema_ = Schema();
  ObjectPtr object_;
};

TEST_CASE("items of a map and of a set belong to who applied them", "[structural_apply]") {
  Applied object;
  REQUIRE(object.Apply("a", R"({"map":[{"name":"x","port":1}],"set":["1"],"granular":{"k":"a"}})").ok());
  REQUIRE(object.Apply("b", R"({"map":[{"name":"y","port":2}],"set":["2"],"granular":{"l":"b"}})").ok());
  CHECK(object.spec() == R"({"granular":{"k":"a","l":"b"},"map":[{"name":"x","port":1},{"name":"y","port":2}],)"
                         R"("set":["1","2"]})");
  // What a applies no more goes; what b applied stays.
  REQUIRE(object.Apply("a", R"({"set":["3"]})").ok());
  CHECK(object.spec() == R"({"granular":{"l":"b"},"map":[{"name":"y","port":2}],"set":["2","3"]})");
  CHECK(object.Apply("a", R"({"map":[{"name":"y","protocol":"TCP","port":3}]})").code() == Code::kConflict);
}

TEST_CASE("other lists, and atomic maps, belong to one as a whole", "[structural_apply]") {
  Applied object;
  REQUIRE(object.Apply("a", R"({"list":["1"],"atomic":{"k":"a"}})").ok());
  const Status status = object.Apply("b", R"({"list":["2"],"atomic":{"l":"b"}})");
  CHECK(status.code() == Code::kConflict);
  CHECK(status.details().causes.size() == 2);
  REQUIRE(object.Apply("b", R"({"list":["2"],"atomic":{"l":"b"}})", ApplyForce::kYes).ok());
  CHECK(object.spec() == R"({"atomic":{"l":"b"},"list":["2"]})");
}

TEST_CASE("items that lack a key, or have one twice, are refused", "[structural_apply]") {
  Applied object;
  CHECK(object.Apply("a", R"({"map":[{"port":1}]})").code() == Code::kBadRequest);
  CHECK(object.Apply("a", R"({"map":[{"name":"x"},{"name":"x","protocol":"TCP"}]})").code() == Code::kBadRequest);
  CHECK(object.Apply("a", R"({"map":[{"name":"x"},{"name":"x","protocol":"UDP"}]})").ok());
}

TEST_CASE("whoever creates a custom object owns what it sets, by the keys of its lists", "[structural_apply]") {
  const auto schema = Schema();
  ObjectPtr object = Decode(MediaType::kJson,
                            R"({"apiVersion":"g.io/v1","kind":"K","metadata":{"name":"x","labels":{"a":"b"}},)"
                            R"("spec":{"map":[{"name":"x","port":1}],"list":["1"]}})",
                            &Kind().object())
                         .value();
  FieldManager manager;
  manager.name = "a";
  manager.shape = &schema->root();
  TrackCreate(*object, manager);
  REQUIRE(object->meta().managedFields.size() == 1);
  const auto& entry = object->meta().managedFields[0];
  REQUIRE(entry.fieldsV1.has_value());
  const std::string fields = entry.fieldsV1->json.str();
  CHECK(fields.find(R"("f:labels":{".":{},"f:a":{}})") != std::string::npos);
  CHECK(fields.find(R"("f:list":{})") != std::string::npos);
  CHECK(fields.find(R"("k:{\"name\":\"x\",\"protocol\":\"TCP\"}":{".":{},"f:name":{},"f:port":{}})") !=
        std::string::npos);
}

}  // namespace
}  // namespace minikube
