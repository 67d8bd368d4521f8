// Generated structs as values of expressions: what their JSON would say, read through the descriptors.
#include <string>

#include <minikube/descriptor.h>
#include <minikube/json.h>
#include <minikube/types.h>

#include "cel/json_value.h"
#include "cel/program.h"
#include "model/access.h"
#include "model/json_codec.h"
#include "model/scalar_text.h"

namespace minikube::cel {
namespace {

using model::As;
using model::ValueType;

// An owned copy, for what has no memory to borrow from.
Value Copy(const Json& tree) {
  switch (tree.kind()) {
    case Json::Kind::kString:
      return Value::String(tree.text());
    case Json::Kind::kArray: {
      std::vector<Value> items;
      for (const Json& item : tree.items()) items.push_back(Copy(item));
      return Value::List(std::move(items));
    }
    case Json::Kind::kObject: {
      std::vector<std::pair<Value, Value>> entries;
      for (const JsonMember& member : tree.members()) {
        entries.emplace_back(Value::String(member.key), Copy(member.value));
      }
      return Value::Map(std::move(entries));
    }
    default:
      return FromJson(tree);
  }
}

Value OfText(std::string_view json) {
  const Result<Json> tree = Json::Parse(json);
  return tree.ok() ? Copy(*tree) : Value::Null();
}

Value OfScalar(ValueType type, const void* value) {
  std::string text;
  switch (type.type) {
    case FieldType::kBool:
      return Value::Bool(As<bool>(value));
    case FieldType::kInt32:
      return Value::Int(As<std::int32_t>(value));
    case FieldType::kInt64:
      return Value::Int(As<std::int64_t>(value));
    case FieldType::kDouble:
      return Value::Double(As<double>(value));
    case FieldType::kString:
      return Value::BorrowedString(As<Str>(value).view());
    case FieldType::kBytes:
      model::AppendBase64(As<Bytes>(value).view(), text);
      return Value::String(text);
    case FieldType::kIntOrString: {
      const auto& either = As<IntOrString>(value);
      return either.is_string ? Value::BorrowedString(either.string_value.view()) : Value::Int(either.int_value);
    }
    case FieldType::kTime:
    case FieldType::kMicroTime: {
      const std::int64_t micros = As<std::int64_t>(value);
      if (micros == 0) return Value::Null();
      type.type == FieldType::kTime ? model::AppendTime(micros, text) : model::AppendMicroTime(micros, text);
      return Value::String(text);
    }
    case FieldType::kDuration:
      model::AppendSpan(As<Span>(value).nanos, text);
      return Value::String(text);
    case FieldType::kRawJson:
      return OfText(As<RawJson>(value).json);
    case FieldType::kJson:
      return FromJson(As<Json>(value));
    case FieldType::kQuantity: {
      model::EncodeJsonValue(type, value, text);
      return OfText(text);
    }
    case FieldType::kMessage:
      if (type.message->json_form == JsonForm::kObject) return FromMessage(*type.message, value);
      model::EncodeJsonValue(type, value, text);
      return OfText(text);
  }
  return Value::Null();
}

class FieldList final : public ListView {
 public:
  std::size_t Size(const void* source, const void* type) const override { return model::ListSize(Field(type), source); }
  Value At(const void* source, const void* type, std::size_t index) const override {
    const FieldDesc& field = Field(type);
    return OfScalar(model::TypeOf(field), model::ListAt(field, source, index));
  }

 private:
  static const FieldDesc& Field(const void* type) { return *static_cast<const FieldDesc*>(type); }
};

class FieldMap final : public MapView {
 public:
  std::size_t Size(const void* source, const void* type) const override { return model::MapSize(Field(type), source); }
  bool Find(const void* source, const void* type, std::string_view key, Value* out) const override {
    const void* value = model::MapFind(Field(type), source, key);
    if (value != nullptr) *out = OfScalar(model::TypeOf(Field(type)), value);
    return value != nullptr;
  }
  std::vector<Value> Keys(const void* source, const void* type) const override {
    std::vector<Value> keys;
    for (std::size_t i = 0, n = model::MapSize(Field(type), source); i < n; ++i) {
      keys.push_back(Value::BorrowedString(model::MapKeyAt(Field(type), source, i).view()));
    }
    return keys;
  }
  std::string_view TypeName(const void*) const override { return "map"; }

 private:
  static const FieldDesc& Field(const void* type) { return *static_cast<const FieldDesc*>(type); }
};

constexpr FieldList kFieldList;
constexpr FieldMap kFieldMap;

Value OfField(const FieldDesc& field, const void* message) {
  switch (field.shape) {
    case Shape::kPlain:
    case Shape::kOptional:
    case Shape::kBox: {
      const void* value = model::Get(field, message);
      return value != nullptr ? OfScalar(model::TypeOf(field), value) : Value::Null();
    }
    case Shape::kList:
      return model::IsSet(field, message) ? Value::View(kFieldList, message, &field) : Value::Null();
    case Shape::kMap:
      return model::IsSet(field, message) ? Value::View(kFieldMap, message, &field) : Value::Null();
  }
  return Value::Null();
}

// A member named `key` is in the JSON of the message.
bool IsThere(const FieldDesc& field, const void* message) {
  return model::IsSet(field, message) || field.has(kFieldAlways);
}

class MessageMap final : public MapView {
 public:
  std::size_t Size(const void* source, const void* type) const override { return Keys(source, type).size(); }
  bool Find(const void* source, const void* type, std::string_view key, Value* out) const override {
    const MessageDesc& desc = *static_cast<const MessageDesc*>(type);
    const FieldDesc* field = desc.Find(key);
    if (field == nullptr) {
      if (!desc.gvk.kind.empty() && key == "kind") return *out = Value::BorrowedString(desc.gvk.kind), true;
      if (!desc.gvk.kind.empty() && key == "apiVersion") return *out = ApiVersion(desc.gvk), true;
      const Json* rest = Rest(desc, source);
      const Json* member = rest != nullptr ? rest->Find(key) : nullptr;
      if (member != nullptr) *out = FromJson(*member);
      return member != nullptr;
    }
    if (!IsThere(*field, source)) return false;
    *out = OfField(*field, source);
    return true;
  }
  std::vector<Value> Keys(const void* source, const void* type) const override {
    const MessageDesc& desc = *static_cast<const MessageDesc*>(type);
    std::vector<Value> keys;
    if (!desc.gvk.kind.empty()) keys = {Value::String("apiVersion"), Value::String("kind")};
    for (const FieldDesc& field : desc.fields) {
      if (!field.has(kFieldRest) && IsThere(field, source)) keys.push_back(Value::BorrowedString(field.name));
    }
    if (const Json* rest = Rest(desc, source)) {
      for (const JsonMember& member : rest->members()) keys.push_back(Value::BorrowedString(member.key.view()));
    }
    return keys;
  }
  std::string_view TypeName(const void* type) const override { return static_cast<const MessageDesc*>(type)->name; }

 private:
  static const Json* Rest(const MessageDesc& desc, const void* message) {
    if (desc.fields.empty() || !desc.fields.back().has(kFieldRest)) return nullptr;
    return &As<Json>(model::SlotOf(desc.fields.back(), message));
  }
  static Value ApiVersion(const GroupVersionKind& gvk) {
    std::string text(gvk.group);
    if (!text.empty()) text += '/';
    return Value::String(text.append(gvk.version));
  }
};
constexpr MessageMap kMessageMap;

TypeRef TypeOfScalar(ValueType type) {
  switch (type.type) {
    case FieldType::kBool:
      return types::Bool();
    case FieldType::kInt32:
    case FieldType::kInt64:
      return types::Int();
    case FieldType::kDouble:
      return types::Double();
    case FieldType::kString:
    case FieldType::kBytes:
    case FieldType::kQuantity:
    case FieldType::kTime:
    case FieldType::kMicroTime:
    case FieldType::kDuration:
      return types::String();
    case FieldType::kMessage:
      if (type.message->json_form == JsonForm::kObject) return TypeOfMessage(*type.message);
      return types::Dyn();
    default:
      return types::Dyn();
  }
}

class MessageInfo final : public ObjectInfo {
 public:
  explicit MessageInfo(const MessageDesc& desc) : desc_(desc) {}
  std::string_view name() const override { return desc_.name; }
  TypeRef Field(std::string_view name) const override {
    const FieldDesc* field = desc_.Find(name);
    if (field == nullptr) {
      if (!desc_.gvk.kind.empty() && (name == "kind" || name == "apiVersion")) return types::String();
      const bool open = !desc_.fields.empty() && desc_.fields.back().has(kFieldRest);
      return open ? types::Dyn() : nullptr;
    }
    const TypeRef type = TypeOfScalar(model::TypeOf(*field));
    if (field->shape == Shape::kList) return types::List(type);
    if (field->shape == Shape::kMap) return types::Map(types::String(), type);
    return type;
  }

 private:
  const MessageDesc& desc_;
};

}  // namespace

Value FromMessage(const MessageDesc& desc, const void* message) { return Value::View(kMessageMap, message, &desc); }

TypeRef TypeOfMessage(const MessageDesc& desc) { return types::Object(std::make_shared<MessageInfo>(desc)); }

}  // namespace minikube::cel
