#include "structural/declaration.h"

#include <algorithm>
#include <map>
#include <utility>

namespace minikube {
namespace {

using cel::JsonShape;
using Type = SchemaNode::Type;

class Fields final : public cel::ObjectInfo {
 public:
  Fields(std::string name, std::map<std::string, cel::TypeRef, std::less<>> fields)
      : name_(std::move(name)), fields_(std::move(fields)) {}
  std::string_view name() const override { return name_; }
  cel::TypeRef Field(std::string_view name) const override {
    const auto it = fields_.find(name);
    return it != fields_.end() ? it->second : nullptr;
  }

 private:
  const std::string name_;
  const std::map<std::string, cel::TypeRef, std::less<>> fields_;
};

Declaration Scalar(cel::TypeRef type, JsonShape::Form form, std::int64_t min_bytes) {
  Declaration out{std::move(type), std::make_unique<JsonShape>(), min_bytes};
  out.shape->form = form;
  return out;
}

// Characters of UTF-8 have up to four bytes.
std::int64_t MaxTextSize(const SchemaNode& node) {
  if (node.max_length) return std::max<std::int64_t>(*node.max_length, 0) * 4;
  std::int64_t longest = 0;
  for (const Json& value : node.enum_values) {
    longest = std::max(longest, static_cast<std::int64_t>(value.text().size()));
  }
  return node.enum_values.empty() ? kMaxObjectBytes - 2 : longest;
}

Declaration Text(const SchemaNode& node) {
  constexpr std::int64_t kLongestTime = 32;
  if (node.format == "byte") {
    const std::int64_t size = node.max_length ? std::max<std::int64_t>(*node.max_length, 0) : kMaxObjectBytes - 2;
    return Scalar(cel::types::Sized(cel::types::Bytes(), size), JsonShape::Form::kBytes, 2);
  }
  if (node.format == "duration") {
    return Scalar(cel::types::Sized(cel::types::Duration(), kLongestTime), JsonShape::Form::kDuration, 3);
  }
  if (node.format == "date") {
    return Scalar(cel::types::Sized(cel::types::Timestamp(), 12), JsonShape::Form::kDate, 12);
  }
  if (node.format == "date-time") {
    return Scalar(cel::types::Sized(cel::types::Timestamp(), kLongestTime), JsonShape::Form::kTimestamp, 21);
  }
  return Scalar(cel::types::Sized(cel::types::String(), MaxTextSize(node)), JsonShape::Form::kDyn, 2);
}

std::optional<Declaration> Container(const SchemaNode& element_node, bool list, std::optional<std::int64_t> bound,
                                     const std::string& name) {
  std::optional<Declaration> element =
      Declare(element_node, element_node.embedded, name + (list ? ".@items" : ".@values"));
  if (!element) return std::nullopt;
  const std::int64_t most = (kMaxObjectBytes - 2) / (element->min_bytes + (list ? 1 : 6));
  const std::int64_t size = bound ? std::max<std::int64_t>(*bound, 0) : most;
  Declaration out;
  out.type = list ? cel::types::List(element->type, size) : cel::types::Map(cel::types::String(), element->type, size);
  out.shape = std::make_unique<JsonShape>();
  out.shape->form = list ? JsonShape::Form::kList : JsonShape::Form::kMap;
  out.shape->element = std::move(element->shape);
  return out;
}

// The fields that every resource has, whatever its schema says of them.
SchemaNode MetaField(std::string_view name) {
  SchemaNode text;
  text.type = Type::kString;
  if (name != "metadata") return text;
  SchemaNode metadata;
  metadata.type = Type::kObject;
  for (const char* member : {"generateName", "name"}) {
    SchemaProperty& property = metadata.properties.emplace_back();
    property.name = member;
    property.node.type = Type::kString;
  }
  return metadata;
}

struct ObjectBuilder {
  std::map<std::string, cel::TypeRef, std::less<>> fields;
  std::vector<JsonShape::Field> shapes;
  std::int64_t min_bytes = 2;

  void Add(const SchemaNode& object, const Str& name, const SchemaNode& node, const std::string& type_name) {
    std::optional<Declaration> field = Declare(node, node.embedded, type_name + "." + name.str());
    if (!field) return;
    const bool required = std::find(object.required.begin(), object.required.end(), name) != object.required.end();
    if (required && node.default_value.absent()) {
      min_bytes += static_cast<std::int64_t>(name.size()) + field->min_bytes + 4;
    }
    const std::string escaped = cel::EscapeName(name);
    if (escaped.empty() || !fields.emplace(escaped, field->type).second) return;
    shapes.push_back({escaped, name, std::move(field->shape)});
  }
};

Declaration ObjectOf(const SchemaNode& node, bool root, const std::string& name) {
  ObjectBuilder builder;
  const auto is_meta = [](std::string_view n) { return n == "apiVersion" || n == "kind" || n == "metadata"; };
  if (root) {
    for (const char* field : {"apiVersion", "kind", "metadata"}) builder.Add(node, field, MetaField(field), name);
  }
  for (const SchemaProperty& property : node.properties) {
    if (!root || !is_meta(property.name)) builder.Add(node, property.name, property.node, name);
  }
  Declaration out;
  out.min_bytes = builder.min_bytes;
  out.shape = std::make_unique<JsonShape>();
  out.shape->form = JsonShape::Form::kObject;
  out.shape->type_name = name;
  out.shape->fields = std::move(builder.shapes);
  std::sort(out.shape->fields.begin(), out.shape->fields.end(),
            [](const JsonShape::Field& a, const JsonShape::Field& b) { return a.name < b.name; });
  out.type = cel::types::Object(std::make_shared<Fields>(name, std::move(builder.fields)));
  return out;
}

}  // namespace

std::optional<Declaration> Declare(const SchemaNode& node, bool root, const std::string& name) {
  if (node.int_or_string) {
    const std::int64_t size = node.max_length ? std::max<std::int64_t>(*node.max_length, 0) * 4 : kMaxObjectBytes - 2;
    return Scalar(cel::types::Sized(cel::types::Dyn(), size), JsonShape::Form::kDyn, 1);
  }
  switch (node.type) {
    case Type::kArray:
      return node.items != nullptr ? Container(*node.items, true, node.max_items, name) : std::nullopt;
    case Type::kObject:
      if (node.additional != nullptr && !root) return Container(*node.additional, false, node.max_properties, name);
      return ObjectOf(node, root, name);
    case Type::kString:
      return Text(node);
    case Type::kBoolean:
      return Scalar(cel::types::Bool(), JsonShape::Form::kDyn, 4);
    case Type::kInteger:
      return Scalar(cel::types::Int(), JsonShape::Form::kInteger, 1);
    case Type::kNumber:
      return Scalar(cel::types::Double(), JsonShape::Form::kDouble, 1);
    case Type::kAny:
    case Type::kUnknown:
      break;
  }
  return std::nullopt;
}

}  // namespace minikube
