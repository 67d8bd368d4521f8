// Validation of values as kube-openapi does it for custom resources, with its messages; and ratcheting: what is as it
// was is tolerated.
#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <re2/re2.h>

#include "cel/library/text_formats.h"
#include "structural/schema_validator.h"
#include "structural/structural_schema.h"

namespace minikube {
namespace {

using Type = SchemaNode::Type;

// An integer in the sense of JSON schema: 1.0 is one, 1.5 is none.
bool IsInteger(const Json& value) {
  if (value.AsInt64()) return true;
  const std::optional<double> number = value.AsDouble();
  return number && std::isfinite(*number) && std::trunc(*number) == *number && std::fabs(*number) <= 9007199254740991.0;
}

std::string_view TypeOfValue(const Json& value) {
  switch (value.kind()) {
    case Json::Kind::kBool:
      return "boolean";
    case Json::Kind::kNumber:
      return value.AsInt64() ? "integer" : "number";
    case Json::Kind::kString:
      return "string";
    case Json::Kind::kArray:
      return "array";
    case Json::Kind::kObject:
      return "object";
    case Json::Kind::kNull:
    case Json::Kind::kAbsent:
      break;
  }
  return "null";
}

bool HasType(const SchemaNode& schema, const Json& value) {
  if (schema.int_or_string) return value.is_string() || (value.is_number() && IsInteger(value));
  switch (schema.type) {
    case Type::kAny:
      return true;
    case Type::kObject:
      return value.is_object();
    case Type::kArray:
      return value.is_array();
    case Type::kString:
      return value.is_string();
    case Type::kBoolean:
      return value.is_bool();
    case Type::kNumber:
      return value.is_number();
    case Type::kInteger:
      return value.is_number() && IsInteger(value);
    case Type::kUnknown:
      return false;
  }
  return false;
}

BadValue Shown(const Json& value) { return BadValue::Json(value.ToString()); }

// Unicode characters of UTF-8 text.
std::int64_t Characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

std::string Number(double value) { return Json::Double(value).ToString(); }

class Validator {
 public:
  explicit Validator(ErrorList& errors) : errors_(errors) {}

  // `old` is what was at this place; null if nothing was, or it cannot be told.
  void Value(const SchemaNode& schema, const Json& value, const Json* old, const FieldPath& path, bool root);

 private:
  bool TypeIsRight(const SchemaNode& schema, const Json& value, const FieldPath& path);
  void Text(const SchemaNode& schema, std::string_view text, const Json& value, const FieldPath& path);
  void Range(const SchemaNode& schema, const Json& value, const FieldPath& path);
  void Items(const SchemaNode& schema, const Json& value, const Json* old, const FieldPath& path);
  void Object(const SchemaNode& schema, const Json& value, const Json* old, const FieldPath& path, bool root);
  void Enum(const SchemaNode& schema, const Json& value, const FieldPath& path);
  void Operators(const SchemaNode& schema, const Json& value, const Json* old, const FieldPath& path, bool root);
  ErrorList Try(const SchemaNode& schema, const Json& value, const Json* old, const FieldPath& path, bool root);
  // An error of the object as a whole, as kube-openapi reports what operators say.
  void Whole(const FieldPath& path, std::string_view what) {
    const std::string where = PathText(path);
    errors_.Invalid(FieldPath(), "", fmt::format("{} {}", GoQuote(where), what));
  }
  // The path as kube-openapi has it in its messages; "" for the root.
  static std::string PathText(const FieldPath& path) {
    std::string text = path.ToString();
    return text == "<nil>" ? std::string() : text;
  }
  static std::string InBody(const FieldPath& path, std::string_view what) {
    return fmt::format("{} in body {}", PathText(path), what);
  }

  ErrorList& errors_;
};

void Validator::Value(const SchemaNode& schema, const Json& value, const Json* old, const FieldPath& path, bool root) {
  if (old != nullptr && *old == value) return;
  if (errors_.size() >= kMaxSchemaErrors) return;
  if (!TypeIsRight(schema, value, path)) return;
  if (value.is_null()) return;
  Enum(schema, value, path);
  switch (value.kind()) {
    case Json::Kind::kString:
      Text(schema, value.text(), value, path);
      break;
    case Json::Kind::kNumber:
      Range(schema, value, path);
      break;
    case Json::Kind::kArray:
      Items(schema, value, old, path);
      break;
    case Json::Kind::kObject:
      Object(schema, value, old, path, root);
      break;
    default:
      break;
  }
  Operators(schema, value, old, path, root);
}

bool Validator::TypeIsRight(const SchemaNode& schema, const Json& value, const FieldPath& path) {
  if (value.is_null() && (schema.nullable || (schema.type == Type::kAny && !schema.int_or_string))) return true;
  if (HasType(schema, value)) return true;
  const std::string wanted = schema.int_or_string ? "integer,string" : schema.type_name.str();
  errors_.TypeInvalid(path, value.is_null() ? BadValue("") : Shown(value),
                      InBody(path, fmt::format("must be of type {}: {}", wanted, GoQuote(TypeOfValue(value)))));
  return false;
}

void Validator::Enum(const SchemaNode& schema, const Json& value, const FieldPath& path) {
  if (schema.enum_values.empty()) return;
  for (const Json& allowed : schema.enum_values) {
    if (SameValue(allowed, value)) return;
  }
  std::vector<std::string> texts;
  for (const Json& allowed : schema.enum_values) {
    texts.push_back(allowed.is_string() ? std::string(allowed.text()) : allowed.ToString());
  }
  const std::vector<std::string_view> supported(texts.begin(), texts.end());
  errors_.NotSupported(path, Shown(value), supported);
}

void Validator::Text(const SchemaNode& schema, std::string_view text, const Json& value, const FieldPath& path) {
  const std::int64_t length = Characters(text);
  if (schema.max_length && length > *schema.max_length) errors_.TooLong(path, *schema.max_length);
  if (schema.min_length && length < *schema.min_length) {
    errors_.Invalid(path, Shown(value),
                    InBody(path, fmt::format("should be at least {} chars long", *schema.min_length)));
  }
  if (schema.regex != nullptr && !re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *schema.regex)) {
    errors_.Invalid(path, Shown(value), InBody(path, fmt::format("should match '{}'", schema.pattern.view())));
  }
  if (!schema.format.empty() && !text_formats::Matches(schema.format, text)) {
    errors_.TypeInvalid(path, Shown(value),
                        InBody(path, fmt::format("must be of type {}: {}", schema.format.view(), GoQuote(text))));
  }
}

void Validator::Range(const SchemaNode& schema, const Json& value, const FieldPath& path) {
  const double number = *value.AsDouble();
  const auto invalid = [&](std::string_view rule, double bound) {
    errors_.Invalid(path, Shown(value), InBody(path, fmt::format("should be {} {}", rule, Number(bound))));
  };
  if (schema.multiple_of && *schema.multiple_of > 0) {
    const double quotient = number / *schema.multiple_of;
    if (std::fabs(quotient - std::round(quotient)) > 1e-9 * std::max(1.0, std::fabs(quotient))) {
      invalid("a multiple of", *schema.multiple_of);
    }
  }
  if (schema.maximum) {
    if (schema.exclusive_maximum && number >= *schema.maximum) invalid("less than", *schema.maximum);
    if (!schema.exclusive_maximum && number > *schema.maximum) invalid("less than or equal to", *schema.maximum);
  }
  if (schema.minimum) {
    if (schema.exclusive_minimum && number <= *schema.minimum) invalid("greater than", *schema.minimum);
    if (!schema.exclusive_minimum && number < *schema.minimum) invalid("greater than or equal to", *schema.minimum);
  }
  const bool beyond = (schema.format == "int32" && (number < -2147483648.0 || number > 2147483647.0)) ||
                      (schema.format == "float" && std::isfinite(number) && std::fabs(number) > 3.4028234663852886e38);
  if (beyond) {
    errors_.Invalid(path, Shown(value),
                    fmt::format("Checked value must be of type {} with format {} in {}", schema.type_name.view(),
                                schema.format.view(), PathText(path)));
  }
}

void Validator::Items(const SchemaNode& schema, const Json& value, const Json* old, const FieldPath& path) {
  const auto size = static_cast<std::int64_t>(value.size());
  if (schema.min_items && size < *schema.min_items) {
    errors_.Invalid(path, Shown(value), InBody(path, fmt::format("should have at least {} items", *schema.min_items)));
  }
  if (schema.max_items && size > *schema.max_items) {
    errors_.TooMany(path, value.size(), static_cast<std::size_t>(*schema.max_items));
  }
  if (schema.unique_items) {
    std::set<std::string> seen;
    for (const Json& item : value.items()) seen.insert(item.ToString());
    if (seen.size() < value.size()) {
      errors_.Invalid(path, Shown(value), InBody(path, "shouldn't contain duplicates"));
    }
  }
  if (schema.items == nullptr) return;
  const OldItems old_items(schema, old);
  for (std::size_t i = 0; i < value.size(); ++i) {
    const Json& item = value.items()[i];
    Value(*schema.items, item, old_items.Find(item), path.Index(i), false);
  }
}

bool IsMetaField(std::string_view name) { return name == "apiVersion" || name == "kind" || name == "metadata"; }

void Validator::Object(const SchemaNode& schema, const Json& value, const Json* old, const FieldPath& path, bool root) {
  const auto size = static_cast<std::int64_t>(value.size());
  if (schema.min_properties && size < *schema.min_properties) {
    errors_.Invalid(path, Shown(value),
                    InBody(path, fmt::format("should have at least {} properties", *schema.min_properties)));
  }
  if (schema.max_properties && size > *schema.max_properties) {
    errors_.TooMany(path, value.size(), static_cast<std::size_t>(*schema.max_properties));
  }
  for (const JsonMember& member : value.members()) {
    const SchemaNode* property = schema.Member(member.key);
    if (property != nullptr) {
      Value(*property, member.value, OldMember(schema, old, member.key), path.Child(member.key), false);
    } else if (schema.additional_set && !schema.additional_allowed) {
      errors_.Invalid(path, "",
                      fmt::format("{}.{} in body is a forbidden property", PathText(path), member.key.view()));
    }
  }
  for (const Str& name : schema.required) {
    if (value.Find(name) != nullptr || (root && IsMetaField(name))) continue;
    errors_.Required(path.Child(name), "");
  }
}

ErrorList Validator::Try(const SchemaNode& schema, const Json& value, const Json* old, const FieldPath& path,
                         bool root) {
  ErrorList found;
  Validator(found).Value(schema, value, old, path, root);
  return found;
}

void Validator::Operators(const SchemaNode& schema, const Json& value, const Json* old, const FieldPath& path,
                          bool root) {
  if (!schema.any_of.empty()) {
    std::optional<ErrorList> best;
    bool valid = false;
    for (const SchemaNode& alternative : schema.any_of) {
      ErrorList found = Try(alternative, value, old, path, root);
      valid = found.empty();
      if (valid) break;
      if (!best || found.size() < best->size()) best = std::move(found);
    }
    if (!valid) {
      Whole(path, "must validate at least one schema (anyOf)");
      errors_.Append(std::move(*best));
    }
  }
  if (!schema.one_of.empty()) {
    std::optional<ErrorList> best;
    int valid = 0;
    for (const SchemaNode& alternative : schema.one_of) {
      ErrorList found = Try(alternative, value, old, path, root);
      if (found.empty()) {
        ++valid;
      } else if (!best || found.size() < best->size()) {
        best = std::move(found);
      }
    }
    if (valid != 1) {
      Whole(path, fmt::format("must validate one and only one schema (oneOf). {}",
                              valid == 0 ? "Found none valid" : fmt::format("Found {} valid alternatives", valid)));
      if (valid == 0) errors_.Append(std::move(*best));
    }
  }
  std::size_t failed = 0;
  for (const SchemaNode& part : schema.all_of) {
    ErrorList found = Try(part, value, old, path, root);
    if (!found.empty()) ++failed;
    errors_.Append(std::move(found));
  }
  if (failed > 0) {
    Whole(path, fmt::format("must validate all the schemas (allOf){}",
                            failed == schema.all_of.size() ? ". None validated" : ""));
  }
  if (schema.not_schema != nullptr && Try(*schema.not_schema, value, nullptr, path, root).empty()) {
    Whole(path, "must not validate the schema (not)");
  }
}

}  // namespace

void StructuralSchema::Validate(const Json& object, const Json* old, ErrorList& errors) const {
  const FieldPath path;
  Validator(errors).Value(root_, object, old, path, true);
  ValidateEmbedded(root_, object, true, path, errors);
  ErrorList list_errors;
  ValidateListTypes(root_, object, path, list_errors);
  if (list_errors.empty()) return;
  if (old != nullptr) {
    ErrorList before;
    ValidateListTypes(root_, *old, path, before);
    if (!before.empty()) return;  // it was wrong already
  }
  errors.Append(std::move(list_errors));
}

}  // namespace minikube
