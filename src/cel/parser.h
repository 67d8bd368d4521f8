// From text to a tree: the grammar of CEL, and the macros.
//
// Thread safety: pure function. Limits: ParseLimits; what exceeds them is an issue, and never deep recursion.
#pragma once

#include <string_view>
#include <vector>

#include "cel/ast.h"
#include "cel/issue.h"

namespace minikube::cel {

struct ParseLimits {
  std::size_t max_length = 100'000;  // characters of an expression
  int max_depth = 250;               // of the tree
  std::size_t max_issues = 100;
};

// False if there are issues; the tree is then of no use.
bool Parse(std::string_view text, const ParseLimits& limits, Ast& ast, std::vector<Issue>& issues);

// Whether `name` is a word of the language, which no variable can have as its name.
bool IsReserved(std::string_view name);

}  // namespace minikube::cel
