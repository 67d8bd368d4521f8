#include "cel/evaluator.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "cel/function.h"

namespace minikube::cel {

constexpr std::uint64_t kMaxFoldingCost = 1'000'000;

bool IsIndex(const Expr& expr) { return expr.op == Expr::Op::kCall && (expr.name == "_[_]" || expr.name == "_[?_]"); }

bool BeginsAttribute(const Expr& operand) {
  return operand.op != Expr::Op::kIdent && operand.op != Expr::Op::kSelect && !IsIndex(operand);
}

namespace {

// A variable, or what is selected from one: read as one attribute. What is selected from anything else costs one more,
// for the attribute that begins there.
bool IsAttribute(const Expr& expr) {
  const Expr* at = &expr;
  while (at->op == Expr::Op::kSelect || IsIndex(*at)) at = at->args[0];
  return at->op == Expr::Op::kIdent;
}

class Evaluator {
 public:
  Evaluator(const Ast& ast, std::span<const Value> variables, std::uint64_t limit)
      : slots_(static_cast<std::size_t>(ast.slots)), limit_(limit) {
    std::copy(variables.begin(), variables.end(), slots_.begin());
  }

  Value Eval(const Expr& expr);
  std::uint64_t cost() const { return cost_; }
  bool exhausted() const { return exhausted_; }

 private:
  Value Select(const Expr& expr);
  Value Has(const Expr& expr);
  Value Call(const Expr& expr);
  Value Logical(const Expr& expr);
  Value Conditional(const Expr& expr);
  Value ListLiteral(const Expr& expr);
  Value MapLiteral(const Expr& expr);
  Value StructLiteral(const Expr& expr);
  Value Comprehension(const Expr& expr);
  Value Quantifier(const Expr& expr, const Value& range);
  Value Transform(const Expr& expr, const Value& range);
  Value SortBy(const Expr& expr, const Value& range);
  Value OfOptional(const Expr& expr, const Value& range, std::uint64_t range_cost);

  static std::uint64_t CostOf(const Expr& expr, const Overload& overload, std::span<const Value> args,
                              const Value& result);

  // Sets the variables of a comprehension to its next element; false at the end.
  class Walk;

  void Charge(std::uint64_t cost) {
    cost_ = cost_ + cost < cost_ ? UINT64_MAX : cost_ + cost;
    if (cost_ > limit_) exhausted_ = true;
  }
  static Value Exhausted() { return Value::Error("operation cancelled: actual cost limit exceeded"); }
  Value& Slot(std::int32_t i) { return slots_[static_cast<std::size_t>(i)]; }

  std::vector<Value> slots_;
  const std::uint64_t limit_;
  std::uint64_t cost_ = 0;
  bool exhausted_ = false;
};

// The elements of a range in turn.
class Evaluator::Walk {
 public:
  Walk(Evaluator& e, const Expr& expr, const Value& range) : e_(e), expr_(expr), range_(range) {
    if (range.is(Kind::kMap)) keys_ = range.Keys();
    size_ = range.is(Kind::kMap) ? keys_.size() : range.Size();
  }
  bool Next() {
    if (next_ == size_ || e_.exhausted_) return false;
    const std::size_t i = next_++;
    if (range_.is(Kind::kMap)) {
      e_.Slot(expr_.slot) = keys_[i];
      if (expr_.slot2 >= 0) range_.Find(keys_[i], &e_.Slot(expr_.slot2));
    } else if (expr_.slot2 >= 0) {
      e_.Slot(expr_.slot) = Value::Int(static_cast<std::int64_t>(i));
      e_.Slot(expr_.slot2) = range_.At(i);
    } else {
      e_.Slot(expr_.slot) = range_.At(i);
    }
    return true;
  }

  bool AtEnd() const { return next_ == size_; }

 private:
  Evaluator& e_;
  const Expr& expr_;
  const Value& range_;
  std::vector<Value> keys_;
  std::size_t size_ = 0;
  std::size_t next_ = 0;
};

Value Evaluator::Eval(const Expr& expr) {
  if (exhausted_) return Exhausted();
  switch (expr.op) {
    case Expr::Op::kConst:
      return expr.value;
    case Expr::Op::kIdent:
      Charge(cost::kSelect);
      return Slot(expr.slot);
    case Expr::Op::kSelect:
      return Select(expr);
    case Expr::Op::kHas:
      return Has(expr);
    case Expr::Op::kCall:
      return Call(expr);
    case Expr::Op::kAnd:
    case Expr::Op::kOr:
      return Logical(expr);
    case Expr::Op::kConditional:
      return Conditional(expr);
    case Expr::Op::kList:
      return ListLiteral(expr);
    case Expr::Op::kMap:
      return MapLiteral(expr);
    case Expr::Op::kStruct:
      return StructLiteral(expr);
    case Expr::Op::kComprehension:
      return Comprehension(expr);
  }
  return Value::NoSuchOverload();
}

Value Evaluator::Select(const Expr& expr) {
  Value operand = Eval(*expr.args[0]);
  if (operand.is_error()) return operand;
  if (BeginsAttribute(*expr.args[0])) Charge(cost::kSelect);
  // Through an optional, the result is one.
  bool optional = expr.optional;
  if (operand.is(Kind::kOptional)) {
    if (operand.optional_value() == nullptr) return operand;
    operand = Value(*operand.optional_value());
    optional = true;
  }
  if (!operand.is(Kind::kMap)) return Value::NoSuchOverload();
  Value out;
  const bool found = operand.FindField(expr.name, &out);
  if (found || !optional) Charge(cost::kSelect);
  if (!optional) return found ? out : Value::Error(fmt::format("no such key: {}", expr.name.view()));
  if (!found) return Value::OptionalNone();
  return out.is_error() ? out : Value::OptionalOf(std::move(out));
}

Value Evaluator::Has(const Expr& expr) {
  Value operand = Eval(*expr.args[0]);
  if (operand.is_error()) return operand;
  if (BeginsAttribute(*expr.args[0])) Charge(cost::kSelect);
  if (operand.is(Kind::kOptional)) {
    if (operand.optional_value() == nullptr) return Value::Bool(false);
    operand = Value(*operand.optional_value());
  }
  if (!operand.is(Kind::kMap)) return Value::NoSuchOverload();
  Value ignored;
  return Value::Bool(operand.FindField(expr.name, &ignored));
}

Value Evaluator::Call(const Expr& expr) {
  Value args[Overload::kMaxParams];
  const std::size_t n = expr.args.size();
  for (std::size_t i = 0; i < n; ++i) {
    args[i] = Eval(*expr.args[i]);
    if (!args[i].is_error()) continue;
    Charge(1);
    return args[i];
  }
  const std::span<const Value> given(args, n);
  for (const Overload* overload : expr.overloads) {
    if (!overload->Takes(given)) continue;
    Value result = overload->body(given);
    Charge(CostOf(expr, *overload, given, result));
    return exhausted_ ? Exhausted() : result;
  }
  return Value::NoSuchOverload();
}

std::uint64_t Evaluator::CostOf(const Expr& expr, const Overload& overload, std::span<const Value> args,
                                const Value& result) {
  if (IsIndex(expr)) {
    const bool missing = expr.name == "_[?_]" && result.is(Kind::kOptional) && result.optional_value() == nullptr;
    return (BeginsAttribute(*expr.args[0]) ? 1 : 0) + (missing ? 0 : 1);
  }
  // Membership in a list of constants is a look into a set.
  if (expr.name == "@in" && expr.args[1]->op == Expr::Op::kConst) return args[1].is(Kind::kList) ? 0 : 1;
  // Which function it is was told by the arguments only now: such a call has a price of its own.
  if (overload.priced_by_overload && expr.overloads.size() > 1) return 1;
  return CostOfCall(overload, args, result);
}

// One side decides alone: an error on the other does not matter then.
Value Evaluator::Logical(const Expr& expr) {
  const bool decisive = expr.op == Expr::Op::kOr;
  Value problem = Value::Null();
  for (const Expr* arg : expr.args) {
    Value v = Eval(*arg);
    if (exhausted_) return Exhausted();
    if (v.is(Kind::kBool)) {
      if (v.boolean() == decisive) return v;
    } else if (!problem.is_error()) {
      problem = v.is_error() ? std::move(v) : Value::NoSuchOverload();
    }
  }
  return problem.is_error() ? problem : Value::Bool(!decisive);
}

Value Evaluator::Conditional(const Expr& expr) {
  Value condition = Eval(*expr.args[0]);
  if (condition.is_error()) return condition;
  if (!condition.is(Kind::kBool)) return Value::NoSuchOverload();
  const Expr& branch = *expr.args[condition.boolean() ? 1 : 2];
  Value value = Eval(branch);
  // A variable, and what is selected from it, comes with the condition.
  if (IsAttribute(branch) && cost_ > 0) --cost_;
  return value;
}

Value Evaluator::ListLiteral(const Expr& expr) {
  std::vector<Value> items;
  items.reserve(expr.args.size());
  for (std::size_t i = 0; i < expr.args.size(); ++i) {
    Value item = Eval(*expr.args[i]);
    if (item.is_error()) return item;
    if (!expr.optionals.empty() && expr.optionals[i]) {
      if (!item.is(Kind::kOptional)) return Value::NoSuchOverload();
      if (item.optional_value() == nullptr) continue;
      item = Value(*item.optional_value());
    }
    items.push_back(std::move(item));
  }
  Charge(cost::kListCreate);
  return Value::List(std::move(items));
}

Value Evaluator::MapLiteral(const Expr& expr) {
  std::vector<std::pair<Value, Value>> entries;
  entries.reserve(expr.args.size() / 2);
  for (std::size_t i = 0; i + 1 < expr.args.size(); i += 2) {
    Value key = Eval(*expr.args[i]);
    if (key.is_error()) return key;
    const bool usable = key.is(Kind::kString) || key.is(Kind::kInt) || key.is(Kind::kUint) || key.is(Kind::kBool);
    if (!usable) return Value::Error(fmt::format("unsupported key type: {}", key.TypeName()));
    Value value = Eval(*expr.args[i + 1]);
    if (value.is_error()) return value;
    if (!expr.optionals.empty() && expr.optionals[i / 2]) {
      if (!value.is(Kind::kOptional)) return Value::NoSuchOverload();
      if (value.optional_value() == nullptr) continue;
      value = Value(*value.optional_value());
    }
    for (const auto& entry : entries) {
      if (Equal(entry.first, key)) return Value::Error("duplicate key in map literal");
    }
    entries.emplace_back(std::move(key), std::move(value));
  }
  Charge(cost::kMapCreate);
  return Value::Map(std::move(entries));
}

Value Evaluator::StructLiteral(const Expr& expr) {
  std::vector<std::pair<Value, Value>> entries;
  for (std::size_t i = 0; i < expr.args.size(); ++i) {
    Value value = Eval(*expr.args[i]);
    if (value.is_error()) return value;
    if (!expr.optionals.empty() && expr.optionals[i]) {
      if (!value.is(Kind::kOptional)) return Value::NoSuchOverload();
      if (value.optional_value() == nullptr) continue;
      value = Value(*value.optional_value());
    }
    entries.emplace_back(Value::String(expr.fields[i]), std::move(value));
  }
  Charge(cost::kStructCreate);
  return Value::Struct(expr.name, std::move(entries));
}

Value Evaluator::Comprehension(const Expr& expr) {
  const std::uint64_t before = cost_;
  Value range = Eval(*expr.args[0]);
  if (expr.macro == Macro::kBind) {
    if (range.is_error()) return range;
    Slot(expr.slot) = std::move(range);
    return Eval(*expr.args[1]);
  }
  if (range.is_error()) return range;
  switch (expr.macro) {
    case Macro::kOptMap:
    case Macro::kOptFlatMap:
      return OfOptional(expr, range, cost_ - before);
    case Macro::kSortBy:
      return range.is(Kind::kList) ? SortBy(expr, range) : Value::NoSuchOverload();
    default:
      break;
  }
  if (!range.is(Kind::kList) && !range.is(Kind::kMap)) return Value::NoSuchOverload();
  const bool quantifier = expr.macro == Macro::kAll || expr.macro == Macro::kExists || expr.macro == Macro::kExistsOne;
  return quantifier ? Quantifier(expr, range) : Transform(expr, range);
}

// The charges are those of the loops that cel-go makes of these macros.
Value Evaluator::Quantifier(const Expr& expr, const Value& range) {
  const Expr& body = *expr.args[1];
  Value problem = Value::Null();
  std::size_t matches = 0;
  const bool one = expr.macro == Macro::kExistsOne;
  const bool decisive = expr.macro == Macro::kExists;
  // Whether to go on is asked before each element: of all, it takes a look at what was found and a call; of exists one
  // call more.
  const std::uint64_t condition = one ? 0 : decisive ? 3 : 2;
  for (Walk walk(*this, expr, range); walk.Next();) {
    Charge(one ? 0 : condition + 1);
    Value v = Eval(body);
    if (exhausted_) return Exhausted();
    if (one) {
      if (v.is_error()) return v;
      if (!v.is(Kind::kBool)) return Value::NoSuchOverload();
      matches += v.boolean() ? 1 : 0;
      if (v.boolean()) Charge(2);
    } else if (v.is(Kind::kBool)) {
      if (v.boolean() != decisive) continue;
      Charge(1 + (walk.AtEnd() ? 0 : condition));
      return exhausted_ ? Exhausted() : v;
    } else if (!problem.is_error()) {
      problem = v.is_error() ? std::move(v) : Value::NoSuchOverload();
    }
  }
  Charge(one ? 2 : 1);
  if (exhausted_) return Exhausted();
  if (one) return Value::Bool(matches == 1);
  return problem.is_error() ? problem : Value::Bool(!decisive);
}

Value Evaluator::Transform(const Expr& expr, const Value& range) {
  const Expr& body = *expr.args[1];
  const Expr* filter = expr.args.size() > 2 ? expr.args[2] : nullptr;
  const bool to_map = expr.macro == Macro::kTransformMap || expr.macro == Macro::kTransformMapEntry;
  std::vector<Value> items;
  std::vector<std::pair<Value, Value>> entries;
  for (Walk walk(*this, expr, range); walk.Next();) {
    const Expr* condition = expr.macro == Macro::kFilter ? &body : filter;
    if (condition != nullptr) {
      Value keep = Eval(*condition);
      if (keep.is_error()) return keep;
      if (!keep.is(Kind::kBool)) return Value::NoSuchOverload();
      if (!keep.boolean()) continue;
    }
    // A list or an entry is added to what has been gathered.
    Charge(!to_map ? cost::kListCreate + 2 : expr.macro == Macro::kTransformMap ? 3 : 2);
    if (expr.macro == Macro::kFilter) {
      Charge(1);
      items.push_back(Slot(expr.slot));
      continue;
    }
    const Value key = expr.macro == Macro::kTransformMap ? Slot(expr.slot) : Value::Null();
    Value v = Eval(body);
    if (v.is_error()) return v;
    if (expr.macro == Macro::kTransformMap) {
      entries.emplace_back(key, std::move(v));
    } else if (expr.macro == Macro::kTransformMapEntry) {
      if (!v.is(Kind::kMap)) return Value::NoSuchOverload();
      for (const Value& name : v.Keys()) {
        Value member;
        v.Find(name, &member);
        for (const auto& entry : entries) {
          if (Equal(entry.first, name)) return Value::Error("insert failed: key already exists");
        }
        Charge(entries.size() / 8);
        entries.emplace_back(name, std::move(member));
      }
    } else {
      items.push_back(std::move(v));
    }
  }
  Charge(1);
  if (exhausted_) return Exhausted();
  return to_map ? Value::Map(std::move(entries)) : Value::List(std::move(items));
}

Value Evaluator::SortBy(const Expr& expr, const Value& range) {
  std::vector<std::pair<Value, Value>> keyed;
  for (Walk walk(*this, expr, range); walk.Next();) {
    Charge(cost::kListCreate + 2);
    Value item = Slot(expr.slot);
    Value key = Eval(*expr.args[1]);
    if (key.is_error()) return key;
    if (!keyed.empty() && Compare(keyed.front().first, key) == 3) {
      return Value::Error("list elements must have the same type");
    }
    keyed.emplace_back(std::move(key), std::move(item));
  }
  const auto n = static_cast<double>(keyed.size());
  Charge(static_cast<std::uint64_t>(n * std::ceil(std::log2(n + 1))));
  if (exhausted_) return Exhausted();
  std::stable_sort(keyed.begin(), keyed.end(),
                   [](const auto& a, const auto& b) { return Compare(a.first, b.first) == -1; });
  std::vector<Value> items;
  for (auto& [key, item] : keyed) items.push_back(std::move(item));
  return Value::List(std::move(items));
}

// The optional is asked whether it has a value, and then for it: twice.
Value Evaluator::OfOptional(const Expr& expr, const Value& range, std::uint64_t range_cost) {
  if (!range.is(Kind::kOptional)) return Value::NoSuchOverload();
  Charge(1);
  if (range.optional_value() == nullptr) {
    Charge(1);
    return Value::OptionalNone();
  }
  Charge(range_cost + (expr.macro == Macro::kOptMap ? 2 : 1));
  Slot(expr.slot) = *range.optional_value();
  Value v = Eval(*expr.args[1]);
  if (v.is_error() || expr.macro == Macro::kOptFlatMap) return v;
  return Value::OptionalOf(std::move(v));
}

std::uint64_t Scaled(std::uint64_t size, double factor) {
  return static_cast<std::uint64_t>(std::ceil(static_cast<double>(size) * factor));
}

// Sizes as costs count them: of what has none, 1.
std::uint64_t SizeOf(const Value& v) {
  switch (v.kind()) {
    case Kind::kString:
    case Kind::kBytes:
    case Kind::kList:
    case Kind::kMap:
      return v.Size();
    case Kind::kOptional:
      return v.optional_value() != nullptr ? SizeOf(*v.optional_value()) : 1;
    case Kind::kOpaque:
      return v.opaque().Size();
    default:
      return 1;
  }
}

// All that is in a value: a tenth of each text, rounded down, and one of anything else.
std::uint64_t Traverse(const Value& value) {
  std::uint64_t sum = 0;
  switch (value.kind()) {
    case Kind::kString:
    case Kind::kBytes:
      return static_cast<std::uint64_t>(static_cast<double>(value.text().size()) * cost::kTraversal);
    case Kind::kList:
      for (std::size_t i = 0, n = value.Size(); i < n; ++i) sum += Traverse(value.At(i));
      return sum;
    case Kind::kMap:
      for (const Value& key : value.Keys()) {
        Value member;
        value.Find(key, &member);
        sum += Traverse(key) + Traverse(member);
      }
      return sum;
    default:
      return 1;
  }
}

}  // namespace

std::uint64_t CostOfCall(const Overload& overload, std::span<const Value> args, const Value& result) {
  switch (overload.cost) {
    case CallCost::kOne:
      return 1;
    case CallCost::kTraverseFirst:
      return Scaled(SizeOf(args[0]), cost::kTraversal);
    case CallCost::kTraverseTwice:
      return Scaled(SizeOf(args[0]), 2 * cost::kTraversal);
    case CallCost::kConcatenate:
      return Scaled(SizeOf(args[0]) + SizeOf(args[1]), cost::kTraversal);
    case CallCost::kCompare:
      return Scaled(std::min(SizeOf(args[0]), SizeOf(args[1])), cost::kTraversal);
    case CallCost::kContains:
      return Scaled(SizeOf(args[0]), cost::kTraversal) * Scaled(SizeOf(args[1]), cost::kTraversal);
    case CallCost::kRegex:
      return Scaled(SizeOf(args[0]) + 1, cost::kTraversal) * Scaled(SizeOf(args[1]), cost::kRegexLength);
    case CallCost::kList:
      return SizeOf(args[1]);
    case CallCost::kTraverseList:
      return Traverse(args[0]);
    case CallCost::kResultTwice:
      return Scaled(SizeOf(result), 2 * cost::kTraversal);
    case CallCost::kCidrContains:
      return Scaled(2 * SizeOf(args[0]), cost::kTraversal) +
             (args[1].is(Kind::kString) ? Scaled(SizeOf(args[1]), cost::kTraversal) : 0);
    case CallCost::kCidrContainsCidr:
      return Scaled(2 * SizeOf(args[0]), cost::kTraversal) + Scaled(SizeOf(args[0]), cost::kTraversal) + 1 +
             (args[1].is(Kind::kString) ? Scaled(SizeOf(args[1]), cost::kTraversal) : 0);
    case CallCost::kFormat:
      return Scaled(SizeOf(args[1]) + 1, cost::kTraversal) * Scaled(SizeOf(args[0]), cost::kRegexLength);
    case CallCost::kSelector:
      return cost::kListCreate + Scaled(SizeOf(args[1]), cost::kTraversal) +
             Scaled(SizeOf(args[1]), 0.5) * (cost::kListCreate + cost::kStructCreate);
    case CallCost::kAuthorizationCheck:
      return cost::kAuthorizationCheck;
    case CallCost::kNothing:
      return 0;
    case CallCost::kSetProduct:
      return SizeOf(args[0]) * SizeOf(args[1]) + 1;
    case CallCost::kListBuild:
      return cost::kListCreate + SizeOf(result) + 1;
    case CallCost::kListSort:
      return cost::kListCreate + 2 * SizeOf(args[0]) * SizeOf(args[0]) + 1;
  }
  return 1;
}

void FoldConstants(Expr& expr) {
  for (Expr* arg : expr.args) FoldConstants(*arg);
  const bool literal = (expr.op == Expr::Op::kList || expr.op == Expr::Op::kMap) && expr.optionals.empty();
  constexpr std::string_view kConversions[] = {"bool", "bytes",  "double",    "duration", "dyn",
                                               "int",  "string", "timestamp", "type",     "uint"};
  const bool conversion =
      expr.op == Expr::Op::kCall && !expr.member && expr.args.size() == 1 &&
      std::find(std::begin(kConversions), std::end(kConversions), expr.name.view()) != std::end(kConversions);
  if (!literal && !conversion) return;
  for (const Expr* arg : expr.args) {
    if (arg->op != Expr::Op::kConst) return;
  }
  Ast alone;
  alone.root = &expr;
  Outcome outcome = Evaluate(alone, {}, kMaxFoldingCost);
  if (outcome.value.is_error()) return;
  expr.op = Expr::Op::kConst;
  expr.value = std::move(outcome.value);
  expr.args.clear();
}

Outcome Evaluate(const Ast& ast, std::span<const Value> variables, std::uint64_t cost_limit) {
  Outcome outcome;
  if (variables.size() > ast.variables) {  // they would lie beyond the frame, or where comprehensions have theirs
    outcome.value = Value::Error("internal error: there are more values than variables");
    return outcome;
  }
  Evaluator evaluator(ast, variables, cost_limit);
  outcome.value = evaluator.Eval(*ast.root);
  outcome.cost = evaluator.cost();
  outcome.exhausted = evaluator.exhausted();
  if (outcome.exhausted) outcome.value = Value::Error("operation cancelled: actual cost limit exceeded");
  return outcome;
}

}  // namespace minikube::cel
