// The functions of the language: what an overload takes, gives, does and costs.
//
// Each library (src/cel/library) has a constant table of definitions; the registry makes overloads of them once.
// Thread safety: immutable after the first use. Functions are pure: any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "cel/type.h"
#include "cel/value.h"

namespace minikube::cel {

// Arguments are never errors, and of the kinds that the overload takes.
using FunctionBody = Value (*)(std::span<const Value> args);

// What a call costs, in the units of cel-go: from the sizes of its arguments.
enum class CallCost : std::uint8_t {
  kOne,
  kTraverseFirst,  // a tenth of the first argument
  kTraverseTwice,  // a fifth of the first: read and written
  kConcatenate,    // a tenth of both
  kCompare,        // a tenth of the smaller one
  kContains,       // a tenth of the one times a tenth of the other
  kRegex,          // a tenth of the text times a quarter of the expression
  kList,           // the size of the second argument
  kTraverseList,   // the size of the first argument, strings in it counted by their characters
  kResultTwice,    // a fifth of the result
  kCidrContains,   // two addresses, and the text of a second one
  kCidrContainsCidr,
  kFormat,  // a regular expression of the format over the second argument
  kSelector,
  kAuthorizationCheck,
  kSetProduct,  // the sizes of both lists multiplied
  kNothing,
  kListBuild,  // a new list, and its size
  kListSort,   // a new list, and the square of its size
};

struct FunctionDefinition {
  std::string_view name;       // ".size": called as x.size()
  std::string_view signature;  // "string, int -> string"
  FunctionBody body;
  CallCost cost = CallCost::kOne;
};

struct Overload {
  static constexpr std::size_t kMaxParams = 4;
  std::string_view function;
  bool member = false;
  std::vector<TypeRef> params;
  TypeRef result;
  FunctionBody body = nullptr;
  CallCost cost = CallCost::kOne;
  bool priced_by_overload = false;       // not if several may apply: then a call costs 1
  std::uint32_t masks[kMaxParams] = {};  // kinds of values that a parameter takes, as bits

  // Whether the values are of the kinds that it takes.
  bool Takes(std::span<const Value> args) const;
};

// The overloads of that name, member functions or not; empty if there are none.
std::span<const Overload* const> FindFunction(std::string_view name, bool member);
// Whether `name` is a function of any kind.
bool IsFunction(std::string_view name);

namespace library {
std::span<const FunctionDefinition> Operators();
std::span<const FunctionDefinition> Conversions();
std::span<const FunctionDefinition> Strings();
std::span<const FunctionDefinition> Times();
std::span<const FunctionDefinition> JsonPatches();
std::span<const FunctionDefinition> Lists();
std::span<const FunctionDefinition> Optionals();
std::span<const FunctionDefinition> Regexes();
std::span<const FunctionDefinition> Urls();
std::span<const FunctionDefinition> Quantities();
std::span<const FunctionDefinition> Networks();
std::span<const FunctionDefinition> Formats();
std::span<const FunctionDefinition> Semvers();
std::span<const FunctionDefinition> Authorizers();
}  // namespace library

}  // namespace minikube::cel
