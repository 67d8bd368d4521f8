// The JSON form of single values and fields, for the parts of the engine that meet JSON below a whole object
// (defaults, patches, custom resources). Whole messages: minikube/codec.h.
#pragma once

#include <string>
#include <string_view>

#include <minikube/codec.h>
#include <minikube/status.h>

#include "model/json_reader.h"
#include "model/memory.h"

namespace minikube::model {

// Decodes into `value`, or into the field of `message`, which must be empty. On an error it may be partly filled.
// Errors: kBadRequest, with the path below the value.
Status DecodeJsonValue(ValueType type, std::string_view json, void* value, const DecodeOptions& options = {});
Status DecodeJsonField(const FieldDesc& field, std::string_view json, void* message, const DecodeOptions& options = {});
// The message at the reader's place, which is left at the end of it. Used by Decode, which has read ahead for the kind.
Status DecodeJsonObject(const MessageDesc& desc, JsonReader& reader, void* message, const DecodeOptions& options);

// Appends a root message with kind and apiVersion.
void EncodeJsonObject(const MessageDesc& desc, const void* message, std::string& out);
// The same without plain fields that have their zero value, where Go would write them.
void EncodeJsonSetFields(const MessageDesc& desc, const void* message, std::string& out);
// Appends the value, or the field's value whatever its shape ("null" if it is absent).
void EncodeJsonValue(ValueType type, const void* value, std::string& out);
void EncodeJsonField(const FieldDesc& field, const void* message, std::string& out);
// Appends a JSON string, quoted and escaped; invalid UTF-8 becomes U+FFFD.
void AppendJsonString(std::string_view text, std::string& out);
// Appends a finite number as Go's encoding/json writes it; others as null.
void AppendJsonDouble(double value, std::string& out);

}  // namespace minikube::model
