#include "structural/rules.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "structural/rule_path.h"
#include "structural/schema_validator.h"
#include "structural/structural_schema.h"

namespace minikube {
namespace {

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// What an error calls the rule.
std::string_view NameOf(const SchemaRule& rule) { return Trim(rule.message.empty() ? rule.rule : rule.message); }

cel::Environment EnvironmentFor(const cel::TypeRef& self, bool optional_old) {
  cel::EnvironmentOptions options;
  options.variables = {{"self", self}, {"oldSelf", optional_old ? cel::types::Optional(self) : self}};
  return cel::Environment(std::move(options));
}

CompiledRule CompileRule(const SchemaRule& rule, const SchemaNode& node, const cel::TypeRef& self) {
  CompiledRule out;
  if (const auto path = NormalizeRulePath(rule.field_path, node)) {
    out.field_path = *path;
  } else {
    out.field_path_valid = false;
  }
  if (Trim(rule.rule).empty()) return out;
  const cel::Environment environment = EnvironmentFor(self, rule.optional_old_self);
  const auto program = environment.Compile(rule.rule);
  if (!program.ok()) {
    out.rule_problem = "compilation failed: " + program.status().message();
    return out;
  }
  if ((*program)->result_type()->kind != cel::Type::Kind::kBool) {
    out.rule_problem = "cel expression must evaluate to a bool";
    return out;
  }
  out.rule = *program;
  out.uses_old = out.rule->Uses("oldSelf");
  if (rule.message_expression.empty()) return out;
  const auto message = environment.Compile(rule.message_expression);
  if (!message.ok()) {
    out.message_problem = "messageExpression compilation failed: " + message.status().message();
  } else if ((*message)->result_type()->kind != cel::Type::Kind::kString) {
    out.message_problem = "messageExpression must evaluate to a string";
  } else {
    out.message = *message;
  }
  return out;
}

class Evaluation {
 public:
  Evaluation(const SchemaRules& rules, ErrorList& errors, std::int64_t* budget)
      : rules_(rules), errors_(errors), budget_(*budget) {}

  // `unchanged`: the value, or the nearest one around it of which the old one is known, is as it was.
  void Value(const SchemaNode& node, const Json& value, const Json* old, bool unchanged, const FieldPath& path);

 private:
  void Rules(const SchemaNode& node, const Json& value, const Json* old, bool unchanged, const FieldPath& path);
  void Rule(const SchemaNode& node, std::size_t index, const Json& value, const Json* old, const FieldPath& path);
  void Failed(const SchemaNode& node, std::size_t index, const Json& value, std::span<const cel::Value> variables,
              const FieldPath& path);
  void NotEvaluated(const SchemaRule& rule, const cel::Outcome& outcome, const Json& value, const FieldPath& path);
  std::optional<std::string> Message(const CompiledRule& compiled, std::span<const cel::Value> variables,
                                     const FieldPath& path);
  // An error whose value is shown if it is short.
  void Invalid(const FieldPath& path, const Json& value, std::string_view detail) {
    if (value.is_object() || value.is_array()) return errors_.Invalid(path, BadValue::Json(std::string(detail)), "");
    errors_.Invalid(path, BadValue::Json(value.ToString()), detail);
  }
  bool Spend(std::uint64_t cost) {
    budget_ = cost > static_cast<std::uint64_t>(budget_) ? -1 : budget_ - static_cast<std::int64_t>(cost);
    return budget_ >= 0;
  }
  void OutOfBudget(const FieldPath& path, const Json& value) {
    Invalid(path, value,
            "validation failed due to running out of cost budget, no further validation rules will be run");
    budget_ = -1;
  }

  const SchemaRules& rules_;
  ErrorList& errors_;
  std::int64_t& budget_;
};

void Evaluation::Value(const SchemaNode& node, const Json& value, const Json* old, bool unchanged,
                       const FieldPath& path) {
  if (!node.rules_below || value.is_null() || budget_ < 0 || errors_.size() >= kMaxSchemaErrors) return;
  if (old != nullptr) unchanged = *old == value;
  if (node.rules_index != 0) Rules(node, value, old, unchanged, path);
  for (const JsonMember& member : value.members()) {
    const SchemaNode* property = node.Property(member.key);
    const SchemaNode* below = property != nullptr ? property : node.additional.get();
    if (below == nullptr || !below->rules_below) continue;
    const Json* old_member = OldMember(node, old, member.key);
    const FieldPath here = property != nullptr ? path.Child(member.key) : path.Key(member.key);
    Value(*below, member.value, old_member, unchanged, here);
  }
  if (!value.is_array() || node.items == nullptr || !node.items->rules_below) return;
  const OldItems old_items(node, old);
  for (std::size_t i = 0; i < value.size(); ++i) {
    const Json& item = value.items()[i];
    Value(*node.items, item, old_items.Find(item), unchanged, path.Index(i));
  }
}

void Evaluation::Rules(const SchemaNode& node, const Json& value, const Json* old, bool unchanged,
                       const FieldPath& path) {
  const NodeRules& place = rules_.At(node);
  for (std::size_t i = 0; i < place.rules.size(); ++i) {
    const CompiledRule& compiled = place.rules[i];
    if (budget_ < 0) return;
    if (!compiled.rule_problem.empty()) {
      Invalid(path, value, fmt::format("rule compile error: {}", compiled.rule_problem));
      continue;
    }
    if (compiled.rule == nullptr) continue;
    // A rule about changes needs an old value, unless it says that it can do without.
    if (compiled.uses_old && old == nullptr && !node.rules[i].optional_old_self) continue;
    if (!compiled.uses_old && unchanged) continue;
    if (budget_ == 0) return OutOfBudget(path, value);
    Rule(node, i, value, old, path);
  }
}

void Evaluation::Rule(const SchemaNode& node, std::size_t index, const Json& value, const Json* old,
                      const FieldPath& path) {
  const NodeRules& place = rules_.At(node);
  const SchemaRule& rule = node.rules[index];
  const cel::JsonShape* shape = place.declaration.shape.get();
  cel::Value variables[2] = {cel::FromJson(value, shape), cel::Value::Null()};
  if (old != nullptr) variables[1] = cel::FromJson(*old, shape);
  if (rule.optional_old_self) {
    variables[1] = old != nullptr ? cel::Value::OptionalOf(variables[1]) : cel::Value::OptionalNone();
  }
  const cel::Outcome outcome = place.rules[index].rule->Evaluate(variables);
  if (!outcome.exhausted && !Spend(outcome.cost)) return OutOfBudget(path, value);
  if (outcome.value.is_true()) return;
  if (outcome.value.is_false()) return Failed(node, index, value, variables, path);
  NotEvaluated(rule, outcome, value, path);
}

void Evaluation::NotEvaluated(const SchemaRule& rule, const cel::Outcome& outcome, const Json& value,
                              const FieldPath& path) {
  const std::string_view problem = outcome.value.is_error() ? outcome.value.text() : "no such overload";
  if (outcome.exhausted) {
    Invalid(path, value,
            fmt::format("'{}': no further validation rules will be run due to call cost exceeds limit for rule: {}",
                        problem, NameOf(rule)));
    budget_ = -1;
  } else if (problem.starts_with("no such overload")) {
    Invalid(path, value,
            fmt::format("'{}': call arguments did not match a supported operator, function or macro signature for "
                        "rule: {}",
                        problem, NameOf(rule)));
  } else {
    Invalid(path, value, fmt::format("{} evaluating rule: {}", problem, NameOf(rule)));
  }
}

void Evaluation::Failed(const SchemaNode& node, std::size_t index, const Json& value,
                        std::span<const cel::Value> variables, const FieldPath& path) {
  const CompiledRule& compiled = rules_.At(node).rules[index];
  const SchemaRule& rule = node.rules[index];
  const FieldPath below = compiled.field_path.empty() ? path : path.Child(compiled.field_path);
  std::optional<std::string> detail;
  if (compiled.message != nullptr) {
    detail = Message(compiled, variables, below);
    if (budget_ < 0) return;
  }
  if (!detail) {
    detail = rule.message.empty() ? fmt::format("failed rule: {}", Trim(rule.rule)) : std::string(Trim(rule.message));
  }
  if (rule.reason == "FieldValueForbidden") return errors_.Forbidden(below, *detail);
  if (rule.reason == "FieldValueRequired") return errors_.Required(below, *detail);
  if (rule.reason == "FieldValueDuplicate") return errors_.Duplicate(below, BadValue::Json(value.ToString()));
  Invalid(below, value, *detail);
}

// What messageExpression yields, if that can be shown.
std::optional<std::string> Evaluation::Message(const CompiledRule& compiled, std::span<const cel::Value> variables,
                                               const FieldPath& path) {
  const cel::Outcome outcome = compiled.message->Evaluate(variables);
  if (outcome.exhausted || !Spend(outcome.cost)) {
    errors_.Invalid(path,
                    BadValue::Json("messageExpression evaluation failed due to running out of cost budget, no further "
                                   "validation rules will be run"),
                    "");
    budget_ = -1;
    return std::nullopt;
  }
  if (!outcome.value.is(cel::Kind::kString)) return std::nullopt;
  const std::string_view text = Trim(outcome.value.text());
  if (text.empty() || text.size() > kMaxRuleMessageBytes || text.find('\n') != std::string_view::npos) {
    return std::nullopt;
  }
  return std::string(text);
}

}  // namespace

bool SchemaRules::CompileBelow(SchemaNode& node, bool root, const std::string& name) {
  bool any = false;
  if (!node.rules.empty()) {
    NodeRules place;
    if (std::optional<Declaration> declaration = Declare(node, root, name)) {
      place.declaration = *std::move(declaration);
      for (const SchemaRule& rule : node.rules) {
        place.rules.push_back(CompileRule(rule, node, place.declaration.type));
      }
    } else {
      CompiledRule none;
      none.rule_problem = "failed to convert to declType for CEL validation rules";
      place.rules.resize(node.rules.size(), none);
    }
    places_.push_back(std::move(place));
    node.rules_index = places_.size();
    any = true;
  }
  for (SchemaProperty& property : node.properties) {
    any |= CompileBelow(property.node, property.node.embedded, name + "." + property.name.str());
  }
  if (node.items != nullptr) any |= CompileBelow(*node.items, node.items->embedded, name + ".@items");
  if (node.additional != nullptr) any |= CompileBelow(*node.additional, node.additional->embedded, name + ".@values");
  node.rules_below = any;
  return any;
}

void SchemaRules::Compile(SchemaNode& root) { CompileBelow(root, true, "self"); }

void SchemaRules::Validate(const SchemaNode& root, const Json& object, const Json* old, ErrorList& errors,
                           std::int64_t* budget) const {
  const FieldPath path;
  Evaluation(*this, errors, budget).Value(root, object, old, false, path);
}

}  // namespace minikube
