#include "model/field_path.h"

#include <algorithm>

#include <fmt/format.h>

#include <minikube/json.h>

#include "model/access.h"

namespace minikube {
namespace {

bool IsText(const FieldDesc& field) { return field.type == FieldType::kString || field.type == FieldType::kQuantity; }

// Str and Quantity are both one Str in memory.
std::string_view Text(const FieldDesc& field, const void* value) {
  return field.type == FieldType::kString ? model::As<Str>(value).view() : model::As<Quantity>(value).text.view();
}

std::vector<std::string> SplitAtDots(std::string_view path) {
  std::vector<std::string> out;
  while (true) {
    const std::size_t dot = path.find('.');
    out.emplace_back(path.substr(0, dot));
    if (dot == std::string_view::npos) return out;
    path.remove_prefix(dot + 1);
  }
}

// "" where there is no scalar.
std::string JsonScalar(const Json& tree, const std::vector<std::string>& members) {
  const Json* value = &tree;
  for (const std::string& member : members) {
    value = value->Find(member);
    if (value == nullptr) return "";
  }
  if (value->is_bool()) return value->boolean() ? "true" : "false";
  return std::string(value->text());
}

}  // namespace

std::optional<CompiledPath> CompiledPath::Compile(const MessageDesc& desc, std::string_view path) {
  CompiledPath out;
  const MessageDesc* at = &desc;
  while (true) {
    const std::size_t dot = path.find('.');
    const FieldDesc* field = at->json_form == JsonForm::kObject ? at->Find(path.substr(0, dot)) : nullptr;
    if (field == nullptr && !at->fields.empty() && at->fields.back().has(kFieldRest)) {
      out.steps_.push_back(&at->fields.back());
      out.members_ = SplitAtDots(path);
      return out;
    }
    if (field == nullptr || field->shape == Shape::kList || field->shape == Shape::kMap) return std::nullopt;
    out.steps_.push_back(field);
    if (dot == std::string_view::npos) break;
    if (field->type != FieldType::kMessage) return std::nullopt;
    at = field->message;
    path.remove_prefix(dot + 1);
  }
  switch (out.steps_.back()->type) {
    case FieldType::kBool:
    case FieldType::kInt32:
    case FieldType::kInt64:
    case FieldType::kString:
    case FieldType::kQuantity:
    case FieldType::kIntOrString:
      return out;
    default:
      return std::nullopt;
  }
}

const void* CompiledPath::Find(const void* message) const {
  for (const FieldDesc* step : steps_) {
    message = model::Get(*step, message);
    if (message == nullptr) return nullptr;
  }
  return message;
}

std::string CompiledPath::Value(const void* message) const {
  const FieldDesc& field = *steps_.back();
  const void* value = Find(message);
  if (!members_.empty()) return value != nullptr ? JsonScalar(model::As<Json>(value), members_) : "";
  if (value == nullptr) return field.type == FieldType::kBool ? "false" : "";
  switch (field.type) {
    case FieldType::kBool:
      return model::As<bool>(value) ? "true" : "false";
    case FieldType::kInt32:
      return std::to_string(model::As<std::int32_t>(value));
    case FieldType::kInt64:
      return std::to_string(model::As<std::int64_t>(value));
    case FieldType::kIntOrString: {
      const auto& v = model::As<IntOrString>(value);
      return v.is_string ? v.string_value.str() : std::to_string(v.int_value);
    }
    default:
      return std::string(Text(field, value));
  }
}

bool CompiledPath::Equals(const void* message, std::string_view text) const {
  if (!IsText(*steps_.back())) return Value(message) == text;
  const void* value = Find(message);
  return (value != nullptr ? Text(*steps_.back(), value) : std::string_view()) == text;
}

std::optional<std::string> FieldValue(const Object& object, std::string_view path) {
  const std::optional<CompiledPath> compiled = CompiledPath::Compile(object.desc(), path);
  if (!compiled) return std::nullopt;
  return compiled->Value(object.data());
}

Result<FieldMatcher> FieldMatcher::Compile(const FieldSelector& selector, const MessageDesc& desc) {
  FieldMatcher out;
  for (const FieldSelector::Requirement& r : selector.requirements()) {
    MINIKUBE_RETURN_IF_ERROR(out.Add(desc, r.path, {}, r.equals, r.value));
  }
  return out;
}

Status FieldMatcher::Add(const MessageDesc& desc, std::string_view path, std::string_view otherwise, bool equals,
                         std::string_view value) {
  std::optional<CompiledPath> first = CompiledPath::Compile(desc, path);
  std::optional<CompiledPath> second;
  if (!otherwise.empty()) second = CompiledPath::Compile(desc, otherwise);
  if (!first || second.has_value() != !otherwise.empty()) {
    return {Code::kBadRequest, fmt::format("field label not supported: {}", path)};
  }
  terms_.push_back({std::move(*first), std::move(second), equals, std::string(value)});
  return {};
}

bool FieldMatcher::Term::Holds(const void* message) const {
  const bool elsewhere = otherwise && path.Equals(message, {});
  return (elsewhere ? *otherwise : path).Equals(message, value) == equals;
}

bool FieldMatcher::Matches(const Object& object) const {
  return std::all_of(terms_.begin(), terms_.end(), [&](const Term& term) { return term.Holds(object.data()); });
}

}  // namespace minikube
