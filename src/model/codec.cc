// The public entry points: which type the bytes are of, and which codec reads or writes them.
#include <minikube/codec.h>

#include <fmt/format.h>

#include "model/json_codec.h"
#include "model/json_reader.h"
#include "model/protobuf.h"
#include "model/type_meta.h"

namespace minikube {
namespace {

using model::TypeMeta;

// The beginning of the input, for messages.
std::string Excerpt(std::string_view bytes) {
  constexpr std::size_t kMax = 100;
  if (bytes.size() <= kMax) return std::string(bytes);
  std::size_t end = kMax;
  while (end > 0 && (static_cast<unsigned char>(bytes[end]) & 0xc0) == 0x80) --end;  // not inside a character
  return std::string(bytes.substr(0, end)) + "...";
}

// The package in which Go keeps the types of a group that it works with: core, apps, rbac.
std::string_view GoPackage(std::string_view group) { return group.empty() ? "core" : group.substr(0, group.find('.')); }

Result<const MessageDesc*> FindType(const TypeMeta& meta, const MessageDesc* expected, std::string_view excerpt_of) {
  std::string_view version = meta.api_version;
  std::string_view group;
  if (const std::size_t slash = version.find('/'); slash != std::string_view::npos) {
    group = version.substr(0, slash);
    version.remove_prefix(slash + 1);
    if (version.find('/') != std::string_view::npos) {
      return Status(Code::kBadRequest, fmt::format("unexpected GroupVersion string: {}", meta.api_version));
    }
  }
  if (expected != nullptr) {
    const GroupVersionKind& want = expected->gvk;
    const bool same_version = meta.api_version.empty() || (group == want.group && version == want.version);
    if ((meta.kind.empty() || meta.kind == want.kind) && same_version) return expected;
    if (meta.kind.empty() || meta.kind == want.kind) {
      // The types of meta/v1 (DeleteOptions and the like) are part of every group and version.
      if (expected->name.starts_with("io.k8s.apimachinery.pkg.apis.meta.")) return expected;
      // Evictions are still sent by clients that know only the version they began in; its fields are the same.
      if (want.kind == "Eviction" && meta.api_version == "policy/v1beta1") return expected;
      const std::string wanted =
          want.group.empty() ? std::string(want.version) : fmt::format("{}/{}", want.group, want.version);
      return Status(Code::kBadRequest,
                    fmt::format("the API version in the data ({}) does not match the expected API version ({})",
                                meta.api_version, wanted));
    }
    return Status(Code::kBadRequest, fmt::format("converting ({}.{}) to ({}.{}): unknown conversion", version,
                                                 meta.kind, GoPackage(want.group), want.kind));
  }
  if (meta.kind.empty()) {
    return Status(Code::kBadRequest, fmt::format("Object 'Kind' is missing in '{}'", Excerpt(excerpt_of)));
  }
  if (meta.api_version.empty()) {
    return Status(Code::kBadRequest, fmt::format("Object 'apiVersion' is missing in '{}'", Excerpt(excerpt_of)));
  }
  if (const MessageDesc* desc = FindKind(group, version, meta.kind)) return desc;
  return Status(Code::kBadRequest,
                fmt::format("no kind \"{}\" is registered for version \"{}\" in scheme", meta.kind, meta.api_version));
}

Result<ObjectPtr> DecodeJson(std::string_view json, const MessageDesc* expected, const DecodeOptions& options) {
  model::JsonReader reader(json, options.max_depth);
  const Result<TypeMeta> meta = model::ReadTypeMeta(reader);
  if (!meta) return meta.status();
  const Result<const MessageDesc*> desc = FindType(*meta, expected, json);
  if (!desc) return desc.status();
  ObjectPtr object = ObjectPtr::New(**desc);
  reader.Rewind();
  Status decoded = model::DecodeJsonObject(**desc, reader, object->mutable_data(), options);
  if (decoded.ok()) return object;
  return reader.ok() ? decoded : model::NoTypeMeta(reader.error());
}

Result<ObjectPtr> DecodeProtobuf(std::string_view bytes, const MessageDesc* expected, const DecodeOptions& options) {
  model::ProtobufEnvelope envelope;
  MINIKUBE_RETURN_IF_ERROR(model::DecodeProtobufEnvelope(bytes, &envelope));
  const TypeMeta meta{std::string(envelope.api_version), std::string(envelope.kind)};
  const Result<const MessageDesc*> desc = FindType(meta, expected, "");
  if (!desc) return desc.status();
  ObjectPtr object = ObjectPtr::New(**desc);
  MINIKUBE_RETURN_IF_ERROR(
      model::DecodeProtobufMessage(**desc, envelope.raw, object->mutable_data(), options.max_depth));
  return object;
}

}  // namespace

Result<ObjectPtr> Decode(MediaType type, std::string_view bytes, const MessageDesc* expected,
                         const DecodeOptions& options) {
  switch (type) {
    case MediaType::kJson:
      return DecodeJson(bytes, expected, options);
    case MediaType::kProtobuf:
      return DecodeProtobuf(bytes, expected, options);
    case MediaType::kYaml: {
      const Result<std::string> json = YamlToJson(bytes, options.max_depth);
      if (!json) return json.status();
      return DecodeJson(*json, expected, options);
    }
  }
  return Status(Code::kUnsupportedMediaType, "unknown media type");
}

void Encode(MediaType type, const Object& object, std::string& out) {
  switch (type) {
    case MediaType::kJson:
      return model::EncodeJsonObject(object.desc(), object.data(), out);
    case MediaType::kProtobuf:
      return model::EncodeProtobufObject(object.desc(), object.data(), out);
    case MediaType::kYaml:
      out += EncodeYaml(object);
      return;
  }
}

std::string EncodeJson(const Object& object) {
  std::string json;
  Encode(MediaType::kJson, object, json);
  return json;
}

std::string EncodeApply(const Object& object) {
  const ObjectPtr applied = ObjectPtr::Clone(object);
  if (object.desc().metadata_field >= 0) {
    meta::v1::ObjectMeta& meta = applied->mutable_meta();
    meta.managedFields.clear();  // the server refuses them
    meta.creationTimestamp = {};
    meta.deletionTimestamp = {};
    meta.deletionGracePeriodSeconds.reset();
    meta.generation = 0;
    meta.selfLink = {};
  }
  std::string json;
  model::EncodeJsonSetFields(applied->desc(), applied->data(), json);
  return json;
}

}  // namespace minikube
