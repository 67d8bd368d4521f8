#include "api/openapi/openapi_json.h"

#include <fmt/format.h>

namespace minikube::api {
namespace {

std::string RefText(std::string_view name, OpenApiVersion version) {
  return fmt::format("{}{}", version == OpenApiVersion::kV2 ? "#/definitions/" : "#/components/schemas/", name);
}

// The members of a schema object, without its braces.
void WriteMembers(const SchemaNode& node, OpenApiVersion version, JsonWriter& json);

void WriteSchema(const SchemaNode& node, OpenApiVersion version, JsonWriter& json) {
  json.BeginObject();
  WriteMembers(node, version, json);
  json.EndObject();
}

void WriteMembers(const SchemaNode& node, OpenApiVersion version, JsonWriter& json) {
  if (!node.doc.empty()) json.Field("description", node.doc);
  if (!node.ref.empty()) {
    const bool siblings = !node.doc.empty() || !node.default_json.empty() || !node.extensions.empty();
    if (version == OpenApiVersion::kV3 && siblings) {
      // In 3.0 nothing may stand beside a $ref.
      json.Key("allOf");
      json.BeginArray();
      json.BeginObject();
      json.Field("$ref", RefText(node.ref, version));
      json.EndObject();
      json.EndArray();
    } else {
      json.Field("$ref", RefText(node.ref, version));
    }
  }
  if (version == OpenApiVersion::kV3 && node.format == "int-or-string") {
    json.Key("oneOf");
    json.Raw(R"([{"type":"integer"},{"type":"string"}])");
  } else if (!node.type.empty()) {
    json.Field("type", node.type);
  }
  if (!node.format.empty()) json.Field("format", node.format);
  if (!node.default_json.empty()) {
    json.Key("default");
    json.Raw(node.default_json);
  }
  if (!node.enum_values.empty()) {
    json.Key("enum");
    json.BeginArray();
    for (const std::string_view value : node.enum_values) json.String(value);
    json.EndArray();
  }
  if (node.items) {
    json.Key("items");
    WriteSchema(*node.items, version, json);
  }
  if (node.values) {
    json.Key("additionalProperties");
    WriteSchema(*node.values, version, json);
  }
  for (const auto& [name, value] : node.extensions) {
    json.Key(name);
    json.Raw(value);
  }
}

void WriteParameter(const ParameterNode& parameter, OpenApiVersion version, JsonWriter& json) {
  json.BeginObject();
  json.Field("name", parameter.name);
  json.Field("in", parameter.in_path ? "path" : "query");
  json.Field("description", parameter.doc);
  if (parameter.in_path) json.Flag("required", true);
  if (version == OpenApiVersion::kV2) {
    json.Field("type", parameter.type);
  } else {
    json.Key("schema");
    json.BeginObject();
    json.Field("type", parameter.type);
    json.EndObject();
  }
  json.Flag("uniqueItems", true);
  json.EndObject();
}

void WriteRef(std::string_view definition, OpenApiVersion version, JsonWriter& json) {
  json.BeginObject();
  if (definition.empty()) {
    json.Field("type", "string");
  } else {
    json.Field("$ref", RefText(definition, version));
  }
  json.EndObject();
}

void WriteContent(std::span<const std::string_view> types, std::string_view definition, JsonWriter& json) {
  json.Key("content");
  json.BeginObject();
  for (const std::string_view type : types) {
    json.Key(type);
    json.BeginObject();
    json.Key("schema");
    WriteRef(definition, OpenApiVersion::kV3, json);
    json.EndObject();
  }
  json.EndObject();
}

void WriteBodyV2(const OperationNode& op, JsonWriter& json) {
  json.BeginObject();
  json.Field("name", "body");
  json.Field("in", "body");
  json.Flag("required", op.method != "delete");
  json.Key("schema");
  WriteRef(op.body, OpenApiVersion::kV2, json);
  json.EndObject();
}

void WriteTexts(std::string_view key, std::span<const std::string_view> texts, JsonWriter& json) {
  json.Key(key);
  json.BeginArray();
  for (const std::string_view text : texts) json.String(text);
  json.EndArray();
}

void WriteResponses(const OperationNode& op, OpenApiVersion version, JsonWriter& json) {
  constexpr std::string_view kText[] = {"text/plain"};
  json.Key("responses");
  json.BeginObject();
  json.Key("200");
  json.BeginObject();
  json.Field("description", "OK");
  if (version == OpenApiVersion::kV2) {
    json.Key("schema");
    WriteRef(op.response, version, json);
  } else {
    WriteContent(op.response.empty() ? std::span<const std::string_view>(kText) : kObjectTypes, op.response, json);
  }
  json.EndObject();
  json.EndObject();
}

void WriteOperation(const PathNode& path, const OperationNode& op, OpenApiVersion version, JsonWriter& json) {
  constexpr std::string_view kAnything[] = {"*/*"};
  const std::span<const std::string_view> consumes =
      op.method == "patch" ? std::span<const std::string_view>(kPatchTypes) : kAnything;
  json.Key(op.method);
  json.BeginObject();
  json.Key("tags");
  json.BeginArray();
  json.String(path.tag);
  json.EndArray();
  json.Field("operationId", op.id);
  if (version == OpenApiVersion::kV2) {
    WriteTexts("consumes", consumes, json);
    WriteTexts("produces", kObjectTypes, json);
  }
  json.Key("parameters");
  json.BeginArray();
  if (version == OpenApiVersion::kV2 && !op.body.empty()) WriteBodyV2(op, json);
  for (const ParameterNode& parameter : op.parameters) WriteParameter(parameter, version, json);
  json.EndArray();
  if (version == OpenApiVersion::kV3 && !op.body.empty()) {
    json.Key("requestBody");
    json.BeginObject();
    WriteContent(consumes, op.body, json);
    if (op.method != "delete") json.Flag("required", true);
    json.EndObject();
  }
  WriteResponses(op, version, json);
  json.Field("x-kubernetes-action", op.action);
  if (op.kind != nullptr && !op.kind->gvk.kind.empty()) {
    json.Key("x-kubernetes-group-version-kind");
    json.Raw(KindJson(op.kind->gvk));
  }
  json.EndObject();
}

}  // namespace

void WriteDefinition(const DefinitionNode& definition, OpenApiVersion version, JsonWriter& json) {
  json.Key(definition.name);
  json.BeginObject();
  WriteMembers(definition.schema, version, json);
  if (!definition.required.empty()) WriteTexts("required", definition.required, json);
  if (!definition.properties.empty()) {
    json.Key("properties");
    json.BeginObject();
    for (const auto& [name, schema] : definition.properties) {
      json.Key(name);
      WriteSchema(schema, version, json);
    }
    json.EndObject();
  }
  json.EndObject();
}

void WritePath(const PathNode& path, OpenApiVersion version, JsonWriter& json) {
  json.Key(path.path);
  json.BeginObject();
  for (const OperationNode& op : path.operations) WriteOperation(path, op, version, json);
  json.Key("parameters");
  json.BeginArray();
  for (const ParameterNode& parameter : path.parameters) WriteParameter(parameter, version, json);
  json.EndArray();
  json.EndObject();
}

}  // namespace minikube::api
