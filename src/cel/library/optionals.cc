// Optional values: optional.of, orValue and the like.
#include "cel/function.h"

namespace minikube::cel {
namespace {

using Args = std::span<const Value>;

bool IsZero(const Value& v) {
  switch (v.kind()) {
    case Kind::kNull:
      return true;
    case Kind::kBool:
      return !v.boolean();
    case Kind::kInt:
      return v.integer() == 0;
    case Kind::kUint:
      return v.uinteger() == 0;
    case Kind::kDouble:
      return v.number() == 0;
    case Kind::kString:
    case Kind::kBytes:
      return v.text().empty();
    case Kind::kList:
    case Kind::kMap:
      return v.Size() == 0;
    case Kind::kDuration:
      return v.seconds() == 0 && v.nanos() == 0;
    case Kind::kOptional:
      return v.optional_value() == nullptr;
    default:
      return false;
  }
}

Value Of(Args a) { return Value::OptionalOf(a[0]); }
Value OfNonZero(Args a) { return IsZero(a[0]) ? Value::OptionalNone() : Value::OptionalOf(a[0]); }
Value None(Args) { return Value::OptionalNone(); }
Value HasValue(Args a) { return Value::Bool(a[0].optional_value() != nullptr); }
Value Get(Args a) {
  return a[0].optional_value() != nullptr ? *a[0].optional_value() : Value::Error("optional.none() dereference");
}
Value Or(Args a) { return a[0].optional_value() != nullptr ? a[0] : a[1]; }
Value OrValue(Args a) { return a[0].optional_value() != nullptr ? *a[0].optional_value() : a[1]; }
Value Unwrap(Args a) {
  std::vector<Value> items;
  for (std::size_t i = 0, n = a[0].Size(); i < n; ++i) {
    const Value item = a[0].At(i);
    if (!item.is(Kind::kOptional)) return Value::NoSuchOverload();
    if (item.optional_value() != nullptr) items.push_back(*item.optional_value());
  }
  return Value::List(std::move(items));
}
Value First(Args a) { return a[0].Size() == 0 ? Value::OptionalNone() : Value::OptionalOf(a[0].At(0)); }
Value Last(Args a) {
  const std::size_t n = a[0].Size();
  return n == 0 ? Value::OptionalNone() : Value::OptionalOf(a[0].At(n - 1));
}

constexpr FunctionDefinition kDefinitions[] = {
    {"optional.of", "A -> optional_type(A)", Of},
    {"optional.ofNonZeroValue", "A -> optional_type(A)", OfNonZero},
    {"optional.none", "-> optional_type(A)", None},
    {".hasValue", "optional_type(A) -> bool", HasValue},
    {".value", "optional_type(A) -> A", Get},
    {".or", "optional_type(A), optional_type(A) -> optional_type(A)", Or, CallCost::kNothing},
    {".orValue", "optional_type(A), A -> A", OrValue, CallCost::kNothing},
    {"optional.unwrap", "list(optional_type(A)) -> list(A)", Unwrap},
    {".unwrapOpt", "list(optional_type(A)) -> list(A)", Unwrap},
    {".first", "list(A) -> optional_type(A)", First},
    {".last", "list(A) -> optional_type(A)", Last},
};

}  // namespace

std::span<const FunctionDefinition> library::Optionals() { return kDefinitions; }

}  // namespace minikube::cel
