#include "model/validate.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <minikube/codec.h>
#include <minikube/json.h>

#include "model/access.h"
#include "model/validation_names.h"

namespace minikube {
namespace {

using model::As;

class Validator {
 public:
  Validator(Strictness strictness, ErrorList& errors) : strictness_(strictness), errors_(errors) {}

  void Message(const MessageDesc& desc, const void* message, const FieldPath& path) {
    for (const FieldDesc& field : desc.fields) {
      const FieldPath at = path.Child(field.name);
      Field(field, message, at);
    }
  }

  void Field(const FieldDesc& field, const void* message, const FieldPath& path) {
    switch (field.shape) {
      case Shape::kList:
        for (std::size_t i = 0, n = model::ListSize(field, message); i < n; ++i) {
          const FieldPath item = path.Index(i);
          Value(field, model::ListAt(field, message, i), item);
        }
        if (strictness_ == Strictness::kCustom) Unique(field, message, path);
        return;
      case Shape::kMap:
        for (std::size_t i = 0, n = model::MapSize(field, message); i < n; ++i) {
          const FieldPath item = path.Key(model::MapKeyAt(field, message, i));
          Value(field, model::MapValueAt(field, message, i), item);
        }
        return;
      default:
        break;
    }
    const void* value = model::Get(field, message);
    if (field.has(kFieldRequired) && Absent(field, value)) {
      errors_.Required(path, "");
    } else if (value != nullptr && !(field.shape == Shape::kPlain && OptionalZero(field, value))) {
      Value(field, value, path);
    }
  }

 private:
  // Absence that can be told: Go leaves out zero numbers and empty lists, so those are taken for given values.
  static bool Absent(const FieldDesc& field, const void* value) {
    if (value == nullptr) return true;
    return field.shape == Shape::kPlain && field.type == FieldType::kString && As<Str>(value).empty();
  }

  // A plain zero that nobody wrote: bounds, enumerations and the rules of its own fields say nothing about it.
  static bool OptionalZero(const FieldDesc& field, const void* value) {
    const bool given = field.has(kFieldRequired) && field.type != FieldType::kString;
    return !given && model::IsZeroValue(model::TypeOf(field), value);
  }

  void Value(const FieldDesc& field, const void* value, const FieldPath& path) {
    switch (field.type) {
      case FieldType::kMessage:
        Message(*field.message, value, path);
        return;
      case FieldType::kString:
        Enumeration(field, As<Str>(value), path);
        return;
      case FieldType::kInt32:
        Bounds(field, As<std::int32_t>(value), path);
        return;
      case FieldType::kInt64:
        Bounds(field, As<std::int64_t>(value), path);
        return;
      default:
        return;
    }
  }

  void Enumeration(const FieldDesc& field, const Str& value, const FieldPath& path) {
    if (field.enum_values.empty()) return;
    if (std::find(field.enum_values.begin(), field.enum_values.end(), value.view()) != field.enum_values.end()) return;
    std::vector<std::string_view> supported(field.enum_values.begin(), field.enum_values.end());
    std::sort(supported.begin(), supported.end());
    errors_.NotSupported(path, value, supported);
  }

  void Bounds(const FieldDesc& field, std::int64_t value, const FieldPath& path) {
    const bool below = field.has(kFieldHasMin) && value < field.min;
    const bool above = field.has(kFieldHasMax) && value > field.max;
    if (!below && !above) return;
    std::string rule;
    if (!field.has(kFieldHasMax)) {
      rule = fmt::format("must be greater than or equal to {}", field.min);
    } else if (!field.has(kFieldHasMin)) {
      rule = fmt::format("must be less than or equal to {}", field.max);
    } else {
      rule = IsInRange(value, field.min, field.max).front();
    }
    errors_.Invalid(path, value, rule);
  }

  // Sets: no two equal elements. Maps: no two elements with equal keys. The JSON of the key is the identity.
  void Unique(const FieldDesc& field, const void* message, const FieldPath& path) {
    if (field.list_type == ListType::kAtomic) return;
    std::set<std::string> seen;
    for (std::size_t i = 0, n = model::ListSize(field, message); i < n; ++i) {
      const void* item = model::ListAt(field, message, i);
      std::string identity = Identity(field, item);
      if (!seen.insert(identity).second) errors_.Duplicate(path.Index(i), BadValue::Json(std::move(identity)));
    }
  }

  static std::string Identity(const FieldDesc& field, const void* item) {
    if (field.type != FieldType::kMessage) return Scalar(field.type, item);
    if (field.list_type == ListType::kSet) {
      std::string json;
      EncodeJsonMessage(*field.message, item, json);
      return json;
    }
    std::string out = "{";
    for (std::string_view key : field.list_map_keys) {
      const FieldDesc* key_field = field.message->Find(key);
      const void* value = key_field != nullptr ? model::Get(*key_field, item) : nullptr;
      if (value == nullptr) continue;
      if (out.size() > 1) out += ',';
      out.append(GoQuote(key)).append(":").append(Scalar(key_field->type, value));
    }
    return out + "}";
  }

  static std::string Scalar(FieldType type, const void* value) {
    switch (type) {
      case FieldType::kString:
        return BadValue(As<Str>(value)).text();
      case FieldType::kBool:
        return BadValue(As<bool>(value)).text();
      case FieldType::kInt32:
        return BadValue(As<std::int32_t>(value)).text();
      case FieldType::kInt64:
        return BadValue(As<std::int64_t>(value)).text();
      case FieldType::kDouble:
        return BadValue(As<double>(value)).text();
      case FieldType::kQuantity:
        return BadValue(As<Quantity>(value)).text();
      case FieldType::kIntOrString:
        return BadValue(As<IntOrString>(value)).text();
      case FieldType::kBytes:
        return BadValue(As<Bytes>(value).view()).text();
      case FieldType::kRawJson:
        return As<RawJson>(value).json.str();
      case FieldType::kJson:
        return As<Json>(value).ToString();
      case FieldType::kTime:
      case FieldType::kMicroTime:
        return std::to_string(As<Instant>(value).micros);
      case FieldType::kDuration:
        return std::to_string(As<Span>(value).nanos);
      case FieldType::kMessage:
        break;
    }
    return {};
  }

  const Strictness strictness_;
  ErrorList& errors_;
};

}  // namespace

void ValidateMessage(const MessageDesc& desc, const void* message, const FieldPath& path, Strictness strictness,
                     ErrorList& errors) {
  Validator(strictness, errors).Message(desc, message, path);
}

ErrorList ValidateStructure(const Object& object, Strictness strictness) {
  ErrorList errors;
  Validator validator(strictness, errors);
  const FieldPath root;
  const MessageDesc& desc = object.desc();
  for (std::size_t i = 0; i < desc.fields.size(); ++i) {
    const FieldDesc& field = desc.fields[i];
    if (static_cast<std::int32_t>(i) == desc.metadata_field) continue;
    if (strictness == Strictness::kBuiltIn && field.name == "status") continue;
    validator.Field(field, object.data(), root.Child(field.name));
  }
  return errors;
}

}  // namespace minikube
