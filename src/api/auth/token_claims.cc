#include "api/auth/token_claims.h"

#include <chrono>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace minikube::api {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kLeeway = 60;

Json RefJson(const TokenRef& ref) { return {{"name", ref.name}, {"uid", ref.uid}}; }

// The members of one object of the payload, each of the type that is asked for.
class Members {
 public:
  explicit Members(const Json& object) : object_(object) {}

  bool String(const char* name, std::string& out) const {
    const auto it = object_.find(name);
    if (it == object_.end() || !it->is_string()) return false;
    out = it->get_ref<const std::string&>();
    return true;
  }
  bool Seconds(const char* name, std::int64_t& out) const {
    const auto it = object_.find(name);
    if (it == object_.end() || !it->is_number_integer()) return false;
    out = it->get<std::int64_t>();
    return true;
  }
  // Absent is fine, of another type is not.
  bool Ref(const char* name, std::optional<TokenRef>& out) const {
    const auto it = object_.find(name);
    if (it == object_.end()) return true;
    const Members ref(*it);
    return it->is_object() && ref.String("name", out.emplace().name) && ref.String("uid", out->uid);
  }
  bool Strings(const char* name, std::vector<std::string>& out) const {
    const auto it = object_.find(name);
    if (it == object_.end() || !it->is_array()) return false;
    for (const Json& item : *it) {
      if (!item.is_string()) return false;
      out.push_back(item.get_ref<const std::string&>());
    }
    return true;
  }

 private:
  const Json& object_;
};

}  // namespace

std::string EncodeClaims(const TokenClaims& claims) {
  Json own{{"namespace", claims.ns}, {"serviceaccount", RefJson(claims.account)}};
  if (claims.pod) own["pod"] = RefJson(*claims.pod);
  if (claims.secret) own["secret"] = RefJson(*claims.secret);
  if (claims.node) own["node"] = RefJson(*claims.node);
  if (claims.warn_after) own["warnafter"] = *claims.warn_after;
  const Json payload{{"aud", claims.audiences},  {"exp", claims.expires_at}, {"iat", claims.issued_at},
                     {"iss", claims.issuer},     {"jti", claims.id},         {"kubernetes.io", std::move(own)},
                     {"nbf", claims.not_before}, {"sub", claims.subject}};
  return payload.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<TokenClaims> DecodeClaims(std::string_view json) {
  const Status bad(Code::kUnauthorized, "the token's claims are not those of a service account token");
  const Json payload = Json::parse(json, nullptr, false);
  if (!payload.is_object()) return bad;
  const auto own_json = payload.find("kubernetes.io");
  if (own_json == payload.end() || !own_json->is_object()) return bad;
  TokenClaims out;
  const Members all(payload);
  const Members own(*own_json);
  std::optional<TokenRef> account;
  const bool good =
      all.String("iss", out.issuer) && all.String("sub", out.subject) && all.Strings("aud", out.audiences) &&
      all.Seconds("iat", out.issued_at) && all.Seconds("nbf", out.not_before) && all.Seconds("exp", out.expires_at) &&
      all.String("jti", out.id) && own.String("namespace", out.ns) && own.Ref("serviceaccount", account) && account &&
      own.Ref("pod", out.pod) && own.Ref("secret", out.secret) && own.Ref("node", out.node);
  if (!good) return bad;
  out.account = *std::move(account);
  if (std::int64_t warn_after = 0; own.Seconds("warnafter", warn_after)) out.warn_after = warn_after;
  return out;
}

Status CheckClaims(const TokenClaims& claims, WallTime now) {
  const std::int64_t seconds = UnixSeconds(now);
  if (claims.issuer != kTokenIssuer) return {Code::kUnauthorized, "the token is of another issuer"};
  if (claims.subject != AccountUserName(claims.ns, claims.account.name)) {
    return {Code::kUnauthorized, "the token's subject is not its service account"};
  }
  if (seconds - kLeeway > claims.expires_at) return {Code::kUnauthorized, "service account token has expired"};
  if (seconds + kLeeway < claims.not_before || seconds + kLeeway < claims.issued_at) {
    return {Code::kUnauthorized, "service account token is not valid yet"};
  }
  return {};
}

std::string AccountUserName(std::string_view ns, std::string_view name) {
  return fmt::format("{}{}:{}", kAccountPrefix, ns, name);
}

std::vector<std::string> AccountGroups(std::string_view ns) {
  return {"system:serviceaccounts", fmt::format("system:serviceaccounts:{}", ns)};
}

std::int64_t UnixSeconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace minikube::api
