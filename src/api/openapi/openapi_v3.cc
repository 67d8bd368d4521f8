#include "api/openapi/openapi_v3.h"

#include <fmt/format.h>

#include <minikube/api/apiextensions/v1.h>
#include <minikube/codec.h>
#include <minikube/custom_object.h>
#include <minikube/descriptor.h>
#include <minikube/json.h>
#include <minikube/version.h>

#include "api/openapi/openapi_json.h"
#include "api/openapi/openapi_model.h"
#include "api/wire/errors.h"
#include "api/wire/json_text.h"
#include "api/wire/negotiate.h"
#include "api/wire/reply.h"

namespace minikube::api {
namespace {

std::string DocumentPath(const GroupVersionDesc& gv) {
  return gv.group.empty() ? fmt::format("api/{}", gv.version) : fmt::format("apis/{}/{}", gv.group, gv.version);
}

// Gives a schema what every object has, as `base` says it; and so within, where whole objects are embedded.
void AddObjectMembers(const Json& base, bool object, Json& schema) {
  if (object || schema["x-kubernetes-embedded-resource"].boolean()) {
    for (const std::string_view name : {"apiVersion", "kind", "metadata"}) {
      schema.Mutable("properties").Set(name, base["properties"][name]);
    }
  }
  if (schema["items"].is_object()) AddObjectMembers(base, false, schema.Mutable("items"));
  if (schema["additionalProperties"].is_object()) AddObjectMembers(base, false, schema.Mutable("additionalProperties"));
  if (!schema["properties"].is_object()) return;
  std::vector<std::string> names;
  for (const JsonMember& member : schema["properties"].members()) names.push_back(member.key.str());
  for (const std::string& name : names) {
    const bool shared = object && (name == "apiVersion" || name == "kind" || name == "metadata");
    if (!shared) AddObjectMembers(base, false, schema.Mutable("properties").Mutable(name));
  }
}

// The version of a definition that a custom message is of; null for lists, and for what is no custom kind.
const apiextensions::v1::CustomResourceDefinitionVersion* VersionOf(const Catalogue& catalogue,
                                                                    const MessageDesc& message) {
  for (const Catalogue::Custom& custom : catalogue.custom()) {
    for (const ResourceDesc* resource : custom.known) {
      if (resource->message != &message || !custom.definition) continue;
      for (const auto& version : custom.definition->As<apiextensions::v1::CustomResourceDefinition>().spec.versions) {
        if (version.name == resource->version) return &version;
      }
    }
  }
  return nullptr;
}

// A custom kind, as its definition says it.
void WriteCustomDefinition(const MessageDesc& message,
                           const apiextensions::v1::CustomResourceDefinitionVersion& version, JsonWriter& json) {
  using apiextensions::v1::JSONSchemaProps;
  std::string text;
  JsonWriter plain(text);
  plain.BeginObject();
  WriteDefinition(DescribeMessage(message), OpenApiVersion::kV3, plain);
  plain.EndObject();
  Result<Json> parsed = Json::Parse(text);
  const Json base = parsed ? (*parsed)[message.name] : Json::Object();
  Json schema = Json::Object();
  if (version.schema && version.schema->openAPIV3Schema) {
    std::string props;
    EncodeJsonMessage(DescriptorOf<JSONSchemaProps>(), version.schema->openAPIV3Schema.get(), props);
    if (Result<Json> written = Json::Parse(props)) schema = *std::move(written);
  }
  AddObjectMembers(base, true, schema);
  schema.Set("x-kubernetes-group-version-kind", base["x-kubernetes-group-version-kind"]);
  for (const auto& field : version.selectableFields) {
    std::string_view path = field.jsonPath.view();
    if (path.starts_with('.')) path.remove_prefix(1);
    Json selectable = Json::Object();
    selectable.Set("fieldPath", Json::String(path));
    schema.Mutable("x-kubernetes-selectable-fields").Append(std::move(selectable));
  }
  json.Key(message.name);
  json.Raw(schema.ToString());
}

bool AcceptsJson(std::string_view accept) {
  if (accept.empty()) return true;
  for (const MediaRange& range : ParseAccept(accept)) {
    if (range.quality > 0 && (range.subtype == "*" || (range.type == "application" && range.subtype == "json")))
      return true;
  }
  return false;
}

}  // namespace

std::string OpenApiV3Index(const Catalogue& catalogue) {
  std::string out;
  JsonWriter json(out);
  json.BeginObject();
  json.Key("paths");
  json.BeginObject();
  for (const GroupVersionDesc& gv : catalogue.group_versions()) {
    const std::string path = DocumentPath(gv);
    json.Key(path);
    json.BeginObject();
    json.Field("serverRelativeURL", fmt::format("/openapi/v3/{}?hash={}", path, OpenApiFingerprint(catalogue)));
    json.EndObject();
  }
  json.EndObject();
  json.EndObject();
  return out;
}

std::string OpenApiV3Document(const Catalogue& catalogue, std::string_view group, std::string_view version) {
  std::vector<const ResourceDesc*> resources;
  for (const ResourceDesc* resource : catalogue.resources()) {
    if (resource->group == group && resource->version == version) resources.push_back(resource);
  }
  if (resources.empty()) return "";
  std::string out;
  JsonWriter json(out);
  json.BeginObject();
  json.Field("openapi", "3.0.0");
  json.Key("info");
  json.BeginObject();
  json.Field("title", "Kubernetes");
  json.Field("version", kKubernetesVersion);
  json.EndObject();
  json.Key("paths");
  json.BeginObject();
  for (const ResourceDesc* resource : resources) {
    for (const PathNode& path : DescribePaths(*resource)) WritePath(path, OpenApiVersion::kV3, json);
  }
  json.EndObject();
  json.Key("components");
  json.BeginObject();
  json.Key("schemas");
  json.BeginObject();
  for (const MessageDesc* message : MessagesOf(resources)) {
    if (const auto* version = IsCustom(*message) ? VersionOf(catalogue, *message) : nullptr) {
      WriteCustomDefinition(*message, *version, json);
    } else {
      WriteDefinition(DescribeMessage(*message), OpenApiVersion::kV3, json);
    }
  }
  for (const std::string_view name : ScalarDefinitions()) {
    WriteDefinition(DescribeScalar(name), OpenApiVersion::kV3, json);
  }
  json.EndObject();
  json.Key("securitySchemes");
  json.Raw(R"({"BearerToken":{"type":"apiKey","description":"Bearer token","name":"authorization","in":"header"}})");
  json.EndObject();
  json.EndObject();
  return out;
}

HttpReply OpenApiV3Reply(const Catalogue& catalogue, const HttpRequest& request,
                         const std::vector<std::string>& segments, std::string_view hash) {
  if (!AcceptsJson(request.Header("Accept"))) {
    return StatusReply({Code::kNotAcceptable, "only the following media types are accepted: application/json"});
  }
  HttpReply reply;
  const std::string etag = fmt::format("\"{}\"", OpenApiFingerprint(catalogue));
  reply.headers.emplace_back("ETag", etag);
  if (request.Header("If-None-Match") == etag) {
    reply.status = 304;
    reply.content_type.clear();
    return reply;
  }
  if (segments.size() == 2) {
    reply.body = OpenApiV3Index(catalogue);
    return reply;
  }
  if (segments.size() == 4 && segments[2] == "api") {
    reply.body = OpenApiV3Document(catalogue, "", segments[3]);
  } else if (segments.size() == 5 && segments[2] == "apis") {
    reply.body = OpenApiV3Document(catalogue, segments[3], segments[4]);
  }
  if (reply.body.empty()) return StatusReply(NoSuchResource());
  if (hash == OpenApiFingerprint(catalogue))
    reply.headers.emplace_back("Cache-Control", "public, immutable, max-age=31536000");
  return reply;
}

}  // namespace minikube::api
