// The checker: finds what names and functions mean, and the type of every part of an expression.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "cel/ast.h"
#include "cel/issue.h"
#include "cel/type.h"

namespace minikube::cel {

// A variable that expressions may use. A dotted name ("authorizer.requestResource") is found before a field of a
// variable of its first part.
struct Variable {
  Str name;
  TypeRef type;
};

// Message types that expressions may construct.
class StructTypes {
 public:
  virtual ~StructTypes() = default;
  // Null if there is no such type.
  virtual TypeRef Find(std::string_view name) const = 0;
};

struct CheckOptions {
  const std::vector<Variable>* variables = nullptr;  // slot i of the frame is variable i
  const StructTypes* structs = nullptr;              // may be null
  bool homogeneous_literals = true;                  // [1, "a"] is an issue
  std::size_t max_issues = 100;
};

// Annotates the tree: types, slots, overloads. False if there are issues.
bool Check(Ast& ast, const CheckOptions& options, std::vector<Issue>& issues);

// Whether a value of type `from` can be used where `to` is expected.
bool IsAssignable(const TypeRef& from, const TypeRef& to);

}  // namespace minikube::cel
