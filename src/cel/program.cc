#include "cel/program.h"

#include <algorithm>

#include <fmt/format.h>

namespace minikube::cel {

Program::Program() = default;
Program::~Program() = default;

Outcome Program::Evaluate(std::span<const Value> variables, std::uint64_t cost_limit) const {
  return cel::Evaluate(ast_, variables, cost_limit);
}

bool Program::Uses(std::string_view variable) const {
  return std::any_of(ast_.nodes.begin(), ast_.nodes.end(), [&](const Expr& expr) {
    return expr.op == Expr::Op::kIdent && expr.slot >= 0 && expr.name == variable;
  });
}

Result<std::shared_ptr<const Program>> Environment::Compile(std::string_view expression, const TypeRef& result) const {
  std::shared_ptr<Program> program(new Program);
  program->expression_ = expression;
  std::vector<Issue> issues;
  CheckOptions check;
  check.variables = &options_.variables;
  check.structs = options_.structs.get();
  check.homogeneous_literals = options_.homogeneous_literals;
  if (!Parse(expression, options_.limits, program->ast_, issues) || !Check(program->ast_, check, issues)) {
    return Status(Code::kInvalid, Render(expression, issues));
  }
  const TypeRef& type = program->ast_.root->type;
  if (result != nullptr && !IsAssignable(type, result)) {
    return Status(Code::kInvalid, fmt::format("must evaluate to {}", result->ToString()));
  }
  program->estimate_ = EstimateCost(program->ast_);
  FoldConstants(*program->ast_.root);
  return std::shared_ptr<const Program>(std::move(program));
}

}  // namespace minikube::cel
