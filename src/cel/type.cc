#include "cel/type.h"

#include <array>
#include <utility>

namespace minikube::cel {
namespace {

TypeRef Make(Type::Kind kind, std::vector<TypeRef> params = {}, std::string_view name = {},
             std::int64_t max_size = Type::kUnbounded) {
  auto type = std::make_shared<Type>();
  type->kind = kind;
  type->name = name;
  type->params = std::move(params);
  type->max_size = max_size;
  return type;
}

struct Named {
  std::string_view name;
  Type::Kind kind;
};
constexpr std::array<Named, 10> kScalars = {{
    {"dyn", Type::Kind::kDyn},
    {"null_type", Type::Kind::kNull},
    {"bool", Type::Kind::kBool},
    {"int", Type::Kind::kInt},
    {"uint", Type::Kind::kUint},
    {"double", Type::Kind::kDouble},
    {"string", Type::Kind::kString},
    {"bytes", Type::Kind::kBytes},
    {"google.protobuf.Timestamp", Type::Kind::kTimestamp},
    {"google.protobuf.Duration", Type::Kind::kDuration},
}};

std::string_view Trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// The parts between commas that are not inside parentheses.
std::vector<TypeRef> ParseList(std::string_view text) {
  std::vector<TypeRef> out;
  int depth = 0;
  std::size_t start = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ',';
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c != ',' || depth != 0) continue;
    const std::string_view part = Trim(text.substr(start, i - start));
    if (!part.empty()) out.push_back(types::Parse(part));
    start = i + 1;
  }
  return out;
}

}  // namespace

std::string Type::ToString() const {
  const auto with_params = [&](std::string_view base) {
    std::string out(base);
    out += '(';
    for (const TypeRef& param : params) {
      if (out.back() != '(') out += ", ";
      out += param->ToString();
    }
    return out + ")";
  };
  switch (kind) {
    case Kind::kList:
      return with_params("list");
    case Kind::kMap:
      return with_params("map");
    case Kind::kOptional:
      return with_params("optional_type");
    case Kind::kType:
      return with_params("type");
    case Kind::kOpaque:
    case Kind::kParam:
      return name.str();
    case Kind::kObject:
      return std::string(object->name());
    default:
      break;
  }
  for (const Named& scalar : kScalars) {
    if (scalar.kind == kind) return std::string(kind == Kind::kNull ? "null" : scalar.name);
  }
  return "dyn";
}

namespace types {

const TypeRef& Dyn() {
  static const TypeRef type = Make(Type::Kind::kDyn);
  return type;
}
const TypeRef& Null() {
  static const TypeRef type = Make(Type::Kind::kNull);
  return type;
}
const TypeRef& Bool() {
  static const TypeRef type = Make(Type::Kind::kBool);
  return type;
}
const TypeRef& Int() {
  static const TypeRef type = Make(Type::Kind::kInt);
  return type;
}
const TypeRef& Uint() {
  static const TypeRef type = Make(Type::Kind::kUint);
  return type;
}
const TypeRef& Double() {
  static const TypeRef type = Make(Type::Kind::kDouble);
  return type;
}
const TypeRef& String() {
  static const TypeRef type = Make(Type::Kind::kString);
  return type;
}
const TypeRef& Bytes() {
  static const TypeRef type = Make(Type::Kind::kBytes);
  return type;
}
const TypeRef& Timestamp() {
  static const TypeRef type = Make(Type::Kind::kTimestamp);
  return type;
}
const TypeRef& Duration() {
  static const TypeRef type = Make(Type::Kind::kDuration);
  return type;
}

TypeRef Sized(const TypeRef& type, std::int64_t max_size) {
  auto sized = std::make_shared<Type>(*type);
  sized->max_size = max_size;
  return sized;
}
TypeRef List(TypeRef element, std::int64_t max_size) {
  return Make(Type::Kind::kList, {std::move(element)}, {}, max_size);
}
TypeRef Map(TypeRef key, TypeRef value, std::int64_t max_size) {
  return Make(Type::Kind::kMap, {std::move(key), std::move(value)}, {}, max_size);
}
TypeRef Optional(TypeRef value) { return Make(Type::Kind::kOptional, {std::move(value)}); }
TypeRef TypeOf(TypeRef type) { return Make(Type::Kind::kType, {std::move(type)}); }
TypeRef Opaque(std::string_view name) { return Make(Type::Kind::kOpaque, {}, name); }
TypeRef Param(std::string_view name) { return Make(Type::Kind::kParam, {}, name); }
TypeRef Object(std::shared_ptr<const ObjectInfo> info) {
  auto type = std::make_shared<Type>();
  type->kind = Type::Kind::kObject;
  type->object = std::move(info);
  return type;
}

TypeRef Parse(std::string_view text) {
  text = Trim(text);
  if (text.size() == 1 && text[0] >= 'A' && text[0] <= 'Z') return Param(text);
  if (text == "timestamp") return Timestamp();
  if (text == "duration") return Duration();
  for (const Named& scalar : kScalars) {
    if (scalar.name == text) return Make(scalar.kind);
  }
  const std::size_t open = text.find('(');
  if (open == std::string_view::npos) return Opaque(text);
  const std::string_view base = text.substr(0, open);
  std::vector<TypeRef> params = ParseList(text.substr(open + 1, text.size() - open - 2));
  if (base == "list") return Make(Type::Kind::kList, std::move(params));
  if (base == "map") return Make(Type::Kind::kMap, std::move(params));
  if (base == "type") return Make(Type::Kind::kType, std::move(params));
  return Make(Type::Kind::kOptional, std::move(params));
}

}  // namespace types
}  // namespace minikube::cel
