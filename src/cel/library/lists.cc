// Lists: Kubernetes' own functions, the lists extension of cel-go (version 3), sets.
#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "cel/function.h"
#include "cel/library/time.h"
#include "cel/utf8.h"

namespace minikube::cel {
namespace {

using Args = std::span<const Value>;

constexpr std::int64_t kMaxRange = 1'000'000;
constexpr std::size_t kMaxItems = 10'000'000;

std::vector<Value> Items(const Value& list) {
  std::vector<Value> items;
  const std::size_t n = list.Size();
  items.reserve(n);
  for (std::size_t i = 0; i < n; ++i) items.push_back(list.At(i));
  return items;
}

Value IsSorted(Args a) {
  for (std::size_t i = 1, n = a[0].Size(); i < n; ++i) {
    const int order = Compare(a[0].At(i - 1), a[0].At(i));
    if (order == 3) return Value::NoSuchOverload();
    if (order > 0) return Value::Bool(false);
  }
  return Value::Bool(true);
}

// Addition by the kind of the first item; an empty list is 0 of no kind, so an integer.
Value Sum(Args a) {
  const std::size_t n = a[0].Size();
  if (n == 0) return Value::Int(0);
  Value total = a[0].At(0);
  for (std::size_t i = 1; i < n; ++i) {
    const Value item = a[0].At(i);
    if (item.kind() != total.kind()) return Value::NoSuchOverload();
    if (total.is(Kind::kInt)) {
      std::int64_t sum = 0;
      if (__builtin_add_overflow(total.integer(), item.integer(), &sum)) return Value::Error("integer overflow");
      total = Value::Int(sum);
    } else if (total.is(Kind::kUint)) {
      std::uint64_t sum = 0;
      if (__builtin_add_overflow(total.uinteger(), item.uinteger(), &sum)) {
        return Value::Error("unsigned integer overflow");
      }
      total = Value::Uint(sum);
    } else if (total.is(Kind::kDouble)) {
      total = Value::Double(total.number() + item.number());
    } else if (total.is(Kind::kDuration)) {
      total = AddTimes(total, item, Kind::kDuration, 1);
      if (total.is_error()) return total;
    } else {
      return Value::NoSuchOverload();
    }
  }
  return total;
}
Value SumDouble(Args a) { return a[0].Size() == 0 ? Value::Double(0) : Sum(a); }
Value SumUint(Args a) { return a[0].Size() == 0 ? Value::Uint(0) : Sum(a); }
Value SumDuration(Args a) { return a[0].Size() == 0 ? Value::Duration(0, 0) : Sum(a); }

Value Extreme(Args a, int wanted, std::string_view name) {
  const std::size_t n = a[0].Size();
  if (n == 0) return Value::Error(fmt::format("{} called on empty list", name));
  Value best = a[0].At(0);
  for (std::size_t i = 1; i < n; ++i) {
    Value item = a[0].At(i);
    const int order = Compare(item, best);
    if (order == 3) return Value::NoSuchOverload();
    if (order == wanted) best = std::move(item);
  }
  return best;
}
Value Min(Args a) { return Extreme(a, -1, "min"); }
Value Max(Args a) { return Extreme(a, 1, "max"); }

Value IndexOf(Args a) {
  for (std::size_t i = 0, n = a[0].Size(); i < n; ++i) {
    if (Equal(a[0].At(i), a[1])) return Value::Int(static_cast<std::int64_t>(i));
  }
  return Value::Int(-1);
}
Value LastIndexOf(Args a) {
  for (std::size_t i = a[0].Size(); i > 0; --i) {
    if (Equal(a[0].At(i - 1), a[1])) return Value::Int(static_cast<std::int64_t>(i - 1));
  }
  return Value::Int(-1);
}

Value Slice(Args a) {
  const auto size = static_cast<std::int64_t>(a[0].Size());
  const std::int64_t from = a[1].integer();
  const std::int64_t to = a[2].integer();
  if (from < 0 || to < 0)
    return Value::Error(fmt::format("cannot slice({}, {}), negative indexes not supported", from, to));
  if (from > to)
    return Value::Error(
        fmt::format("cannot slice({}, {}), start index must be less than or equal to end index", from, to));
  if (to > size) return Value::Error(fmt::format("cannot slice({}, {}), list is length {}", from, to, size));
  std::vector<Value> items;
  for (std::int64_t i = from; i < to; ++i) items.push_back(a[0].At(static_cast<std::size_t>(i)));
  return Value::List(std::move(items));
}

bool Flatten(const Value& list, std::int64_t depth, std::vector<Value>& out) {
  for (std::size_t i = 0, n = list.Size(); i < n; ++i) {
    Value item = list.At(i);
    if (item.is(Kind::kList) && depth > 0) {
      if (!Flatten(item, depth - 1, out)) return false;
    } else {
      out.push_back(std::move(item));
    }
    if (out.size() > kMaxItems) return false;
  }
  return true;
}
Value FlattenTo(const Value& list, std::int64_t depth) {
  if (depth < 0) return Value::Error("level must be non-negative");
  std::vector<Value> out;
  if (!Flatten(list, std::min<std::int64_t>(depth, 100), out)) return Value::Error("the result is too large");
  return Value::List(std::move(out));
}
Value FlattenOnce(Args a) { return FlattenTo(a[0], 1); }
Value FlattenDepth(Args a) { return FlattenTo(a[0], a[1].integer()); }

Value Sort(Args a) {
  std::vector<Value> items = Items(a[0]);
  for (const Value& item : items) {
    if (Compare(item, items.front()) == 3) return Value::Error("list elements must have the same type");
  }
  // NaN has no place in an order; it stays where a stable sort meets it.
  std::stable_sort(items.begin(), items.end(), [](const Value& x, const Value& y) { return Compare(x, y) == -1; });
  return Value::List(std::move(items));
}

Value Distinct(Args a) {
  std::vector<Value> out;
  for (Value& item : Items(a[0])) {
    if (std::none_of(out.begin(), out.end(), [&](const Value& seen) { return Equal(seen, item); })) {
      out.push_back(std::move(item));
    }
  }
  return Value::List(std::move(out));
}

Value Reverse(Args a) {
  std::vector<Value> items = Items(a[0]);
  std::reverse(items.begin(), items.end());
  return Value::List(std::move(items));
}

Value Range(Args a) {
  if (a[0].integer() > kMaxRange) {
    return Value::Error(fmt::format("lists.range({}): size out of range", a[0].integer()));
  }
  std::vector<Value> items;
  for (std::int64_t i = 0; i < a[0].integer(); ++i) items.push_back(Value::Int(i));
  return Value::List(std::move(items));
}

bool Holds(const std::vector<Value>& list, const Value& item) {
  return std::any_of(list.begin(), list.end(), [&](const Value& v) { return Equal(v, item); });
}
bool ContainsAll(const Value& list, const Value& sub) {
  const std::vector<Value> items = Items(list);
  const std::vector<Value> wanted = Items(sub);
  return std::all_of(wanted.begin(), wanted.end(), [&](const Value& v) { return Holds(items, v); });
}
Value SetContains(Args a) { return Value::Bool(ContainsAll(a[0], a[1])); }
Value SetEquivalent(Args a) { return Value::Bool(ContainsAll(a[0], a[1]) && ContainsAll(a[1], a[0])); }
Value SetIntersects(Args a) {
  const std::vector<Value> items = Items(a[0]);
  const std::vector<Value> others = Items(a[1]);
  return Value::Bool(std::any_of(others.begin(), others.end(), [&](const Value& v) { return Holds(items, v); }));
}

std::vector<FunctionDefinition> MakeDefinitions() {
  std::vector<FunctionDefinition> out = {
      {".sum", "list(int) -> int", Sum, CallCost::kTraverseList},
      {".sum", "list(uint) -> uint", SumUint, CallCost::kTraverseList},
      {".sum", "list(double) -> double", SumDouble, CallCost::kTraverseList},
      {".sum", "list(duration) -> duration", SumDuration, CallCost::kTraverseList},
      {".indexOf", "list(A), A -> int", IndexOf, CallCost::kTraverseList},
      {".lastIndexOf", "list(A), A -> int", LastIndexOf, CallCost::kTraverseList},
      {".slice", "list(A), int, int -> list(A)", Slice, CallCost::kListBuild},
      {".flatten", "list(list(A)) -> list(A)", FlattenOnce, CallCost::kListBuild},
      {".flatten", "list(dyn) -> list(dyn)", FlattenOnce, CallCost::kListBuild},
      {".flatten", "list(dyn), int -> list(dyn)", FlattenDepth, CallCost::kListBuild},
      {".distinct", "list(A) -> list(A)", Distinct, CallCost::kListSort},
      {".reverse", "list(A) -> list(A)", Reverse, CallCost::kListBuild},
      {"lists.range", "int -> list(int)", Range, CallCost::kListBuild},
      {"sets.contains", "list(A), list(A) -> bool", SetContains, CallCost::kSetProduct},
      {"sets.equivalent", "list(A), list(A) -> bool", SetEquivalent, CallCost::kSetProduct},
      {"sets.intersects", "list(A), list(A) -> bool", SetIntersects, CallCost::kSetProduct},
  };
  struct OfComparable {
    std::string_view signature;
    std::string_view element;
  };
  for (const OfComparable& type :
       {OfComparable{"list(int) -> bool", "list(int) -> int"}, OfComparable{"list(uint) -> bool", "list(uint) -> uint"},
        OfComparable{"list(double) -> bool", "list(double) -> double"},
        OfComparable{"list(bool) -> bool", "list(bool) -> bool"},
        OfComparable{"list(duration) -> bool", "list(duration) -> duration"},
        OfComparable{"list(timestamp) -> bool", "list(timestamp) -> timestamp"},
        OfComparable{"list(string) -> bool", "list(string) -> string"},
        OfComparable{"list(bytes) -> bool", "list(bytes) -> bytes"}}) {
    out.push_back({".isSorted", type.signature, IsSorted, CallCost::kTraverseList});
    out.push_back({".min", type.element, Min, CallCost::kTraverseList});
    out.push_back({".max", type.element, Max, CallCost::kTraverseList});
  }
  for (const std::string_view type :
       {"list(int) -> list(int)", "list(uint) -> list(uint)", "list(double) -> list(double)",
        "list(bool) -> list(bool)", "list(duration) -> list(duration)", "list(timestamp) -> list(timestamp)",
        "list(string) -> list(string)", "list(bytes) -> list(bytes)"}) {
    out.push_back({".sort", type, Sort, CallCost::kListSort});
  }
  return out;
}

}  // namespace

std::span<const FunctionDefinition> library::Lists() {
  static const std::vector<FunctionDefinition> definitions = MakeDefinitions();
  return definitions;
}

}  // namespace minikube::cel
