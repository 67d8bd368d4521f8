#include "api/openapi/openapi_v2.h"

#include <fmt/format.h>

#include <minikube/version.h>

#include "api/openapi/openapi_json.h"
#include "api/openapi/openapi_model.h"
#include "api/wire/json_text.h"
#include "api/wire/negotiate.h"
#include "api/wire/proto_wire.h"
#include "api/wire/reply.h"

namespace minikube::api {
namespace {

constexpr std::string_view kTitle = "Kubernetes";
// Clients ask for spec.v2@v1.0 too; the answer never says that: '@' is not allowed in a media type (RFC 2045
// section 5.1), and clients up to v1.22 refuse it.
constexpr std::string_view kProtobufType = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

std::vector<const ResourceDesc*> Everything(const Catalogue& catalogue) {
  return {catalogue.resources().begin(), catalogue.resources().end()};
}

// ---- gnostic's openapi.v2 messages, by field number
// ------------------------------------------------------------------

// NamedAny{name = 1, value = 2: Any{yaml = 2}}; JSON is YAML.
std::string Extension(std::string_view name, std::string_view json) {
  std::string any;
  PutText(2, json, any);
  std::string out;
  PutText(1, name, out);
  PutBytes(2, any, out);
  return out;
}

std::string Any(std::string_view json) {
  std::string out;
  PutText(2, json, out);
  return out;
}

// Schema
std::string SchemaMessage(const SchemaNode& node) {
  std::string out;
  if (!node.ref.empty()) PutText(1, fmt::format("#/definitions/{}", node.ref), out);
  PutText(2, node.format, out);
  PutText(4, node.doc, out);
  if (!node.default_json.empty()) PutBytes(5, Any(node.default_json), out);
  for (const std::string_view value : node.enum_values) {
    std::string json;
    AppendJsonString(value, json);
    PutBytes(20, Any(json), out);
  }
  if (node.values) {
    std::string item;
    PutBytes(1, SchemaMessage(*node.values), item);
    PutBytes(21, item, out);
  }
  if (!node.type.empty()) {
    std::string type;
    PutText(1, node.type, type);
    PutBytes(22, type, out);
  }
  if (node.items) {
    std::string item;
    PutBytes(1, SchemaMessage(*node.items), item);
    PutBytes(23, item, out);
  }
  for (const auto& [name, json] : node.extensions) PutBytes(31, Extension(name, json), out);
  return out;
}

std::string DefinitionMessage(const DefinitionNode& definition) {
  std::string out = SchemaMessage(definition.schema);
  for (const std::string_view name : definition.required) PutText(19, name, out);
  if (!definition.properties.empty()) {
    std::string properties;
    for (const auto& [name, schema] : definition.properties) {
      std::string named;
      PutText(1, name, named);
      PutBytes(2, SchemaMessage(schema), named);
      PutBytes(1, named, properties);
    }
    PutBytes(25, properties, out);
  }
  return out;
}

// ParametersItem{parameter = 1: Parameter{non_body_parameter = 2: {query = 3 | path = 4}}}
std::string ParameterMessage(const ParameterNode& parameter) {
  std::string sub;
  if (parameter.in_path) PutInt(1, 1, sub);
  PutText(2, parameter.in_path ? "path" : "query", sub);
  PutText(3, parameter.doc, sub);
  PutText(4, parameter.name, sub);
  PutText(parameter.in_path ? 5 : 6, parameter.type, sub);
  std::string non_body;
  PutBytes(parameter.in_path ? 4 : 3, sub, non_body);
  std::string wrapped;
  PutBytes(2, non_body, wrapped);
  std::string item;
  PutBytes(1, wrapped, item);
  return item;
}

std::string BodyMessage(std::string_view definition) {
  std::string body;
  PutText(2, "body", body);
  PutText(3, "body", body);
  PutInt(4, 1, body);
  SchemaNode schema;
  schema.ref = definition;
  PutBytes(5, SchemaMessage(schema), body);
  std::string parameter;
  PutBytes(1, body, parameter);
  std::string item;
  PutBytes(1, parameter, item);
  return item;
}

std::string ResponsesMessage(std::string_view definition) {
  SchemaNode schema;
  schema.ref = definition;
  if (definition.empty()) schema.type = "string";
  std::string schema_item;
  PutBytes(1, SchemaMessage(schema), schema_item);
  std::string response;
  PutText(1, "OK", response);
  PutBytes(2, schema_item, response);
  std::string value;
  PutBytes(1, response, value);
  std::string named;
  PutText(1, "200", named);
  PutBytes(2, value, named);
  std::string out;
  PutBytes(1, named, out);
  return out;
}

std::string OperationMessage(const PathNode& path, const OperationNode& op) {
  std::string out;
  PutText(1, path.tag, out);
  PutText(5, op.id, out);
  for (const std::string_view type : kObjectTypes) PutText(6, type, out);
  if (op.method == "patch") {
    for (const std::string_view type : kPatchTypes) PutText(7, type, out);
  } else {
    PutText(7, "*/*", out);
  }
  if (!op.body.empty()) PutBytes(8, BodyMessage(op.body), out);
  for (const ParameterNode& parameter : op.parameters) PutBytes(8, ParameterMessage(parameter), out);
  PutBytes(9, ResponsesMessage(op.response), out);
  PutText(10, "https", out);
  PutBytes(13, Extension("x-kubernetes-action", fmt::format("\"{}\"", op.action)), out);
  if (op.kind != nullptr && !op.kind->gvk.kind.empty()) {
    PutBytes(13, Extension("x-kubernetes-group-version-kind", KindJson(op.kind->gvk)), out);
  }
  return out;
}

int OperationNumber(std::string_view method) {
  if (method == "get") return 2;
  if (method == "put") return 3;
  if (method == "post") return 4;
  if (method == "delete") return 5;
  return 8;  // patch
}

std::string PathMessage(const PathNode& path) {
  std::string item;
  for (const OperationNode& op : path.operations) {
    PutBytes(OperationNumber(op.method), OperationMessage(path, op), item);
  }
  for (const ParameterNode& parameter : path.parameters) PutBytes(9, ParameterMessage(parameter), item);
  std::string named;
  PutText(1, path.path, named);
  PutBytes(2, item, named);
  return named;
}

void PutDefinition(const DefinitionNode& definition, std::string& definitions) {
  std::string named;
  PutText(1, definition.name, named);
  PutBytes(2, DefinitionMessage(definition), named);
  PutBytes(1, named, definitions);
}

}  // namespace

std::string OpenApiV2Json(const Catalogue& catalogue) {
  std::string out;
  JsonWriter json(out);
  json.BeginObject();
  json.Field("swagger", "2.0");
  json.Key("info");
  json.BeginObject();
  json.Field("title", kTitle);
  json.Field("version", kKubernetesVersion);
  json.EndObject();
  const std::vector<const ResourceDesc*> resources = Everything(catalogue);
  json.Key("paths");
  json.BeginObject();
  for (const ResourceDesc* resource : resources) {
    for (const PathNode& path : DescribePaths(*resource)) WritePath(path, OpenApiVersion::kV2, json);
  }
  json.EndObject();
  json.Key("definitions");
  json.BeginObject();
  for (const MessageDesc* message : MessagesOf(resources)) {
    WriteDefinition(DescribeMessage(*message), OpenApiVersion::kV2, json);
  }
  for (const std::string_view name : ScalarDefinitions()) {
    WriteDefinition(DescribeScalar(name), OpenApiVersion::kV2, json);
  }
  json.EndObject();
  json.EndObject();
  return out;
}

std::string OpenApiV2Protobuf(const Catalogue& catalogue) {
  std::string out;
  PutText(1, "2.0", out);
  std::string info;
  PutText(1, kTitle, info);
  PutText(2, kKubernetesVersion, info);
  PutBytes(2, info, out);
  const std::vector<const ResourceDesc*> resources = Everything(catalogue);
  {
    std::string paths;
    for (const ResourceDesc* resource : resources) {
      for (const PathNode& path : DescribePaths(*resource)) PutBytes(2, PathMessage(path), paths);
    }
    PutBytes(8, paths, out);
  }
  std::string definitions;
  for (const MessageDesc* message : MessagesOf(resources)) PutDefinition(DescribeMessage(*message), definitions);
  for (const std::string_view name : ScalarDefinitions()) PutDefinition(DescribeScalar(name), definitions);
  PutBytes(9, definitions, out);
  return out;
}

HttpReply OpenApiV2Reply(const Catalogue& catalogue, const HttpRequest& request) {
  bool protobuf = false;
  bool json = request.Header("Accept").empty();
  for (const MediaRange& range : ParseAccept(request.Header("Accept"))) {
    if (range.type == "application" && range.subtype.starts_with("com.github.proto-openapi.spec.v2") &&
        range.subtype.ends_with("+protobuf")) {
      protobuf = true;
      break;
    }
    json = range.subtype == "*" || (range.type == "application" && range.subtype == "json");
    if (json) break;
  }
  if (!protobuf && !json) {
    return StatusReply({Code::kNotAcceptable, fmt::format("only the following media types are accepted: "
                                                          "application/json, {}",
                                                          kProtobufType)});
  }
  HttpReply reply;
  const std::string etag = fmt::format("\"{}{}\"", OpenApiFingerprint(catalogue), protobuf ? "P" : "J");
  reply.headers.emplace_back("ETag", etag);
  reply.headers.emplace_back("Vary", "Accept");
  if (request.Header("If-None-Match") == etag) {
    reply.status = 304;
    reply.content_type.clear();
    return reply;
  }
  reply.content_type = protobuf ? kProtobufType : "application/json";
  reply.body = protobuf ? OpenApiV2Protobuf(catalogue) : OpenApiV2Json(catalogue);
  return reply;
}

}  // namespace minikube::api
