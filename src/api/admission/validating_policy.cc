// ValidatingAdmissionPolicy: rules in CEL that the cluster's users write.
// https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <minikube/api/admissionregistration/v1.h>
#include <minikube/json.h>

#include "api/admission/admission.h"
#include "api/admission/plugins.h"
#include "api/admission/policy_evaluation.h"
#include "api/admission/policy_match.h"
#include "api/admission/request_views.h"
#include "api/kinds/policy_expressions.h"
#include "api/wire/errors.h"

namespace minikube::api {

namespace {

using admissionregistration::v1::ValidatingAdmissionPolicy;
using admissionregistration::v1::ValidatingAdmissionPolicyBinding;

constexpr std::size_t kLongestMessage = 5 * 1024;
constexpr std::size_t kLongestAnnotation = 10 * 1024;

std::string Trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(kSpace) - first + 1));
}

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
      : policy_(policy), compiled_(compiled), run_(policy.spec.variables, compiled, std::move(values)) {}

  // nullopt: the conditions do not hold, and the policy has nothing to say.
  std::optional<std::vector<Verdict>> Validate() {
    std::vector<Verdict> out;
    if (const std::string problem = compiled_.Problem(); !problem.empty()) {
      out.push_back(Failure(problem));
      return out;
    }
    const Result<bool> holds = run_.Conditions(policy_.spec.matchConditions);
    if (!holds) {
      out.push_back(Failure(holds.status().message()));
      return out;
    }
    if (!*holds) return std::nullopt;
    for (std::size_t i = 0; i < compiled_.validations.size(); ++i) out.push_back(ValidateOne(i));
    return out;
  }

  // The text of an audit annotation; "" for none. Errors: kInternal.
  Result<std::string> Annotation(std::size_t i) {
    const cel::Value value = run_.Run(compiled_.annotations[i], PolicyExpressions::kAuthorizer);
    if (value.is(cel::Kind::kNull)) return std::string();
    if (value.is(cel::Kind::kString)) return Trimmed(value.text()).substr(0, kLongestAnnotation);
    if (value.is_error()) return Status(Code::kInternal, Expressed(i) + " resulted in error: " + PolicyRun::Why(value));
    return Status(Code::kInternal, fmt::format("{} resulted in unsupported return type: {}. Return type must be either "
                                               "string or null.",
                                               Expressed(i), value.TypeName()));
  }

 private:
  std::string Expressed(std::size_t i) const {
    return fmt::format("valueExpression '{}'", policy_.spec.auditAnnotations[i].valueExpression.view());
  }
  static Verdict Failure(std::string why) { return {false, true, std::move(why), {}}; }

  Verdict ValidateOne(std::size_t i) {
    const auto& validation = policy_.spec.validations[i];
    const cel::Value value = run_.Run(compiled_.validations[i]);
    if (value.is_true()) return {};
    if (!value.is_false()) {
      return Failure(
          fmt::format("expression '{}' resulted in error: {}", validation.expression.view(), PolicyRun::Why(value)));
    }
    Verdict out;
    out.holds = false;
    out.reason = validation.reason ? validation.reason->view() : "Invalid";
    if (compiled_.messages[i].program != nullptr) {
      const cel::Value said = run_.Run(compiled_.messages[i], PolicyExpressions::kAuthorizer);
      if (said.is(cel::Kind::kString)) out.message = Trimmed(said.text());
      if (out.message.size() > kLongestMessage || out.message.find('\n') != std::string::npos) out.message.clear();
    }
    if (out.message.empty()) out.message = Trimmed(validation.message.view());
    if (out.message.empty()) out.message = "failed expression: " + Trimmed(validation.expression.view());
    return out;
  }

  const ValidatingAdmissionPolicy& policy_;
  const PolicyExpressions& compiled_;
  PolicyRun run_;
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
      Result<std::vector<Json>> params =
          ParamsOf(request_, catalogue_, policy.spec.paramKind.get(), binding->spec.paramRef.get());
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
      session.Judge(policy->As<ValidatingAdmissionPolicy>(), *compiled_.Of(policy), of_policy);
    }
    if (!session.status().ok()) return session.status();
    return Admitted::kNow;
  }

 private:
  CompiledPolicies<ValidatingAdmissionPolicy> compiled_;
};

}  // namespace

std::shared_ptr<AdmissionPlugin> NewValidatingPolicies() { return std::make_shared<ValidatingPolicies>(); }

}  // namespace minikube::api
