// Operators: arithmetic with overflow checks, comparison, membership, indexing.
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "cel/function.h"
#include "cel/library/time.h"

namespace minikube::cel {
namespace {

using Args = std::span<const Value>;

Value IntOverflow() { return Value::Error("integer overflow"); }
Value UintOverflow() { return Value::Error("unsigned integer overflow"); }

Value AddInt(Args a) {
  std::int64_t out = 0;
  return __builtin_add_overflow(a[0].integer(), a[1].integer(), &out) ? IntOverflow() : Value::Int(out);
}
Value AddUint(Args a) {
  std::uint64_t out = 0;
  return __builtin_add_overflow(a[0].uinteger(), a[1].uinteger(), &out) ? UintOverflow() : Value::Uint(out);
}
Value AddDouble(Args a) { return Value::Double(a[0].number() + a[1].number()); }
Value AddString(Args a) { return Value::String(std::string(a[0].text()).append(a[1].text())); }
Value AddBytes(Args a) { return Value::Bytes(std::string(a[0].text()).append(a[1].text())); }
Value AddList(Args a) { return Concatenate(a[0], a[1]); }
Value SubInt(Args a) {
  std::int64_t out = 0;
  return __builtin_sub_overflow(a[0].integer(), a[1].integer(), &out) ? IntOverflow() : Value::Int(out);
}
Value SubUint(Args a) {
  std::uint64_t out = 0;
  return __builtin_sub_overflow(a[0].uinteger(), a[1].uinteger(), &out) ? UintOverflow() : Value::Uint(out);
}
Value SubDouble(Args a) { return Value::Double(a[0].number() - a[1].number()); }
Value MulInt(Args a) {
  std::int64_t out = 0;
  return __builtin_mul_overflow(a[0].integer(), a[1].integer(), &out) ? IntOverflow() : Value::Int(out);
}
Value MulUint(Args a) {
  std::uint64_t out = 0;
  return __builtin_mul_overflow(a[0].uinteger(), a[1].uinteger(), &out) ? UintOverflow() : Value::Uint(out);
}
Value MulDouble(Args a) { return Value::Double(a[0].number() * a[1].number()); }

bool OverflowsWhenDivided(std::int64_t a, std::int64_t b) { return a == INT64_MIN && b == -1; }
Value DivInt(Args a) {
  if (a[1].integer() == 0) return Value::Error("division by zero");
  if (OverflowsWhenDivided(a[0].integer(), a[1].integer())) return IntOverflow();
  return Value::Int(a[0].integer() / a[1].integer());
}
Value DivUint(Args a) {
  return a[1].uinteger() == 0 ? Value::Error("division by zero") : Value::Uint(a[0].uinteger() / a[1].uinteger());
}
Value DivDouble(Args a) { return Value::Double(a[0].number() / a[1].number()); }
Value ModInt(Args a) {
  if (a[1].integer() == 0) return Value::Error("modulus by zero");
  if (OverflowsWhenDivided(a[0].integer(), a[1].integer())) return IntOverflow();
  return Value::Int(a[0].integer() % a[1].integer());
}
Value ModUint(Args a) {
  return a[1].uinteger() == 0 ? Value::Error("modulus by zero") : Value::Uint(a[0].uinteger() % a[1].uinteger());
}
Value NegateInt(Args a) { return a[0].integer() == INT64_MIN ? IntOverflow() : Value::Int(-a[0].integer()); }
Value NegateDouble(Args a) { return Value::Double(-a[0].number()); }
Value Not(Args a) { return Value::Bool(!a[0].boolean()); }

Value AddTimestampDuration(Args a) { return AddTimes(a[0], a[1], Kind::kTimestamp, 1); }
Value AddDurationTimestamp(Args a) { return AddTimes(a[1], a[0], Kind::kTimestamp, 1); }
Value AddDurations(Args a) { return AddTimes(a[0], a[1], Kind::kDuration, 1); }
Value SubTimestampDuration(Args a) { return AddTimes(a[0], a[1], Kind::kTimestamp, -1); }
Value SubTimestamps(Args a) { return AddTimes(a[0], a[1], Kind::kDuration, -1); }

Value IsEqual(Args a) { return Value::Bool(Equal(a[0], a[1])); }
Value IsNotEqual(Args a) { return Value::Bool(!Equal(a[0], a[1])); }

Value Ordered(Args a, bool (*holds)(int)) {
  const int order = Compare(a[0], a[1]);
  if (order == 3) return Value::NoSuchOverload();
  return Value::Bool(order != 2 && holds(order));
}
Value Less(Args a) {
  return Ordered(a, [](int order) { return order < 0; });
}
Value LessOrEqual(Args a) {
  return Ordered(a, [](int order) { return order <= 0; });
}
Value Greater(Args a) {
  return Ordered(a, [](int order) { return order > 0; });
}
Value GreaterOrEqual(Args a) {
  return Ordered(a, [](int order) { return order >= 0; });
}

Value InList(Args a) {
  for (std::size_t i = 0, n = a[1].Size(); i < n; ++i) {
    if (Equal(a[0], a[1].At(i))) return Value::Bool(true);
  }
  return Value::Bool(false);
}
Value InMap(Args a) {
  Value ignored;
  return Value::Bool(a[1].Find(a[0], &ignored));
}

// The index that a number is, if it is a whole one.
bool IndexOf(const Value& v, std::int64_t* out) {
  if (v.is(Kind::kInt)) {
    *out = v.integer();
  } else if (v.is(Kind::kUint)) {
    *out = v.uinteger() > INT64_MAX ? -1 : static_cast<std::int64_t>(v.uinteger());
  } else if (v.is(Kind::kDouble) && std::trunc(v.number()) == v.number() && std::fabs(v.number()) < 1e15) {
    *out = static_cast<std::int64_t>(v.number());
  } else {
    return false;
  }
  return true;
}

std::string KeyText(const Value& key) {
  switch (key.kind()) {
    case Kind::kString:
      return std::string(key.text());
    case Kind::kInt:
      return std::to_string(key.integer());
    case Kind::kUint:
      return std::to_string(key.uinteger());
    case Kind::kBool:
      return key.boolean() ? "true" : "false";
    default:
      return "<key>";
  }
}

Value Element(Args a, bool* missing) {
  *missing = false;
  if (a[0].is(Kind::kList)) {
    std::int64_t index = 0;
    if (!IndexOf(a[1], &index)) return Value::NoSuchOverload();
    if (index >= 0 && static_cast<std::size_t>(index) < a[0].Size()) return a[0].At(static_cast<std::size_t>(index));
    *missing = true;
    return Value::Error(fmt::format("index out of bounds: {}", index));
  }
  if (!a[0].is(Kind::kMap)) return Value::NoSuchOverload();
  Value out;
  if (a[0].Find(a[1], &out)) return out;
  *missing = true;
  return Value::Error("no such key: " + KeyText(a[1]));
}

Value Index(Args a) {
  bool missing = false;
  return Element(a, &missing);
}

// x[?i]: of an optional the same of its value, as an optional.
Value OptionalIndex(Args a) {
  Value base = a[0];
  if (base.is(Kind::kOptional)) {
    if (base.optional_value() == nullptr) return base;
    base = Value(*base.optional_value());
  }
  bool missing = false;
  const Value args[] = {base, a[1]};
  Value out = Element(args, &missing);
  if (missing) return Value::OptionalNone();
  return out.is_error() ? out : Value::OptionalOf(std::move(out));
}

// o[i]: of an optional, the element as an optional.
Value IndexOfOptional(Args a) { return OptionalIndex(a); }

std::vector<FunctionDefinition> MakeDefinitions() {
  std::vector<FunctionDefinition> out = {
      {"_+_", "int, int -> int", AddInt},
      {"_+_", "uint, uint -> uint", AddUint},
      {"_+_", "double, double -> double", AddDouble},
      {"_+_", "string, string -> string", AddString, CallCost::kConcatenate},
      {"_+_", "bytes, bytes -> bytes", AddBytes, CallCost::kConcatenate},
      {"_+_", "list(A), list(A) -> list(A)", AddList},
      {"_+_", "timestamp, duration -> timestamp", AddTimestampDuration},
      {"_+_", "duration, timestamp -> timestamp", AddDurationTimestamp},
      {"_+_", "duration, duration -> duration", AddDurations},
      {"_-_", "int, int -> int", SubInt},
      {"_-_", "uint, uint -> uint", SubUint},
      {"_-_", "double, double -> double", SubDouble},
      {"_-_", "timestamp, timestamp -> duration", SubTimestamps},
      {"_-_", "timestamp, duration -> timestamp", SubTimestampDuration},
      {"_-_", "duration, duration -> duration", SubTimestamps},
      {"_*_", "int, int -> int", MulInt},
      {"_*_", "uint, uint -> uint", MulUint},
      {"_*_", "double, double -> double", MulDouble},
      {"_/_", "int, int -> int", DivInt},
      {"_/_", "uint, uint -> uint", DivUint},
      {"_/_", "double, double -> double", DivDouble},
      {"_%_", "int, int -> int", ModInt},
      {"_%_", "uint, uint -> uint", ModUint},
      {"-_", "int -> int", NegateInt},
      {"-_", "double -> double", NegateDouble},
      {"!_", "bool -> bool", Not},
      {"_==_", "A, A -> bool", IsEqual, CallCost::kCompare},
      {"_!=_", "A, A -> bool", IsNotEqual, CallCost::kCompare},
      {"@in", "A, list(A) -> bool", InList, CallCost::kList},
      {"@in", "A, map(A, B) -> bool", InMap},
      {"_[_]", "list(A), int -> A", Index},
      {"_[_]", "map(A, B), A -> B", Index},
      {"_[_]", "optional_type(list(A)), int -> optional_type(A)", IndexOfOptional},
      {"_[_]", "optional_type(map(A, B)), A -> optional_type(B)", IndexOfOptional},
      {"_[?_]", "list(A), int -> optional_type(A)", OptionalIndex},
      {"_[?_]", "map(A, B), A -> optional_type(B)", OptionalIndex},
      {"_[?_]", "optional_type(list(A)), int -> optional_type(A)", OptionalIndex},
      {"_[?_]", "optional_type(map(A, B)), A -> optional_type(B)", OptionalIndex},
  };
  struct Relation {
    std::string_view name;
    FunctionBody body;
  };
  for (const Relation& relation : {Relation{"_<_", Less}, Relation{"_<=_", LessOrEqual}, Relation{"_>_", Greater},
                                   Relation{"_>=_", GreaterOrEqual}}) {
    for (const std::string_view signature :
         {"bool, bool -> bool", "int, int -> bool", "int, uint -> bool", "int, double -> bool", "uint, uint -> bool",
          "uint, int -> bool", "uint, double -> bool", "double, double -> bool", "double, int -> bool",
          "double, uint -> bool", "timestamp, timestamp -> bool", "duration, duration -> bool"}) {
      out.push_back({relation.name, signature, relation.body});
    }
    out.push_back({relation.name, "string, string -> bool", relation.body, CallCost::kCompare});
    out.push_back({relation.name, "bytes, bytes -> bool", relation.body, CallCost::kCompare});
  }
  return out;
}

}  // namespace

Value Concatenate(const Value& a, const Value& b) {
  std::vector<Value> items;
  const std::size_t n = a.Size();
  const std::size_t m = b.Size();
  items.reserve(n + m);
  for (std::size_t i = 0; i < n; ++i) items.push_back(a.At(i));
  for (std::size_t i = 0; i < m; ++i) items.push_back(b.At(i));
  return Value::List(std::move(items));
}

std::span<const FunctionDefinition> library::Operators() {
  static const std::vector<FunctionDefinition> definitions = MakeDefinitions();
  return definitions;
}

}  // namespace minikube::cel
