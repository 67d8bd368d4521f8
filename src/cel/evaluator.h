// The evaluator: a walk over a checked tree, counted in the units of cel-go, so that limits mean what they mean there.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "cel/ast.h"
#include "cel/value.h"

namespace minikube::cel {

struct Outcome {
  Value value;             // an error, if it came to one
  std::uint64_t cost = 0;  // of this evaluation
  bool exhausted = false;  // the cost reached the limit: `value` is an error, and nothing was decided
};

// `variables` are those that the tree was checked with, in that order. Thread safety: any thread, one tree at once.
Outcome Evaluate(const Ast& ast, std::span<const Value> variables, std::uint64_t cost_limit);

// Evaluates once what is the same each time: literals of lists and maps, and conversions, of constants. What fails
// stays as it is, to fail when it is evaluated.
void FoldConstants(Expr& expr);

// x[i], x[?i].
bool IsIndex(const Expr& expr);
// Whether what is selected from that operand is an attribute of its own, which costs.
bool BeginsAttribute(const Expr& operand);

// The cost of one call, with these arguments.
std::uint64_t CostOfCall(const Overload& overload, std::span<const Value> args, const Value& result);

namespace cost {
inline constexpr std::uint64_t kSelect = 1;
inline constexpr std::uint64_t kListCreate = 10;
inline constexpr std::uint64_t kMapCreate = 30;
inline constexpr std::uint64_t kStructCreate = 40;
inline constexpr std::uint64_t kAuthorizationCheck = 350'000;
inline constexpr double kTraversal = 0.1;              // of a character
inline constexpr double kRegexLength = 0.25;           // of a character of the expression
inline constexpr std::uint64_t kFormatRegexSize = 80;  // of the largest format
}  // namespace cost

}  // namespace minikube::cel
