// Rbac: who may do what, from the Role and ClusterRole objects and their bindings, exactly as Kubernetes evaluates
// them.
//
// Bindings are indexed by subject once per change of any RBAC object, not searched per request.
// Thread safety: every member, any thread.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/api/rbac/v1.h>
#include <minikube/auth.h>

#include "api/world/catalogue.h"
#include "api/world/world.h"

namespace minikube::api {

inline constexpr std::string_view kMastersGroup = "system:masters";

class Rbac {
 public:
  struct Decision {
    bool allowed = false;
    std::string reason;
  };
  using Rules = std::vector<rbac::v1::PolicyRule>;

  explicit Rbac(const Catalogue& catalogue);

  Decision Decide(const World& world, const UserInfo& user, const Access& access) const;
  bool Allows(const World& world, const UserInfo& user, const Access& access) const {
    return Decide(world, user, access).allowed;
  }
  // Whether the rules of the ClusterRole system:node say so, which no binding need give to nodes.
  bool NodesMay(const World& world, const Access& access) const;
  // Everything `user` may do in `ns` and cluster-wide.
  Rules RulesFor(const World& world, const UserInfo& user, std::string_view ns) const;
  // What the role that a binding in `ns` ("" = a ClusterRoleBinding) refers to grants; nullopt if there is no such
  // role.
  std::optional<Rules> RulesOf(const World& world, const rbac::v1::RoleRef& ref, std::string_view ns) const;
  // The rules of a ClusterRole, with those of the roles it aggregates.
  Rules EffectiveRules(const World& world, const rbac::v1::ClusterRole& role) const;

  // The parts of `wanted` that `held` does not cover, each broken down to one verb on one thing.
  static Rules NotCovered(const Rules& held, const Rules& wanted);
  // The 403 of a refused request.
  static Status Forbidden(const UserInfo& user, const Access& access, std::string_view reason);

 private:
  struct Index;
  std::shared_ptr<const Index> IndexOf(const World& world) const;

  const std::size_t roles_;
  const std::size_t role_bindings_;
  const std::size_t cluster_roles_;
  const std::size_t cluster_role_bindings_;
  mutable std::mutex mu_;  // guards the pointer only
  mutable std::shared_ptr<const Index> index_;
};

}  // namespace minikube::api
