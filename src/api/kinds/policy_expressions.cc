#include "api/kinds/policy_expressions.h"

namespace minikube::api {

namespace {

using admissionregistration::v1::ValidatingAdmissionPolicy;
using admissionregistration::v1::ValidatingAdmissionPolicySpec;

// Objects are what the request brings, whatever the policy matches: their fields are known when they are there.
cel::Environment EnvironmentOf(bool with_params, bool with_authorizer) {
  cel::EnvironmentOptions options;
  const cel::TypeRef& dyn = cel::types::Dyn();
  options.variables = {{"object", dyn}, {"oldObject", dyn},       {"request", dyn},
                       {"params", dyn}, {"namespaceObject", dyn}, {"variables", dyn}};
  if (!with_params) options.variables[PolicyExpressions::kParams].name = "";
  if (with_authorizer) {
    options.variables.push_back({"authorizer", cel::types::Parse("kubernetes.authorization.Authorizer")});
    options.variables.push_back(
        {"authorizer.requestResource", cel::types::Parse("kubernetes.authorization.ResourceCheck")});
  }
  return cel::Environment(std::move(options));
}

PolicyExpression Compile(const cel::Environment& environment, std::string_view expression, const cel::TypeRef& result) {
  Result<std::shared_ptr<const cel::Program>> program = environment.Compile(expression);
  if (!program) return {nullptr, "compilation failed: " + program.status().message()};
  const cel::Type::Kind kind = (*program)->result_type()->kind;
  if (result != nullptr && kind != result->kind && kind != cel::Type::Kind::kDyn) {
    return {nullptr, "must evaluate to " + result->ToString()};
  }
  return {*std::move(program), ""};
}

}  // namespace

std::string PolicyExpressions::Problem() const {
  for (const auto* list : {&match_conditions, &variables, &validations, &messages, &annotations}) {
    for (const PolicyExpression& expression : *list) {
      if (!expression.problem.empty()) return expression.problem;
    }
  }
  return {};
}

std::vector<PolicyExpression> CompileConditions(const List<admissionregistration::v1::MatchCondition>& conditions) {
  const cel::Environment environment = EnvironmentOf(false, true);
  std::vector<PolicyExpression> out;
  for (const auto& condition : conditions) {
    out.push_back(Compile(environment, condition.expression.view(), cel::types::Bool()));
  }
  return out;
}

PolicyExpressions CompilePolicy(const ValidatingAdmissionPolicySpec& spec) {
  const bool params = static_cast<bool>(spec.paramKind);
  const cel::Environment all = EnvironmentOf(params, true);
  // Messages and annotations cannot ask the authoriser.
  const cel::Environment quiet = EnvironmentOf(params, false);
  PolicyExpressions out;
  for (const auto& condition : spec.matchConditions) {
    out.match_conditions.push_back(Compile(all, condition.expression.view(), cel::types::Bool()));
  }
  for (const auto& variable : spec.variables) {
    out.variables.push_back(Compile(all, variable.expression.view(), nullptr));
  }
  for (const auto& validation : spec.validations) {
    out.validations.push_back(Compile(all, validation.expression.view(), cel::types::Bool()));
    out.messages.push_back(validation.messageExpression.empty()
                               ? PolicyExpression()
                               : Compile(quiet, validation.messageExpression.view(), cel::types::String()));
  }
  for (const auto& annotation : spec.auditAnnotations) {
    out.annotations.push_back(Compile(quiet, annotation.valueExpression.view(), nullptr));
  }
  return out;
}

void ValidatePolicyExpressions(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const auto& policy = next.As<ValidatingAdmissionPolicy>();
  if (before != nullptr && DeepEqual(before->As<ValidatingAdmissionPolicy>().spec, policy.spec)) return;
  const PolicyExpressions compiled = CompilePolicy(policy.spec);
  const FieldPath spec("spec");
  const auto tell = [&](const std::vector<PolicyExpression>& list, std::string_view field, std::string_view member,
                        const auto& text_of) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (list[i].problem.empty()) continue;
      const FieldPath items = spec.Child(field);
      const FieldPath item = items.Index(i);
      errors.Invalid(item.Child(member), text_of(i), list[i].problem);
    }
  };
  tell(compiled.match_conditions, "matchConditions", "expression",
       [&](std::size_t i) { return policy.spec.matchConditions[i].expression; });
  tell(compiled.variables, "variables", "expression",
       [&](std::size_t i) { return policy.spec.variables[i].expression; });
  tell(compiled.validations, "validations", "expression",
       [&](std::size_t i) { return policy.spec.validations[i].expression; });
  tell(compiled.messages, "validations", "messageExpression",
       [&](std::size_t i) { return policy.spec.validations[i].messageExpression; });
  tell(compiled.annotations, "auditAnnotations", "valueExpression",
       [&](std::size_t i) { return policy.spec.auditAnnotations[i].valueExpression; });
}

}  // namespace minikube::api
