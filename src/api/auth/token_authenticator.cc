#include "api/auth/token_authenticator.h"

#include <algorithm>

#include <fmt/format.h>

#include "api/auth/token_claims.h"

namespace minikube::api {
namespace {

// What is being deleted counts as there until its time is over, and a little longer, as for all times of a token.
constexpr std::int64_t kLeeway = 60;

// Checks that what a token refers to is still there and still the same.
struct Witness {
  const World& world;
  WallTime now;

  Status Sees(std::string_view plural, std::string_view ns, const TokenRef& ref) const {
    const StoredKind& kind = world.catalogue->Get("", plural);
    const Entry* entry = world.Find(kind.index, ns, ref.name);
    if (entry == nullptr) return Gone(kind, ref, "does not exist");
    const meta::v1::ObjectMeta& meta = entry->object->meta();
    if (!(meta.uid == ref.uid)) return Gone(kind, ref, "is another one by now");
    if (meta.deletionTimestamp && meta.deletionTimestamp->unix_micros() / 1'000'000 < UnixSeconds(now) - kLeeway) {
      return Gone(kind, ref, "has been deleted");
    }
    return {};
  }

 private:
  static Status Gone(const StoredKind& kind, const TokenRef& ref, std::string_view why) {
    return {Code::kUnauthorized, fmt::format("service account token has been invalidated: {} {} {}",
                                             kind.resource->singular, ref.name, why)};
  }
};

}  // namespace

Result<TokenUser> AuthenticateAccountToken(const VerifiedTokens& verified, const World& world, WallTime now,
                                           std::string_view token, std::span<const std::string> audiences) {
  const Result<std::shared_ptr<const TokenClaims>> said = verified.Claims(token);
  if (!said) return said.status();
  const TokenClaims& claims = **said;
  MINIKUBE_RETURN_IF_ERROR(CheckClaims(claims, now));

  TokenUser out;
  for (const std::string& audience : audiences) {
    if (std::find(claims.audiences.begin(), claims.audiences.end(), audience) != claims.audiences.end()) {
      out.audiences.push_back(audience);
    }
  }
  if (out.audiences.empty()) {
    return Status(Code::kUnauthorized, fmt::format("token audiences [{}] do not include any of [{}]",
                                                   fmt::join(claims.audiences, " "), fmt::join(audiences, " ")));
  }

  const Witness witness{world, now};
  MINIKUBE_RETURN_IF_ERROR(witness.Sees("serviceaccounts", claims.ns, claims.account));
  if (claims.secret) MINIKUBE_RETURN_IF_ERROR(witness.Sees("secrets", claims.ns, *claims.secret));
  if (claims.pod) {
    MINIKUBE_RETURN_IF_ERROR(witness.Sees("pods", claims.ns, *claims.pod));
  } else if (claims.node) {
    // The node of a pod is told for information: the pod may outlive it.
    MINIKUBE_RETURN_IF_ERROR(witness.Sees("nodes", {}, *claims.node));
  }

  out.user.name = claims.subject;
  out.user.uid = claims.account.uid;
  out.user.groups = AccountGroups(claims.ns);
  out.user.groups.emplace_back("system:authenticated");
  const auto tell = [&out](std::string_view key, std::string value) {
    out.user.extra[fmt::format("authentication.kubernetes.io/{}", key)] = {std::move(value)};
  };
  tell("credential-id", "JTI=" + claims.id);
  if (claims.pod) tell("pod-name", claims.pod->name), tell("pod-uid", claims.pod->uid);
  if (claims.node) {
    tell("node-name", claims.node->name);
    if (!claims.node->uid.empty()) tell("node-uid", claims.node->uid);
  }
  return out;
}

}  // namespace minikube::api
