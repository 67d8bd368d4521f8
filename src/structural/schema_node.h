// One node of a schema: what a value at one place must be. The nodes under allOf, anyOf, oneOf and not have the same
// form, though a structural schema lets them say less (structural_check.cc).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/descriptor.h>
#include <minikube/json.h>
#include <minikube/types.h>

#include "model/merge_shape.h"

namespace re2 {
class RE2;
}

namespace minikube {

struct SchemaProperty;

// A rule in the expression language, as it was written (x-kubernetes-validations).
struct SchemaRule {
  std::string rule;
  std::string message;
  std::string message_expression;
  std::string reason;
  std::string field_path;
  bool optional_old_self = false;
  bool optional_old_self_set = false;
};

struct SchemaNode final : MergeShape {
  enum class Type : std::uint8_t { kAny, kObject, kArray, kString, kInteger, kNumber, kBoolean, kUnknown };

  SchemaNode();
  SchemaNode(SchemaNode&&) noexcept;
  SchemaNode& operator=(SchemaNode&&) noexcept;
  ~SchemaNode();

  Type type = Type::kAny;
  bool nullable = false;
  bool int_or_string = false;
  bool preserve_unknown = false;
  bool embedded = false;
  bool exclusive_maximum = false;
  bool exclusive_minimum = false;
  bool unique_items = false;
  bool map_atomic = false;
  bool has_annotations = false;  // a title or a description
  bool additional_set = false;   // additionalProperties is there: `additional`, or a boolean
  bool additional_allowed = false;
  std::optional<ListType> list_type;  // of an array
  std::vector<Str> map_keys;          // kMap
  Str type_name;
  Str format;
  Str pattern;
  std::unique_ptr<const re2::RE2> regex;  // of `pattern`; null if there is none, or it is malformed
  Json default_value;                     // absent if there is none
  std::optional<double> maximum;
  std::optional<double> minimum;
  std::optional<double> multiple_of;
  std::optional<std::int64_t> max_length;
  std::optional<std::int64_t> min_length;
  std::optional<std::int64_t> max_items;
  std::optional<std::int64_t> min_items;
  std::optional<std::int64_t> max_properties;
  std::optional<std::int64_t> min_properties;
  std::vector<Json> enum_values;
  std::vector<Str> required;
  std::vector<SchemaRule> rules;
  std::vector<SchemaProperty> properties;  // sorted by name
  std::unique_ptr<SchemaNode> items;
  std::unique_ptr<SchemaNode> additional;
  std::unique_ptr<SchemaNode> not_schema;
  std::vector<SchemaNode> all_of;
  std::vector<SchemaNode> any_of;
  std::vector<SchemaNode> one_of;
  std::size_t rules_index = 0;  // from 1: where SchemaRules has the compiled ones; 0: there are none here
  bool rules_below = false;     // there are rules here or below

  // The schema of that member, whether it is a property or an additional one; null if nothing is known of it.
  const SchemaNode* Property(std::string_view name) const;
  const SchemaNode* Member(std::string_view name) const;

  // For server-side apply: x-kubernetes-list-type and x-kubernetes-map-type.
  Kind MergeKind() const override;
  const MergeShape* MergeMember(std::string_view name) const override { return Member(name); }
  bool MergeDeclares(std::string_view name) const override { return Property(name) != nullptr; }
  const MergeShape* MergeItem() const override { return items.get(); }
  std::span<const Str> MergeKeys() const override { return map_keys; }
  std::string MergeDefault(std::string_view name) const override;
};

struct SchemaProperty {
  Str name;
  SchemaNode node;
};

}  // namespace minikube
