#include "api/auth/authorization.h"

#include <algorithm>

namespace minikube::api {

Authorization::Authorization(const Catalogue& catalogue, std::vector<std::shared_ptr<Authorizer>> of_host)
    : of_host_(std::move(of_host)), rbac_(catalogue), node_(catalogue, rbac_) {}

AccessDecision Authorization::Decide(const World& world, const UserInfo& user, const Access& access) const {
  using Kind = AccessDecision::Kind;
  if (std::find(user.groups.begin(), user.groups.end(), kMastersGroup) != user.groups.end()) return {Kind::kAllow, ""};
  AccessDecision denied{Kind::kDeny, ""};
  // True once it is decided.
  const auto decides = [&](AccessDecision said) {
    const Kind kind = said.kind;
    if (!said.reason.empty() && kind != Kind::kAllow) {
      denied.reason += (denied.reason.empty() ? "" : ", ") + said.reason;
    }
    if (kind == Kind::kAllow) denied = std::move(said);
    return kind != Kind::kNoOpinion;
  };
  for (const std::shared_ptr<Authorizer>& authorizer : of_host_) {
    if (decides(authorizer->Decide(user, access))) return denied;
  }
  if (decides(node_.Decide(world, user, access))) return denied;
  Rbac::Decision by_rule = rbac_.Decide(world, user, access);
  decides({by_rule.allowed ? Kind::kAllow : Kind::kNoOpinion, std::move(by_rule.reason)});
  return denied;
}

Status Authorization::Check(const World& world, const UserInfo& user, const Access& access,
                            std::string* because) const {
  AccessDecision decision = Decide(world, user, access);
  if (decision.kind != AccessDecision::Kind::kAllow) return Rbac::Forbidden(user, access, decision.reason);
  if (because != nullptr) *because = std::move(decision.reason);
  return {};
}

}  // namespace minikube::api
