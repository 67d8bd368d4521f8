// Who grants rights must have them.
#include <algorithm>

#include <fmt/format.h>

#include <minikube/api/rbac/v1.h>

#include "api/admission/plugins.h"
#include "api/wire/errors.h"

namespace minikube::api {

namespace {

constexpr std::string_view kRbac = "rbac.authorization.k8s.io";

std::string RuleText(const rbac::v1::PolicyRule& rule) {
  std::string text = "{";
  const auto add = [&](std::string_view label, const List<Str>& values) {
    if (values.empty()) return;
    if (text.size() > 1) text += ", ";
    text += fmt::format("{}:[", label);
    for (std::size_t i = 0; i < values.size(); ++i) text += fmt::format("{}\"{}\"", i > 0 ? " " : "", values[i].view());
    text += "]";
  };
  add("APIGroups", rule.apiGroups);
  add("Resources", rule.resources);
  add("ResourceNames", rule.resourceNames);
  add("NonResourceURLs", rule.nonResourceURLs);
  add("Verbs", rule.verbs);
  return text + "}";
}

bool SameRules(const List<rbac::v1::PolicyRule>& a, const List<rbac::v1::PolicyRule>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const rbac::v1::PolicyRule& x, const rbac::v1::PolicyRule& y) { return DeepEqual(x, y); });
}

// Rules that leave nothing out.
Rbac::Rules Everything() {
  rbac::v1::PolicyRule resources;
  resources.verbs = resources.apiGroups = resources.resources = {"*"};
  rbac::v1::PolicyRule paths;
  paths.verbs = paths.nonResourceURLs = {"*"};
  return {std::move(resources), std::move(paths)};
}

bool Aggregates(const rbac::v1::ClusterRole& role) {
  return role.aggregationRule && !role.aggregationRule->clusterRoleSelectors.empty();
}

// Nobody grants what he does not have himself, unless he may escalate (roles) or bind (bindings).
Status RbacEscalation(Attempt& attempt) {
  const UserInfo& user = attempt.user();
  const std::string_view ns = attempt.next->meta().namespace_.view();
  const std::string_view plural = attempt.kind->resource->plural;
  const std::string_view name = attempt.next->meta().name.view();
  Rbac::Rules wanted;
  if (const auto* role = attempt.next->TryAs<rbac::v1::Role>()) {
    if (attempt.before && SameRules(role->rules, attempt.before->As<rbac::v1::Role>().rules)) return {};
    wanted.assign(role->rules.begin(), role->rules.end());
    if (attempt.core.authorization.Allows(*attempt.world, user, {"escalate", kRbac, plural, {}, ns, name, {}}))
      return {};
  } else if (const auto* cluster_role = attempt.next->TryAs<rbac::v1::ClusterRole>()) {
    if (attempt.core.authorization.Allows(*attempt.world, user, {"escalate", kRbac, plural, {}, {}, name, {}}))
      return {};
    if (ChangesOwnersAlone(attempt)) return {};
    // An aggregated role may come to have any rules, and keeps its own from being narrowed: it is for those who may do
    // everything.
    const bool aggregates =
        Aggregates(*cluster_role) || (attempt.before && Aggregates(attempt.before->As<rbac::v1::ClusterRole>()));
    if (aggregates &&
        !Rbac::NotCovered(attempt.core.authorization.rbac().RulesFor(*attempt.world, user, {}), Everything()).empty()) {
      return ForbiddenError(attempt.resource(), name, "must have cluster-admin privileges to use the aggregationRule");
    }
    wanted.assign(cluster_role->rules.begin(), cluster_role->rules.end());
  } else {
    const rbac::v1::RoleRef* ref = nullptr;
    if (const auto* binding = attempt.next->TryAs<rbac::v1::RoleBinding>()) ref = &binding->roleRef;
    if (const auto* binding = attempt.next->TryAs<rbac::v1::ClusterRoleBinding>()) ref = &binding->roleRef;
    if (ref == nullptr) return {};
    const std::string_view roles = ref->kind == "ClusterRole" ? "clusterroles" : "roles";
    if (attempt.core.authorization.Allows(*attempt.world, user, {"bind", kRbac, roles, {}, ns, ref->name.view(), {}}))
      return {};
    std::optional<Rbac::Rules> rules = attempt.core.authorization.rbac().RulesOf(*attempt.world, *ref, ns);
    if (!rules) {
      const bool masters = std::find(user.groups.begin(), user.groups.end(), kMastersGroup) != user.groups.end();
      if (masters) return {};
      const StoredKind& kind = attempt.world->catalogue->Get(kRbac, roles);
      return NotFoundError(*kind.resource, ref->name.view());
    }
    wanted = std::move(*rules);
  }
  const Rbac::Rules missing =
      Rbac::NotCovered(attempt.core.authorization.rbac().RulesFor(*attempt.world, user, ns), wanted);
  if (missing.empty()) return {};
  std::string groups;
  for (const std::string& group : user.groups) groups += fmt::format("{}\"{}\"", groups.empty() ? "" : " ", group);
  std::string rules;
  for (const rbac::v1::PolicyRule& rule : missing) rules += "\n" + RuleText(rule);
  return ForbiddenError(attempt.resource(), name,
                        fmt::format("user \"{}\" (groups=[{}]) is attempting to grant RBAC permissions not currently "
                                    "held:{}",
                                    user.name, groups, rules));
}

bool Handles(const AdmissionTarget& target) {
  return target.operation != AdmissionOperation::kDelete && target.resource.group == kRbac;
}

}  // namespace

bool ChangesOwnersAlone(const Attempt& attempt) {
  if (!attempt.before) return false;
  ObjectPtr next = ObjectPtr::Clone(*attempt.next);
  const meta::v1::ObjectMeta& before = attempt.before->meta();
  meta::v1::ObjectMeta& meta = next->mutable_meta();
  meta.ownerReferences = before.ownerReferences;
  meta.finalizers = before.finalizers;
  meta.managedFields = before.managedFields;
  return Equal(*next, *attempt.before);
}

const PlainPlugin kRbacEscalation{"RBACEscalation", Handles, nullptr, RbacEscalation};

}  // namespace minikube::api
