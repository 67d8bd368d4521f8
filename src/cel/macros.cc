#include "cel/macros.h"

#include <optional>

#include <fmt/format.h>

namespace minikube::cel {
namespace {

struct Definition {
  std::string_view name;
  Macro macro;
  std::size_t variables;
  std::size_t min_args;  // variables included
  std::size_t max_args;
};

constexpr Definition kDefinitions[] = {
    {"all", Macro::kAll, 1, 2, 2},
    {"all", Macro::kAll, 2, 3, 3},
    {"exists", Macro::kExists, 1, 2, 2},
    {"exists", Macro::kExists, 2, 3, 3},
    {"exists_one", Macro::kExistsOne, 1, 2, 2},
    {"existsOne", Macro::kExistsOne, 1, 2, 2},
    {"existsOne", Macro::kExistsOne, 2, 3, 3},
    {"exists_one", Macro::kExistsOne, 2, 3, 3},
    {"filter", Macro::kFilter, 1, 2, 2},
    {"map", Macro::kMap, 1, 2, 3},
    {"transformList", Macro::kTransformList, 2, 3, 4},
    {"transformMap", Macro::kTransformMap, 2, 3, 4},
    {"transformMapEntry", Macro::kTransformMapEntry, 2, 3, 4},
    {"optMap", Macro::kOptMap, 1, 2, 2},
    {"optFlatMap", Macro::kOptFlatMap, 1, 2, 2},
    {"sortBy", Macro::kSortBy, 1, 2, 2},
};

const Definition* Find(std::string_view name, std::size_t args) {
  for (const Definition& d : kDefinitions) {
    if (d.name == name && args >= d.min_args && args <= d.max_args) return &d;
  }
  return nullptr;
}

bool IsBind(std::string_view name, const Expr* target, std::size_t args) {
  return name == "bind" && args == 3 && target != nullptr && target->op == Expr::Op::kIdent && target->name == "cel";
}

bool SetVariable(const Expr& arg, Str& name, Issue* issue) {
  if (arg.op != Expr::Op::kIdent || arg.name.view().starts_with(".")) {
    *issue = {arg.offset, "argument must be a simple name"};
    return false;
  }
  if (arg.name == "__result__") {
    *issue = {arg.offset, "iteration variable overwrites accumulator variable"};
    return false;
  }
  name = arg.name;
  return true;
}

Expr* Has(Ast& ast, std::uint32_t offset, const Expr& arg, Issue* issue) {
  if (arg.op != Expr::Op::kSelect) {
    *issue = {arg.offset, "invalid argument to has() macro"};
    return nullptr;
  }
  Expr* expr = ast.New(Expr::Op::kHas, offset);
  expr->name = arg.name;
  expr->optional = arg.optional;
  expr->args = arg.args;
  return expr;
}

}  // namespace

bool IsMacro(std::string_view name, const Expr* target, std::size_t args) {
  if (target == nullptr) return name == "has" && args == 1;
  return IsBind(name, target, args) || Find(name, args) != nullptr;
}

Expr* ExpandMacro(Ast& ast, std::string_view name, std::uint32_t offset, Expr* target, const std::vector<Expr*>& args,
                  Issue* issue) {
  if (target == nullptr) return Has(ast, offset, *args[0], issue);
  Expr* expr = ast.New(Expr::Op::kComprehension, offset);
  const std::vector<Expr*> own(args.begin() + 1, args.end());
  if (IsBind(name, target, own.size())) {
    expr->macro = Macro::kBind;
    if (!SetVariable(*own[0], expr->name, issue)) return nullptr;
    expr->args = {own[1], own[2]};
    return expr;
  }
  const Definition& macro = *Find(name, own.size());
  expr->macro = macro.macro;
  if (!SetVariable(*own[0], expr->name, issue)) return nullptr;
  if (macro.variables == 2) {
    if (!SetVariable(*own[1], expr->name2, issue)) return nullptr;
    if (expr->name == expr->name2) {
      *issue = {own[1]->offset, fmt::format("duplicate variable name: {}", expr->name.view())};
      return nullptr;
    }
  }
  expr->args = {target, own.back()};
  // A filter stands before what is made of each element.
  if (own.size() == macro.variables + 2) expr->args.push_back(own[macro.variables]);
  return expr;
}

}  // namespace minikube::cel
