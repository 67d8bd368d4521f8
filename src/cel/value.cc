#include "cel/value.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <new>
#include <unordered_map>

#include <minikube/json.h>

#include "cel/library/time.h"
#include "model/scalar_text.h"

namespace minikube::cel {
namespace {

// A hash that agrees with equality: numbers that are equal hash alike.
std::size_t HashOf(const Value& v) {
  switch (v.kind()) {
    case Kind::kInt:
      return std::hash<double>()(static_cast<double>(v.integer()));
    case Kind::kUint:
      return std::hash<double>()(static_cast<double>(v.uinteger()));
    case Kind::kDouble:
      return std::hash<double>()(v.number());
    case Kind::kString:
    case Kind::kBytes:
      return std::hash<std::string_view>()(v.text());
    default:
      return static_cast<std::size_t>(v.kind());
  }
}

struct KeyHash {
  std::size_t operator()(const Value& v) const { return HashOf(v); }
};
struct KeyEqual {
  bool operator()(const Value& a, const Value& b) const { return Equal(a, b); }
};

class OwnList final : public Counted {
 public:
  explicit OwnList(std::vector<Value> v) : items(std::move(v)) {}
  const std::vector<Value> items;
};

class OwnMap final : public Counted {
 public:
  OwnMap(std::string_view name, std::vector<std::pair<Value, Value>> v) : entries(std::move(v)), type_name(name) {
    if (entries.size() <= kLinear) return;
    for (std::size_t i = 0; i < entries.size(); ++i) index.emplace(entries[i].first, i);
  }
  const Value* Find(const Value& key) const {
    if (entries.size() > kLinear) {
      const auto it = index.find(key);
      return it != index.end() ? &entries[it->second].second : nullptr;
    }
    for (const auto& [own, value] : entries) {
      if (Equal(own, key)) return &value;
    }
    return nullptr;
  }
  static constexpr std::size_t kLinear = 8;
  const std::vector<std::pair<Value, Value>> entries;
  const Str type_name;  // empty: a map
  std::unordered_map<Value, std::size_t, KeyHash, KeyEqual> index;
};

class OwnOptional final : public Counted {
 public:
  explicit OwnOptional(Value v) : value(std::move(v)) {}
  const Value value;
};

std::size_t Characters(std::string_view text) {
  std::size_t n = 0;
  for (const char c : text) n += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
  return n;
}

int Order(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return 2;
  return a < b ? -1 : a > b ? 1 : 0;
}

template <typename T>
int Order(T a, T b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

// An integer beside a double is compared as one, which beyond 2^53 it may not be exactly: so says the specification.
int OrderIntDouble(std::int64_t a, double b) { return Order(static_cast<double>(a), b); }
int OrderUintDouble(std::uint64_t a, double b) { return Order(static_cast<double>(a), b); }

int OrderIntUint(std::int64_t a, std::uint64_t b) { return a < 0 ? -1 : Order(static_cast<std::uint64_t>(a), b); }

int Flip(int order) { return order == -1 ? 1 : order == 1 ? -1 : order; }

int CompareNumbers(const Value& a, const Value& b) {
  switch (a.kind()) {
    case Kind::kInt:
      if (b.is(Kind::kInt)) return Order(a.integer(), b.integer());
      return b.is(Kind::kUint) ? OrderIntUint(a.integer(), b.uinteger()) : OrderIntDouble(a.integer(), b.number());
    case Kind::kUint:
      if (b.is(Kind::kUint)) return Order(a.uinteger(), b.uinteger());
      return b.is(Kind::kInt) ? Flip(OrderIntUint(b.integer(), a.uinteger()))
                              : OrderUintDouble(a.uinteger(), b.number());
    default:
      if (b.is(Kind::kDouble)) return Order(a.number(), b.number());
      return b.is(Kind::kInt) ? Flip(OrderIntDouble(b.integer(), a.number()))
                              : Flip(OrderUintDouble(b.uinteger(), a.number()));
  }
}

}  // namespace

Counted::~Counted() = default;

std::string_view NameOf(Kind kind) {
  switch (kind) {
    case Kind::kError:
      return "error";
    case Kind::kNull:
      return "null_type";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kUint:
      return "uint";
    case Kind::kDouble:
      return "double";
    case Kind::kString:
      return "string";
    case Kind::kBytes:
      return "bytes";
    case Kind::kList:
      return "list";
    case Kind::kMap:
      return "map";
    case Kind::kType:
      return "type";
    case Kind::kTimestamp:
      return "google.protobuf.Timestamp";
    case Kind::kDuration:
      return "google.protobuf.Duration";
    case Kind::kOptional:
      return "optional_type";
    case Kind::kOpaque:
      break;
  }
  return "opaque";
}

Value Value::Double(double v) { return {Kind::kDouble, Form::kPlain, std::bit_cast<std::uint64_t>(v)}; }
double Value::number() const { return std::bit_cast<double>(bits_); }

Value Value::OwnText(Kind kind, std::string_view text) {
  Value v(kind, Form::kText, 0);
  new (&v.bits_) Str(text);
  return v;
}

Value Value::BorrowedString(std::string_view v) {
  return {Kind::kString, Form::kBorrowed, reinterpret_cast<std::uintptr_t>(v.data()),
          reinterpret_cast<const void*>(v.size())};
}

Value Value::Timestamp(std::int64_t seconds, std::int32_t nanos) {
  return {Kind::kTimestamp, Form::kPlain, static_cast<std::uint64_t>(seconds), nullptr, nanos};
}
Value Value::Duration(std::int64_t seconds, std::int32_t nanos) {
  return {Kind::kDuration, Form::kPlain, static_cast<std::uint64_t>(seconds), nullptr, nanos};
}

Value Value::Error(std::string_view message) { return OwnText(Kind::kError, message); }

Value Value::OfCounted(Kind kind, const Counted* counted) {
  counted->Retain();
  return {kind, Form::kCounted, reinterpret_cast<std::uintptr_t>(counted)};
}

Value Value::List(std::vector<Value> items) { return OfCounted(Kind::kList, new OwnList(std::move(items))); }
Value Value::Map(std::vector<std::pair<Value, Value>> entries) { return Struct("", std::move(entries)); }
Value Value::Struct(std::string_view type_name, std::vector<std::pair<Value, Value>> entries) {
  return OfCounted(Kind::kMap, new OwnMap(type_name, std::move(entries)));
}
Value Value::OptionalOf(Value value) { return OfCounted(Kind::kOptional, new OwnOptional(std::move(value))); }
Value Value::OptionalNone() { return {Kind::kOptional, Form::kPlain, 0}; }
Value Value::OfOpaque(const Opaque* opaque) { return OfCounted(Kind::kOpaque, opaque); }

Value Value::View(const ListView& view, const void* source, const void* type) {
  Value v(Kind::kList, Form::kView, reinterpret_cast<std::uintptr_t>(source), &view);
  v.type_ = type;
  return v;
}
Value Value::View(const MapView& view, const void* source, const void* type) {
  Value v(Kind::kMap, Form::kView, reinterpret_cast<std::uintptr_t>(source), &view);
  v.type_ = type;
  return v;
}

void Value::Retain() {
  if (form_ == Form::kText) {
    alignas(Str) char holder[sizeof(Str)];
    new (holder) Str(str());  // takes the reference, and is never destroyed
  } else {
    counted()->Retain();
  }
}

void Value::Drop() {
  if (form_ == Form::kText) {
    reinterpret_cast<Str&>(bits_).~Str();
  } else {
    counted()->Release();
  }
}

std::string_view Value::text() const {
  if (form_ == Form::kBorrowed) {
    return {reinterpret_cast<const char*>(bits_), reinterpret_cast<std::size_t>(aux_)};
  }
  return form_ == Form::kText ? str().view() : std::string_view();
}

const Opaque& Value::opaque() const { return *static_cast<const Opaque*>(counted()); }

const Value* Value::optional_value() const {
  return form_ == Form::kCounted ? &static_cast<const OwnOptional*>(counted())->value : nullptr;
}

std::size_t Value::Size() const {
  switch (kind_) {
    case Kind::kString:
      return Characters(text());
    case Kind::kBytes:
      return text().size();
    case Kind::kList:
      if (form_ == Form::kCounted) return static_cast<const OwnList*>(counted())->items.size();
      return static_cast<const ListView*>(aux_)->Size(reinterpret_cast<const void*>(bits_), type_);
    case Kind::kMap:
      if (form_ == Form::kCounted) return static_cast<const OwnMap*>(counted())->entries.size();
      return static_cast<const MapView*>(aux_)->Size(reinterpret_cast<const void*>(bits_), type_);
    default:
      return 0;
  }
}

const std::vector<Value>* Value::OwnItems() const {
  return kind_ == Kind::kList && form_ == Form::kCounted ? &static_cast<const OwnList*>(counted())->items : nullptr;
}

const std::vector<std::pair<Value, Value>>* Value::OwnEntries() const {
  return kind_ == Kind::kMap && form_ == Form::kCounted ? &static_cast<const OwnMap*>(counted())->entries : nullptr;
}

Value Value::At(std::size_t index) const {
  if (const std::vector<Value>* own = OwnItems()) return (*own)[index];
  return static_cast<const ListView*>(aux_)->At(reinterpret_cast<const void*>(bits_), type_, index);
}

bool Value::FindField(std::string_view name, Value* out) const {
  if (form_ == Form::kCounted) return Find(BorrowedString(name), out);
  return static_cast<const MapView*>(aux_)->Find(reinterpret_cast<const void*>(bits_), type_, name, out);
}

bool Value::Find(const Value& key, Value* out) const {
  if (form_ == Form::kCounted) {
    const Value* found = static_cast<const OwnMap*>(counted())->Find(key);
    if (found != nullptr) *out = *found;
    return found != nullptr;
  }
  return key.is(Kind::kString) && FindField(key.text(), out);
}

std::vector<Value> Value::Keys() const {
  if (form_ != Form::kCounted) {
    return static_cast<const MapView*>(aux_)->Keys(reinterpret_cast<const void*>(bits_), type_);
  }
  std::vector<Value> keys;
  for (const auto& entry : static_cast<const OwnMap*>(counted())->entries) keys.push_back(entry.first);
  return keys;
}

std::string_view Value::TypeName() const {
  if (kind_ == Kind::kOpaque) return opaque().type_name();
  if (kind_ != Kind::kMap) return NameOf(kind_);
  if (form_ == Form::kView) return static_cast<const MapView*>(aux_)->TypeName(type_);
  const Str& name = static_cast<const OwnMap*>(counted())->type_name;
  return name.empty() ? NameOf(kind_) : name.view();
}

int Compare(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return CompareNumbers(a, b);
  if (a.kind() != b.kind()) return 3;
  switch (a.kind()) {
    case Kind::kBool:
      return Order(a.boolean(), b.boolean());
    case Kind::kString:
    case Kind::kBytes: {
      const int order = a.text().compare(b.text());
      return order < 0 ? -1 : order > 0 ? 1 : 0;
    }
    case Kind::kTimestamp:
    case Kind::kDuration: {
      const int order = Order(a.seconds(), b.seconds());
      return order != 0 ? order : Order(a.nanos(), b.nanos());
    }
    default:
      return 3;
  }
}

bool Equal(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return CompareNumbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kNull:
      return true;
    case Kind::kType:
      return a.text() == b.text();
    case Kind::kList: {
      const std::size_t n = a.Size();
      if (n != b.Size()) return false;
      for (std::size_t i = 0; i < n; ++i) {
        if (!Equal(a.At(i), b.At(i))) return false;
      }
      return true;
    }
    case Kind::kMap: {
      if (a.Size() != b.Size()) return false;
      for (const Value& key : a.Keys()) {
        Value mine;
        Value theirs;
        if (!a.Find(key, &mine) || !b.Find(key, &theirs) || !Equal(mine, theirs)) return false;
      }
      return true;
    }
    case Kind::kOptional: {
      const Value* mine = a.optional_value();
      const Value* theirs = b.optional_value();
      if (mine == nullptr || theirs == nullptr) return mine == theirs;
      return Equal(*mine, *theirs);
    }
    case Kind::kOpaque:
      return a.opaque().type_name() == b.opaque().type_name() && a.opaque().Equals(b.opaque());
    case Kind::kError:
      return false;
    default:
      return Compare(a, b) == 0;
  }
}

Json ToJson(const Value& value) {
  switch (value.kind()) {
    case Kind::kBool:
      return Json::Bool(value.boolean());
    case Kind::kInt:
      return Json::Int(value.integer());
    case Kind::kUint:
      return Json::Number(std::to_string(value.uinteger()));
    case Kind::kDouble:
      return Json::Double(value.number());
    case Kind::kString:
      return Json::String(value.text());
    case Kind::kBytes: {
      std::string text;
      model::AppendBase64(value.text(), text);
      return Json::String(text);
    }
    case Kind::kTimestamp:
    case Kind::kDuration:
      return Json::String(TimeText(value));
    case Kind::kList: {
      std::vector<Json> items;
      for (std::size_t i = 0, n = value.Size(); i < n; ++i) items.push_back(ToJson(value.At(i)));
      return Json::Array(std::move(items));
    }
    case Kind::kMap: {
      std::vector<JsonMember> members;
      for (const Value& key : value.Keys()) {
        Value member;
        value.Find(key, &member);
        members.push_back({key.is(Kind::kString) ? Str(key.text()) : Str(ToJson(key).ToString()), ToJson(member)});
      }
      return Json::Object(std::move(members));
    }
    case Kind::kOptional:
      return value.optional_value() != nullptr ? ToJson(*value.optional_value()) : Json::Null();
    default:
      return Json::Null();
  }
}

}  // namespace minikube::cel
