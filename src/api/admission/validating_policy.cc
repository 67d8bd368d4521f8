// ValidatingAdmissionPolicy: rules in CEL that the cluster's users write.
// https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
#include <algorithm>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>

#include <minikube/api/admissionregistration/v1.h>
#include <minikube/json.h>
#include <minikube/selector.h>

#include "api/admission/admission.h"
#include "api/admission/plugins.h"
#include "api/admission/policy_match.h"
#include "api/admission/request_views.h"
#include "api/kinds/policy_expressions.h"
#include "api/wire/errors.h"

namespace minikube::api {

namespace {

using admissionregistration::v1::ParamRef;
using admissionregistration::v1::ValidatingAdmissionPolicy;
using admissionregistration::v1::ValidatingAdmissionPolicyBinding;

constexpr std::uint64_t kBudget = 10'000'000;  // of all expressions of a policy for one request, as in kube-apiserver
constexpr std::size_t kLongestMessage = 5 * 1024;
constexpr std::size_t kLongestAnnotation = 10 * 1024;

std::string Trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(kSpace) - first + 1));
}

// ---- Variables ----------------------------------------------------------------------------------------------------

// `variables`: each is evaluated when it is first asked for.
struct LazyVariables {
  const ValidatingAdmissionPolicy& policy;
  const PolicyExpressions& compiled;
  const std::vector<cel::Value>& values;  // of all expressions
  std::uint64_t& spent;
  std::vector<std::optional<cel::Value>> known;
  std::vector<bool> asked;
};
class VariablesView final : public cel::MapView {
 public:
  std::size_t Size(const void* source, const void*) const override { return Of(source).compiled.variables.size(); }
  bool Find(const void* source, const void*, std::string_view key, cel::Value* out) const override {
    LazyVariables& of = Of(source);
    for (std::size_t i = 0; i < of.compiled.variables.size(); ++i) {
      if (!(of.policy.spec.variables[i].name == key)) continue;
      *out = Evaluate(of, i);
      return true;
    }
    return false;
  }
  std::vector<cel::Value> Keys(const void* source, const void*) const override {
    std::vector<cel::Value> out;
    for (const auto& variable : Of(source).policy.spec.variables) out.push_back(cel::Value::String(variable.name));
    return out;
  }
  std::string_view TypeName(const void*) const override { return "kubernetes.variables"; }

 private:
  // One evaluation, on one thread.
  static LazyVariables& Of(const void* source) { return *static_cast<LazyVariables*>(const_cast<void*>(source)); }
  static cel::Value Evaluate(LazyVariables& of, std::size_t i) {
    if (of.known[i]) return *of.known[i];
    if (of.asked[i]) return cel::Value::Error("a variable depends on itself");
    of.asked[i] = true;
    cel::Outcome outcome = of.compiled.variables[i].program->Evaluate(of.values);
    of.spent += outcome.cost;
    of.known[i] = std::move(outcome.value);
    return *of.known[i];
  }
};
constexpr VariablesView kVariablesView;

// ---- One policy ---------------------------------------------------------------------------------------------------

struct Verdict {
  bool holds = true;
  bool failed = false;  // it could not be told: failurePolicy decides
  std::string message;
  std::string_view reason;
};

// A policy with one object of parameters (or none), on one request.
class Evaluation {
 public:
  Evaluation(const ValidatingAdmissionPolicy& policy, const PolicyExpressions& compiled, std::vector<cel::Value> values)
      : policy_(policy), compiled_(compiled), values_(std::move(values)), variables_{policy, compiled, values_,
                                                                                     spent_, {},       {}} {
    variables_.known.resize(compiled.variables.size());
    variables_.asked.resize(compiled.variables.size());
    values_[PolicyExpressions::kVariables] = cel::Value::View(kVariablesView, &variables_, nullptr);
  }
  Evaluation(const Evaluation&) = delete;
  Evaluation& operator=(const Evaluation&) = delete;

  // nullopt: the conditions do not hold, and the policy has nothing to say.
  std::optional<std::vector<Verdict>> Validate() {
    std::vector<Verdict> out;
    if (const std::string problem = compiled_.Problem(); !problem.empty()) {
      out.push_back(Failure(problem));
      return out;
    }
    std::string problem;
    for (std::size_t i = 0; i < compiled_.match_conditions.size(); ++i) {
      const cel::Value value = Run(compiled_.match_conditions[i]);
      // One that does not hold decides, whatever others could not tell.
      if (value.is_false()) return std::nullopt;
      if (!value.is_true()) {
        problem = fmt::format("failed to evaluate match condition '{}': {}",
                              policy_.spec.matchConditions[i].name.view(), Why(value));
      }
    }
    if (!problem.empty()) {
      out.push_back(Failure(problem));
      return out;
    }
    for (std::size_t i = 0; i < compiled_.validations.size(); ++i) out.push_back(ValidateOne(i));
    return out;
  }

  // The text of an audit annotation; "" for none. Errors: kInternal.
  Result<std::string> Annotation(std::size_t i) {
    const cel::Value value = Run(compiled_.annotations[i], PolicyExpressions::kAuthorizer);
    if (value.is(cel::Kind::kNull)) return std::string();
    if (value.is(cel::Kind::kString)) return Trimmed(value.text()).substr(0, kLongestAnnotation);
    if (value.is_error()) return Status(Code::kInternal, Expressed(i) + " resulted in error: " + Why(value));
    return Status(Code::kInternal, fmt::format("{} resulted in unsupported return type: {}. Return type must be either "
                                               "string or null.",
                                               Expressed(i), value.TypeName()));
  }

 private:
  std::string Expressed(std::size_t i) const {
    return fmt::format("valueExpression '{}'", policy_.spec.auditAnnotations[i].valueExpression.view());
  }
  static std::string Why(const cel::Value& value) {
    return value.is_error() ? std::string(value.text()) : "it does not evaluate to a bool";
  }
  static Verdict Failure(std::string why) { return {false, true, std::move(why), {}}; }

  // Messages and annotations are compiled without what asks the authoriser.
  cel::Value Run(const PolicyExpression& expression, std::size_t variables = PolicyExpressions::kCount) {
    if (spent_ >= kBudget) return cel::Value::Error("validation failed due to running out of cost budget");
    const cel::Outcome outcome = expression.program->Evaluate(
        std::span(values_).first(variables), std::min<std::uint64_t>(cel::kDefaultCostLimit, kBudget - spent_));
    spent_ += outcome.cost;
    return outcome.value;
  }

  Verdict ValidateOne(std::size_t i) {
    const auto& validation = policy_.spec.validations[i];
    const cel::Value value = Run(compiled_.validations[i]);
    if (value.is_true()) return {};
    if (!value.is_false()) {
      return Failure(fmt::format("expression '{}' resulted in error: {}", validation.expression.view(), Why(value)));
    }
    Verdict out;
    out.holds = false;
    out.reason = validation.reason ? validation.reason->view() : "Invalid";
    if (compiled_.messages[i].program != nullptr) {
      const cel::Value said = Run(compiled_.messages[i], PolicyExpressions::kAuthorizer);
      if (said.is(cel::Kind::kString)) out.message = Trimmed(said.text());
      if (out.message.size() > kLongestMessage || out.message.find('\n') != std::string::npos) out.message.clear();
    }
    if (out.message.empty()) out.message = Trimmed(validation.message.view());
    if (out.message.empty()) out.message = "failed expression: " + Trimmed(validation.expression.view());
    return out;
  }

  const ValidatingAdmissionPolicy& policy_;
  const PolicyExpressions& compiled_;
  std::vector<cel::Value> values_;
  std::uint64_t spent_ = 0;
  LazyVariables variables_;
};

Code CodeOf(std::string_view reason) {
  if (reason == "Forbidden") return Code::kForbidden;
  if (reason == "Unauthorized") return Code::kUnauthorized;
  if (reason == "RequestEntityTooLarge") return Code::kTooLarge;
  return Code::kInvalid;
}

// ---- All policies -------------------------------------------------------------------------------------------------

// All policies on one request.
class Session {
 public:
  Session(AdmissionRequest& request, const Catalogue& catalogue)
      : request_(request), catalogue_(catalogue), views_(request) {}

  void Judge(const ValidatingAdmissionPolicy& policy, const PolicyExpressions& compiled,
             const std::vector<const ValidatingAdmissionPolicyBinding*>& bindings) {
    if (!policy.spec.matchConstraints) return;
    const Result<const ResourceDesc*> as = MatchOf(request_, catalogue_, *policy.spec.matchConstraints);
    if (!as) return Misconfigured(policy, nullptr, as.status());
    if (*as == nullptr) return;
    std::map<std::string, std::vector<std::string>> notes;  // audit annotations, by key
    for (const ValidatingAdmissionPolicyBinding* binding : bindings) {
      if (binding->spec.matchResources) {
        const Result<const ResourceDesc*> bound = MatchOf(request_, catalogue_, *binding->spec.matchResources);
        if (!bound) Misconfigured(policy, binding, bound.status());
        if (!bound || *bound == nullptr) continue;
      }
      Result<std::vector<Json>> params = ParamsOf(policy, *binding);
      if (!params) {
        Misconfigured(policy, binding, params.status());
        continue;
      }
      for (const Json& param : *params) Judge(policy, compiled, *binding, **as, param, notes);
    }
    for (const auto& [key, values] : notes) {
      request_.Annotate(fmt::format("{}/{}", policy.metadata.name.view(), key),
                        fmt::format("{}", fmt::join(values, ", ")));
    }
  }

  // The first refusal, or OK.
  const Status& status() const { return refused_; }

 private:
  static bool Ignores(const ValidatingAdmissionPolicy& policy) {
    return policy.spec.failurePolicy && *policy.spec.failurePolicy == "Ignore";
  }

  void Judge(const ValidatingAdmissionPolicy& policy, const PolicyExpressions& compiled,
             const ValidatingAdmissionPolicyBinding& binding, const ResourceDesc& as, const Json& param,
             std::map<std::string, std::vector<std::string>>& notes) {
    Result<std::vector<cel::Value>> values = views_.Values(as, param);
    if (!values) return Misconfigured(policy, &binding, values.status());
    Evaluation evaluation(policy, compiled, *std::move(values));
    const std::optional<std::vector<Verdict>> verdicts = evaluation.Validate();
    if (!verdicts) return;
    for (std::size_t i = 0; i < verdicts->size(); ++i) {
      const Verdict& verdict = (*verdicts)[i];
      if (verdict.holds || (verdict.failed && Ignores(policy))) continue;
      Act(policy, binding, i, verdict);
    }
    if (verdicts->size() == 1 && verdicts->front().failed && !compiled.Problem().empty()) return;
    for (std::size_t i = 0; i < compiled.annotations.size(); ++i) {
      const Result<std::string> note = evaluation.Annotation(i);
      if (!note && !Ignores(policy)) Refuse(policy, &binding, note.status().message(), {});
      if (!note || note->empty()) continue;
      std::vector<std::string>& values_of = notes[policy.spec.auditAnnotations[i].key.str()];
      if (std::find(values_of.begin(), values_of.end(), *note) == values_of.end()) values_of.push_back(*note);
    }
  }

  void Act(const ValidatingAdmissionPolicy& policy, const ValidatingAdmissionPolicyBinding& binding, std::size_t index,
           const Verdict& verdict) {
    for (const Str& action : binding.spec.validationActions) {
      if (action == "Deny") Refuse(policy, &binding, verdict.message, verdict.reason);
      if (action == "Warn") {
        request_.Warn(fmt::format("Validation failed for ValidatingAdmissionPolicy '{}' with binding '{}': {}",
                                  policy.metadata.name.view(), binding.metadata.name.view(), verdict.message));
      }
      if (action == "Audit") {
        Json failure = Json::Object();
        failure.Set("message", Json::String(verdict.message));
        failure.Set("policy", Json::String(policy.metadata.name.view()));
        failure.Set("binding", Json::String(binding.metadata.name.view()));
        failure.Set("expressionIndex", Json::Int(static_cast<std::int64_t>(index)));
        Json actions = Json::Array();
        for (const Str& each : binding.spec.validationActions) actions.Append(Json::String(each.view()));
        failure.Set("validationActions", std::move(actions));
        Json list = Json::Array();
        list.Append(std::move(failure));
        request_.Annotate("validation.policy.admission.k8s.io/validation_failure", list.ToString());
      }
    }
  }

  void Misconfigured(const ValidatingAdmissionPolicy& policy, const ValidatingAdmissionPolicyBinding* binding,
                     const Status& why) {
    if (Ignores(policy)) return;
    Refuse(policy, binding,
           fmt::format("failed to configure {}: {}", binding == nullptr ? "policy" : "binding", why.message()), {});
  }

  void Refuse(const ValidatingAdmissionPolicy& policy, const ValidatingAdmissionPolicyBinding* binding,
              const std::string& why, std::string_view reason) {
    if (!refused_.ok()) return;
    const std::string with =
        binding != nullptr ? fmt::format(" with binding '{}'", binding->metadata.name.view()) : std::string();
    const std::string message =
        fmt::format("ValidatingAdmissionPolicy '{}'{} denied request: {}", policy.metadata.name.view(), with, why);
    const Status forbidden = request_.Forbid(message);
    StatusDetails details = forbidden.details();
    details.causes.push_back({"", message, ""});
    refused_ = Status(CodeOf(reason), forbidden.message(), std::move(details));
  }

  // The objects of parameters that a binding refers to; one null if it needs none.
  Result<std::vector<Json>> ParamsOf(const ValidatingAdmissionPolicy& policy,
                                     const ValidatingAdmissionPolicyBinding& binding) const {
    std::vector<Json> out;
    if (!policy.spec.paramKind || !binding.spec.paramRef) {
      out.push_back(Json::Null());
      return out;
    }
    const auto& kind = *policy.spec.paramKind;
    const ParamRef& ref = *binding.spec.paramRef;
    const ResourceDesc* resource = ResourceOfKind(kind.apiVersion.view(), kind.kind.view());
    if (resource == nullptr) {
      return Status(Code::kInternal,
                    fmt::format("paramKind kind `{}, Kind={}` not known", kind.apiVersion.view(), kind.kind.view()));
    }
    std::string_view ns;
    if (resource->namespaced) {
      ns = ref.namespace_.empty() ? request_.ns() : ref.namespace_.view();
      if (ns.empty()) {
        return Status(Code::kInternal,
                      "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources");
      }
    } else if (!ref.namespace_.empty()) {
      return Status(Code::kInternal, "paramRef.namespace must not be provided for a cluster-scoped `paramKind`");
    }
    Status problem;
    const auto add = [&](const ObjectRef& object) {
      Result<Json> shown = ShownAs(object.get(), *resource);
      if (shown) {
        out.push_back(*std::move(shown));
      } else {
        problem = shown.status();
      }
    };
    if (!ref.name.empty()) {
      if (const ObjectRef object = request_.world().Find(*resource, ns, ref.name.view())) add(object);
    } else {
      Result<LabelSelector> selector = LabelSelector::From(ref.selector.get());
      if (!selector) return selector.status();
      request_.world().ForEach(*resource, ns, [&](const ObjectRef& object) {
        if (selector->Matches(object->meta().labels)) add(object);
      });
    }
    if (!problem.ok()) return problem;
    if (out.empty() && ref.parameterNotFoundAction && *ref.parameterNotFoundAction == "Deny") {
      return Status(Code::kInternal, "no params found for policy binding with `Deny` parameterNotFoundAction");
    }
    return out;
  }

  const ResourceDesc* ResourceOfKind(std::string_view api_version, std::string_view kind) const {
    const std::size_t slash = api_version.find('/');
    const std::string_view group = slash == std::string_view::npos ? std::string_view() : api_version.substr(0, slash);
    const std::string_view version = slash == std::string_view::npos ? api_version : api_version.substr(slash + 1);
    for (const ResourceDesc* resource : catalogue_.resources()) {
      if (resource->group == group && resource->version == version && resource->kind == kind) return resource;
    }
    return nullptr;
  }

  AdmissionRequest& request_;
  const Catalogue& catalogue_;
  RequestViews views_;
  Status refused_;
};

class ValidatingPolicies final : public AdmissionPlugin {
 public:
  std::string_view name() const override { return "ValidatingAdmissionPolicy"; }

  // Rules about rules would lock themselves out.
  bool Handles(const AdmissionTarget& target) const override {
    return target.resource.group != "admissionregistration.k8s.io";
  }

  Result<Admitted> Validate(AdmissionRequest& request) override {
    std::map<std::string, std::vector<const ValidatingAdmissionPolicyBinding*>> bindings;  // by policy
    request.world().ForEach(Client::ResourceOf<ValidatingAdmissionPolicyBinding>(), {}, [&](const ObjectRef& object) {
      const auto& binding = object->As<ValidatingAdmissionPolicyBinding>();
      bindings[binding.spec.policyName.str()].push_back(&binding);
    });
    if (bindings.empty()) return Admitted::kNow;
    Session session(request, *AttemptOf(request).world->catalogue);
    for (const auto& [policy_name, of_policy] : bindings) {
      const ObjectRef policy = request.world().Find(Client::ResourceOf<ValidatingAdmissionPolicy>(), {}, policy_name);
      if (!policy) continue;
      session.Judge(policy->As<ValidatingAdmissionPolicy>(), *CompiledOf(policy), of_policy);
    }
    if (!session.status().ok()) return session.status();
    return Admitted::kNow;
  }

 private:
  struct Known {
    ObjectRef policy;
    std::shared_ptr<const PolicyExpressions> compiled;
  };
  // Each policy is compiled once for each of its states; what is kept of one that has gone is a name.
  std::shared_ptr<const PolicyExpressions> CompiledOf(const ObjectRef& policy) {
    const std::string name = policy->meta().name.str();
    {
      std::lock_guard lock(mu_);
      const auto it = known_.find(name);
      if (it != known_.end() && it->second.policy == policy) return it->second.compiled;
    }
    auto compiled =
        std::make_shared<const PolicyExpressions>(CompilePolicy(policy->As<ValidatingAdmissionPolicy>().spec));
    std::lock_guard lock(mu_);
    known_[name] = {policy, compiled};
    return compiled;
  }

  std::mutex mu_;
  std::unordered_map<std::string, Known> known_;  // guarded by mu_
};

}  // namespace

std::shared_ptr<AdmissionPlugin> NewValidatingPolicies() { return std::make_shared<ValidatingPolicies>(); }

}  // namespace minikube::api
