// A Json tree is written and read again as the same one, whatever the text; and so is a custom object that holds it.
#include <minikube/custom_object.h>
#include <minikube/json.h>

#include "fuzz.h"

namespace minikube::fuzz {

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds = EncodedObjects(MediaType::kJson);
  seeds.insert(seeds.end(), {"{}", "[]", "null", "0", "1.0", "-0.0e5", "123456789012345678901234567890", "\"\\ud800\"",
                             R"({"a":[{"b":null},{"b":""}],"a":1})",
                             R"({"kind":"K","apiVersion":"g.io/v1","spec":{"a":[0,"",[],{},null]},"metadata":{}})"});
  return seeds;
}

namespace {

void CheckTree(const Json& value) {
  const std::string text = value.ToString();
  const Result<Json> again = Json::Parse(text);
  Check(again.ok(), "what was written is read again: " + again.status().message());
  Check(*again == value, "it is the same value");
  Check(again->ToString() == text, "it is written the same way");
  Check(again->nodes() == value.nodes(), "it has as many values");
}

void CheckCustom(std::string_view text) {
  static const CustomKind kKind("g.io", "v1", "K", "KList");
  const Result<ObjectPtr> object = Decode(MediaType::kJson, text, &kKind.object());
  if (!object) return;
  const std::string json = EncodeJson(**object);
  DecodeOptions strict;
  strict.validation = FieldValidation::kStrict;
  const Result<ObjectPtr> again = Decode(MediaType::kJson, json, &kKind.object(), strict);
  Check(again.ok(), "a custom object is read again: " + again.status().message());
  Check(Equal(**object, **again), "it is the same object");
  Check(EncodeJson(**again) == json, "it is written the same way");
}

}  // namespace
}  // namespace minikube::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace minikube;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  JsonLimits limits;
  limits.max_nodes = 100'000;
  const Result<Json> value = Json::Parse(text, limits);
  if (value.ok()) fuzz::CheckTree(*value);
  fuzz::CheckCustom(text);
  return 0;
}
