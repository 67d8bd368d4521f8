// CEL, the Common Expression Language (https://github.com/google/cel-spec), as Kubernetes uses it: compile an
// expression once, evaluate it as often as needed.
//
//   cel::EnvironmentOptions options;
//   options.variables = {{"self", cel::types::Dyn()}};
//   const cel::Environment env(std::move(options));
//   const auto program = env.Compile("self.replicas <= self.maxReplicas").value();
//   const cel::Value self = cel::FromJson(tree);
//   cel::Outcome outcome = program->Evaluate({&self, 1});
//
// The language in full, with the extension libraries that Kubernetes v1.36 has; messages only as far as StructTypes
// tells them, and no protobuf.
// Thread safety: environments and programs are immutable; any thread. Limits: the length of an expression and the
// height of its tree (ParseLimits), the cost of an evaluation; an expression that passes them cannot harm.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/status.h>

#include "cel/checker.h"
#include "cel/cost_estimate.h"
#include "cel/evaluator.h"
#include "cel/parser.h"
#include "cel/type.h"
#include "cel/value.h"

namespace minikube::cel {

// What Kubernetes lets one evaluation cost.
inline constexpr std::uint64_t kDefaultCostLimit = 1'000'000;

class Program {
 public:
  ~Program();
  // `variables`: a value for each variable of the environment, in its order. More than that is an error.
  Outcome Evaluate(std::span<const Value> variables, std::uint64_t cost_limit = kDefaultCostLimit) const;
  // What an evaluation can cost at least and at most, by the sizes that the types admit.
  const CostEstimate& estimate() const { return estimate_; }
  const TypeRef& result_type() const { return ast_.root->type; }
  const std::string& expression() const { return expression_; }
  // Whether it mentions that variable.
  bool Uses(std::string_view variable) const;

 private:
  friend class Environment;
  Program();
  std::string expression_;
  Ast ast_;
  CostEstimate estimate_;
};

struct EnvironmentOptions {
  std::vector<Variable> variables;
  std::shared_ptr<const StructTypes> structs;  // may be null
  bool homogeneous_literals = true;
  ParseLimits limits;
};

class Environment {
 public:
  explicit Environment(EnvironmentOptions options) : options_(std::move(options)) {}

  // Errors: kInvalid, with all that is wrong as cel-go shows it (Render). `result`: what the expression must yield;
  // null for anything.
  Result<std::shared_ptr<const Program>> Compile(std::string_view expression, const TypeRef& result = nullptr) const;
  const std::vector<Variable>& variables() const { return options_.variables; }

 private:
  EnvironmentOptions options_;
};

// A view of a tree, whose numbers are int or double as they are spelled. It borrows the tree.
Value FromJson(const Json& tree);
// A view of a generated struct: what its JSON would say. Times and bytes are strings as they are there; what JSON would
// leave out is not there. It borrows the message.
Value FromMessage(const MessageDesc& desc, const void* message);
// Its type, for the checker.
TypeRef TypeOfMessage(const MessageDesc& desc);

}  // namespace minikube::cel
