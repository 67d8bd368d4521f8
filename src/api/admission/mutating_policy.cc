// MutatingAdmissionPolicy: changes in CEL that the cluster's users write, as partial objects to apply or as JSON
// patches. https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <minikube/api/admissionregistration/v1.h>
#include <minikube/api/admissionregistration/v1beta1.h>
#include <minikube/json.h>

#include "api/admission/admission.h"
#include "api/admission/mutation.h"
#include "api/admission/plugins.h"
#include "api/admission/policy_evaluation.h"
#include "api/admission/policy_match.h"
#include "api/admission/request_views.h"
#include "api/wire/errors.h"
#include "api/world/served.h"
#include "model/apply.h"
#include "model/patch.h"
#include "structural/structural_schema.h"

namespace minikube::api {

namespace {

namespace stored = admissionregistration::v1beta1;
using admissionregistration::v1::MutatingAdmissionPolicy;
using admissionregistration::v1::MutatingAdmissionPolicyBinding;
using admissionregistration::v1::Mutation;

// What is stored as v1beta1, in v1: made once for each state of an object; what is kept of one that has gone is a name.
template <typename T>
class InV1 {
 public:
  // Errors: of the conversion.
  Result<ObjectRef> Of(const ObjectRef& stored) {
    std::lock_guard lock(mu_);
    auto& [seen, shown] = known_[stored->meta().name.str()];
    if (!(seen == stored)) {
      Result<ObjectRef> made = InServedType(stored, DescriptorOf<T>());
      if (!made) return made;
      seen = stored;
      shown = *std::move(made);
    }
    return shown;
  }

 private:
  std::mutex mu_;
  std::unordered_map<std::string, std::pair<ObjectRef, ObjectRef>> known_;  // guarded by mu_
};

// A policy with one object of parameters, through one binding.
struct Invocation {
  ObjectRef policy_object;
  ObjectRef binding_object;
  std::shared_ptr<const PolicyExpressions> compiled;
  const ResourceDesc* as = nullptr;
  Json param;

  const MutatingAdmissionPolicy& policy() const { return policy_object->As<MutatingAdmissionPolicy>(); }
  const MutatingAdmissionPolicyBinding& binding() const { return binding_object->As<MutatingAdmissionPolicyBinding>(); }
  // The same in both runs.
  std::string Key() const {
    const Json& meta = param["metadata"];
    return fmt::format("{}/{}/{}/{}", policy().metadata.name.view(), binding().metadata.name.view(),
                       meta["namespace"].text(), meta["name"].text());
  }
};

// What is known of the first run when the mutating plugins run once more.
struct FirstRun final : AttemptPart {
  ObjectPtr output;             // what the policies left
  std::set<std::string> asked;  // that want to see what others made of the object after them
  std::set<std::string> due;    // of them, those after which it has changed
};

// Types of constructed objects say where they belong: Object.spec is what the member spec of Object holds.
Status CheckTypeNames(const cel::Value& value, const std::string& path) {
  if (const std::vector<cel::Value>* items = value.OwnItems()) {
    for (const cel::Value& item : *items) MINIKUBE_RETURN_IF_ERROR(CheckTypeNames(item, path));
    return {};
  }
  const auto* entries = value.OwnEntries();
  if (entries == nullptr) return {};
  const bool object = value.TypeName() == "Object" || value.TypeName().starts_with("Object.");
  if (object && value.TypeName() != path) {
    return {Code::kInvalid, fmt::format("type mismatch: unexpected type name \"{}\", expected \"{}\", which matches "
                                        "field name path from root Object type",
                                        value.TypeName(), path)};
  }
  for (const auto& [key, member] : *entries) {
    MINIKUBE_RETURN_IF_ERROR(CheckTypeNames(member, object ? fmt::format("{}.{}", path, key.text()) : path));
  }
  return {};
}

class Session {
 public:
  Session(AdmissionRequest& request, const Catalogue& catalogue) : request_(request), catalogue_(catalogue) {}

  // Finds what is to be invoked, by the object as it came.
  void Match(const ObjectRef& policy_object, const std::shared_ptr<const PolicyExpressions>& compiled,
             const std::vector<ObjectRef>& bindings) {
    const auto& policy = policy_object->As<MutatingAdmissionPolicy>();
    if (!policy.spec.matchConstraints) return;
    const Result<const ResourceDesc*> as = MatchOf(request_, catalogue_, *policy.spec.matchConstraints);
    if (!as) return Refuse(policy, nullptr, "failed to configure policy: " + as.status().message());
    if (*as == nullptr) return;
    for (const ObjectRef& binding_object : bindings) {
      const auto* binding = &binding_object->As<MutatingAdmissionPolicyBinding>();
      const auto misconfigured = [&](const Status& why) {
        Refuse(policy, binding, "failed to configure binding: " + why.message());
      };
      if (binding->spec.matchResources) {
        const Result<const ResourceDesc*> bound = MatchOf(request_, catalogue_, *binding->spec.matchResources);
        if (!bound) misconfigured(bound.status());
        if (!bound || *bound == nullptr) continue;
      }
      Result<std::vector<Json>> params =
          ParamsOf(request_, catalogue_, policy.spec.paramKind.get(), binding->spec.paramRef.get());
      if (!params) {
        misconfigured(params.status());
        continue;
      }
      for (Json& param : *params)
        invocations_.push_back({policy_object, binding_object, compiled, *as, std::move(param)});
    }
  }

  void Mutate(FirstRun& first, bool again) {
    if (again && first.output && !Equal(*first.output, *request_.object())) {
      first.due.insert(first.asked.begin(), first.asked.end());
    }
    for (const Invocation& invocation : invocations_) {
      const std::string key = invocation.Key();
      if (again && !first.due.contains(key)) continue;
      const Result<bool> changed = Invoke(invocation);
      if (!changed) {
        Refuse(invocation.policy(), &invocation.binding(), changed.status().message(), Code::kInvalid);
        continue;
      }
      if (*changed) first.due.insert(first.asked.begin(), first.asked.end());
      if (invocation.policy().spec.reinvocationPolicy == "IfNeeded") first.asked.insert(key);
    }
    first.output = ObjectPtr::Clone(*request_.object());
  }

  // The first refusal, or OK.
  const Status& status() const { return refused_; }

 private:
  // Whether it has changed the object. Errors: why it could not; what it had changed by then stays.
  Result<bool> Invoke(const Invocation& invocation) {
    const auto& spec = invocation.policy().spec;
    if (const std::string problem = invocation.compiled->Problem(); !problem.empty()) {
      return Status(Code::kInvalid, problem);
    }
    {
      RequestViews views(request_);
      Result<std::vector<cel::Value>> values = views.Values(*invocation.as, invocation.param);
      if (!values) return values.status();
      PolicyRun run(spec.variables, *invocation.compiled, *std::move(values));
      const Result<bool> holds = run.Conditions(spec.matchConditions);
      if (!holds || !*holds) return holds;
    }
    Status problem;
    bool changed = false;
    for (std::size_t i = 0; i < spec.mutations.size(); ++i) {
      const Result<bool> mutated = Apply(invocation, spec.mutations[i], invocation.compiled->mutations[i]);
      if (!mutated && problem.ok()) problem = mutated.status();
      changed |= mutated && *mutated;
    }
    return problem.ok() ? Result<bool>(changed) : Result<bool>(problem);
  }

  // One mutation, of the object as the ones before have left it.
  Result<bool> Apply(const Invocation& invocation, const Mutation& mutation, const PolicyExpression& compiled) {
    const bool applies = mutation.patchType == "ApplyConfiguration";
    RequestViews views(request_);
    Result<std::vector<cel::Value>> values = views.Values(*invocation.as, invocation.param);
    if (!values) return values.status();
    PolicyRun run(invocation.policy().spec.variables, *invocation.compiled, *std::move(values));
    const cel::Value made = run.Run(compiled);
    if (made.is_error()) {
      const Str& expression = applies ? mutation.applyConfiguration->expression : mutation.jsonPatch->expression;
      return Status(Code::kInvalid,
                    fmt::format("expression '{}' resulted in error: {}", expression.view(), made.text()));
    }
    const Attempt& attempt = AttemptOf(request_);
    Result<ObjectPtr> shown = CopyAs(*request_.object(), *invocation.as->message);
    if (!shown) return shown.status();
    Result<ObjectPtr> next = applies ? Configured(made, **shown, attempt.world->catalogue->SchemaOf(*invocation.as))
                                     : Patched(made, **shown);
    // What makes no object of an object is refused whatever failurePolicy says.
    if (!next && next.status().code() == Code::kInternal && refused_.ok()) refused_ = next.status();
    if (!next) return next.status();
    if (!*next) return false;
    return TakeMutated(request_, **next);
  }

  static Result<ObjectPtr> Configured(const cel::Value& made, const Object& live, const StructuralSchema* schema) {
    if (made.TypeName() != "Object") {
      return Status(Code::kInvalid,
                    fmt::format("unsupported return type from ApplyConfiguration expression: {}", made.TypeName()));
    }
    MINIKUBE_RETURN_IF_ERROR(CheckTypeNames(made, "Object"));
    Json config = cel::ToJson(made);
    const GroupVersionKind& gvk = live.desc().gvk;
    config.Set("apiVersion", Json::String(gvk.group.empty() ? std::string(gvk.version)
                                                            : fmt::format("{}/{}", gvk.group, gvk.version)));
    config.Set("kind", Json::String(gvk.kind));
    Result<ObjectPtr> next =
        MergeConfiguration(live.desc(), live, config.ToString(), schema != nullptr ? &schema->root() : nullptr);
    if (!next) return next.status().WithContext("error applying patch");
    return next;
  }

  // Null: a test in the patch does not hold.
  static Result<ObjectPtr> Patched(const cel::Value& made, const Object& live) {
    if (!made.is(cel::Kind::kList)) {
      return Status(Code::kInvalid, "type mismatch: JSONPatchType.expression should evaluate to array");
    }
    for (std::size_t i = 0; i < made.Size(); ++i) {
      cel::Value value;
      if (!made.At(i).FindField("value", &value)) continue;
      const std::string root(value.TypeName());  // where a value belongs, the path says: only what is in it can be told
      MINIKUBE_RETURN_IF_ERROR(CheckTypeNames(value, root));
    }
    Result<ObjectPtr> next = ApplyTestedPatch(live, cel::ToJson(made).ToString());
    if (next) return next;
    if (next.status().code() == Code::kInternal) {
      StatusDetails details;
      details.causes.push_back({"", next.status().message(), ""});
      return Status(Code::kInternal, "Internal error occurred: " + next.status().message(), std::move(details));
    }
    const auto& causes = next.status().details().causes;
    return Status(next.status().code(),
                  "JSON Patch: " + (causes.empty() ? next.status().message() : causes.front().message));
  }

  void Refuse(const MutatingAdmissionPolicy& policy, const MutatingAdmissionPolicyBinding* binding,
              const std::string& why, Code code = Code::kForbidden) {
    if (!refused_.ok() || (policy.spec.failurePolicy && *policy.spec.failurePolicy == "Ignore")) return;
    const std::string message = binding != nullptr
                                    ? fmt::format("policy '{}' with binding '{}' denied request: {}",
                                                  policy.metadata.name.view(), binding->metadata.name.view(), why)
                                    : fmt::format("policy \"{}\" denied request: {}", policy.metadata.name.view(), why);
    StatusDetails details = request_.Forbid(message).details();
    details.causes.push_back({"", message, ""});
    refused_ = Status(code, message, std::move(details));
  }

  AdmissionRequest& request_;
  const Catalogue& catalogue_;
  std::vector<Invocation> invocations_;
  Status refused_;
};

class MutatingPolicies final : public AdmissionPlugin {
 public:
  std::string_view name() const override { return "MutatingAdmissionPolicy"; }

  // Rules about rules would lock themselves out; and of what is deleted nothing can be changed.
  bool Handles(const AdmissionTarget& target) const override {
    return target.operation != AdmissionOperation::kDelete && target.resource.group != "admissionregistration.k8s.io";
  }

  Result<Admitted> Mutate(AdmissionRequest& request) override {
    const Attempt& attempt = AttemptOf(request);
    // What is written to a part that has a type of its own (a Scale), or by an action (a Binding), is not the object.
    const bool other_type = &attempt.message() != attempt.resource().message;
    if (request.object() == nullptr || other_type) return Admitted::kNow;
    std::map<std::string, std::vector<ObjectRef>> bindings;  // by policy
    Status problem;
    request.world().ForEach(Client::ResourceOf<stored::MutatingAdmissionPolicyBinding>(), {},
                            [&](const ObjectRef& object) {
                              Result<ObjectRef> shown = bindings_.Of(object);
                              if (!shown) {
                                problem = shown.status();
                                return;
                              }
                              const auto& binding = (*shown)->As<MutatingAdmissionPolicyBinding>();
                              bindings[binding.spec.policyName.str()].push_back(*std::move(shown));
                            });
    if (!problem.ok()) return problem;
    if (bindings.empty()) return Admitted::kNow;
    Session session(request, *attempt.world->catalogue);
    for (const auto& [policy_name, of_policy] : bindings) {
      const ObjectRef object =
          request.world().Find(Client::ResourceOf<stored::MutatingAdmissionPolicy>(), {}, policy_name);
      if (!object) continue;
      const Result<ObjectRef> policy = policies_.Of(object);
      if (!policy) return policy.status();
      session.Match(*policy, compiled_.Of(*policy), of_policy);
    }
    auto& admission = static_cast<AttemptAdmission&>(request);
    if (admission.of_policies == nullptr) admission.of_policies = std::make_unique<FirstRun>();
    session.Mutate(static_cast<FirstRun&>(*admission.of_policies), admission.second_run());
    if (!session.status().ok()) return session.status();
    return Admitted::kNow;
  }

 private:
  InV1<MutatingAdmissionPolicy> policies_;
  InV1<MutatingAdmissionPolicyBinding> bindings_;
  CompiledPolicies<MutatingAdmissionPolicy> compiled_;
};

}  // namespace

std::shared_ptr<AdmissionPlugin> NewMutatingPolicies() { return std::make_shared<MutatingPolicies>(); }

}  // namespace minikube::api
