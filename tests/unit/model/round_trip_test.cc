// Every field of every kind, filled with random valid values, goes JSON -> object -> protobuf -> object -> YAML ->
// object, and nothing changes.
#include <catch2/catch.hpp>

#include <string>

#include <minikube/codec.h>

#include "helpers/random_object.h"
#include "model/access.h"

namespace minikube {
namespace {

ObjectPtr MustDecode(MediaType type, std::string_view bytes, const MessageDesc& desc) {
  DecodeOptions options;
  options.validation = FieldValidation::kStrict;
  Result<ObjectPtr> object = Decode(type, bytes, &desc, options);
  INFO(bytes.substr(0, 2000));
  INFO(object.status().message());
  REQUIRE(object.ok());
  return std::move(object).value();
}

void RoundTrip(const MessageDesc& desc, std::uint64_t seed, const testing::RandomOptions& options) {
  CAPTURE(desc.name, seed, options.density);
  const ObjectPtr original = testing::RandomObject(desc, seed, options);
  const std::string json = EncodeJson(*original);
  ObjectPtr object = MustDecode(MediaType::kJson, json, desc);
  REQUIRE(Equal(*object, *original));
  REQUIRE(EncodeJson(*object) == json);

  if (testing::HasProtobufForm(desc)) {
    std::string protobuf;
    Encode(MediaType::kProtobuf, *object, protobuf);
    object = MustDecode(MediaType::kProtobuf, protobuf, desc);
    REQUIRE(Equal(*object, *original));
    std::string again;
    Encode(MediaType::kProtobuf, *object, again);
    REQUIRE(again == protobuf);
  }

  const std::string yaml = EncodeYaml(*object);
  object = MustDecode(MediaType::kYaml, yaml, desc);
  REQUIRE(Equal(*object, *original));
  REQUIRE(EncodeJson(*object) == json);
}

TEST_CASE("every field of every kind survives all encodings") {
  for (const MessageDesc* desc : AllMessages()) {
    if (!desc->gvk.kind.empty()) RoundTrip(*desc, Catch::rngSeed() + 1, {});
  }
}

TEST_CASE("sparse objects of every kind survive all encodings") {
  const double density = GENERATE(0.0, 0.2, 0.5);
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    for (const MessageDesc* desc : AllMessages()) {
      if (!desc->gvk.kind.empty()) RoundTrip(*desc, Catch::rngSeed() + seed, {.density = density});
    }
  }
}

TEST_CASE("a random object is full, and differs from another seed's") {
  const MessageDesc& pod = *FindKind("", "v1", "Pod");
  const ObjectPtr one = testing::RandomObject(pod, 1);
  CHECK(Equal(*one, *testing::RandomObject(pod, 1)));
  CHECK_FALSE(Equal(*one, *testing::RandomObject(pod, 2)));
  const FieldDesc& spec = *pod.Find("spec");
  for (const FieldDesc& field : spec.message->fields) {
    if (field.type == FieldType::kBool || field.type == FieldType::kInt64) continue;  // may be false or 0
    CAPTURE(field.name);
    CHECK(model::IsSet(field, model::SlotOf(spec, one->data())));
  }
}

// Equality must see a difference in any single field, or the tests above would prove nothing.
TEST_CASE("clearing any one field is seen by Equal") {
  for (const char* kind : {"Pod", "Service", "Node"}) {
    const MessageDesc& desc = *FindKind("", "v1", kind);
    const ObjectPtr full = testing::RandomObject(desc, 7);
    for (const FieldDesc& field : desc.fields) {
      if (field.type != FieldType::kMessage) continue;
      for (const FieldDesc& inner : field.message->fields) {
        ObjectPtr changed = ObjectPtr::Clone(*full);
        void* message = model::Mutable(field, changed->mutable_data());
        if (!model::IsSet(inner, message)) continue;
        model::Clear(inner, message);
        CAPTURE(kind, field.name, inner.name);
        CHECK_FALSE(Equal(*full, *changed));
      }
    }
  }
}

}  // namespace
}  // namespace minikube
