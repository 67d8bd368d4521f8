// MutatingAdmissionPolicy on the engine: what is changed and how, what cannot be, conditions, parameters, reinvocation.
#include <minikube/api/admissionregistration/v1.h>

#include "unit/api/engine_fixture.h"

namespace minikube::api::testing {
namespace {

namespace reg = admissionregistration::v1;
using apps::v1::Deployment;
using core::v1::ConfigMap;

// A policy about configmaps and deployments; an expression that is a list is a JSON patch.
reg::MutatingAdmissionPolicy MakePolicy(std::string_view name, std::vector<std::string_view> expressions) {
  reg::MutatingAdmissionPolicy policy;
  policy.metadata.name = name;
  reg::NamedRuleWithOperations rule;
  rule.apiGroups = {"", "apps"};
  rule.apiVersions = {"v1"};
  rule.operations = {"CREATE", "UPDATE"};
  rule.resources = {"configmaps", "deployments"};
  policy.spec.matchConstraints.Mutable().resourceRules.push_back(rule);
  policy.spec.reinvocationPolicy = "Never";
  for (const std::string_view expression : expressions) {
    reg::Mutation mutation;
    if (expression.starts_with('[')) {
      mutation.patchType = "JSONPatch";
      mutation.jsonPatch.Mutable().expression = expression;
    } else {
      mutation.patchType = "ApplyConfiguration";
      mutation.applyConfiguration.Mutable().expression = expression;
    }
    policy.spec.mutations.push_back(mutation);
  }
  return policy;
}

void Install(Fixture& f, const reg::MutatingAdmissionPolicy& policy, const reg::ParamRef* params = nullptr) {
  REQUIRE(f.client->Create(policy).status().message() == "");
  reg::MutatingAdmissionPolicyBinding binding;
  binding.metadata.name = policy.metadata.name;
  binding.spec.policyName = policy.metadata.name;
  if (params != nullptr) binding.spec.paramRef.Mutable() = *params;
  REQUIRE(f.client->Create(binding).status().message() == "");
}

ConfigMap MakeMap(std::string_view name) {
  ConfigMap map;
  map.metadata.name = name;
  map.metadata.namespace_ = "default";
  map.data["k"] = "v";
  return map;
}

constexpr std::string_view kLabel = R"(Object{metadata: Object.metadata{labels: {"x": "y"}}})";

TEST_CASE("mutating policy: what an apply configuration says is merged as an apply would, without a manager") {
  Fixture f;
  Install(f, MakePolicy("p", {kLabel, R"(Object{spec: Object.spec{
      replicas: object.spec.replicas + 2,
      template: Object.spec.template{spec: Object.spec.template.spec{
        containers: [Object.spec.template.spec.containers{name: "main", imagePullPolicy: "Never"}],
        initContainers: [Object.spec.template.spec.initContainers{name: "mesh", image: "mesh:1"}]}}}})"}));
  const Deployment made = f.client->Create(MakeDeployment("web", 1)).value();
  CHECK(made.metadata.labels.Find("x")->view() == "y");
  CHECK(made.spec.replicas == 3);
  const auto& spec = made.spec.template_.spec;
  REQUIRE(spec.containers.size() == 1);
  CHECK(spec.containers[0].image == "busybox:1.36");
  CHECK(spec.containers[0].imagePullPolicy == "Never");
  REQUIRE(spec.initContainers.size() == 1);
  CHECK(spec.initContainers[0].imagePullPolicy == "IfNotPresent");  // it has its defaults
  for (const auto& entry : made.metadata.managedFields) {
    CHECK(entry.fieldsV1->json.view().find("f:initContainers") == std::string_view::npos);
  }
}

TEST_CASE("mutating policy: JSON patches, with tests that may not hold") {
  Fixture f;
  Install(f, MakePolicy("p", {R"([JSONPatch{op: "test", path: "/data/k", value: "v"},
      JSONPatch{op: "add", path: "/data/new", value: "1"},
      JSONPatch{op: "replace", path: "/data/other", value: "2"},
      JSONPatch{op: "add", path: "/metadata/annotations", value: {}},
      JSONPatch{op: "add", path: "/metadata/annotations/" + jsonpatch.escapeKey("a.b/c"), value: "3"}])"}));
  const ConfigMap made = f.client->Create(MakeMap("a")).value();
  CHECK(made.data == Map<Str>{{"k", "v"}, {"new", "1"}, {"other", "2"}});
  CHECK(made.metadata.annotations.Find("a.b/c")->view() == "3");
  ConfigMap other = MakeMap("b");
  other.data["k"] = "w";
  CHECK(f.client->Create(other).value().data == Map<Str>{{"k", "w"}});
}

TEST_CASE("mutating policy: what cannot be made refuses the request, unless failurePolicy says Ignore") {
  struct Case {
    std::string_view expression;
    std::string_view why;
  };
  const Case cases[] = {
      {R"(Object{metadata: Object.metadata{labels: {"x": object.spec.nope}}})",
       R"(expression 'Object{metadata: Object.metadata{labels: {"x": object.spec.nope}}}' resulted in error: )"
       "no such key: nope"},
      {R"(Object{spec: Object.spec{template: Object.spec.wrong{}}})",
       "type mismatch: unexpected type name \"Object.spec.wrong\", expected \"Object.spec.template\", which matches "
       "field name path from root Object type"},
      {R"(Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {"x": "y"}}}})",
       "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: "
       ".spec.selector"},
      {R"([JSONPatch{op: "remove", path: "/spec/nope"}])",
       "JSON Patch: remove operation does not apply: doc is missing path: /spec/nope"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.expression);
    for (const bool ignores : {false, true}) {
      Fixture f;
      reg::MutatingAdmissionPolicy policy = MakePolicy("p", {c.expression});
      if (ignores) policy.spec.failurePolicy = "Ignore";
      Install(f, policy);
      const Status said = f.client->Create(MakeDeployment("web")).status();
      CHECK(said.ok() == ignores);
      if (ignores) continue;
      CHECK(said.code() == Code::kInvalid);
      CHECK(said.message() == "policy 'p' with binding 'p' denied request: " + std::string(c.why));
      CHECK(f.client->Get<Deployment>("default", "web").status().code() == Code::kNotFound);
    }
  }
}

TEST_CASE("mutating policy: conditions, variables and parameters") {
  Fixture f;
  reg::MutatingAdmissionPolicy policy =
      MakePolicy("p", {R"(Object{metadata: Object.metadata{labels: {"x": variables.both}}})"});
  policy.spec.paramKind.Mutable().apiVersion = "v1";
  policy.spec.paramKind.Mutable().kind = "ConfigMap";
  reg::Variable both;
  both.name = "both";
  both.expression = R"(object.metadata.name + "-" + params.data.k)";
  policy.spec.variables.push_back(both);
  reg::MatchCondition condition;
  condition.name = "not-the-parameters";
  condition.expression = R"(object.metadata.name != "left-alone")";
  policy.spec.matchConditions.push_back(condition);
  REQUIRE(f.client->Create(MakeMap("params")).ok());
  reg::ParamRef ref;
  ref.name = "params";
  ref.namespace_ = "default";
  ref.parameterNotFoundAction = "Deny";
  Install(f, policy, &ref);
  CHECK(f.client->Create(MakeMap("a")).value().metadata.labels.Find("x")->view() == "a-v");
  CHECK(f.client->Create(MakeMap("left-alone")).value().metadata.labels.empty());
  // Changes pass it too.
  ConfigMap params = f.client->Get<ConfigMap>("default", "params").value();
  params.data["other"] = "1";
  CHECK(f.client->Update(params).value().metadata.labels.Find("x")->view() == "params-v");
  REQUIRE(f.client->DoSync(Request<ConfigMap>(Verb::kDelete, "default", "params")).ok());
  CHECK(f.client->Create(MakeMap("b")).status().message() ==
        "policy 'p' with binding 'p' denied request: failed to configure binding: no params found for policy binding "
        "with `Deny` parameterNotFoundAction");
}

TEST_CASE("mutating policy: a policy that wants to sees what later ones have made of the object") {
  for (const bool again : {false, true}) {
    Fixture f;
    reg::MutatingAdmissionPolicy first = MakePolicy(
        "a",
        {R"(Object{metadata: Object.metadata{annotations: {"seen": has(object.metadata.labels) ? "yes" : "no"}}})"});
    if (again) first.spec.reinvocationPolicy = "IfNeeded";
    Install(f, first);
    Install(f, MakePolicy("b", {kLabel}));
    CHECK(f.client->Create(MakeMap("m")).value().metadata.annotations.Find("seen")->view() == (again ? "yes" : "no"));
  }
}

TEST_CASE("mutating policy: what is no policy is refused") {
  Fixture f;
  const auto why = [&](const reg::MutatingAdmissionPolicy& policy) {
    const std::string said = f.client->Create(policy).status().message();
    const std::size_t at = said.find("spec.");
    return at == std::string::npos ? said : said.substr(at);
  };
  CHECK(why(MakePolicy("p", {"1"})) ==
        "spec.mutations[0].applyConfiguration.expression: Invalid value: \"1\": must evaluate to Object but got int");
  CHECK(why(MakePolicy("p", {"[1]"})) ==
        "spec.mutations[0].jsonPatch.expression: Invalid value: \"[1]\": must evaluate to list(JSONPatch) but got "
        "list(int)");
  CHECK(why(MakePolicy("p", {})) == "spec.mutations: Required value: mutations must contain at least one item");
  reg::MutatingAdmissionPolicy policy = MakePolicy("p", {kLabel});
  policy.spec.matchConstraints.Mutable().resourceRules.Mutable(0).operations = {"DELETE"};
  CHECK(why(policy) ==
        "spec.matchConstraints.resourceRules.operations: Unsupported value: \"DELETE\": supported values: \"*\", "
        "\"CONNECT\", \"CREATE\", \"UPDATE\"");
  policy = MakePolicy("p", {kLabel});
  policy.spec.mutations.Mutable(0).jsonPatch.Mutable().expression = "[]";
  CHECK(why(policy) ==
        "spec.mutations[0].jsonPatch: Invalid value: \"{jsonPatch}\": must not be specified when patchType is "
        "ApplyConfiguration");
  policy = MakePolicy("p", {kLabel});
  policy.spec.reinvocationPolicy = {};
  CHECK(why(policy) == "spec.reinvocationPolicy: Required value");
}

}  // namespace
}  // namespace minikube::api::testing
