// The tree of an expression: made by the parser, annotated by the checker, walked by the evaluator.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include <minikube/types.h>

#include "cel/value.h"

namespace minikube::cel {

struct Overload;
struct Type;
using TypeRef = std::shared_ptr<const Type>;

// Macros that walk a range or bind a variable. Their variables are slots of the evaluator's frame.
enum class Macro : std::uint8_t {
  kAll,
  kExists,
  kExistsOne,
  kFilter,
  kMap,            // body; with a third argument: filter, body
  kTransformList,  // two variables; likewise
  kTransformMap,
  kTransformMapEntry,
  kBind,    // cel.bind(v, init, body): range is init
  kOptMap,  // o.optMap(v, body)
  kOptFlatMap,
  kSortBy,  // list.sortBy(v, key)
};

struct Expr {
  enum class Op : std::uint8_t {
    kConst,
    kIdent,
    kSelect,  // args[0].name
    kHas,     // has(args[0].name)
    kCall,
    kAnd,  // of two or more
    kOr,
    kConditional,
    kList,
    kMap,     // args: key, value, key, value, ...
    kStruct,  // args: values, in the order of `fields`
    kComprehension,
  };
  Op op = Op::kConst;
  bool member = false;    // kCall: the first argument stands before the dot
  bool optional = false;  // kSelect: .?name
  Macro macro = Macro::kAll;
  std::uint32_t offset = 0;
  std::int32_t slot = -1;  // kIdent: of the variable; kComprehension: of its first variable
  std::int32_t slot2 = -1;
  Value value;                  // kConst
  Str name;                     // identifier, field, function, type of a struct; first variable of a comprehension
  Str name2;                    // second variable
  std::vector<Expr*> args;      // kComprehension: range, body, filter (if any)
  std::vector<Str> fields;      // kStruct
  std::vector<bool> optionals;  // kList, kMap, kStruct: which items are optional; empty: none
  // By the checker:
  TypeRef type;
  std::vector<const Overload*> overloads;  // kCall: those that may apply
};

struct Ast {
  std::deque<Expr> nodes;
  Expr* root = nullptr;
  std::size_t variables = 0;  // of the environment
  std::int32_t slots = 0;     // of the frame: the variables of the environment, then those of comprehensions

  Expr* New(Expr::Op op, std::uint32_t offset) {
    Expr& expr = nodes.emplace_back();
    expr.op = op;
    expr.offset = offset;
    return &expr;
  }
};

}  // namespace minikube::cel
