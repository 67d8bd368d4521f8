// Encoding and decoding of objects: JSON (RFC 8259), YAML 1.2 and Kubernetes protobuf (the "k8s\0" envelope around
// runtime.Unknown). Table-driven; nothing here knows a kind.
//
// Thread safety: any thread. Errors: kBadRequest, with the position in the text or the path of the field. Limits:
// DecodeOptions::max_depth; the caller bounds the size of the input.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <minikube/object.h>
#include <minikube/status.h>

namespace minikube {

enum class MediaType : std::uint8_t { kJson, kYaml, kProtobuf };

// What to do with fields that the type does not have, and duplicates (fieldValidation of the Kubernetes API).
enum class FieldValidation : std::uint8_t { kIgnore, kWarn, kStrict };

struct DecodeOptions {
  FieldValidation validation = FieldValidation::kIgnore;
  int max_depth = 100;
  // kWarn: one line per unknown or duplicate field, e.g. unknown field "spec.foo". May be null.
  std::vector<std::string>* warnings = nullptr;
};

// Reads apiVersion and kind, finds the type and decodes into it. `expected` (may be null) is the type when the
// input names none, and the only one allowed otherwise.
Result<ObjectPtr> Decode(MediaType type, std::string_view bytes, const MessageDesc* expected,
                         const DecodeOptions& options = {});
// Decodes a bare message (no apiVersion and kind needed) into `message`, which must be empty.
Status DecodeJsonMessage(const MessageDesc& desc, std::string_view json, void* message,
                         const DecodeOptions& options = {});

// Appends to `out`. kJson writes apiVersion and kind first; kProtobuf writes the envelope.
void Encode(MediaType type, const Object& object, std::string& out);
std::string EncodeJson(const Object& object);
std::string EncodeYaml(const Object& object);
// What server-side apply is given (an "apply configuration", as JSON): the fields that are set. Plain ones with their
// zero value are not, nor is what the server alone sets in metadata.
std::string EncodeApply(const Object& object);
// The message alone: JSON without apiVersion/kind, protobuf without the envelope.
void EncodeJsonMessage(const MessageDesc& desc, const void* message, std::string& out);
void EncodeProtobufMessage(const MessageDesc& desc, const void* message, std::string& out);

// JSON text to YAML and back. Plain scalars mean what they mean to kubectl (sigs.k8s.io/yaml): the YAML 1.1 rules, by
// which yes and off are booleans and 0644 is octal, and what would be mistaken for such is quoted when written.
Result<std::string> YamlToJson(std::string_view yaml, int max_depth = 100);
Result<std::string> JsonToYaml(std::string_view json);

}  // namespace minikube
