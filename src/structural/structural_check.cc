// What makes a schema structural: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/
// custom-resource-definitions/#specifying-a-structural-schema
#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <re2/re2.h>

#include "structural/structural_schema.h"

namespace minikube {
namespace {

using apiextensions::v1::JSONSchemaProps;

enum class Level : std::uint8_t { kRoot, kItem, kField };

constexpr int kMaxDepth = 200;

bool IsTypeAlone(const JSONSchemaProps& props, std::string_view type) {
  JSONSchemaProps expected;
  expected.type = type;
  return DeepEqual(props, expected);
}

// anyOf: [{type: integer}, {type: string}], which x-kubernetes-int-or-string makes legal.
bool IsIntOrString(const List<JSONSchemaProps>& any_of) {
  return any_of.size() == 2 && IsTypeAlone(any_of[0], "integer") && IsTypeAlone(any_of[1], "string");
}

class Checker {
 public:
  explicit Checker(ErrorList& errors) : errors_(errors) {}

  void Node(const JSONSchemaProps& props, Level level, const FieldPath& path, int depth);
  // What is said under the logical operators is said of a place that the schema proper has.
  void Complete(const JSONSchemaProps& nested, const JSONSchemaProps* outer, const FieldPath& outer_path,
                const FieldPath& path, int depth);
  void CompleteOperators(const JSONSchemaProps& props, const JSONSchemaProps* outer, const FieldPath& outer_path,
                         const FieldPath& path, int depth);

 private:
  void Unsupported(const JSONSchemaProps& props, const FieldPath& path);
  void Operators(const JSONSchemaProps& props, bool skip_any_of, bool skip_first_all_of, const FieldPath& path,
                 int depth);
  void Nested(const JSONSchemaProps& props, bool skip_any_of, const FieldPath& path, int depth);
  void Embedded(const JSONSchemaProps& props, Level level, const FieldPath& path);
  void Metadata(const JSONSchemaProps& props, bool check, Level level, const FieldPath& path);

  ErrorList& errors_;
};

void Checker::Unsupported(const JSONSchemaProps& props, const FieldPath& path) {
  const auto forbid = [&](bool there, std::string_view name) {
    if (there) errors_.Forbidden(path.Child(name), fmt::format("{} is not supported", name));
  };
  forbid(!props.id.empty(), "id");
  forbid(!props.schema.empty(), "$schema");
  forbid(props.ref && !props.ref->empty(), "$ref");
  forbid(!props.patternProperties.empty(), "patternProperties");
  forbid(!props.dependencies.empty(), "dependencies");
  forbid(static_cast<bool>(props.additionalItems), "additionalItems");
  forbid(!props.definitions.empty(), "definitions");
  if (props.items && !props.items->schemas.empty()) {
    errors_.Forbidden(path.Child("items"), "items must be a schema object and not an array");
  }
  if (props.xKubernetesPreserveUnknownFields && !*props.xKubernetesPreserveUnknownFields) {
    errors_.Invalid(path.Child("x-kubernetes-preserve-unknown-fields"), false, "must be true or undefined");
  }
}

void Checker::Node(const JSONSchemaProps& props, Level level, const FieldPath& path, int depth) {
  if (depth <= 0) return errors_.Invalid(path, "", "nested too deeply");
  if (errors_.size() >= kMaxSchemaErrors) return;
  Unsupported(props, path);
  const bool has_items = props.items && props.items->schema;
  if (props.type == "array" && !has_items) errors_.Required(path.Child("items"), "must be specified");
  if (has_items) Node(*props.items->schema, Level::kItem, path.Child("items"), depth - 1);
  const FieldPath properties = path.Child("properties");
  for (const auto& [name, property] : props.properties) {
    Node(property, Level::kField, properties.Key(name), depth - 1);
  }
  if (props.additionalProperties) {
    const FieldPath additional = path.Child("additionalProperties");
    if (level == Level::kRoot) errors_.Forbidden(additional, "must not be used at the root");
    if (props.additionalProperties->schema) {
      Node(*props.additionalProperties->schema, Level::kField, additional, depth - 1);
    }
  }
  if (props.xKubernetesIntOrString && props.xKubernetesPreserveUnknownFields.value_or(false)) {
    errors_.Invalid(path.Child("x-kubernetes-preserve-unknown-fields"), true,
                    "must be false if x-kubernetes-int-or-string is true");
  }
  if (props.xKubernetesIntOrString && props.xKubernetesEmbeddedResource) {
    errors_.Invalid(path.Child("x-kubernetes-embedded-resource"), true,
                    "must be false if x-kubernetes-int-or-string is true");
  }
  Operators(props, IsIntOrString(props.anyOf), !props.allOf.empty() && IsIntOrString(props.allOf[0].anyOf), path,
            depth);
  Embedded(props, level, path);
  CompleteOperators(props, &props, path, path, depth);
}

void Checker::Embedded(const JSONSchemaProps& props, Level level, const FieldPath& path) {
  const bool embedded = props.xKubernetesEmbeddedResource;
  const bool preserve = props.xKubernetesPreserveUnknownFields.value_or(false);
  const FieldPath type = path.Child("type");
  if (embedded && props.type != "object") {
    constexpr std::string_view kWhy = "must be object if x-kubernetes-embedded-resource is true";
    props.type.empty() ? errors_.Required(type, kWhy) : errors_.Invalid(type, props.type, kWhy);
  } else if (props.type.empty() && !props.xKubernetesIntOrString && !preserve) {
    errors_.Required(type, level == Level::kRoot   ? "must not be empty at the root"
                           : level == Level::kItem ? "must not be empty for specified array items"
                                                   : "must not be empty for specified object fields");
  }
  if (embedded && props.additionalProperties) {
    errors_.Forbidden(path.Child("additionalProperties"), "must not be used if x-kubernetes-embedded-resource is set");
  }
  if (level == Level::kRoot && !props.type.empty() && props.type != "object") {
    errors_.Invalid(type, props.type, "must be object at the root");
  }
  const bool check = level == Level::kRoot || embedded;
  const FieldPath properties = path.Child("properties");
  for (const std::string_view name : {"kind", "apiVersion"}) {
    const JSONSchemaProps* property = props.properties.Find(name);
    if (property == nullptr || !check || property->type == "string") continue;
    const FieldPath member = properties.Key(name);
    errors_.Invalid(member.Child("type"), property->type, "must be string");
  }
  if (const JSONSchemaProps* metadata = props.properties.Find("metadata")) {
    Metadata(*metadata, check, level, properties.Key("metadata"));
  }
  if (embedded && !preserve && props.properties.empty()) {
    errors_.Required(properties,
                     "must not be empty if x-kubernetes-embedded-resource is true without "
                     "x-kubernetes-preserve-unknown-fields");
  }
}

void Checker::Metadata(const JSONSchemaProps& props, bool check, Level level, const FieldPath& path) {
  if (check && props.type != "object") errors_.Invalid(path.Child("type"), props.type, "must be object");
  if (level != Level::kRoot) return;
  JSONSchemaProps rest = props;
  const bool only_names = std::all_of(props.properties.begin(), props.properties.end(), [](const auto& property) {
    return property.key == "name" || property.key == "generateName";
  });
  if (only_names) rest.properties.clear();
  rest.type = Str();
  rest.default_.reset();
  if (!DeepEqual(rest, JSONSchemaProps{})) {
    errors_.Forbidden(path,
                      "must not specify anything other than name and generateName, but metadata is implicitly "
                      "specified");
  }
}

void Checker::Operators(const JSONSchemaProps& props, bool skip_any_of, bool skip_first_all_of, const FieldPath& path,
                        int depth) {
  const auto each = [&](const List<JSONSchemaProps>& all, std::string_view name, bool first_skips) {
    const FieldPath operator_path = path.Child(name);
    for (std::size_t i = 0; i < all.size(); ++i) {
      Nested(all[i], first_skips && i == 0, operator_path.Index(i), depth - 1);
    }
  };
  if (!skip_any_of) each(props.anyOf, "anyOf", false);
  each(props.allOf, "allOf", skip_first_all_of);
  each(props.oneOf, "oneOf", false);
  if (props.not_) Nested(*props.not_, false, path.Child("not"), depth - 1);
  if (props.pattern.empty()) return;
  const re2::RE2 regex(re2::StringPiece(props.pattern.view().data(), props.pattern.size()), re2::RE2::Quiet);
  if (!regex.ok()) {
    errors_.Invalid(path.Child("pattern"), props.pattern,
                    fmt::format("must be a valid regular expression, but isn't: {}", regex.error()));
  }
}

void Checker::Nested(const JSONSchemaProps& props, bool skip_any_of, const FieldPath& path, int depth) {
  if (depth <= 0) return errors_.Invalid(path, "", "nested too deeply");
  if (errors_.size() >= kMaxSchemaErrors) return;
  Unsupported(props, path);
  Operators(props, skip_any_of, false, path, depth);
  if (props.items && props.items->schema) Nested(*props.items->schema, false, path.Child("items"), depth - 1);
  const FieldPath properties = path.Child("properties");
  for (const auto& [name, property] : props.properties) Nested(property, false, properties.Key(name), depth - 1);
  const auto forbid = [&](bool there, std::string_view name, std::string_view must) {
    if (there) errors_.Forbidden(path.Child(name), fmt::format("must be {} to be structural", must));
  };
  forbid(!props.type.empty(), "type", "empty");
  forbid(static_cast<bool>(props.additionalProperties), "additionalProperties", "undefined");
  forbid(props.default_.has_value(), "default", "undefined");
  forbid(!props.title.empty(), "title", "empty");
  forbid(!props.description.empty(), "description", "empty");
  forbid(props.nullable, "nullable", "false");
  forbid(props.xKubernetesPreserveUnknownFields.value_or(false), "x-kubernetes-preserve-unknown-fields", "false");
  forbid(props.xKubernetesEmbeddedResource, "x-kubernetes-embedded-resource", "false");
  forbid(props.xKubernetesIntOrString, "x-kubernetes-int-or-string", "false");
  forbid(!props.xKubernetesListMapKeys.empty(), "x-kubernetes-list-map-keys", "empty");
  forbid(props.xKubernetesListType.has_value(), "x-kubernetes-list-type", "undefined");
  forbid(props.xKubernetesMapType.has_value(), "x-kubernetes-map-type", "undefined");
  forbid(!props.xKubernetesValidations.empty(), "x-kubernetes-validations", "empty");
  if (props.properties.Contains("metadata")) {
    errors_.Forbidden(properties.Key("metadata"), "must not be specified in a nested context");
  }
}

void Checker::CompleteOperators(const JSONSchemaProps& props, const JSONSchemaProps* outer, const FieldPath& outer_path,
                                const FieldPath& path, int depth) {
  if (props.not_) Complete(*props.not_, outer, outer_path, path.Child("not"), depth - 1);
  const auto each = [&](const List<JSONSchemaProps>& all, std::string_view name) {
    const FieldPath operator_path = path.Child(name);
    for (std::size_t i = 0; i < all.size(); ++i) {
      Complete(all[i], outer, outer_path, operator_path.Index(i), depth - 1);
    }
  };
  each(props.allOf, "allOf");
  each(props.anyOf, "anyOf");
  each(props.oneOf, "oneOf");
}

void Checker::Complete(const JSONSchemaProps& nested, const JSONSchemaProps* outer, const FieldPath& outer_path,
                       const FieldPath& path, int depth) {
  if (depth <= 0 || errors_.size() >= kMaxSchemaErrors) return;
  if (outer == nullptr) {
    return errors_.Required(outer_path, fmt::format("because it is defined in {}", path.ToString()));
  }
  CompleteOperators(nested, outer, outer_path, path, depth);
  if (nested.items && nested.items->schema) {
    const JSONSchemaProps* items = outer->items ? outer->items->schema.get() : nullptr;
    Complete(*nested.items->schema, items, outer_path.Child("items"), path.Child("items"), depth - 1);
  }
  const FieldPath outer_properties = outer_path.Child("properties");
  const FieldPath properties = path.Child("properties");
  for (const auto& [name, property] : nested.properties) {
    Complete(property, outer->properties.Find(name), outer_properties.Key(name), properties.Key(name), depth - 1);
  }
}

}  // namespace

void CheckStructural(const JSONSchemaProps& props, const FieldPath& path, ErrorList& errors) {
  Checker(errors).Node(props, Level::kRoot, path, kMaxDepth);
}

}  // namespace minikube
