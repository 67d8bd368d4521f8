// The Node authoriser: what a node agent may read and write, from what runs on its node. Kubernetes' rules
// (https://kubernetes.io/docs/reference/access-authn-authz/node/); what an answer needs is looked up in the World's
// indexes (the pods of the node), so there is no graph to keep.
//
// Thread safety: any thread.
#pragma once

#include <string>
#include <string_view>

#include <minikube/auth.h>

#include "api/auth/rbac.h"
#include "api/world/world.h"

namespace minikube::api {

// What the user names of all nodes begin with.
inline constexpr std::string_view kNodePrefix = "system:node:";

// The name of the node that `user` is; "" if he is none.
std::string_view NodeOf(const UserInfo& user);

class NodeAuthorizer {
 public:
  NodeAuthorizer(const Catalogue& catalogue, const Rbac& rbac);

  AccessDecision Decide(const World& world, const UserInfo& user, const Access& access) const;

 private:
  class Question;
  const Rbac& rbac_;
  const std::size_t pods_, claims_, volumes_, attachments_, slices_, certificates_;
};

}  // namespace minikube::api
