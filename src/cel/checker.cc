#include "cel/checker.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "cel/function.h"
#include "cel/library/regex.h"
#include "cel/library/time.h"

namespace minikube::cel {
namespace {

using TypeKind = Type::Kind;

// What the parameters of a signature stand for, in one call.
using Bindings = std::map<std::string_view, TypeRef>;

// Unifies the type of an argument with that of a parameter.
bool Assign(const TypeRef& from, const TypeRef& to, Bindings& bindings) {
  if (to->kind == TypeKind::kParam) {
    TypeRef& bound = bindings[to->name.view()];
    if (bound == nullptr || bound->kind == TypeKind::kDyn) {
      if (bound == nullptr) bound = from;
      return true;
    }
    if (from->kind == TypeKind::kDyn) return true;
    // The wider of the two: an empty list's element is of any type.
    if (Assign(from, bound, bindings)) return true;
    if (Assign(bound, from, bindings)) {
      bound = from;
      return true;
    }
    return false;
  }
  if (from->kind == TypeKind::kDyn || to->kind == TypeKind::kDyn) return true;
  if (from->kind == TypeKind::kParam) return true;  // of an empty literal
  if (from->kind == TypeKind::kNull) {
    return to->kind == TypeKind::kNull || to->kind == TypeKind::kObject || to->kind == TypeKind::kOptional ||
           to->kind == TypeKind::kTimestamp || to->kind == TypeKind::kDuration || to->kind == TypeKind::kOpaque;
  }
  if (from->kind != to->kind) return false;
  switch (to->kind) {
    case TypeKind::kOpaque:
      return from->name == to->name;
    case TypeKind::kObject:
      return from->object == to->object || from->object->name() == to->object->name();
    case TypeKind::kType:
      return true;
    default:
      break;
  }
  if (from->params.size() != to->params.size()) return false;
  for (std::size_t i = 0; i < to->params.size(); ++i) {
    if (!Assign(from->params[i], to->params[i], bindings)) return false;
  }
  return true;
}

TypeRef Substitute(const TypeRef& type, const Bindings& bindings) {
  if (type->kind == TypeKind::kParam) {
    const auto it = bindings.find(type->name.view());
    return it != bindings.end() && it->second != nullptr ? it->second : types::Dyn();
  }
  if (type->params.empty()) return type;
  auto copy = std::make_shared<Type>(*type);
  for (TypeRef& param : copy->params) param = Substitute(param, bindings);
  return copy;
}

bool IsTypeName(std::string_view name) {
  constexpr std::string_view kNames[] = {"bool",
                                         "int",
                                         "uint",
                                         "double",
                                         "string",
                                         "bytes",
                                         "list",
                                         "map",
                                         "type",
                                         "google.protobuf.Timestamp",
                                         "null_type",
                                         "optional_type",
                                         "net.IP",
                                         "net.CIDR",
                                         "google.protobuf.Duration",
                                         "kubernetes.Quantity",
                                         "kubernetes.URL",
                                         "kubernetes.Semver",
                                         "kubernetes.NamedFormat"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

bool SameType(const TypeRef& a, const TypeRef& b) { return a->kind == b->kind && a->ToString() == b->ToString(); }

class Checker {
 public:
  Checker(Ast& ast, const CheckOptions& options, std::vector<Issue>& issues)
      : ast_(ast), options_(options), issues_(issues) {
    ast_.variables = options.variables->size();
    ast_.slots = static_cast<std::int32_t>(ast_.variables);
  }

  TypeRef Visit(Expr& expr) {
    expr.type = TypeOf(expr);
    return expr.type;
  }

 private:
  struct Local {
    Str name;
    std::int32_t slot;
    TypeRef type;
  };

  TypeRef TypeOf(Expr& expr);
  TypeRef Ident(Expr& expr);
  TypeRef Select(Expr& expr);
  TypeRef Call(Expr& expr);
  TypeRef Resolve(Expr& expr, std::span<const Overload* const> candidates);
  TypeRef ListLiteral(Expr& expr);
  TypeRef MapLiteral(Expr& expr);
  TypeRef StructLiteral(Expr& expr);
  TypeRef Conditional(Expr& expr);
  TypeRef Logical(Expr& expr);
  TypeRef Comprehension(Expr& expr);
  void CheckLiteralArgument(const Expr& expr);
  TypeRef FieldOf(const Expr& expr, const TypeRef& operand, std::uint32_t offset);
  // The name that a chain of selections on an identifier spells; "" if it is none.
  static std::string QualifiedName(const Expr& expr);
  const Local* FindLocal(std::string_view name) const;
  bool UseVariable(Expr& expr, std::string_view name);
  TypeRef Fail(const Expr& expr, std::string message) {
    if (issues_.size() < options_.max_issues) issues_.push_back({expr.offset, std::move(message)});
    return types::Dyn();
  }
  TypeRef Join(TypeRef a, const TypeRef& b, bool* mixed);
  std::int32_t NewSlot() { return ast_.slots++; }

  Ast& ast_;
  const CheckOptions& options_;
  std::vector<Issue>& issues_;
  std::vector<Local> locals_;
  bool mixing_ = false;  // literals of mixed types are no issue here
};

std::string Checker::QualifiedName(const Expr& expr) {
  if (expr.op == Expr::Op::kIdent) return expr.name.str();
  if (expr.op != Expr::Op::kSelect || expr.optional) return "";
  const std::string base = QualifiedName(*expr.args[0]);
  return base.empty() ? "" : base + "." + expr.name.str();
}

const Checker::Local* Checker::FindLocal(std::string_view name) const {
  for (auto it = locals_.rbegin(); it != locals_.rend(); ++it) {
    if (it->name == name) return &*it;
  }
  return nullptr;
}

// Makes the expression that variable, if there is one.
bool Checker::UseVariable(Expr& expr, std::string_view name) {
  const bool rooted = name.starts_with('.');
  if (rooted) name.remove_prefix(1);
  if (const Local* local = rooted ? nullptr : FindLocal(name)) {
    expr.slot = local->slot;
    expr.type = local->type;
  } else {
    const auto& variables = *options_.variables;
    const auto it = std::find_if(variables.begin(), variables.end(), [&](const Variable& v) { return v.name == name; });
    if (it == variables.end()) return false;
    expr.slot = static_cast<std::int32_t>(it - variables.begin());
    expr.type = it->type;
  }
  expr.op = Expr::Op::kIdent;
  expr.name = name;
  expr.args.clear();
  return true;
}

TypeRef Checker::TypeOf(Expr& expr) {
  switch (expr.op) {
    case Expr::Op::kConst:
      switch (expr.value.kind()) {
        case Kind::kBool:
          return types::Bool();
        case Kind::kInt:
          return types::Int();
        case Kind::kUint:
          return types::Uint();
        case Kind::kDouble:
          return types::Double();
        case Kind::kString:
          return types::Sized(types::String(), static_cast<std::int64_t>(expr.value.Size()));
        case Kind::kBytes:
          return types::Sized(types::Bytes(), static_cast<std::int64_t>(expr.value.Size()));
        case Kind::kNull:
          return types::Null();
        default:
          return expr.type != nullptr ? expr.type : types::Dyn();
      }
    case Expr::Op::kIdent:
      return Ident(expr);
    case Expr::Op::kSelect:
      return Select(expr);
    case Expr::Op::kHas: {
      const TypeRef operand = Visit(*expr.args[0]);
      FieldOf(expr, operand, expr.offset);
      return types::Bool();
    }
    case Expr::Op::kCall:
      return Call(expr);
    case Expr::Op::kAnd:
    case Expr::Op::kOr:
      return Logical(expr);
    case Expr::Op::kConditional:
      return Conditional(expr);
    case Expr::Op::kList:
      return ListLiteral(expr);
    case Expr::Op::kMap:
      return MapLiteral(expr);
    case Expr::Op::kStruct:
      return StructLiteral(expr);
    case Expr::Op::kComprehension:
      return Comprehension(expr);
  }
  return types::Dyn();
}

TypeRef Checker::Ident(Expr& expr) {
  if (UseVariable(expr, expr.name)) return expr.type;
  // The names of types are values.
  std::string_view name = expr.name;
  if (name.starts_with('.')) name.remove_prefix(1);
  if (IsTypeName(name)) {
    const Value type = Value::Type(name);
    expr.op = Expr::Op::kConst;
    expr.value = type;
    expr.type = types::TypeOf(types::Dyn());
    return expr.type;
  }
  return Fail(expr, fmt::format("undeclared reference to '{}' (in container '')", expr.name.view()));
}

TypeRef Checker::FieldOf(const Expr& expr, const TypeRef& operand, std::uint32_t offset) {
  switch (operand->kind) {
    case TypeKind::kDyn:
    case TypeKind::kParam:
      return types::Dyn();
    case TypeKind::kMap:
      return operand->params[1];
    case TypeKind::kObject:
      if (TypeRef field = operand->object->Field(expr.name)) return field;
      issues_.push_back({offset, fmt::format("undefined field '{}'", expr.name.view())});
      return types::Dyn();
    case TypeKind::kOptional:
      return types::Optional(FieldOf(expr, operand->params[0], offset));
    default:
      issues_.push_back({offset, fmt::format("type '{}' does not support field selection", operand->ToString())});
      return types::Dyn();
  }
}

TypeRef Checker::Select(Expr& expr) {
  const std::string qualified = QualifiedName(expr);
  if (!qualified.empty()) {
    // The longest prefix that is a variable comes first; a local variable hides all.
    const std::string first = qualified.substr(0, qualified.find('.', 1));
    if (FindLocal(first) == nullptr && UseVariable(expr, qualified)) return expr.type;
    if (IsTypeName(qualified)) {
      expr.args.clear();
      expr.name = qualified;
      return Ident(expr);
    }
  }
  const TypeRef operand = Visit(*expr.args[0]);
  const TypeRef field = FieldOf(expr, operand, expr.offset);
  return expr.optional && operand->kind != TypeKind::kOptional ? types::Optional(field) : field;
}

TypeRef Checker::Call(Expr& expr) {
  // a.b.c(x): a function of that whole name, before a member function of a.b.
  if (expr.member) {
    std::string qualified = QualifiedName(*expr.args[0]);
    if (!qualified.empty() && FindLocal(qualified.substr(0, qualified.find('.'))) == nullptr) {
      if (qualified.starts_with('.')) qualified.erase(0, 1);
      qualified += "." + expr.name.str();
      if (!FindFunction(qualified, false).empty()) {
        expr.name = qualified;
        expr.member = false;
        expr.args.erase(expr.args.begin());
      }
    }
  }
  // The arguments of a text to format are of all sorts.
  const bool mixing = std::exchange(mixing_, expr.member && expr.name == "format");
  for (Expr* arg : expr.args) Visit(*arg);
  mixing_ = mixing;
  const auto candidates = FindFunction(expr.name, expr.member);
  if (candidates.empty()) {
    return Fail(expr, fmt::format("undeclared reference to '{}' (in container '')", expr.name.view()));
  }
  CheckLiteralArgument(expr);
  return Resolve(expr, candidates);
}

// A malformed literal would fail whenever it is evaluated: it is told at once.
void Checker::CheckLiteralArgument(const Expr& expr) {
  const bool regex = expr.name == "matches";
  const bool time = expr.name == "timestamp" || expr.name == "duration";
  if (!regex && !time) return;
  const std::size_t index = regex ? 1 : 0;
  if (expr.args.size() <= index || expr.args[index]->op != Expr::Op::kConst) return;
  const Value& literal = expr.args[index]->value;
  if (!literal.is(Kind::kString)) return;
  if (regex) {
    if (const std::string problem = RegexProblem(literal.text()); !problem.empty()) {
      Fail(*expr.args[index], "invalid matches argument");
    }
    return;
  }
  const Value value = expr.name == "timestamp" ? ParseTimestamp(literal.text()) : ParseDuration(literal.text());
  if (value.is_error()) Fail(*expr.args[index], fmt::format("invalid {} argument", expr.name.view()));
}

TypeRef Checker::Resolve(Expr& expr, std::span<const Overload* const> candidates) {
  TypeRef result;
  for (const Overload* overload : candidates) {
    if (overload->params.size() != expr.args.size()) continue;
    Bindings bindings;
    bool fits = true;
    for (std::size_t i = 0; fits && i < expr.args.size(); ++i) {
      fits = Assign(expr.args[i]->type, overload->params[i], bindings);
    }
    if (!fits) continue;
    expr.overloads.push_back(overload);
    const TypeRef type = Substitute(overload->result, bindings);
    result = result == nullptr || SameType(result, type) ? type : types::Dyn();
  }
  if (result != nullptr) return result;
  std::string args;
  for (std::size_t i = expr.member ? 1 : 0; i < expr.args.size(); ++i) {
    if (!args.empty()) args += ", ";
    args += expr.args[i]->type->ToString();
  }
  const std::string shown =
      expr.member ? fmt::format("{}.({})", expr.args[0]->type->ToString(), args) : fmt::format("({})", args);
  return Fail(expr, fmt::format("found no matching overload for '{}' applied to '{}'", expr.name.view(), shown));
}

TypeRef Checker::Join(TypeRef a, const TypeRef& b, bool* mixed) {
  if (a == nullptr) return b;
  Bindings bindings;
  if (Assign(b, a, bindings)) return a->kind == TypeKind::kDyn ? a : b->kind == TypeKind::kDyn ? b : a;
  if (Assign(a, b, bindings)) return b;
  *mixed = true;
  return types::Dyn();
}

TypeRef Checker::ListLiteral(Expr& expr) {
  TypeRef element;
  bool mixed = false;
  for (std::size_t i = 0; i < expr.args.size(); ++i) {
    TypeRef type = Visit(*expr.args[i]);
    if (!expr.optionals.empty() && expr.optionals[i]) {
      if (type->kind == TypeKind::kOptional) {
        type = type->params[0];
      } else if (type->kind != TypeKind::kDyn) {
        Fail(*expr.args[i], fmt::format("expected type 'optional_type' but found '{}'", type->ToString()));
      }
    }
    const TypeRef before = element;
    const bool was_mixed = mixed;
    element = Join(element, type, &mixed);
    if (mixed && !was_mixed && options_.homogeneous_literals && !mixing_) {
      Fail(*expr.args[i], fmt::format("expected type '{}' but found '{}'", before->ToString(), type->ToString()));
    }
  }
  return types::List(element != nullptr ? element : types::Param("T"), static_cast<std::int64_t>(expr.args.size()));
}

TypeRef Checker::MapLiteral(Expr& expr) {
  TypeRef key;
  TypeRef value;
  bool mixed = false;
  for (std::size_t i = 0; i + 1 < expr.args.size(); i += 2) {
    const TypeRef key_type = Visit(*expr.args[i]);
    TypeRef value_type = Visit(*expr.args[i + 1]);
    if (!expr.optionals.empty() && expr.optionals[i / 2]) {
      if (value_type->kind == TypeKind::kOptional) {
        value_type = value_type->params[0];
      } else if (value_type->kind != TypeKind::kDyn) {
        Fail(*expr.args[i + 1], fmt::format("expected type 'optional_type' but found '{}'", value_type->ToString()));
      }
    }
    const TypeRef key_before = key;
    const TypeRef value_before = value;
    bool key_mixed = false;
    bool value_mixed = false;
    key = Join(key, key_type, &key_mixed);
    value = Join(value, value_type, &value_mixed);
    if (options_.homogeneous_literals && !mixing_ && !mixed && (key_mixed || value_mixed)) {
      mixed = true;
      const Expr& odd = key_mixed ? *expr.args[i] : *expr.args[i + 1];
      Fail(odd, fmt::format("expected type '{}' but found '{}'", (key_mixed ? key_before : value_before)->ToString(),
                            odd.type->ToString()));
    }
  }
  if (key == nullptr) return types::Map(types::Param("K"), types::Param("V"), 0);
  return types::Map(key, value, static_cast<std::int64_t>(expr.args.size() / 2));
}

TypeRef Checker::StructLiteral(Expr& expr) {
  const TypeRef type = options_.structs != nullptr ? options_.structs->Find(expr.name) : nullptr;
  for (Expr* arg : expr.args) Visit(*arg);
  if (type == nullptr) {
    return Fail(expr, fmt::format("undeclared reference to '{}' (in container '')", expr.name.view()));
  }
  for (std::size_t i = 0; i < expr.fields.size(); ++i) {
    const TypeRef field = type->kind == TypeKind::kObject ? type->object->Field(expr.fields[i]) : types::Dyn();
    if (field == nullptr) {
      Fail(*expr.args[i], fmt::format("undefined field '{}'", expr.fields[i].view()));
      continue;
    }
    TypeRef given = expr.args[i]->type;
    const bool optional = !expr.optionals.empty() && expr.optionals[i];
    if (optional && given->kind == TypeKind::kOptional) given = given->params[0];
    if (!IsAssignable(given, field)) {
      Fail(*expr.args[i], fmt::format("expected type of field '{}' is '{}' but provided type is '{}'",
                                      expr.fields[i].view(), field->ToString(), given->ToString()));
    }
  }
  return type;
}

TypeRef Checker::Conditional(Expr& expr) {
  const TypeRef condition = Visit(*expr.args[0]);
  const TypeRef yes = Visit(*expr.args[1]);
  const TypeRef no = Visit(*expr.args[2]);
  bool mixed = !IsAssignable(condition, types::Bool());
  const TypeRef joined = Join(yes, no, &mixed);
  if (!mixed) return joined;
  return Fail(expr, fmt::format("found no matching overload for '_?_:_' applied to '({}, {}, {})'",
                                condition->ToString(), yes->ToString(), no->ToString()));
}

TypeRef Checker::Logical(Expr& expr) {
  for (Expr* arg : expr.args) {
    const TypeRef type = Visit(*arg);
    if (!IsAssignable(type, types::Bool())) {
      const TypeRef& first = expr.args[0]->type;
      const TypeRef& second = arg == expr.args[0] ? Visit(*expr.args[1]) : type;
      return Fail(expr, fmt::format("found no matching overload for '{}' applied to '({}, {})'", expr.name.view(),
                                    first->ToString(), second->ToString()));
    }
  }
  return types::Bool();
}

TypeRef Checker::Comprehension(Expr& expr) {
  const TypeRef range = Visit(*expr.args[0]);
  TypeRef first = types::Dyn();
  TypeRef second = types::Dyn();
  const bool two = !expr.name2.empty();
  const bool of_optional = expr.macro == Macro::kOptMap || expr.macro == Macro::kOptFlatMap;
  if (expr.macro == Macro::kBind) {
    first = range;
  } else if (of_optional) {
    if (range->kind == TypeKind::kOptional) {
      first = range->params[0];
    } else if (range->kind != TypeKind::kDyn) {
      Fail(expr, fmt::format("found no matching overload for 'hasValue' applied to '{}.()'", range->ToString()));
    }
  } else if (range->kind == TypeKind::kList) {
    first = two ? types::Int() : range->params[0];
    second = range->params[0];
  } else if (range->kind == TypeKind::kMap) {
    first = range->params[0];
    second = range->params[1];
  } else if (range->kind != TypeKind::kDyn && range->kind != TypeKind::kParam) {
    Fail(*expr.args[0], fmt::format("expression of type '{}' cannot be range of a comprehension (must be list, map, or "
                                    "dynamic)",
                                    range->ToString()));
  }
  const std::size_t scope = locals_.size();
  expr.slot = NewSlot();
  locals_.push_back({expr.name, expr.slot, first});
  if (two) {
    expr.slot2 = NewSlot();
    locals_.push_back({expr.name2, expr.slot2, second});
  }
  const TypeRef body = Visit(*expr.args[1]);
  const TypeRef filter = expr.args.size() > 2 ? Visit(*expr.args[2]) : types::Bool();
  locals_.resize(scope);
  const bool predicate = expr.macro == Macro::kAll || expr.macro == Macro::kExists || expr.macro == Macro::kExistsOne ||
                         expr.macro == Macro::kFilter;
  if ((predicate && !IsAssignable(body, types::Bool())) || !IsAssignable(filter, types::Bool())) {
    const TypeRef& wrong = predicate ? body : filter;
    return Fail(predicate ? *expr.args[1] : *expr.args[2],
                fmt::format("expected type 'bool' but found '{}'", wrong->ToString()));
  }
  switch (expr.macro) {
    case Macro::kAll:
    case Macro::kExists:
    case Macro::kExistsOne:
      return types::Bool();
    case Macro::kFilter:
      return types::List(first, range->max_size);
    case Macro::kMap:
    case Macro::kTransformList:
      return types::List(body, range->max_size);
    case Macro::kTransformMap:
      return types::Map(range->kind == TypeKind::kList ? types::Int() : first, body, range->max_size);
    case Macro::kTransformMapEntry:
      if (body->kind == TypeKind::kMap) return types::Map(body->params[0], body->params[1], range->max_size);
      return types::Map(types::Dyn(), types::Dyn(), range->max_size);
    case Macro::kBind:
      return body;
    case Macro::kOptMap:
      return types::Optional(body);
    case Macro::kOptFlatMap:
      return body;
    case Macro::kSortBy:
      return range;
  }
  return types::Dyn();
}

}  // namespace

bool IsAssignable(const TypeRef& from, const TypeRef& to) {
  Bindings bindings;
  return Assign(from, to, bindings);
}

bool Check(Ast& ast, const CheckOptions& options, std::vector<Issue>& issues) {
  const std::size_t before = issues.size();
  Checker(ast, options, issues).Visit(*ast.root);
  return issues.size() == before;
}

}  // namespace minikube::cel
