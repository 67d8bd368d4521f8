// Fills Secrets of type kubernetes.io/service-account-token, which people make to have a token that does not end.
// Semantics: https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets
#include <minikube/api/authentication/v1.h>

#include "controllers/controllers.h"

namespace minikube::controllers {
namespace {

using authentication::v1::TokenRequest;
using core::v1::Secret;
using core::v1::ServiceAccount;

constexpr std::string_view kType = "kubernetes.io/service-account-token";
constexpr std::string_view kAccountName = "kubernetes.io/service-account.name";
constexpr std::string_view kAccountUid = "kubernetes.io/service-account.uid";
// The longest that the server gives: such a token ends when its Secret goes.
constexpr std::int64_t kForGood = std::int64_t{1} << 32;

std::string_view Annotation(const Secret& secret, std::string_view key) {
  const Str* value = secret.metadata.annotations.Find(key);
  return value != nullptr ? value->view() : std::string_view();
}

bool IsTokenSecret(const Secret& secret) {
  return secret.type == kType && !Annotation(secret, kAccountName).empty() && !secret.metadata.deletionTimestamp;
}

// A token of the account, bound to the secret.
ApiRequest AskForToken(const Secret& secret, const ServiceAccount& account) {
  TokenRequest token;
  token.spec.expirationSeconds = kForGood;
  auto& bound = token.spec.boundObjectRef.Mutable();
  bound.apiVersion = "v1";
  bound.kind = "Secret";
  bound.name = secret.metadata.name;
  bound.uid = secret.metadata.uid;
  ApiRequest request = Client::NamedRequest<ServiceAccount>(Verb::kCreate, account.metadata.namespace_.view(),
                                                            account.metadata.name.view());
  request.subresource = "token";
  request.object = Share(token);
  return request;
}

// What the server answered to it; null if the last run did not ask.
const TokenRequest* Given(const View& view) {
  for (const LastRun::Answer& answer : view.last().answers) {
    if (answer.request.subresource == "token" && answer.response) return &answer.response->object->As<TokenRequest>();
  }
  return nullptr;
}

}  // namespace

Plan ReconcileTokenSecret(const View& view, const Secret& secret, std::string_view ca) {
  Plan plan;
  if (!IsTokenSecret(secret)) return plan;
  const auto* account = view.Get<ServiceAccount>(secret.metadata.namespace_, Annotation(secret, kAccountName));
  const std::string_view uid = Annotation(secret, kAccountUid);
  if (account == nullptr || (!uid.empty() && account->metadata.uid != uid)) {
    // The view may lag behind: nothing is deleted before the server itself was asked.
    const auto* answer = view.Answer<ServiceAccount>(secret.metadata.namespace_, Annotation(secret, kAccountName));
    if (answer == nullptr) {
      plan.Read<ServiceAccount>(secret.metadata.namespace_, Annotation(secret, kAccountName));
    } else if (!*answer || (!uid.empty() && (*answer)->object->meta().uid != uid)) {
      plan.Delete(secret).OfThisVersion(secret.metadata).IgnoreGone();
    }
    return plan;
  }
  Secret next = secret;
  next.metadata.annotations[kAccountUid] = account->metadata.uid;
  if (!ca.empty()) next.data["ca.crt"] = Bytes{Str(ca)};
  next.data["namespace"] = Bytes{secret.metadata.namespace_};
  if (!secret.data.Contains("token")) {
    const TokenRequest* given = Given(view);
    if (given == nullptr) {
      plan.Add(AskForToken(secret, *account)).IgnoreGone();
      return plan;
    }
    next.data["token"] = Bytes{given->status.token};
  }
  if (!DeepEqual(next, secret)) plan.Update(next).IgnoreGone();
  return plan;
}

ControllerEntry TokenSecretController(std::string ca) {
  return For<Secret>("serviceaccount-token-controller")
      .As(std::string(kManagerName))
      .When([](const View&, const Secret& secret) { return IsTokenSecret(secret); })
      .Watches<ServiceAccount>([](const View& view, const ServiceAccount& account, const Wake& wake) {
        for (const Secret* secret : view.List<Secret>(account.metadata.namespace_)) {
          if (IsTokenSecret(*secret) && account.metadata.name == Annotation(*secret, kAccountName)) {
            wake(KeyOf(*secret));
          }
        }
      })
      .Reconciles([ca = std::move(ca)](const View& view, const Secret& secret) {
        return ReconcileTokenSecret(view, secret, ca);
      });
}

}  // namespace minikube::controllers
