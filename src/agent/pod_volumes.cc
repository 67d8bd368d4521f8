#include "agent/pod_volumes.h"
#include "agent/local_volumes.h"
#include "kube/times.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <minikube/api/authentication/v1.h>

namespace minikube::agent {
namespace {

constexpr Duration kFirstRetry = std::chrono::milliseconds(500);
constexpr Duration kLastRetry = std::chrono::minutes(2);
constexpr Duration kFirstTokenRetry = std::chrono::milliseconds(100);
constexpr Duration kLastTokenRetry = std::chrono::seconds(10);

TokenVolumes TokenVolumesOn(const AgentContext& context) {
  return context.simulated() ? TokenVolumes::kPassedOver : TokenVolumes::kMade;
}

}  // namespace

bool PodVolumes::Needed(const AgentContext& context, const core::Pod& pod) {
  return NeedsVolumes(pod, TokenVolumesOn(context));
}

PodVolumes::~PodVolumes() {
  if (retry_timer_ != 0) context_.strand.Cancel(retry_timer_);
  for (const auto& [need, timer] : token_timers_) {
    if (timer != 0) context_.strand.Cancel(timer);
  }
}

void PodVolumes::Start() {
  for (const ObjectName& object : ObjectsOf(scope_.pod(), TokenVolumesOn(context_))) {
    pins_.push_back(context_.objects.Watch(*object.resource, scope_.pod().metadata.namespace_, object.name, [this] {
      dirty_ = true;
      scope_.Poke();
    }));
  }
  if (!context_.simulated()) RequestTokens();
}

// Claims say which volumes they are bound to only once they are known.
void PodVolumes::WatchBoundVolumes() {
  if (ready_ || context_.simulated()) return;
  for (const std::string& name : BoundVolumesOf(scope_.pod(), context_.objects)) {
    if (bound_.contains(name)) continue;
    bound_[name] = context_.objects.Watch(Client::ResourceOf<core::PersistentVolume>(), {}, name, [this] {
      dirty_ = true;
      scope_.Poke();
    });
  }
}

void PodVolumes::RequestTokens() {
  for (const TokenNeed& need : TokensOf(scope_.pod())) RequestToken(need);
}

void PodVolumes::RequestToken(const TokenNeed& need) {
  using authentication::v1::TokenRequest;
  token_timers_[need] = 0;
  const core::Pod& pod = scope_.pod();
  TokenRequest body;
  if (!need.audience.empty()) body.spec.audiences.push_back(need.audience);
  body.spec.expirationSeconds = need.expiration_seconds;
  authentication::v1::BoundObjectReference bound;
  bound.kind = "Pod";
  bound.apiVersion = "v1";
  bound.name = pod.metadata.name;
  bound.uid = pod.metadata.uid;
  body.spec.boundObjectRef = std::move(bound);
  ApiRequest request = Client::NamedRequest<core::ServiceAccount>(
      Verb::kCreate, pod.metadata.namespace_,
      pod.spec.serviceAccountName.empty() ? std::string_view("default") : pod.spec.serviceAccountName.view());
  request.subresource = "token";
  request.object = Share(std::move(body));
  const auto again = [weak = weak_from_this(), need] {
    if (const auto self = weak.lock()) self->RequestToken(need);
  };
  context_.client
      .Do(std::move(request), context_.strand,
          [weak = weak_from_this(), need, again](Result<ApiResponse> response) {
            const auto self = weak.lock();
            if (self == nullptr || self->stopped_) return;
            const TokenRequest* answer =
                response && response->object ? response->object->TryAs<TokenRequest>() : nullptr;
            if (answer == nullptr || answer->status.token.empty()) {
              const std::string why = response ? "the answer holds no token" : response.status().message();
              // A new namespace's account and its pods come at about the same time.
              self->token_retry_ = std::clamp(self->token_retry_ * 2, kFirstTokenRetry, kLastTokenRetry);
              self->token_timers_[need] = self->context_.strand.After(self->token_retry_, again);
              return self->Failed(fmt::format("MountVolume.SetUp failed for volume \"{}\" : failed to fetch token: {}",
                                              need.volume, why));
            }
            self->token_retry_ = {};
            self->tokens_[need] = answer->status.token.str();
            const Duration lifetime = answer->status.expirationTimestamp.empty()
                                          ? Duration(std::chrono::seconds(need.expiration_seconds))
                                          : kube::ToWallTime(answer->status.expirationTimestamp) - self->context_.Now();
            self->token_timers_[need] = self->context_.strand.After(TokenUse(lifetime), again);
            self->dirty_ = true;
            self->scope_.Poke();
          })
      .Detach();
}

void PodVolumes::Sync() {
  if (applying_ || stopped_ || !dirty_ || retry_timer_ != 0) return;
  dirty_ = false;
  WatchBoundVolumes();
  Result<std::vector<PlannedVolume>> plan =
      PlanVolumes(scope_.facts(), context_.objects, tokens_, TokenVolumesOn(context_), planned_, context_.local_root());
  if (!plan) {
    if (plan.status().code() != Code::kUnavailable) Failed(plan.status().message());
    return;
  }
  if (ready_ && *plan == planned_) return;
  if (!context_.simulated()) return Apply(*std::move(plan));
  planned_ = *std::move(plan);
  ready_ = true;
}

void PodVolumes::Apply(std::vector<PlannedVolume> plan) {
  applying_ = true;
  context_.files.get().Post(
      [&strand = context_.strand, paths = scope_.paths(), plan = std::move(plan), weak = weak_from_this()]() mutable {
        const Status status = ApplyVolumes(paths, plan);
        strand.Post([weak = std::move(weak), plan = std::move(plan), status]() mutable {
          const auto self = weak.lock();
          if (self == nullptr) return;
          self->applying_ = false;
          self->scope_.Poke();
          if (!status.ok()) {
            self->Failed(status.message());
            self->retry_ = std::clamp(self->retry_ * 2, kFirstRetry, kLastRetry);
            return self->RetryAfter(self->retry_);
          }
          self->planned_ = std::move(plan);
          self->ready_ = true;
          self->retry_ = {};
          self->shown_.clear();
        });
      });
}

void PodVolumes::Failed(const std::string& message) {
  if (std::exchange(shown_, message) == message) return;
  context_.events.Warning(scope_.pod_object(), "FailedMount", message);
}

void PodVolumes::RetryAfter(Duration delay) {
  retry_timer_ = context_.strand.After(delay, [this] {
    retry_timer_ = 0;
    dirty_ = true;
    scope_.Poke();
  });
}

}  // namespace minikube::agent
