// serviceaccounts/token: a TokenRequest is answered with a signed token; nothing is stored.
#include <fmt/format.h>

#include <minikube/api/authentication/v1.h>
#include <minikube/api/core/v1.h>

#include "api/auth/token_claims.h"
#include "api/subresources/subresources.h"
#include "api/wire/errors.h"
#include "model/defaulting.h"

namespace minikube::api {

namespace {

using authentication::v1::BoundObjectReference;
using authentication::v1::TokenRequest;

constexpr std::int64_t kMinSeconds = 600;
constexpr std::int64_t kMaxSeconds = std::int64_t{1} << 32;
// The lifetime that the ServiceAccount plugin puts into pods. Programs that read their token only once would stop
// working after it, so such a token is good for a year and says when it should have been replaced.
constexpr std::int64_t kAutomountedSeconds = 3607;
constexpr std::int64_t kExtendedSeconds = 365 * 24 * 3600;

Status CheckSpec(const TokenRequest& request) {
  ErrorList errors;
  const FieldPath path("spec.expirationSeconds");
  const std::int64_t seconds = request.spec.expirationSeconds.value_or(0);
  if (seconds < kMinSeconds) errors.Invalid(path, seconds, "may not specify a duration less than 10 minutes");
  if (seconds > kMaxSeconds) errors.Invalid(path, seconds, "may not specify a duration larger than 2^32 seconds");
  return errors.ToStatus("authentication.k8s.io", "TokenRequest", "");
}

// The object that the token is to be bound to. Errors: kNotFound, kConflict (another one of that name), kBadRequest.
Result<const Entry*> BoundObject(const Attempt& attempt, const BoundObjectReference& ref) {
  const bool core = ref.apiVersion.empty() || ref.apiVersion == "v1";
  const std::string_view plural = !core                  ? std::string_view()
                                  : ref.kind == "Pod"    ? std::string_view("pods")
                                  : ref.kind == "Secret" ? std::string_view("secrets")
                                  : ref.kind == "Node"   ? std::string_view("nodes")
                                                         : std::string_view();
  if (plural.empty()) {
    return Status(Code::kBadRequest, fmt::format("cannot bind token to object of type {}, Kind={}",
                                                 ref.apiVersion.view(), ref.kind.view()));
  }
  const StoredKind& kind = attempt.world->catalogue->Get("", plural);
  const std::string_view ns = kind.resource->namespaced ? std::string_view(attempt.request().ns) : std::string_view();
  const Entry* entry = attempt.world->Find(kind.index, ns, ref.name.view());
  if (entry == nullptr) return NotFoundError(*kind.resource, ref.name.view());
  if (!ref.uid.empty() && !(entry->object->meta().uid == ref.uid)) {
    return ConflictError(*kind.resource, ref.name.view(),
                         fmt::format("the UID in the bound object reference ({}) does not match the UID in record. The "
                                     "object might have been deleted and then recreated",
                                     ref.uid.view()));
  }
  return entry;
}

TokenRef RefTo(const meta::v1::ObjectMeta& meta) { return {meta.name.str(), meta.uid.str()}; }

}  // namespace

Status DeriveToken(Attempt& attempt) {
  const Entry* account = attempt.world->Find(attempt.kind->index, attempt.request().ns, attempt.request().name);
  if (account == nullptr) return NotFoundError(attempt.resource(), attempt.request().name);
  ObjectPtr object = ObjectPtr::Clone(*attempt.request().object);
  ApplyDefaults(*object);
  auto& request = object->As<TokenRequest>();
  if (!request.metadata.name.empty() && !(request.metadata.name == attempt.request().name)) {
    return {Code::kBadRequest, fmt::format("the name of the object ({}) does not match the name on the URL ({})",
                                           request.metadata.name.view(), attempt.request().name)};
  }
  if (!request.metadata.namespace_.empty() && !(request.metadata.namespace_ == attempt.request().ns)) {
    return {Code::kBadRequest, "the namespace of the provided object does not match the namespace sent on the request"};
  }
  MINIKUBE_RETURN_IF_ERROR(CheckSpec(request));

  TokenClaims claims;
  const core::v1::Pod* pod = nullptr;
  if (request.spec.boundObjectRef) {
    const Result<const Entry*> found = BoundObject(attempt, *request.spec.boundObjectRef);
    if (!found) return found.status();
    const Object& bound = *(*found)->object;
    pod = bound.TryAs<core::v1::Pod>();
    if (pod != nullptr) {
      if (!(pod->spec.serviceAccountName == attempt.request().name)) {
        return {Code::kBadRequest,
                fmt::format("cannot bind token for serviceaccount \"{}\" to pod running with different serviceaccount "
                            "name.",
                            attempt.request().name)};
      }
      claims.pod = RefTo(pod->metadata);
      if (!pod->spec.nodeName.empty()) {
        const Entry* node =
            attempt.world->Find(attempt.world->catalogue->Get("", "nodes").index, {}, pod->spec.nodeName.view());
        claims.node = TokenRef{pod->spec.nodeName.str(), node != nullptr ? node->object->meta().uid.str() : ""};
      }
    } else if (bound.TryAs<core::v1::Secret>() != nullptr) {
      claims.secret = RefTo(bound.meta());
    } else {
      claims.node = RefTo(bound.meta());
    }
  }

  if (request.spec.audiences.empty()) request.spec.audiences.push_back(Str(kTokenIssuer));
  const std::int64_t seconds = *request.spec.expirationSeconds;
  const bool for_server = request.spec.audiences.size() == 1 && request.spec.audiences.front() == kTokenIssuer;
  const bool extended = pod != nullptr && for_server && seconds == kAutomountedSeconds;
  claims.issuer = kTokenIssuer;
  claims.subject = AccountUserName(attempt.request().ns, attempt.request().name);
  for (const Str& audience : request.spec.audiences) claims.audiences.push_back(audience.str());
  const std::int64_t now = UnixSeconds(attempt.core.env.clock().Now());
  claims.issued_at = now;
  claims.not_before = now;
  claims.expires_at = now + (extended ? kExtendedSeconds : seconds);
  if (extended) claims.warn_after = now + seconds;
  claims.id = NewUid(attempt.core.env.random());
  claims.ns = attempt.request().ns;
  claims.account = RefTo(account->object->meta());
  Result<std::string> token = attempt.core.signing_key().Sign(EncodeClaims(claims));
  if (!token) return token.status();
  if (token->size() > kMaxTokenBytes) return {Code::kBadRequest, "the token would be too long: too many audiences"};

  request.metadata.name = attempt.request().name;
  request.metadata.namespace_ = attempt.request().ns;
  request.metadata.creationTimestamp = {Instant::FromUnixMicros(now * 1'000'000)};
  request.status.token = *token;
  request.status.expirationTimestamp = {Instant::FromUnixMicros((now + seconds) * 1'000'000)};
  attempt.AnswerMade(std::move(object));
  return {};
}

}  // namespace minikube::api
