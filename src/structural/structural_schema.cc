#include "structural/structural_schema.h"

#include <algorithm>
#include <functional>
#include <utility>

#include <minikube/codec.h>
#include <minikube/object.h>
#include <re2/re2.h>

#include "structural/rules.h"

namespace minikube {
namespace {

using apiextensions::v1::JSONSchemaProps;

// A document of the host's own making may be nested at will; deeper than the decoder allows nothing is looked at.
constexpr int kMaxSchemaDepth = 200;

SchemaNode::Type TypeNamed(std::string_view name) {
  using Type = SchemaNode::Type;
  if (name.empty()) return Type::kAny;
  if (name == "object") return Type::kObject;
  if (name == "array") return Type::kArray;
  if (name == "string") return Type::kString;
  if (name == "integer") return Type::kInteger;
  if (name == "number") return Type::kNumber;
  if (name == "boolean") return Type::kBoolean;
  return Type::kUnknown;
}

Json Literal(const RawJson& raw) {
  Result<Json> value = Json::Parse(raw.json);
  return value.ok() ? *std::move(value) : Json();
}

void Build(const JSONSchemaProps& props, SchemaNode& out, int depth);

std::unique_ptr<SchemaNode> BuildNode(const JSONSchemaProps& props, int depth) {
  auto node = std::make_unique<SchemaNode>();
  Build(props, *node, depth);
  return node;
}

std::vector<SchemaNode> BuildAll(const List<JSONSchemaProps>& all, int depth) {
  std::vector<SchemaNode> out;
  for (const JSONSchemaProps& props : all) Build(props, out.emplace_back(), depth);
  return out;
}

void BuildExtensions(const JSONSchemaProps& props, SchemaNode& out) {
  out.int_or_string = props.xKubernetesIntOrString;
  out.preserve_unknown = props.xKubernetesPreserveUnknownFields.value_or(false);
  out.embedded = props.xKubernetesEmbeddedResource;
  if (props.xKubernetesListType) {
    const Str& type = *props.xKubernetesListType;
    out.list_type = type == "map" ? ListType::kMap : type == "set" ? ListType::kSet : ListType::kAtomic;
  }
  out.map_atomic = props.xKubernetesMapType && *props.xKubernetesMapType == "atomic";
  out.map_keys.assign(props.xKubernetesListMapKeys.begin(), props.xKubernetesListMapKeys.end());
  for (const auto& rule : props.xKubernetesValidations) {
    out.rules.push_back({rule.rule.str(), rule.message.str(), rule.messageExpression.str(),
                         rule.reason ? rule.reason->str() : std::string(), rule.fieldPath.str(),
                         rule.optionalOldSelf.value_or(false), rule.optionalOldSelf.has_value()});
  }
}

void Build(const JSONSchemaProps& props, SchemaNode& out, int depth) {
  if (depth <= 0) return;
  out.type = TypeNamed(props.type);
  out.type_name = props.type;
  out.format = props.format;
  out.nullable = props.nullable;
  out.has_annotations = !props.title.empty() || !props.description.empty();
  if (props.default_) out.default_value = Literal(*props.default_);
  out.maximum = props.maximum;
  out.minimum = props.minimum;
  out.exclusive_maximum = props.exclusiveMaximum;
  out.exclusive_minimum = props.exclusiveMinimum;
  out.multiple_of = props.multipleOf;
  out.max_length = props.maxLength;
  out.min_length = props.minLength;
  out.max_items = props.maxItems;
  out.min_items = props.minItems;
  out.max_properties = props.maxProperties;
  out.min_properties = props.minProperties;
  out.unique_items = props.uniqueItems;
  out.pattern = props.pattern;
  if (!props.pattern.empty()) {
    auto regex = std::make_unique<re2::RE2>(re2::StringPiece(props.pattern.view().data(), props.pattern.size()),
                                            re2::RE2::Quiet);
    if (regex->ok()) out.regex = std::move(regex);
  }
  for (const RawJson& value : props.enum_) out.enum_values.push_back(Literal(value));
  out.required.assign(props.required.begin(), props.required.end());
  BuildExtensions(props, out);
  out.all_of = BuildAll(props.allOf, depth - 1);
  out.any_of = BuildAll(props.anyOf, depth - 1);
  out.one_of = BuildAll(props.oneOf, depth - 1);
  if (props.not_) out.not_schema = BuildNode(*props.not_, depth - 1);
  if (props.items && props.items->schema) out.items = BuildNode(*props.items->schema, depth - 1);
  for (const auto& [name, property] : props.properties) {
    SchemaProperty& member = out.properties.emplace_back();
    member.name = name;
    Build(property, member.node, depth - 1);
  }
  if (props.additionalProperties) {
    out.additional_set = true;
    out.additional_allowed = props.additionalProperties->allows || props.additionalProperties->schema;
    if (props.additionalProperties->schema) {
      out.additional = BuildNode(*props.additionalProperties->schema, depth - 1);
    }
  }
}

}  // namespace

SchemaNode::SchemaNode() = default;
SchemaNode::SchemaNode(SchemaNode&&) noexcept = default;
SchemaNode& SchemaNode::operator=(SchemaNode&&) noexcept = default;
SchemaNode::~SchemaNode() = default;

const SchemaNode* SchemaNode::Property(std::string_view name) const {
  const auto it = std::lower_bound(properties.begin(), properties.end(), name,
                                   [](const SchemaProperty& p, std::string_view n) { return p.name.view() < n; });
  return it != properties.end() && it->name == name ? &it->node : nullptr;
}

const SchemaNode* SchemaNode::Member(std::string_view name) const {
  const SchemaNode* property = Property(name);
  return property != nullptr ? property : additional.get();
}

MergeShape::Kind SchemaNode::MergeKind() const {
  if (type == Type::kArray) {
    if (list_type == ListType::kSet) return Kind::kSet;
    return list_type == ListType::kMap ? Kind::kKeyedList : Kind::kLeaf;
  }
  if (type == Type::kObject) {
    if (map_atomic) return Kind::kLeaf;
    const bool open = preserve_unknown && properties.empty() && additional == nullptr;
    return open ? Kind::kUnknown : Kind::kObject;
  }
  return type == Type::kAny && preserve_unknown ? Kind::kUnknown : Kind::kLeaf;
}

std::string SchemaNode::MergeDefault(std::string_view name) const {
  const SchemaNode* property = Property(name);
  return property != nullptr && !property->default_value.absent() ? property->default_value.ToString() : "";
}

StructuralSchema::StructuralSchema() = default;
StructuralSchema::~StructuralSchema() = default;

std::shared_ptr<const StructuralSchema> StructuralSchema::Make(const JSONSchemaProps& props) {
  std::shared_ptr<StructuralSchema> schema(new StructuralSchema);
  Build(props, schema->root_, kMaxSchemaDepth);
  auto rules = std::make_unique<SchemaRules>();
  rules->Compile(schema->root_);
  schema->rules_ = std::move(rules);
  return schema;
}

void StructuralSchema::ValidateRules(const Json& object, const Json* old, ErrorList& errors,
                                     std::int64_t* budget) const {
  std::int64_t own = kRuleBudget;
  rules_->Validate(root_, object, old, errors, budget != nullptr ? budget : &own);
}

void CheckSchemaRules(const JSONSchemaProps& props, const FieldPath& path, ErrorList& errors) {
  SchemaNode root;
  Build(props, root, kMaxSchemaDepth);
  SchemaRules rules;
  rules.Compile(root);
  CheckRules(root, rules, path, errors);
}

Json RootOf(const MessageDesc& desc, const CustomObject& object) {
  Json root = object.rest.is_object() ? object.rest : Json::Object();
  std::string api_version(desc.gvk.group);
  if (!api_version.empty()) api_version += '/';
  api_version += desc.gvk.version;
  root.Set("apiVersion", Json::String(api_version));
  root.Set("kind", Json::String(desc.gvk.kind));
  Json metadata = Json::Object();
  if (!object.metadata.name.empty()) metadata.Set("name", Json::String(object.metadata.name));
  if (!object.metadata.generateName.empty()) {
    metadata.Set("generateName", Json::String(object.metadata.generateName));
  }
  root.Set("metadata", std::move(metadata));
  return root;
}

std::shared_ptr<const StructuralSchema> SchemaCache::Get(const JSONSchemaProps& props) {
  std::string text;
  EncodeJsonMessage(DescriptorOf<JSONSchemaProps>(), &props, text);
  const std::size_t hash = std::hash<std::string>()(text);
  const std::lock_guard lock(mutex_);
  std::vector<Entry>& same_hash = entries_[hash];
  std::erase_if(same_hash, [](const Entry& entry) { return entry.schema.expired(); });
  for (const Entry& entry : same_hash) {
    if (!DeepEqual(entry.props, props)) continue;
    if (auto schema = entry.schema.lock()) return schema;
  }
  auto schema = StructuralSchema::Make(props);
  same_hash.push_back({props, schema});
  return schema;
}

}  // namespace minikube
