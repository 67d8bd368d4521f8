// The macros of CEL: has, all, exists, exists_one, map, filter; of its extensions: two-variable comprehensions,
// optMap, optFlatMap, cel.bind, sortBy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "cel/ast.h"
#include "cel/issue.h"

namespace minikube::cel {

// Whether a call is a macro: by its name, what it stands behind (null: nothing), and how many arguments it has.
bool IsMacro(std::string_view name, const Expr* target, std::size_t args);

// `args` begins with the target, if there is one. Null, and the issue, if an argument is not what the macro takes.
Expr* ExpandMacro(Ast& ast, std::string_view name, std::uint32_t offset, Expr* target, const std::vector<Expr*>& args,
                  Issue* issue);

}  // namespace minikube::cel
