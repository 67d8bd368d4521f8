// MutatingAdmissionWebhook and ValidatingAdmissionWebhook: programs elsewhere that have their say.
// https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>

#include <minikube/api/admissionregistration/v1.h>
#include <minikube/codec.h>

#include "api/admission/admission.h"
#include "api/admission/mutation.h"
#include "api/admission/plugins.h"
#include "api/admission/policy_match.h"
#include "api/admission/request_views.h"
#include "api/admission/webhook_call.h"
#include "api/kinds/policy_expressions.h"
#include "api/registry/operation.h"
#include "api/world/served.h"
#include "model/patch.h"

namespace minikube::api {

namespace {

namespace reg = admissionregistration::v1;

constexpr std::int32_t kDefaultSeconds = 10;

// A webhook of either sort.
struct Hook {
  std::string name;
  reg::WebhookClientConfig client;
  reg::MatchResources constraints;
  List<reg::MatchCondition> conditions;
  std::vector<PolicyExpression> compiled;  // the conditions
  Duration timeout{};
  bool open = false;             // failurePolicy Ignore
  bool dry_run_is_safe = false;  // it has no side effects then
  bool reinvoke = false;
};

template <typename Webhook>
Hook HookOf(const Webhook& of) {
  Hook out;
  out.name = of.name.str();
  out.client = of.clientConfig;
  for (const reg::RuleWithOperations& rule : of.rules) {
    reg::NamedRuleWithOperations named;
    named.operations = rule.operations;
    named.apiGroups = rule.apiGroups;
    named.apiVersions = rule.apiVersions;
    named.resources = rule.resources;
    named.scope = rule.scope;
    out.constraints.resourceRules.push_back(named);
  }
  out.constraints.namespaceSelector = of.namespaceSelector;
  out.constraints.objectSelector = of.objectSelector;
  out.constraints.matchPolicy = of.matchPolicy;
  out.conditions = of.matchConditions;
  out.compiled = CompileConditions(of.matchConditions);
  out.timeout = std::chrono::seconds(of.timeoutSeconds.value_or(kDefaultSeconds));
  out.open = of.failurePolicy && *of.failurePolicy == "Ignore";
  out.dry_run_is_safe = of.sideEffects && (*of.sideEffects == "None" || *of.sideEffects == "NoneOnDryRun");
  if constexpr (std::is_same_v<Webhook, reg::MutatingWebhook>) {
    out.reinvoke = of.reinvocationPolicy && *of.reinvocationPolicy == "IfNeeded";
  }
  return out;
}

// The hooks of all configurations, in order of their names; each configuration is read once for each of its states.
template <typename Configuration>
class Hooks {
 public:
  std::vector<std::shared_ptr<const Hook>> Of(const AdmissionRequest& request) {
    std::vector<std::shared_ptr<const Hook>> out;
    request.world().ForEach(Client::ResourceOf<Configuration>(), {}, [&](const ObjectRef& object) {
      const std::vector<std::shared_ptr<const Hook>> hooks = Known(object);
      out.insert(out.end(), hooks.begin(), hooks.end());
    });
    return out;
  }

 private:
  std::vector<std::shared_ptr<const Hook>> Known(const ObjectRef& object) {
    std::lock_guard lock(mu_);
    auto& [configuration, hooks] = known_[object->meta().name.str()];
    if (!(configuration == object)) {
      configuration = object;
      hooks.clear();
      for (const auto& webhook : object->As<Configuration>().webhooks) {
        hooks.push_back(std::make_shared<const Hook>(HookOf(webhook)));
      }
    }
    return hooks;
  }

  std::mutex mu_;
  // Guarded by mu_.
  std::unordered_map<std::string, std::pair<ObjectRef, std::vector<std::shared_ptr<const Hook>>>> known_;
};

// Whether a hook is to be asked about a request, and in which version; null: no. Errors: what refuses the request.
Result<const ResourceDesc*> AsksFor(AdmissionRequest& request, const Hook& hook) {
  if (hook.constraints.resourceRules.empty()) return nullptr;
  const Result<const ResourceDesc*> as = MatchOf(request, *AttemptOf(request).world->catalogue, hook.constraints);
  if (!as || *as == nullptr || hook.compiled.empty()) return as;
  RequestViews views(request);
  const Json none = Json::Null();
  Result<std::vector<cel::Value>> values = views.Values(**as, none);
  if (!values) return values.status();
  std::string problem;
  for (std::size_t i = 0; i < hook.compiled.size(); ++i) {
    const PolicyExpression& condition = hook.compiled[i];
    const cel::Value value = condition.program != nullptr ? condition.program->Evaluate(*values).value
                                                          : cel::Value::Error(condition.problem);
    // One that does not hold decides, whatever others could not tell.
    if (value.is_false()) return nullptr;
    if (!value.is_true() && problem.empty()) {
      problem =
          fmt::format("failed to evaluate match condition '{}': {}", hook.conditions[i].name.view(), value.text());
    }
  }
  if (problem.empty()) return as;
  if (hook.open) return nullptr;
  return request.Forbid(problem);
}

// The request of an AdmissionReview.
Result<Json> ReviewOf(const AdmissionRequest& request, const ResourceDesc& as, Random& random) {
  RequestViews views(request);
  const Result<const RequestViews::Objects*> objects = views.In(as);
  if (!objects) return objects.status();
  Json out = (*objects)->request;
  out.Set("uid", Json::String(NewUid(random)));
  out.Set("object", (*objects)->object);
  out.Set("oldObject", (*objects)->old_object);
  Json options = Json::Object();
  options.Set("apiVersion", Json::String("meta.k8s.io/v1"));
  const AdmissionOperation operation = request.operation();
  options.Set("kind", Json::String(operation == AdmissionOperation::kCreate   ? "CreateOptions"
                                   : operation == AdmissionOperation::kUpdate ? "UpdateOptions"
                                                                              : "DeleteOptions"));
  out.Set("options", std::move(options));
  return out;
}

Status NoDryRun(const Hook& hook) {
  return {Code::kBadRequest, fmt::format("admission webhook \"{}\" does not support dry run", hook.name)};
}

void Tell(AdmissionRequest& request, const Hook& hook, WebhookAnswer& answer) {
  for (std::string& warning : answer.warnings) request.Warn(std::move(warning));
  for (auto& [key, value] : answer.annotations) request.Annotate(hook.name + "/" + key, std::move(value));
}

// Asks one hook; the answer comes on the core's strand, or the callback is dropped with it.
void Ask(const std::shared_ptr<WebhookCalls>& calls, AdmissionRequest& request, const Hook& hook,
         const ResourceDesc& as, Function<void(Result<WebhookAnswer>)> done) {
  Core& core = AttemptOf(request).core;
  Result<Json> review = ReviewOf(request, as, core.env.random());
  if (!review) return done(review.status());
  calls->Ask(
      hook.name, hook.client, hook.timeout, *std::move(review), request.world(), core.env,
      [&core, done = std::move(done)](Result<WebhookAnswer> answer) mutable {
        core.strand->Post([done = std::move(done), answer = std::move(answer)]() mutable { done(std::move(answer)); });
      });
}

// ---- Mutating -----------------------------------------------------------------------------------------------------

// One after the other; those that want to see what others have made of the object after them are asked once more.
class MutatingRun : public std::enable_shared_from_this<MutatingRun> {
 public:
  MutatingRun(std::shared_ptr<WebhookCalls> calls, AdmissionRequest& request,
              std::vector<std::shared_ptr<const Hook>> hooks, Function<void(Status)> done)
      : calls_(std::move(calls)), request_(request), hooks_(std::move(hooks)), done_(std::move(done)) {}

  void Advance() {
    for (; round_ < 2; ++round_, next_ = 0) {
      while (next_ < hooks_.size()) {
        const std::size_t i = next_++;
        if (round_ == 1 && !due_again_.contains(i)) continue;
        const Result<const ResourceDesc*> as = AsksFor(request_, *hooks_[i]);
        if (!as) return done_(as.status());
        if (*as == nullptr) continue;
        if (request_.dry_run() && !hooks_[i]->dry_run_is_safe) return done_(NoDryRun(*hooks_[i]));
        return Ask(calls_, request_, *hooks_[i], **as,
                   [self = shared_from_this(), i, as = *as](Result<WebhookAnswer> answer) {
                     const Status taken = self->Take(i, *as, std::move(answer));
                     if (!taken.ok()) return self->done_(taken);
                     self->Advance();
                   });
      }
    }
    done_(Status());
  }

 private:
  Status Take(std::size_t i, const ResourceDesc& as, Result<WebhookAnswer> answer) {
    const Hook& hook = *hooks_[i];
    if (!answer) {
      if (!hook.open) return {Code::kInternal, "Internal error occurred: " + answer.status().message()};
      request_.Annotate(fmt::format("failed-open.mutation.webhook.admission.k8s.io/round_{}_index_{}", round_, i),
                        hook.name);
      return {};
    }
    Tell(request_, hook, *answer);
    if (!answer->allowed) return answer->refused;
    bool changed = false;
    if (!answer->patch.empty()) {
      Result<bool> patched = Patch(hook, as, answer->patch);
      if (!patched) return patched.status();
      changed = *patched;
    }
    request_.Annotate(fmt::format("mutation.webhook.admission.k8s.io/round_{}_index_{}", round_, i),
                      fmt::format(R"({{"webhook":"{}","mutated":{}}})", hook.name, changed));
    if (changed && round_ == 0) due_again_ = asked_;
    if (hook.reinvoke) asked_.insert(i);
    return {};
  }

  // Whether the object is another one now.
  Result<bool> Patch(const Hook& hook, const ResourceDesc& as, std::string_view patch) {
    const auto internal = [](std::string_view why) {
      return Status(Code::kInternal, fmt::format("Internal error occurred: {}", why));
    };
    if (request_.object() == nullptr) {
      return internal(
          fmt::format("admission webhook \"{}\" attempted to modify the object, which is not supported for "
                      "this operation",
                      hook.name));
    }
    Attempt& attempt = AttemptOf(request_);
    Result<ObjectPtr> shown = CopyAs(*attempt.next, *as.message);
    if (!shown) return shown.status();
    Result<ObjectPtr> patched = ApplyPatch(**shown, PatchType::kJson, patch);
    if (!patched) return internal(patched.status().message());
    return TakeMutated(request_, **patched);
  }

  const std::shared_ptr<WebhookCalls> calls_;
  AdmissionRequest& request_;
  const std::vector<std::shared_ptr<const Hook>> hooks_;
  const Function<void(Status)> done_;
  int round_ = 0;
  std::size_t next_ = 0;
  std::set<std::size_t> asked_;      // so far, of those that want to be asked again
  std::set<std::size_t> due_again_;  // of them, those after which the object has changed
};

class MutatingWebhooks final : public AdmissionPlugin {
 public:
  std::string_view name() const override { return "MutatingAdmissionWebhook"; }
  // Rules about rules would lock themselves out.
  bool Handles(const AdmissionTarget& target) const override {
    return target.resource.group != "admissionregistration.k8s.io";
  }
  Result<Admitted> Mutate(AdmissionRequest& request) override {
    if (static_cast<AttemptAdmission&>(request).second_run()) return Admitted::kNow;
    std::vector<std::shared_ptr<const Hook>> hooks = hooks_.Of(request);
    bool any = false;
    for (const auto& hook : hooks) {
      const Result<const ResourceDesc*> as = MatchOf(request, *AttemptOf(request).world->catalogue, hook->constraints);
      any |= !hook->constraints.resourceRules.empty() && (!as || *as != nullptr);
    }
    if (!any) return Admitted::kNow;
    std::make_shared<MutatingRun>(calls_, request, std::move(hooks), request.Later())->Advance();
    return Admitted::kLater;
  }

 private:
  Hooks<reg::MutatingWebhookConfiguration> hooks_;
  const std::shared_ptr<WebhookCalls> calls_ = std::make_shared<WebhookCalls>();
};

// ---- Validating ---------------------------------------------------------------------------------------------------

// All at once; the first in order that refuses has the word.
class ValidatingRun : public std::enable_shared_from_this<ValidatingRun> {
 public:
  ValidatingRun(AdmissionRequest& request, std::vector<std::shared_ptr<const Hook>> hooks, Function<void(Status)> done)
      : request_(request),
        hooks_(std::move(hooks)),
        results_(hooks_.size()),
        open_(hooks_.size()),
        done_(std::move(done)) {}

  void Begin(const std::shared_ptr<WebhookCalls>& calls, const std::vector<const ResourceDesc*>& as) {
    // Answers come on the strand, perhaps while the last are still being asked.
    for (std::size_t i = 0; i < hooks_.size(); ++i) {
      Ask(calls, request_, *hooks_[i], *as[i],
          [self = shared_from_this(), i](Result<WebhookAnswer> answer) { self->Take(i, std::move(answer)); });
    }
  }

 private:
  void Take(std::size_t i, Result<WebhookAnswer> answer) {
    std::unique_lock lock(mu_);
    const Hook& hook = *hooks_[i];
    if (!answer && hook.open) {
      request_.Annotate(fmt::format("failed-open.validating.webhook.admission.k8s.io/round_0_index_{}", i), hook.name);
    } else if (!answer) {
      results_[i] = Status(Code::kInternal, "Internal error occurred: " + answer.status().message());
    } else {
      Tell(request_, hook, *answer);
      if (!answer->allowed) results_[i] = answer->refused;
    }
    if (--open_ > 0) return;
    lock.unlock();
    for (const Status& result : results_) {
      if (!result.ok()) return done_(result);
    }
    done_(Status());
  }

  AdmissionRequest& request_;
  const std::vector<std::shared_ptr<const Hook>> hooks_;
  std::mutex mu_;  // guards results_, open_ and what the request is told
  std::vector<Status> results_;
  std::size_t open_;
  const Function<void(Status)> done_;
};

class ValidatingWebhooks final : public AdmissionPlugin {
 public:
  std::string_view name() const override { return "ValidatingAdmissionWebhook"; }
  bool Handles(const AdmissionTarget& target) const override {
    return target.resource.group != "admissionregistration.k8s.io";
  }
  Result<Admitted> Validate(AdmissionRequest& request) override {
    std::vector<std::shared_ptr<const Hook>> asked;
    std::vector<const ResourceDesc*> versions;
    for (std::shared_ptr<const Hook>& hook : hooks_.Of(request)) {
      const Result<const ResourceDesc*> as = AsksFor(request, *hook);
      if (!as) return as.status();
      if (*as == nullptr) continue;
      if (request.dry_run() && !hook->dry_run_is_safe) return NoDryRun(*hook);
      versions.push_back(*as);
      asked.push_back(std::move(hook));
    }
    if (asked.empty()) return Admitted::kNow;
    std::make_shared<ValidatingRun>(request, std::move(asked), request.Later())->Begin(calls_, versions);
    return Admitted::kLater;
  }

 private:
  Hooks<reg::ValidatingWebhookConfiguration> hooks_;
  const std::shared_ptr<WebhookCalls> calls_ = std::make_shared<WebhookCalls>();
};

}  // namespace

std::shared_ptr<AdmissionPlugin> NewMutatingWebhooks() { return std::make_shared<MutatingWebhooks>(); }
std::shared_ptr<AdmissionPlugin> NewValidatingWebhooks() { return std::make_shared<ValidatingWebhooks>(); }

}  // namespace minikube::api
