#include "cel/cost_estimate.h"

#include <algorithm>
#include <cmath>

#include "cel/evaluator.h"
#include "cel/function.h"

namespace minikube::cel {
namespace {

constexpr std::uint64_t kUnbounded = UINT64_MAX;

std::uint64_t Add(std::uint64_t a, std::uint64_t b) { return a + b < a ? kUnbounded : a + b; }
std::uint64_t Multiply(std::uint64_t a, std::uint64_t b) {
  std::uint64_t out = 0;
  return __builtin_mul_overflow(a, b, &out) ? kUnbounded : out;
}
std::uint64_t Scale(std::uint64_t size, double factor) {
  const double scaled = std::ceil(static_cast<double>(size) * factor);
  return scaled >= 1.8e19 ? kUnbounded : static_cast<std::uint64_t>(scaled);
}

// Sizes and costs are both ranges.
using Range = CostEstimate;
Range Plus(Range a, Range b) { return {Add(a.min, b.min), Add(a.max, b.max)}; }
Range Times(Range a, Range b) { return {Multiply(a.min, b.min), Multiply(a.max, b.max)}; }
Range ScaleBy(Range a, double factor) { return {Scale(a.min, factor), Scale(a.max, factor)}; }

class Estimator {
 public:
  Range CostOf(const Expr& expr);

 private:
  Range SizeOf(const Expr& expr);
  Range CallCostOf(const Expr& expr, const Overload& overload);
  Range Comprehension(const Expr& expr);
};

bool HasSize(Type::Kind kind) {
  return kind == Type::Kind::kString || kind == Type::Kind::kBytes || kind == Type::Kind::kList ||
         kind == Type::Kind::kMap || kind == Type::Kind::kDyn || kind == Type::Kind::kParam;
}

Range SizeOfType(const Type& type) {
  if (!HasSize(type.kind)) return {1, 1};
  return {0, type.max_size >= 0 ? static_cast<std::uint64_t>(type.max_size) : kUnbounded};
}

Range Estimator::SizeOf(const Expr& expr) {
  if (expr.op == Expr::Op::kConst) {
    const std::uint64_t n = expr.value.is(Kind::kString) || expr.value.is(Kind::kBytes) ? expr.value.Size() : 1;
    return {n, n};
  }
  if (expr.op == Expr::Op::kList) return {expr.args.size(), expr.args.size()};
  if (expr.op == Expr::Op::kMap) return {expr.args.size() / 2, expr.args.size() / 2};
  if (expr.op == Expr::Op::kConditional) {
    const Range yes = SizeOf(*expr.args[1]);
    const Range no = SizeOf(*expr.args[2]);
    return {std::min(yes.min, no.min), std::max(yes.max, no.max)};
  }
  if (expr.op == Expr::Op::kComprehension && expr.macro != Macro::kBind && expr.type->kind == Type::Kind::kList) {
    const Range range = SizeOf(*expr.args[0]);
    const bool whole = (expr.macro == Macro::kMap || expr.macro == Macro::kTransformList) && expr.args.size() == 2;
    return {whole ? range.min : 0, range.max};
  }
  if (expr.op != Expr::Op::kCall || expr.type->max_size >= 0) return SizeOfType(*expr.type);
  // Results of calls, as far as they follow from the arguments.
  const Expr& first = *(expr.args.empty() ? &expr : expr.args[0]);
  if (expr.name == "_+_") return Plus(SizeOf(*expr.args[0]), SizeOf(*expr.args[1]));
  const bool no_longer = expr.name == "lowerAscii" || expr.name == "upperAscii" || expr.name == "trim" ||
                         expr.name == "substring" || expr.name == "find" || expr.name == "split" ||
                         expr.name == "findAll" || expr.name == "reverse" || expr.name == "sort" ||
                         expr.name == "distinct" || expr.name == "slice" || expr.name == "dyn";
  if (no_longer && !expr.args.empty()) return {0, SizeOf(first).max};
  if (expr.name == "replace" && expr.args.size() >= 3) {
    const Range text = SizeOf(first);
    const Range with = SizeOf(*expr.args[2]);
    return {0, Add(text.max, Multiply(Add(text.max, 1), with.max))};
  }
  return SizeOfType(*expr.type);
}

Range Estimator::CallCostOf(const Expr& expr, const Overload& overload) {
  const auto size = [&](std::size_t i) { return i < expr.args.size() ? SizeOf(*expr.args[i]) : Range{1, 1}; };
  switch (overload.cost) {
    case CallCost::kOne:
      return {1, 1};
    case CallCost::kTraverseFirst:
      return ScaleBy(size(0), cost::kTraversal);
    case CallCost::kTraverseTwice:
      return ScaleBy(size(0), 2 * cost::kTraversal);
    case CallCost::kConcatenate:
      return ScaleBy(Plus(size(0), size(1)), cost::kTraversal);
    case CallCost::kCompare: {
      const Range a = size(0);
      const Range b = size(1);
      return ScaleBy({std::min(a.min, b.min), std::min(a.max, b.max)}, cost::kTraversal);
    }
    case CallCost::kContains:
      return Times(ScaleBy(size(0), cost::kTraversal), ScaleBy(size(1), cost::kTraversal));
    case CallCost::kRegex:
      return Times(ScaleBy(Plus(size(0), {1, 1}), cost::kTraversal), ScaleBy(size(1), cost::kRegexLength));
    case CallCost::kList:
      return size(1);
    case CallCost::kTraverseList: {
      Range element = {1, 1};
      const Type& list = *expr.args[0]->type;
      if (list.kind == Type::Kind::kList &&
          (list.params[0]->kind == Type::Kind::kString || list.params[0]->kind == Type::Kind::kBytes)) {
        element = Plus(element, ScaleBy(SizeOfType(*list.params[0]), cost::kTraversal));
      }
      return Times(size(0), element);
    }
    case CallCost::kResultTwice: {
      const Type& list = *expr.args[0]->type;
      Range element = list.kind == Type::Kind::kList ? SizeOfType(*list.params[0]) : Range{0, kUnbounded};
      if (expr.args.size() > 1) element = Plus(element, size(1));
      return ScaleBy(Times(size(0), element), 2 * cost::kTraversal);
    }
    case CallCost::kCidrContains:
    case CallCost::kCidrContainsCidr: {
      const bool of_text = expr.args[1]->type->kind != Type::Kind::kOpaque;
      Range sum = ScaleBy({8, 32}, cost::kTraversal);
      if (of_text) sum = Plus(sum, ScaleBy(size(1), cost::kTraversal));
      return overload.cost == CallCost::kCidrContains ? sum : Plus(sum, {2, 3});
    }
    case CallCost::kFormat:
      return Times(ScaleBy(Plus(size(1), {1, 1}), cost::kTraversal),
                   ScaleBy({cost::kFormatRegexSize, cost::kFormatRegexSize}, cost::kRegexLength));
    case CallCost::kSelector:
      return Plus(Plus({cost::kListCreate, cost::kListCreate}, ScaleBy(size(1), cost::kTraversal)),
                  Times(ScaleBy(size(1), 0.5), {50, 50}));
    case CallCost::kAuthorizationCheck:
      return {cost::kAuthorizationCheck, cost::kAuthorizationCheck};
    case CallCost::kSetProduct:
      return Plus(Times(size(0), size(1)), {1, 1});
    case CallCost::kNothing:
      return {0, 0};
    case CallCost::kListBuild:
      // As many as there were, unless lists are taken apart or numbers counted out.
      if (overload.function == "flatten" || overload.function == "lists.range") return {cost::kListCreate, kUnbounded};
      return Plus({cost::kListCreate + 1, cost::kListCreate + 1}, {0, size(0).max});
    case CallCost::kListSort:
      return Plus(Times(Times(size(0), size(0)), {2, 2}), {cost::kListCreate + 1, cost::kListCreate + 1});
  }
  return {1, 1};
}

Range Estimator::CostOf(const Expr& expr) {
  Range sum;
  switch (expr.op) {
    case Expr::Op::kConst:
      return {0, 0};
    case Expr::Op::kIdent:
      return {cost::kSelect, cost::kSelect};
    case Expr::Op::kSelect:
    case Expr::Op::kHas: {
      const std::uint64_t begin = BeginsAttribute(*expr.args[0]) ? cost::kSelect : 0;
      const std::uint64_t own = expr.op == Expr::Op::kSelect ? cost::kSelect : 0;
      return Plus(CostOf(*expr.args[0]), {begin, begin + own});
    }
    case Expr::Op::kAnd:
    case Expr::Op::kOr:
      for (const Expr* arg : expr.args) {
        const Range part = CostOf(*arg);
        if (arg == expr.args[0]) sum.min = part.min;
        sum.max = Add(sum.max, part.max);
      }
      return sum;
    case Expr::Op::kConditional: {
      const Range yes = CostOf(*expr.args[1]);
      const Range no = CostOf(*expr.args[2]);
      const std::uint64_t min = std::min(yes.min, no.min);
      return Plus(CostOf(*expr.args[0]), {min > 0 ? min - 1 : 0, std::max(yes.max, no.max)});
    }
    case Expr::Op::kComprehension:
      return Comprehension(expr);
    default:
      break;
  }
  for (const Expr* arg : expr.args) sum = Plus(sum, CostOf(*arg));
  // A literal of constants is made beforehand.
  if (expr.op == Expr::Op::kList) return Plus(sum, {0, cost::kListCreate});
  if (expr.op == Expr::Op::kMap) return Plus(sum, {0, cost::kMapCreate});
  if (expr.op == Expr::Op::kStruct) return Plus(sum, {cost::kStructCreate, cost::kStructCreate});
  Range call = {kUnbounded, 0};
  for (const Overload* overload : expr.overloads) {
    const Range one = CallCostOf(expr, *overload);
    call = {std::min(call.min, one.min), std::max(call.max, one.max)};
  }
  if (expr.overloads.size() != 1) call = {0, std::max<std::uint64_t>(call.max, 1)};
  if (IsIndex(expr)) call = {0, 2};
  const auto is_constant = [](const Expr* arg) { return arg->op == Expr::Op::kConst; };
  if (std::all_of(expr.args.begin(), expr.args.end(), is_constant) || expr.name == "@in") call.min = 0;
  call.max = std::max<std::uint64_t>(call.max, 1);  // an argument may be an error
  return Plus(sum, call);
}

Range Estimator::Comprehension(const Expr& expr) {
  const Range range = CostOf(*expr.args[0]);
  const Range body = CostOf(*expr.args[1]);
  switch (expr.macro) {
    case Macro::kBind:
      return Plus(range, body);
    case Macro::kOptMap:
    case Macro::kOptFlatMap:
      return Plus(Plus(range, {1, Add(3, body.max)}), {0, range.max});
    default:
      break;
  }
  Range step = body;
  if (expr.args.size() > 2) step = Plus(step, CostOf(*expr.args[2]));
  Range result = {1, 1};
  switch (expr.macro) {
    case Macro::kAll:
      step = Plus(step, {3, 3});
      break;
    case Macro::kExists:
      step = Plus(step, {4, 4});
      break;
    case Macro::kExistsOne:
      step = Plus(step, {0, 2});
      result = {2, 2};
      break;
    case Macro::kTransformMap:
    case Macro::kTransformMapEntry:
      step = Plus(step, {0, 3});
      break;
    default:
      step = Plus(step, {0, cost::kListCreate + 3});
  }
  return Plus(Plus(range, result), Times(SizeOf(*expr.args[0]), step));
}

}  // namespace

CostEstimate EstimateCost(const Ast& ast) { return Estimator().CostOf(*ast.root); }

}  // namespace minikube::cel
