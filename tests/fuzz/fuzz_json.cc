// JSON that decodes can be written in every encoding, read again, and is the same.
#include "fuzz.h"

#include "helpers/random_object.h"

namespace minikube::fuzz {
namespace {

void CheckAccepted(const Object& object) {
  const std::string json = EncodeJson(object);
  DecodeOptions strict;
  strict.validation = FieldValidation::kStrict;
  const Result<ObjectPtr> again = Decode(MediaType::kJson, json, &object.desc(), strict);
  Check(again.ok(), "what was written is read again: " + again.status().message());
  Check(Equal(object, **again), "it is the same object");
  Check(EncodeJson(**again) == json, "it is written the same way");
  if (!testing::HasProtobufForm(object.desc())) return;
  std::string bytes;
  Encode(MediaType::kProtobuf, object, bytes);
  const Result<ObjectPtr> from_protobuf = Decode(MediaType::kProtobuf, bytes, &object.desc());
  Check(from_protobuf.ok(), "its protobuf is read: " + from_protobuf.status().message());
  Check(Equal(object, **from_protobuf), "its protobuf is the same object");
}

}  // namespace

std::vector<std::string> Seeds() { return EncodedObjects(MediaType::kJson); }

}  // namespace minikube::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace minikube;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> warnings;
  DecodeOptions options;
  options.validation = FieldValidation::kWarn;
  options.warnings = &warnings;
  const Result<ObjectPtr> object = Decode(MediaType::kJson, text, nullptr, options);
  if (object.ok()) fuzz::CheckAccepted(**object);
  options.validation = FieldValidation::kStrict;
  const Result<ObjectPtr> strict = Decode(MediaType::kJson, text, nullptr, options);
  fuzz::Check(strict.ok() == (object.ok() && warnings.empty()), "strict refuses exactly what warn warns of");
  return 0;
}
