// OpenAPI 2.0 and 3.0 differ in JSON only in where things stand; both are written here.
#pragma once

#include <string_view>

#include "api/openapi/openapi_model.h"
#include "api/wire/json_text.h"

namespace minikube::api {

enum class OpenApiVersion : std::uint8_t { kV2, kV3 };

inline constexpr std::string_view kObjectTypes[] = {"application/json", "application/yaml",
                                                    "application/vnd.kubernetes.protobuf"};

// Writes `"<name>": {schema}`.
void WriteDefinition(const DefinitionNode& definition, OpenApiVersion version, JsonWriter& json);
// Writes `"<path>": {path item}`.
void WritePath(const PathNode& path, OpenApiVersion version, JsonWriter& json);

}  // namespace minikube::api
