// Authorization: everybody who is asked whether somebody may do something, in order: system:masters may, then the
// host's authorisers, then Node and RBAC. The first that allows or denies has decided.
//
// Thread safety: any thread.
#pragma once

#include <memory>
#include <vector>

#include <minikube/auth.h>

#include "api/auth/node_authorizer.h"
#include "api/auth/rbac.h"

namespace minikube::api {

class Authorization {
 public:
  Authorization(const Catalogue& catalogue, std::vector<std::shared_ptr<Authorizer>> of_host);

  // Never kNoOpinion: what nobody allows is denied.
  AccessDecision Decide(const World& world, const UserInfo& user, const Access& access) const;
  bool Allows(const World& world, const UserInfo& user, const Access& access) const {
    return Decide(world, user, access).kind == AccessDecision::Kind::kAllow;
  }
  // OK, or the 403. `because`, if not null, is told why it is allowed.
  Status Check(const World& world, const UserInfo& user, const Access& access, std::string* because = nullptr) const;

  const Rbac& rbac() const { return rbac_; }

 private:
  const std::vector<std::shared_ptr<Authorizer>> of_host_;
  const Rbac rbac_;
  const NodeAuthorizer node_;
};

}  // namespace minikube::api
