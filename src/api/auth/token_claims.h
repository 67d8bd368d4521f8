// What a service account token says: the claims of kube-apiserver's bound tokens (RFC 7519, and Kubernetes' own under
// "kubernetes.io"), and which of them make it good.
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/env.h>
#include <minikube/status.h>

namespace minikube::api {

// Who issues tokens. Also the audience of the API server: what tokens are for that name no other.
inline constexpr std::string_view kTokenIssuer = "https://kubernetes.default.svc.cluster.local";

// An object that a token depends on.
struct TokenRef {
  std::string name;
  std::string uid;
};

struct TokenClaims {
  std::string issuer;
  std::string subject;  // the account's user name
  std::vector<std::string> audiences;
  std::int64_t issued_at = 0;  // this and the next ones: seconds since 1970
  std::int64_t not_before = 0;
  std::int64_t expires_at = 0;
  std::string id;  // of this token among all, a UUID
  std::string ns;
  TokenRef account;
  std::optional<TokenRef> pod;
  std::optional<TokenRef> secret;
  std::optional<TokenRef> node;
  std::optional<std::int64_t> warn_after;  // when its reader should have fetched a newer one
};

std::string EncodeClaims(const TokenClaims& claims);
// Errors: kUnauthorized (not JSON, or a claim that every token has is missing or of another type).
Result<TokenClaims> DecodeClaims(std::string_view json);

// Whether a token with `claims` is ours and of use at `now`, within a minute for clocks that differ. Errors:
// kUnauthorized, saying why.
Status CheckClaims(const TokenClaims& claims, WallTime now);

// What the user names of all service accounts begin with.
inline constexpr std::string_view kAccountPrefix = "system:serviceaccount:";
// "system:serviceaccount:<ns>:<name>", and the groups of all accounts of that namespace.
std::string AccountUserName(std::string_view ns, std::string_view name);
std::vector<std::string> AccountGroups(std::string_view ns);

std::int64_t UnixSeconds(WallTime time);

}  // namespace minikube::api
