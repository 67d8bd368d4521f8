#include "api/kinds/policy_expressions.h"

#include <fmt/format.h>

#include "api/world/served.h"

namespace minikube::api {

namespace {

namespace reg = admissionregistration::v1;
using admissionregistration::v1::MutatingAdmissionPolicySpec;
using admissionregistration::v1::ValidatingAdmissionPolicy;
using admissionregistration::v1::ValidatingAdmissionPolicySpec;

// `Object` with any fields, as what a policy changes is not known; the names of types below tell where they belong.
class PatchObject final : public cel::ObjectInfo {
 public:
  explicit PatchObject(std::string_view name) : name_(name) {}
  std::string_view name() const override { return name_; }
  cel::TypeRef Field(std::string_view) const override { return cel::types::Dyn(); }

 private:
  const std::string name_;
};
class JsonPatchOperation final : public cel::ObjectInfo {
 public:
  std::string_view name() const override { return "JSONPatch"; }
  cel::TypeRef Field(std::string_view name) const override {
    if (name == "op" || name == "path" || name == "from") return cel::types::String();
    return name == "value" ? cel::types::Dyn() : nullptr;
  }
};
class PatchTypes final : public cel::StructTypes {
 public:
  cel::TypeRef Find(std::string_view name) const override {
    if (name == "JSONPatch") return cel::types::Object(std::make_shared<JsonPatchOperation>());
    if (name != "Object" && !name.starts_with("Object.")) return nullptr;
    return cel::types::Object(std::make_shared<PatchObject>(name));
  }
};

// Objects are what the request brings, whatever the policy matches: their fields are known when they are there.
cel::Environment EnvironmentOf(bool with_params, bool with_authorizer, bool with_patches = false) {
  cel::EnvironmentOptions options;
  if (with_patches) options.structs = std::make_shared<PatchTypes>();
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
  const std::string made = (*program)->result_type()->ToString();
  if (result != nullptr && made != result->ToString()) {
    return {nullptr, fmt::format("must evaluate to {} but got {}", result->ToString(), made)};
  }
  return {*std::move(program), ""};
}

}  // namespace

std::string PolicyExpressions::Problem() const {
  for (const auto* list : {&match_conditions, &variables, &validations, &messages, &annotations, &mutations}) {
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

PolicyExpressions CompilePolicy(const MutatingAdmissionPolicySpec& spec) {
  const bool params = static_cast<bool>(spec.paramKind);
  const cel::Environment all = EnvironmentOf(params, true);
  const cel::Environment patches = EnvironmentOf(params, true, true);
  PolicyExpressions out;
  for (const auto& condition : spec.matchConditions) {
    out.match_conditions.push_back(Compile(all, condition.expression.view(), cel::types::Bool()));
  }
  for (const auto& variable : spec.variables) {
    out.variables.push_back(Compile(all, variable.expression.view(), nullptr));
  }
  const cel::TypeRef object = PatchTypes().Find("Object");
  const cel::TypeRef operations = cel::types::List(PatchTypes().Find("JSONPatch"));
  for (const auto& mutation : spec.mutations) {
    const bool applies = mutation.patchType == "ApplyConfiguration";
    std::string_view expression;
    if (applies && mutation.applyConfiguration) expression = mutation.applyConfiguration->expression.view();
    if (!applies && mutation.jsonPatch) expression = mutation.jsonPatch->expression.view();
    const cel::TypeRef& wanted = applies ? object : operations;
    out.mutations.push_back(Compile(patches, expression, wanted));
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

namespace {

// As v1 has it, whatever version is stored; the versions differ in nothing but their name.
template <typename T>
ObjectPtr AsV1(const Object& stored) {
  return CopyAs(stored, DescriptorOf<T>()).value();
}

// Of what is deleted nothing can be changed.
void ValidateOperations(const reg::MatchResources* match, const FieldPath& path, ErrorList& errors) {
  if (match == nullptr) return;
  const FieldPath rules = path.Child("resourceRules");
  for (const reg::NamedRuleWithOperations& rule : match->resourceRules) {
    for (const Str& operation : rule.operations) {
      if (!(operation == "DELETE")) continue;  // the schema says what else there is
      errors.NotSupported(rules.Child("operations"), operation, {"*", "CONNECT", "CREATE", "UPDATE"});
    }
  }
}

void ValidateMutation(const reg::Mutation& mutation, const PolicyExpression& compiled, const FieldPath& path,
                      ErrorList& errors) {
  const bool applies = mutation.patchType == "ApplyConfiguration";
  if (!applies && !(mutation.patchType == "JSONPatch")) return;  // the schema says what there is
  const std::string_view wanted = applies ? "applyConfiguration" : "jsonPatch";
  const std::string_view other = applies ? "jsonPatch" : "applyConfiguration";
  const bool there = applies ? static_cast<bool>(mutation.applyConfiguration) : static_cast<bool>(mutation.jsonPatch);
  const bool others = applies ? static_cast<bool>(mutation.jsonPatch) : static_cast<bool>(mutation.applyConfiguration);
  const FieldPath at = path.Child(wanted);
  if (!there) {
    errors.Required(at, fmt::format("must be specified when patchType is {}", mutation.patchType.view()));
  } else {
    const Str& text = applies ? mutation.applyConfiguration->expression : mutation.jsonPatch->expression;
    if (text.empty()) {
      errors.Required(at.Child("expression"), "");
    } else if (!compiled.problem.empty()) {
      errors.Invalid(at.Child("expression"), text, compiled.problem);
    }
  }
  if (others) {
    errors.Invalid(path.Child(other), fmt::format("{{{}}}", other),
                   fmt::format("must not be specified when patchType is {}", mutation.patchType.view()));
  }
}

void ValidateParamRef(const reg::ParamRef* ref, const FieldPath& path, ErrorList& errors) {
  if (ref == nullptr) return;
  if (!ref->name.empty() && ref->selector) {
    errors.Forbidden(path.Child("name"), "name and selector are mutually exclusive");
    errors.Forbidden(path.Child("selector"), "name and selector are mutually exclusive");
  }
  if (ref->name.empty() && !ref->selector) {
    errors.Required(path, "one of name or selector must be specified");
  }
  const FieldPath action = path.Child("parameterNotFoundAction");
  const Str said = ref->parameterNotFoundAction.value_or(Str());
  if (said.empty()) {
    errors.Required(action, "");
  } else if (!(said == "Deny") && !(said == "Allow")) {
    errors.NotSupported(action, said, {"Deny", "Allow"});
  }
}

}  // namespace

void ValidateMutatingPolicy(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const ObjectPtr policy = AsV1<reg::MutatingAdmissionPolicy>(next);
  const reg::MutatingAdmissionPolicySpec& spec = policy->As<reg::MutatingAdmissionPolicy>().spec;
  if (before != nullptr) {
    const ObjectPtr old = AsV1<reg::MutatingAdmissionPolicy>(*before);
    if (DeepEqual(old->As<reg::MutatingAdmissionPolicy>().spec, spec)) return;
  }
  const FieldPath path("spec");
  const FieldPath constraints = path.Child("matchConstraints");
  if (!spec.matchConstraints) {
    errors.Required(constraints, "");
  } else {
    if (spec.matchConstraints->resourceRules.empty()) errors.Required(constraints.Child("resourceRules"), "");
    ValidateOperations(spec.matchConstraints.get(), constraints, errors);
  }
  const PolicyExpressions compiled = CompilePolicy(spec);
  const FieldPath conditions = path.Child("matchConditions");
  for (std::size_t i = 0; i < spec.matchConditions.size(); ++i) {
    const FieldPath item = conditions.Index(i);
    const std::string& problem = compiled.match_conditions[i].problem;
    if (!problem.empty()) errors.Invalid(item.Child("expression"), spec.matchConditions[i].expression, problem);
  }
  const FieldPath variables = path.Child("variables");
  for (std::size_t i = 0; i < spec.variables.size(); ++i) {
    const FieldPath item = variables.Index(i);
    const std::string& problem = compiled.variables[i].problem;
    if (!problem.empty()) errors.Invalid(item.Child("expression"), spec.variables[i].expression, problem);
  }
  const FieldPath mutations = path.Child("mutations");
  if (spec.mutations.empty()) errors.Required(mutations, "mutations must contain at least one item");
  for (std::size_t i = 0; i < spec.mutations.size(); ++i) {
    ValidateMutation(spec.mutations[i], compiled.mutations[i], mutations.Index(i), errors);
  }
  if (spec.reinvocationPolicy.empty()) errors.Required(path.Child("reinvocationPolicy"), "");
}

void ValidateMutatingBinding(const Object& next, const Object*, std::string_view, ErrorList& errors) {
  const ObjectPtr binding = AsV1<reg::MutatingAdmissionPolicyBinding>(next);
  const reg::MutatingAdmissionPolicyBindingSpec& spec = binding->As<reg::MutatingAdmissionPolicyBinding>().spec;
  const FieldPath path("spec");
  if (spec.policyName.empty()) errors.Required(path.Child("policyName"), "");
  ValidateParamRef(spec.paramRef.get(), path.Child("paramRef"), errors);
  ValidateOperations(spec.matchResources.get(), path.Child("matchResources"), errors);
}

}  // namespace minikube::api
