// What a CustomResourceDefinition's rules must be before it is stored.
#include <algorithm>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "structural/rules.h"
#include "structural/structural_schema.h"

namespace minikube {
namespace {

std::uint64_t Multiply(std::uint64_t a, std::uint64_t b) {
  std::uint64_t out = 0;
  return __builtin_mul_overflow(a, b, &out) ? UINT64_MAX : out;
}

bool IsBlank(std::string_view text) { return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos; }
bool HasLineBreak(std::string_view text) { return text.find_first_of("\r\n") != std::string_view::npos; }
// White space around does not count.
bool BreaksInside(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n\v\f");
  if (first == std::string_view::npos) return false;
  return HasLineBreak(text.substr(first, text.find_last_not_of(" \t\r\n\v\f") - first + 1));
}

class RuleChecker {
 public:
  RuleChecker(const SchemaRules& rules, ErrorList& errors) : rules_(rules), errors_(errors) {}

  // `count`: how often the place can be in an object; nullopt if only its size bounds that. `no_old`: where the way to
  // it leads through something that has no old value.
  void Node(const SchemaNode& node, std::optional<std::uint64_t> count, const FieldPath* no_old,
            const FieldPath& path) {
    if (!node.rules_below || errors_.size() >= kMaxSchemaErrors) return;
    const FieldPath validations = path.Child("x-kubernetes-validations");
    for (std::size_t i = 0; i < node.rules.size(); ++i) Rule(node, i, count, no_old, validations.Index(i));
    const FieldPath properties = path.Child("properties");
    for (const SchemaProperty& property : node.properties) {
      Node(property.node, count, node.map_atomic && no_old == nullptr ? &path : no_old, properties.Key(property.name));
    }
    const auto times = [&](const std::optional<std::int64_t>& bound) -> std::optional<std::uint64_t> {
      if (!count || !bound) return std::nullopt;
      return Multiply(*count, static_cast<std::uint64_t>(std::max<std::int64_t>(*bound, 0)));
    };
    if (node.items != nullptr) {
      const bool followed = node.list_type == ListType::kMap;
      Node(*node.items, times(node.max_items), !followed && no_old == nullptr ? &path : no_old, path.Child("items"));
    }
    if (node.additional != nullptr) {
      Node(*node.additional, times(node.max_properties), node.map_atomic && no_old == nullptr ? &path : no_old,
           path.Child("additionalProperties"));
    }
  }

  void Total(const FieldPath& path) {
    if (total_ > kMaxSchemaCost)
      Dear(path, "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema", total_,
           kMaxSchemaCost);
  }

 private:
  void Rule(const SchemaNode& node, std::size_t i, std::optional<std::uint64_t> count, const FieldPath* no_old,
            const FieldPath& path) {
    const SchemaRule& rule = node.rules[i];
    const CompiledRule& compiled = rules_.At(node).rules[i];
    if (!Texts(rule, compiled, path)) return;
    if (!compiled.rule_problem.empty()) {
      return errors_.Invalid(path.Child("rule"), rule.rule, compiled.rule_problem);
    }
    const std::uint64_t most =
        count ? *count : static_cast<std::uint64_t>(kMaxObjectBytes / (rules_.At(node).declaration.min_bytes + 1));
    Cost(Multiply(compiled.rule->estimate().max, most), "estimated rule cost", path.Child("rule"));
    if (!compiled.message_problem.empty()) {
      errors_.Invalid(path.Child("messageExpression"), rule.message_expression, compiled.message_problem);
    } else if (compiled.message != nullptr) {
      Cost(compiled.message->estimate().max, "estimated messageExpression cost", path.Child("messageExpression"));
    }
    if (compiled.uses_old && no_old != nullptr) {
      errors_.Invalid(path.Child("rule"), rule.rule,
                      fmt::format("oldSelf cannot be used on the uncorrelatable portion of the schema within {}",
                                  no_old->ToString()));
    } else if (!compiled.uses_old && rule.optional_old_self_set) {
      errors_.Invalid(path.Child("optionalOldSelf"), rule.optional_old_self,
                      "may not be set if oldSelf is not used in rule");
    }
  }

  // False if the rule cannot be compiled for what its texts are.
  bool Texts(const SchemaRule& rule, const CompiledRule& compiled, const FieldPath& path) {
    const std::size_t before = errors_.size();
    if (IsBlank(rule.rule)) {
      errors_.Required(path.Child("rule"), "rule is not specified");
    } else if (!rule.message.empty() && IsBlank(rule.message)) {
      errors_.Invalid(path.Child("message"), rule.message, "must be non-empty if specified");
    } else if (BreaksInside(rule.message)) {
      errors_.Invalid(path.Child("message"), rule.message, "must not contain line breaks");
    } else if (BreaksInside(rule.rule) && rule.message.empty()) {
      errors_.Required(path.Child("message"), "message must be specified if rule contains line breaks");
    }
    if (!rule.message_expression.empty() && IsBlank(rule.message_expression)) {
      errors_.Required(path.Child("messageExpression"), "messageExpression must be non-empty if specified");
    }
    if (!rule.reason.empty() && rule.reason != "FieldValueRequired" && rule.reason != "FieldValueDuplicate" &&
        rule.reason != "FieldValueInvalid" && rule.reason != "FieldValueForbidden") {
      errors_.NotSupported(path.Child("reason"), rule.reason,
                           {"FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"});
    }
    if (!rule.field_path.empty() && IsBlank(rule.field_path)) {
      errors_.Invalid(path.Child("fieldPath"), rule.field_path, "must be non-empty if specified");
    } else if (HasLineBreak(rule.field_path)) {
      errors_.Invalid(path.Child("fieldPath"), rule.field_path, "must not contain line breaks");
    } else if (!compiled.field_path_valid) {
      errors_.Invalid(path.Child("fieldPath"), rule.field_path, "must be a valid path");
    }
    return errors_.size() == before;
  }

  void Cost(std::uint64_t cost, std::string_view name, const FieldPath& path) {
    total_ = total_ + cost < total_ ? UINT64_MAX : total_ + cost;
    if (cost > kMaxRuleCost) Dear(path, name, cost, kMaxRuleCost);
  }

  void Dear(const FieldPath& path, std::string_view name, std::uint64_t cost, std::uint64_t limit) {
    const double factor = static_cast<double>(cost) / static_cast<double>(limit);
    const std::string times = factor > 100   ? "more than 100x"
                              : factor < 1.5 ? fmt::format("{:f}x", factor)
                                             : fmt::format("{:.1f}x", factor);
    errors_.Forbidden(path, fmt::format("{} exceeds budget by factor of {} (try simplifying the rule, or adding "
                                        "maxItems, maxProperties, and maxLength where arrays, maps, and strings are "
                                        "declared)",
                                        name, times));
  }

  const SchemaRules& rules_;
  ErrorList& errors_;
  std::uint64_t total_ = 0;
};

}  // namespace

void CheckRules(const SchemaNode& root, const SchemaRules& rules, const FieldPath& path, ErrorList& errors) {
  RuleChecker checker(rules, errors);
  checker.Node(root, 1, nullptr, path);
  checker.Total(path);
}

}  // namespace minikube
