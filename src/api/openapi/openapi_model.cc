#include "api/openapi/openapi_model.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include <minikube/api/meta/v1.h>
#include <minikube/version.h>

#include "api/wire/json_text.h"
#include "crypto/digest.h"

namespace minikube::api {
namespace {

constexpr std::string_view kQuantity = "io.k8s.apimachinery.pkg.api.resource.Quantity";
constexpr std::string_view kIntOrString = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
constexpr std::string_view kTime = "io.k8s.apimachinery.pkg.apis.meta.v1.Time";
constexpr std::string_view kMicroTime = "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime";
constexpr std::string_view kDuration = "io.k8s.apimachinery.pkg.apis.meta.v1.Duration";
constexpr std::string_view kRawExtension = "io.k8s.apimachinery.pkg.runtime.RawExtension";

constexpr std::string_view kScalars[] = {kQuantity, kDuration,     kMicroTime,  kPatchDefinition,
                                         kTime,     kRawExtension, kIntOrString};

std::string JsonText(std::string_view text) {
  std::string out;
  AppendJsonString(text, out);
  return out;
}

SchemaNode Typed(std::string_view type, std::string_view format = {}) {
  SchemaNode node;
  node.type = type;
  node.format = format;
  return node;
}

SchemaNode Reference(std::string_view name) {
  SchemaNode node;
  node.ref = name;
  return node;
}

SchemaNode ArrayOf(const FieldDesc& field);

// One value of a field, whatever its shape.
SchemaNode DescribeValue(const FieldDesc& field) {
  switch (field.type) {
    case FieldType::kBool:
      return Typed("boolean");
    case FieldType::kInt32:
      return Typed("integer", "int32");
    case FieldType::kInt64:
      return Typed("integer", "int64");
    case FieldType::kDouble:
      return Typed("number", "double");
    case FieldType::kString: {
      SchemaNode node = Typed("string");
      node.enum_values = field.enum_values;
      return node;
    }
    case FieldType::kBytes:
      return Typed("string", "byte");
    case FieldType::kQuantity:
      return Reference(kQuantity);
    case FieldType::kIntOrString:
      return Reference(kIntOrString);
    case FieldType::kTime:
      return Reference(kTime);
    case FieldType::kMicroTime:
      return Reference(kMicroTime);
    case FieldType::kDuration:
      return Reference(kDuration);
    case FieldType::kRawJson:
    case FieldType::kJson: {
      if (field.has(kFieldEmbeddedObject)) return Reference(kRawExtension);
      SchemaNode node;
      node.extensions.emplace_back("x-kubernetes-preserve-unknown-fields", "true");
      return node;
    }
    case FieldType::kMessage:
      // A bare array in JSON has no definition of its own.
      if (field.message->json_form == JsonForm::kItems) return ArrayOf(field.message->fields.front());
      return Reference(field.message->name);
  }
  return {};
}

SchemaNode ArrayOf(const FieldDesc& field) {
  SchemaNode node = Typed("array");
  node.items = std::make_unique<SchemaNode>(DescribeValue(field));
  return node;
}

std::string StrategyText(std::uint8_t strategy) {
  std::string out;
  const auto add = [&](PatchStrategy bit, std::string_view name) {
    if ((strategy & static_cast<std::uint8_t>(bit)) == 0) return;
    if (!out.empty()) out += ',';
    out += name;
  };
  add(PatchStrategy::kMerge, "merge");
  add(PatchStrategy::kReplace, "replace");
  add(PatchStrategy::kRetainKeys, "retainKeys");
  return JsonText(out);
}

void AddExtensions(const FieldDesc& field, SchemaNode& node) {
  if (field.shape == Shape::kList) {
    if (!field.list_map_keys.empty()) {
      std::string keys;
      for (const std::string_view key : field.list_map_keys) keys += (keys.empty() ? "" : ",") + JsonText(key);
      node.extensions.emplace_back("x-kubernetes-list-map-keys", "[" + keys + "]");
    }
    const std::string_view type = field.list_type == ListType::kAtomic ? "atomic"
                                  : field.list_type == ListType::kSet  ? "set"
                                                                       : "map";
    node.extensions.emplace_back("x-kubernetes-list-type", JsonText(type));
  } else if (field.has(kFieldAtomic)) {
    node.extensions.emplace_back("x-kubernetes-map-type", "\"atomic\"");
  }
  if (!field.patch_merge_key.empty()) {
    node.extensions.emplace_back("x-kubernetes-patch-merge-key", JsonText(field.patch_merge_key));
  }
  if (field.patch_strategy != 0) {
    node.extensions.emplace_back("x-kubernetes-patch-strategy", StrategyText(field.patch_strategy));
  }
}

// The items of a list of objects are nothing that anybody merges.
bool IsItemsOfList(const MessageDesc& message, const FieldDesc& field) {
  return field.name == "items" && message.gvk.kind.ends_with("List");
}

SchemaNode DescribeField(const MessageDesc& message, const FieldDesc& field) {
  SchemaNode node;
  if (field.shape == Shape::kList) {
    node = ArrayOf(field);
  } else if (field.shape == Shape::kMap) {
    node = Typed("object");
    node.values = std::make_unique<SchemaNode>(DescribeValue(field));
  } else {
    node = DescribeValue(field);
  }
  node.doc = field.doc;
  node.default_json = field.default_json;
  if (!IsItemsOfList(message, field)) AddExtensions(field, node);
  return node;
}

void Collect(const MessageDesc& message, std::set<const MessageDesc*>& seen) {
  if (!seen.insert(&message).second) return;
  for (const FieldDesc& field : message.fields) {
    if (field.message != nullptr) Collect(*field.message, seen);
  }
}

constexpr ParameterNode kNamespaceParameter{"namespace", "string",
                                            "The namespace, for those who may see only its objects.", true};
constexpr ParameterNode kNameParameter{"name", "string", "Name of the object.", true};
constexpr ParameterNode kPretty{"pretty", "string", "Whether JSON is indented; by default for people's tools only."};
constexpr ParameterNode kDryRun{"dryRun", "string", "All: go through every stage but store nothing."};
constexpr ParameterNode kFieldManager{"fieldManager", "string",
                                      "Who makes the change; recorded as the owner of the fields set."};
constexpr ParameterNode kFieldValidation{"fieldValidation", "string",
                                         "What becomes of unknown and repeated fields: Ignore, Warn or Strict."};
constexpr ParameterNode kForce{"force", "boolean", "Take over fields that others own; for apply only."};
constexpr ParameterNode kListParameters[] = {
    {"allowWatchBookmarks", "boolean", "Ask for BOOKMARK events in a watch."},
    {"continue", "string", "Token of the previous piece of a list."},
    {"fieldSelector", "string", "Only objects whose fields match."},
    {"labelSelector", "string", "Only objects whose labels match."},
    {"limit", "integer", "At most so many objects in one piece."},
    {"resourceVersion", "string", "The revision to read or to watch from."},
    {"resourceVersionMatch", "string", "How resourceVersion is meant: Exact or NotOlderThan."},
    {"sendInitialEvents", "boolean", "Begin a watch with what exists."},
    {"timeoutSeconds", "integer", "End a watch after so long."},
    {"watch", "boolean", "Stream changes instead of listing."},
};
constexpr ParameterNode kDeleteParameters[] = {
    {"gracePeriodSeconds", "integer", "How long the object may take to stop; 0 removes it at once."},
    {"orphanDependents", "boolean", "Leave dependents behind; propagationPolicy says it better."},
    {"propagationPolicy", "string", "What becomes of dependents: Orphan, Background or Foreground."},
};
constexpr ParameterNode kLogParameters[] = {
    {"container", "string", "The container, if the pod has several."},
    {"follow", "boolean", "Go on as the log grows."},
    {"limitBytes", "integer", "At most so many bytes."},
    {"previous", "boolean", "Of the instance before the last restart."},
    {"sinceSeconds", "integer", "Only what is newer than so many seconds."},
    {"tailLines", "integer", "Only so many lines from the end."},
    {"timestamps", "boolean", "Begin each line with its time."},
};

// "rbac.authorization.k8s.io" -> "RbacAuthorization"; "" -> "Core".
std::string GroupWord(std::string_view group) {
  if (group.empty()) return "Core";
  constexpr std::string_view kSuffix = ".k8s.io";
  if (group.ends_with(kSuffix)) group.remove_suffix(kSuffix.size());
  std::string out;
  bool up = true;
  for (const char c : group) {
    if (c == '.') {
      up = true;
      continue;
    }
    out += up && c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    up = false;
  }
  return out;
}

std::string Capitalized(std::string_view text) {
  std::string out(text);
  if (!out.empty() && out[0] >= 'a' && out[0] <= 'z') out[0] = static_cast<char>(out[0] - 32);
  return out;
}

// Makes the operations of one path.
class PathBuilder {
 public:
  PathBuilder(const ResourceDesc& resource, std::string path, bool in_namespace, std::string_view subresource)
      : resource_(resource), in_namespace_(in_namespace), subresource_(subresource) {
    node_.path = std::move(path);
    std::string tag = GroupWord(resource.group);
    tag[0] = static_cast<char>(tag[0] + 32);
    node_.tag = fmt::format("{}_{}", tag, resource.version);
    if (in_namespace) node_.parameters.push_back(kNamespaceParameter);
  }

  void Add(std::string_view verb, const MessageDesc* message, bool all_namespaces = false) {
    OperationNode op;
    op.kind = message;
    const std::string_view name = message != nullptr ? message->name : std::string_view();
    op.response = name;
    std::string_view word;
    bool collection = false;
    if (verb == "get") {
      op.method = "get", op.action = "get", word = "read";
    } else if (verb == "list") {
      op.method = "get", op.action = "list", word = "list";
      if (resource_.list_message != nullptr) op.response = resource_.list_message->name;
      Append(op, kListParameters);
    } else if (verb == "create") {
      op.method = "post", op.action = "post", word = "create";
      op.body = name;
      Append(op, {{kDryRun, kFieldManager, kFieldValidation}});
    } else if (verb == "update") {
      op.method = "put", op.action = "put", word = "replace";
      op.body = name;
      Append(op, {{kDryRun, kFieldManager, kFieldValidation}});
    } else if (verb == "patch") {
      op.method = "patch", op.action = "patch", word = "patch";
      op.body = kPatchDefinition;
      Append(op, {{kDryRun, kFieldManager, kFieldValidation, kForce}});
    } else if (verb == "delete" || verb == "deletecollection") {
      collection = verb == "deletecollection";
      op.method = "delete", op.action = collection ? "deletecollection" : "delete", word = "delete";
      op.body = DescriptorOf<meta::v1::DeleteOptions>().name;
      op.response = DescriptorOf<meta::v1::Status>().name;
      Append(op, {{kDryRun}});
      Append(op, kDeleteParameters);
      if (collection) Append(op, kListParameters);
    } else {
      return;
    }
    if (IsConnect()) {
      // What follows is between the client and the node: neither body nor answer is an object.
      op.action = "connect", word = "connect";
      op.body = op.response = {};
      op.parameters.clear();
    }
    if (subresource_ == "log") {
      op.response = {};
      Append(op, kLogParameters);
    }
    op.id = fmt::format("{}{}{}{}{}{}{}{}",
                        IsConnect() ? fmt::format("{}{}", word, Capitalized(op.method)) : std::string(word),
                        GroupWord(resource_.group), Capitalized(resource_.version), collection ? "Collection" : "",
                        in_namespace_ ? "Namespaced" : "", resource_.kind, Capitalized(subresource_),
                        all_namespaces ? "ForAllNamespaces" : "");
    node_.operations.push_back(std::move(op));
  }

  PathNode Finish(bool named) && {
    if (named) node_.parameters.insert(node_.parameters.begin(), kNameParameter);
    node_.parameters.push_back(kPretty);
    return std::move(node_);
  }
  bool empty() const { return node_.operations.empty(); }

 private:
  bool IsConnect() const {
    return subresource_ == "exec" || subresource_ == "attach" || subresource_ == "portforward" ||
           subresource_ == "proxy";
  }
  static void Append(OperationNode& op, std::span<const ParameterNode> parameters) {
    op.parameters.insert(op.parameters.end(), parameters.begin(), parameters.end());
  }
  static void Append(OperationNode& op, std::initializer_list<ParameterNode> parameters) {
    op.parameters.insert(op.parameters.end(), parameters.begin(), parameters.end());
  }

  const ResourceDesc& resource_;
  bool in_namespace_;
  std::string_view subresource_;
  PathNode node_;
};

}  // namespace

std::string KindJson(const GroupVersionKind& gvk) {
  std::string out;
  JsonWriter json(out);
  json.BeginObject();
  json.Field("group", gvk.group);
  json.Field("kind", gvk.kind);
  json.Field("version", gvk.version);
  json.EndObject();
  return out;
}

DefinitionNode DescribeMessage(const MessageDesc& message) {
  DefinitionNode out;
  out.name = message.name;
  out.schema.doc = message.doc;
  if (message.json_form != JsonForm::kObject) return out;  // unions: anything
  out.schema.type = "object";
  const bool kind = !message.gvk.kind.empty();
  if (kind) {
    SchemaNode api_version = Typed("string");
    api_version.doc = "Group and version of the schema of this object.";
    out.properties.emplace_back("apiVersion", std::move(api_version));
  }
  for (const FieldDesc& field : message.fields) {
    out.properties.emplace_back(field.name, DescribeField(message, field));
    if (field.has(kFieldRequired)) out.required.push_back(field.name);
  }
  if (kind) {
    SchemaNode node = Typed("string");
    node.doc = "The type of this object.";
    out.properties.emplace_back("kind", std::move(node));
    out.schema.extensions.emplace_back("x-kubernetes-group-version-kind", "[" + KindJson(message.gvk) + "]");
  }
  std::stable_sort(out.properties.begin(), out.properties.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  if (message.atomic) out.schema.extensions.emplace_back("x-kubernetes-map-type", "\"atomic\"");
  return out;
}

std::span<const std::string_view> ScalarDefinitions() { return kScalars; }

DefinitionNode DescribeScalar(std::string_view name) {
  DefinitionNode out;
  out.name = name;
  if (name == kQuantity) {
    out.schema = Typed("string");
    out.schema.doc = "A number with an optional SI suffix, decimal (500m, 2k) or binary (64Mi).";
  } else if (name == kIntOrString) {
    out.schema = Typed("string", "int-or-string");
    out.schema.doc = "An integer or a string, such as a port number or a percentage.";
  } else if (name == kTime || name == kMicroTime) {
    out.schema = Typed("string", "date-time");
    out.schema.doc = "An instant as RFC 3339 writes it.";
  } else if (name == kDuration) {
    out.schema = Typed("string");
    out.schema.doc = "A span of time, such as 1h30m.";
  } else if (name == kRawExtension) {
    out.schema = Typed("object");
    out.schema.doc = "An object of any kind.";
  } else {
    out.schema = Typed("object");
    out.schema.doc = "A change to an object, in the form its media type says.";
  }
  return out;
}

std::vector<PathNode> DescribePaths(const ResourceDesc& resource) {
  const std::string root = resource.group.empty() ? fmt::format("/api/{}", resource.version)
                                                  : fmt::format("/apis/{}/{}", resource.group, resource.version);
  const std::string scope = resource.namespaced ? "/namespaces/{namespace}" : "";
  const std::string collection = fmt::format("{}{}/{}", root, scope, resource.plural);
  const auto has = [&resource](std::string_view verb) {
    return std::find(resource.verbs.begin(), resource.verbs.end(), verb) != resource.verbs.end();
  };
  std::vector<PathNode> paths;
  const auto keep = [&paths](PathBuilder&& builder, bool named) {
    if (!builder.empty()) paths.push_back(std::move(builder).Finish(named));
  };

  if (resource.namespaced && has("list")) {
    PathBuilder all(resource, fmt::format("{}/{}", root, resource.plural), false, "");
    all.Add("list", resource.message, true);
    keep(std::move(all), false);
  }
  PathBuilder many(resource, collection, resource.namespaced, "");
  for (const std::string_view verb : {"deletecollection", "list", "create"}) {
    if (has(verb)) many.Add(verb, resource.message);
  }
  keep(std::move(many), false);
  PathBuilder one(resource, collection + "/{name}", resource.namespaced, "");
  for (const std::string_view verb : {"delete", "get", "patch", "update"}) {
    if (has(verb)) one.Add(verb, resource.message);
  }
  keep(std::move(one), true);
  for (const SubresourceDesc& subresource : resource.subresources) {
    PathBuilder sub(resource, fmt::format("{}/{{name}}/{}", collection, subresource.name), resource.namespaced,
                    subresource.name);
    for (const std::string_view verb : subresource.verbs) sub.Add(verb, subresource.message);
    keep(std::move(sub), true);
  }
  return paths;
}

std::vector<const MessageDesc*> MessagesOf(const std::vector<const ResourceDesc*>& resources) {
  std::set<const MessageDesc*> seen;
  Collect(DescriptorOf<meta::v1::Status>(), seen);
  Collect(DescriptorOf<meta::v1::DeleteOptions>(), seen);
  Collect(DescriptorOf<meta::v1::WatchEvent>(), seen);
  for (const ResourceDesc* resource : resources) {
    Collect(*resource->message, seen);
    if (resource->list_message != nullptr) Collect(*resource->list_message, seen);
    for (const SubresourceDesc& subresource : resource->subresources) {
      if (subresource.message != nullptr && subresource.message->metadata_field >= 0)
        Collect(*subresource.message, seen);
    }
  }
  std::erase_if(seen, [](const MessageDesc* message) { return message->json_form == JsonForm::kItems; });
  std::vector<const MessageDesc*> messages(seen.begin(), seen.end());
  std::sort(messages.begin(), messages.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
  return messages;
}

std::string OpenApiFingerprint(const Catalogue& catalogue) {
  static const std::string built_in = [] {
    // Everything a document is made of, in a form that is cheap to hash.
    std::string facts = fmt::format("{} {}\n", kVersion, kKubernetesVersion);
    for (const MessageDesc* message : AllMessages()) {
      facts += message->name;
      facts += message->doc;
      for (const FieldDesc& field : message->fields) {
        facts += field.name;
        facts += field.doc;
        facts += static_cast<char>(field.type);
        facts += static_cast<char>(field.shape);
        facts += field.default_json;
      }
    }
    for (const ResourceDesc& resource : AllResources()) {
      facts += resource.plural;
      for (const std::string_view verb : resource.verbs) facts += verb;
      for (const SubresourceDesc& subresource : resource.subresources) facts += subresource.name;
    }
    return Sha256Hex(facts);
  }();
  return catalogue.fingerprint().empty() ? built_in : Sha256Hex(built_in + catalogue.fingerprint());
}

}  // namespace minikube::api
