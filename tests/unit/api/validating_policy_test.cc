// ValidatingAdmissionPolicy on the engine: matching, parameters, variables, actions, failures.
#include <minikube/api/admissionregistration/v1.h>

#include "unit/api/engine_fixture.h"

namespace minikube::api::testing {
namespace {

namespace reg = admissionregistration::v1;
using apps::v1::Deployment;
using core::v1::ConfigMap;

// A policy about deployments that are made or changed.
reg::ValidatingAdmissionPolicy MakePolicy(std::string_view expression) {
  reg::ValidatingAdmissionPolicy policy;
  policy.metadata.name = "policy";
  reg::NamedRuleWithOperations rule;
  rule.apiGroups = {"apps"};
  rule.apiVersions = {"v1"};
  rule.operations = {"CREATE", "UPDATE"};
  rule.resources = {"deployments"};
  policy.spec.matchConstraints.Mutable().resourceRules.push_back(rule);
  reg::Validation validation;
  validation.expression = expression;
  policy.spec.validations.push_back(validation);
  return policy;
}

reg::ValidatingAdmissionPolicyBinding MakeBinding(List<Str> actions = {"Deny"}) {
  reg::ValidatingAdmissionPolicyBinding binding;
  binding.metadata.name = "binding";
  binding.spec.policyName = "policy";
  binding.spec.validationActions = std::move(actions);
  return binding;
}

void Install(Fixture& f, const reg::ValidatingAdmissionPolicy& policy,
             const reg::ValidatingAdmissionPolicyBinding& binding = MakeBinding()) {
  REQUIRE(f.client->Create(policy).status().message() == "");
  REQUIRE(f.client->Create(binding).status().message() == "");
}

Status Make(Fixture& f, std::int32_t replicas, std::string_view name = "web") {
  return f.client->Create(MakeDeployment(name, replicas)).status();
}

constexpr std::string_view kDenied =
    "deployments.apps \"web\" is forbidden: ValidatingAdmissionPolicy 'policy' with binding 'binding' denied request: ";

TEST_CASE("policy: a request that breaks a rule is refused in Kubernetes' words") {
  Fixture f;
  Install(f, MakePolicy("object.spec.replicas <= 5"));
  CHECK(Make(f, 5, "fine").ok());
  const Status refused = Make(f, 6);
  CHECK(refused.code() == Code::kInvalid);
  CHECK(refused.message() == std::string(kDenied) + "failed expression: object.spec.replicas <= 5");
  REQUIRE(refused.details().causes.size() == 1);
  // Updates too, with what was before; other kinds not at all.
  CHECK(
      f.client->Patch<Deployment>("default", "fine", PatchType::kMerge, R"({"spec":{"replicas":9}})").status().code() ==
      Code::kInvalid);
  CHECK(f.client->Create(MakePod("p")).ok());
  // Without a binding a policy is a text.
  REQUIRE(f.client->Delete<reg::ValidatingAdmissionPolicyBinding>("", "binding").ok());
  CHECK(Make(f, 6).ok());
}

TEST_CASE("policy: what expressions see") {
  struct Case {
    std::string_view expression;
    bool holds;
  };
  const Case cases[] = {
      {"object.metadata.name == 'web' && object.kind == 'Deployment' && object.apiVersion == 'apps/v1'", true},
      {"oldObject == null", true},
      {"request.operation == 'CREATE' && request.namespace == 'default' && request.name == 'web'", true},
      {"request.resource.resource == 'deployments' && request.kind.group == 'apps'", true},
      {"request.userInfo.username == 'admin' && 'system:masters' in request.userInfo.groups", true},
      {"namespaceObject.metadata.name == 'default'", true},
      {"!has(object.spec.paused) && object.spec.template.spec.containers.all(c, c.image.contains(':'))", true},
      {"variables.most >= object.spec.replicas", true},
      {"authorizer.group('apps').resource('deployments').namespace('default').check('delete').allowed()", true},
      {"authorizer.requestResource.check('create').allowed()", true},
      {"authorizer.serviceAccount('default', 'nobody').path('/metrics').check('get').allowed()", false},
      {"params == null", true},
  };
  for (const Case& c : cases) {
    CAPTURE(c.expression);
    Fixture f;
    reg::ValidatingAdmissionPolicy policy = MakePolicy(c.expression);
    if (c.expression.starts_with("params")) policy.spec.paramKind = reg::ParamKind{"v1", "ConfigMap"};
    reg::Variable variable;
    variable.name = "base";
    variable.expression = "2";
    policy.spec.variables.push_back(variable);
    variable.name = "most";
    variable.expression = "variables.base * 2";
    policy.spec.variables.push_back(variable);
    // Asked of nobody, it harms nobody.
    variable.name = "broken";
    variable.expression = "object.spec.nothing.of.the.kind";
    policy.spec.variables.push_back(variable);
    Install(f, policy);
    const Status status = Make(f, 3);
    CAPTURE(status.message());
    CHECK(status.ok() == c.holds);
  }
}

TEST_CASE("policy: messages, reasons and actions") {
  Fixture f;
  reg::ValidatingAdmissionPolicy policy = MakePolicy("object.spec.replicas <= 5");
  policy.spec.validations.Mutable(0).message = "too many";
  policy.spec.validations.Mutable(0).messageExpression =
      "'no more than ' + string(5) + ', not ' + string(object.spec.replicas)";
  policy.spec.validations.Mutable(0).reason = Str("Forbidden");
  Install(f, policy);
  const Status refused = Make(f, 7);
  CHECK(refused.code() == Code::kForbidden);
  CHECK(refused.message() == std::string(kDenied) + "no more than 5, not 7");

  auto binding = f.client->Get<reg::ValidatingAdmissionPolicyBinding>("", "binding").value();
  binding.spec.validationActions = {"Warn", "Audit"};
  REQUIRE(f.client->Update(binding).ok());
  const auto made = f.client->DoSync(Client::RequestFor(Verb::kCreate, MakeDeployment("web", 7)));
  REQUIRE(made.ok());
  CHECK(made->warnings ==
        std::vector<std::string>{"Validation failed for ValidatingAdmissionPolicy 'policy' with binding "
                                 "'binding': no more than 5, not 7"});
}

TEST_CASE("policy: parameters come from the objects that a binding names, or selects") {
  Fixture f;
  reg::ValidatingAdmissionPolicy policy = MakePolicy("object.spec.replicas <= int(params.data.most)");
  policy.spec.paramKind = reg::ParamKind{"v1", "ConfigMap"};
  reg::ValidatingAdmissionPolicyBinding binding = MakeBinding();
  binding.spec.paramRef.Mutable().name = "limits";
  binding.spec.paramRef.Mutable().parameterNotFoundAction = Str("Deny");
  Install(f, policy, binding);
  CHECK(Make(f, 1).message() == std::string(kDenied) +
                                    "failed to configure binding: no params found for policy binding with `Deny` "
                                    "parameterNotFoundAction");
  ConfigMap limits;
  limits.metadata.name = "limits";
  limits.metadata.namespace_ = "default";
  limits.data["most"] = "3";
  REQUIRE(f.client->Create(limits).ok());
  CHECK(Make(f, 3, "three").ok());
  CHECK(Make(f, 4).code() == Code::kInvalid);
}

TEST_CASE("policy: conditions and selectors say what it is about") {
  Fixture f;
  reg::ValidatingAdmissionPolicy policy = MakePolicy("false");
  reg::MatchCondition condition;
  condition.name = "not-by-admins";
  condition.expression = "request.userInfo.username != 'admin'";
  policy.spec.matchConditions.push_back(condition);
  Install(f, policy);
  CHECK(Make(f, 1, "by-admin").ok());
  CHECK(f.As("other", {"system:masters"})->Create(MakeDeployment("web")).status().code() == Code::kInvalid);

  auto stored = f.client->Get<reg::ValidatingAdmissionPolicy>("", "policy").value();
  stored.spec.matchConditions = {};
  stored.spec.matchConstraints.Mutable().objectSelector.Mutable().matchLabels["watched"] = "yes";
  REQUIRE(f.client->Update(stored).ok());
  CHECK(Make(f, 1, "unwatched").ok());
  Deployment watched = MakeDeployment("web");
  watched.metadata.labels["watched"] = "yes";
  CHECK(f.client->Create(watched).status().code() == Code::kInvalid);
}

TEST_CASE("policy: what cannot be evaluated is refused, or ignored if the policy says so") {
  Fixture f;
  reg::ValidatingAdmissionPolicy policy = MakePolicy("object.spec.nothing == 1");
  Install(f, policy);
  CHECK(Make(f, 1).message() ==
        std::string(kDenied) + "expression 'object.spec.nothing == 1' resulted in error: no such key: nothing");
  auto stored = f.client->Get<reg::ValidatingAdmissionPolicy>("", "policy").value();
  stored.spec.failurePolicy = Str("Ignore");
  REQUIRE(f.client->Update(stored).ok());
  CHECK(Make(f, 1).ok());
}

TEST_CASE("policy: an expression that does not compile is refused when the policy is made") {
  Fixture f;
  const Status status = f.client->Create(MakePolicy("object.spec.replicas <= ")).status();
  CHECK(status.code() == Code::kInvalid);
  CHECK(status.message().find("spec.validations[0].expression: Invalid value:") != std::string::npos);
  CHECK(status.message().find("compilation failed") != std::string::npos);
  // `params` without a kind of parameters names nothing.
  CHECK(f.client->Create(MakePolicy("params.x == 1")).status().code() == Code::kInvalid);
}

}  // namespace
}  // namespace minikube::api::testing
