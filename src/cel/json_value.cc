#include "cel/json_value.h"

#include <algorithm>
#include <cmath>
#include <string>

#include <fmt/format.h>

#include "cel/library/time.h"
#include "cel/parser.h"
#include "cel/program.h"
#include "model/scalar_text.h"

namespace minikube::cel {
namespace {

const JsonShape* ShapeAt(const void* type) { return static_cast<const JsonShape*>(type); }
const Json& TreeAt(const void* source) { return *static_cast<const Json*>(source); }

class JsonList final : public ListView {
 public:
  std::size_t Size(const void* source, const void*) const override { return TreeAt(source).size(); }
  Value At(const void* source, const void* type, std::size_t index) const override {
    return FromJson(TreeAt(source).items()[index], type != nullptr ? ShapeAt(type)->element.get() : nullptr);
  }
};

class JsonMap final : public MapView {
 public:
  std::size_t Size(const void* source, const void* type) const override {
    const JsonShape* shape = ShapeAt(type);
    if (shape == nullptr || shape->form != JsonShape::Form::kObject) return TreeAt(source).size();
    return static_cast<std::size_t>(
        std::count_if(shape->fields.begin(), shape->fields.end(),
                      [&](const JsonShape::Field& field) { return TreeAt(source).Find(field.json_name) != nullptr; }));
  }
  bool Find(const void* source, const void* type, std::string_view key, Value* out) const override {
    const JsonShape* shape = ShapeAt(type);
    const JsonShape* below = nullptr;
    if (shape != nullptr && shape->form == JsonShape::Form::kObject) {
      const JsonShape::Field* field = shape->Find(key);
      if (field == nullptr) return false;
      key = field->json_name;
      below = field->shape.get();
    } else if (shape != nullptr) {
      below = shape->element.get();
    }
    const Json* member = TreeAt(source).Find(key);
    if (member == nullptr) return false;
    *out = FromJson(*member, below);
    return true;
  }
  std::vector<Value> Keys(const void* source, const void* type) const override {
    std::vector<Value> keys;
    const JsonShape* shape = ShapeAt(type);
    if (shape != nullptr && shape->form == JsonShape::Form::kObject) {
      for (const JsonShape::Field& field : shape->fields) {
        if (TreeAt(source).Find(field.json_name) != nullptr) keys.push_back(Value::BorrowedString(field.name.view()));
      }
      return keys;
    }
    for (const JsonMember& member : TreeAt(source).members()) keys.push_back(Value::BorrowedString(member.key.view()));
    return keys;
  }
  std::string_view TypeName(const void* type) const override {
    const JsonShape* shape = ShapeAt(type);
    return shape != nullptr && shape->form == JsonShape::Form::kObject ? shape->type_name.view() : "map";
  }
};

constexpr JsonList kJsonList;
constexpr JsonMap kJsonMap;

Value NotOf(const Json& tree, std::string_view wanted) {
  return Value::Error(fmt::format("expected {}, got: {}", wanted, tree.ToString().substr(0, 64)));
}

Value Shaped(const Json& tree, const JsonShape& shape) {
  using Form = JsonShape::Form;
  switch (shape.form) {
    case Form::kDouble:
      return tree.is_number() ? Value::Double(*tree.AsDouble()) : NotOf(tree, "a number");
    case Form::kInteger: {
      const auto whole = tree.AsInt64();
      const auto number = tree.AsDouble();
      if (whole) return Value::Int(*whole);
      const bool fits = number && std::trunc(*number) == *number && std::fabs(*number) < 9.2e18;
      return fits ? Value::Int(static_cast<std::int64_t>(*number)) : NotOf(tree, "an integer");
    }
    case Form::kTimestamp:
      return tree.is_string() ? ParseTimestamp(tree.text()) : NotOf(tree, "a date-time");
    case Form::kDate:
      return tree.is_string() ? ParseTimestamp(std::string(tree.text()) + "T00:00:00Z") : NotOf(tree, "a date");
    case Form::kDuration:
      return tree.is_string() ? ParseDuration(tree.text()) : NotOf(tree, "a duration");
    case Form::kBytes: {
      const auto bytes = tree.is_string() ? model::DecodeBase64(tree.text()) : std::nullopt;
      return bytes ? Value::Bytes(*bytes) : NotOf(tree, "base64");
    }
    case Form::kList:
      return tree.is_array() ? Value::View(kJsonList, &tree, &shape) : NotOf(tree, "a list");
    case Form::kMap:
    case Form::kObject:
      return tree.is_object() ? Value::View(kJsonMap, &tree, &shape) : NotOf(tree, "an object");
    case Form::kDyn:
      break;
  }
  return FromJson(tree);
}

}  // namespace

const JsonShape::Field* JsonShape::Find(std::string_view name) const {
  const auto it = std::lower_bound(fields.begin(), fields.end(), name,
                                   [](const Field& f, std::string_view n) { return f.name.view() < n; });
  return it != fields.end() && it->name == name ? &*it : nullptr;
}

Value FromJson(const Json& tree) {
  switch (tree.kind()) {
    case Json::Kind::kAbsent:
    case Json::Kind::kNull:
      return Value::Null();
    case Json::Kind::kBool:
      return Value::Bool(tree.boolean());
    case Json::Kind::kNumber: {
      const auto whole = tree.AsInt64();
      return whole ? Value::Int(*whole) : Value::Double(*tree.AsDouble());
    }
    case Json::Kind::kString:
      return Value::BorrowedString(tree.text());
    case Json::Kind::kArray:
      return Value::View(kJsonList, &tree, nullptr);
    case Json::Kind::kObject:
      return Value::View(kJsonMap, &tree, nullptr);
  }
  return Value::Null();
}

Value FromJson(const Json& tree, const JsonShape* shape) {
  return shape == nullptr || tree.is_null() ? FromJson(tree) : Shaped(tree, *shape);
}

std::string EscapeName(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (name.empty() || digit(name[0])) return "";
  if (IsReserved(name)) return fmt::format("__{}__", name);
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (c == '_' && i + 1 < name.size() && name[i + 1] == '_') {
      out += "__underscores__";
      ++i;
    } else if (letter(c) || digit(c)) {
      out += c;
    } else if (c == '.') {
      out += "__dot__";
    } else if (c == '-') {
      out += "__dash__";
    } else if (c == '/') {
      out += "__slash__";
    } else {
      return "";
    }
  }
  return out;
}

}  // namespace minikube::cel
