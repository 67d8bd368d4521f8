// Protobuf that decodes can be written, read again, and is the same; and it has a stable JSON form.
#include "fuzz.h"

namespace minikube::fuzz {

std::vector<std::string> Seeds() { return EncodedObjects(MediaType::kProtobuf); }

}  // namespace minikube::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace minikube;
  using fuzz::Check;
  const Result<ObjectPtr> object = Decode(MediaType::kProtobuf, {reinterpret_cast<const char*>(data), size}, nullptr);
  if (!object.ok()) return 0;
  std::string bytes;
  Encode(MediaType::kProtobuf, **object, bytes);
  const Result<ObjectPtr> again = Decode(MediaType::kProtobuf, bytes, nullptr);
  Check(again.ok(), "what was written is read again: " + again.status().message());
  Check(Equal(**object, **again), "it is the same object");
  std::string same;
  Encode(MediaType::kProtobuf, **again, same);
  Check(same == bytes, "it is written the same way");
  // A union may hold several members in protobuf; JSON keeps one, and from then on nothing changes.
  const Result<ObjectPtr> from_json = Decode(MediaType::kJson, EncodeJson(**object), nullptr);
  Check(from_json.ok(), "its JSON is read: " + from_json.status().message());
  const std::string json = EncodeJson(**from_json);
  const Result<ObjectPtr> settled = Decode(MediaType::kJson, json, nullptr);
  Check(settled.ok() && EncodeJson(**settled) == json, "its JSON settles");
  return 0;
}
