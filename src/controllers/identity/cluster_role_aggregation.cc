// Fills in the rules of cluster roles that are made up of others.
// Semantics: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles
#include <algorithm>

#include <minikube/api/rbac/v1.h>
#include <minikube/selector.h>

#include "controllers/controllers.h"

namespace minikube::controllers {
namespace {

using rbac::v1::ClusterRole;
using rbac::v1::PolicyRule;

bool Contains(const List<PolicyRule>& rules, const PolicyRule& rule) {
  return std::any_of(rules.begin(), rules.end(), [&](const PolicyRule& own) { return DeepEqual(own, rule); });
}

// Roles select one another by their labels, and there are few of them: a change of one concerns all that select.
void WakeAggregated(const View& view, const ClusterRole&, const Wake& wake) {
  for (const ClusterRole* role : view.List<ClusterRole>()) {
    if (role->aggregationRule) wake(KeyOf(*role));
  }
}

}  // namespace

Plan ReconcileAggregatedRole(const View& view, const ClusterRole& role) {
  Plan plan;
  if (!role.aggregationRule || role.metadata.deletionTimestamp) return plan;
  ClusterRole next = role;
  next.rules.clear();
  for (const meta::v1::LabelSelector& selects : role.aggregationRule->clusterRoleSelectors) {
    const Result<LabelSelector> selector = LabelSelector::From(&selects);
    if (!selector) continue;
    for (const ClusterRole* part : view.List<ClusterRole>()) {
      if (part->metadata.name == role.metadata.name || !selector->Matches(part->metadata.labels)) continue;
      for (const PolicyRule& rule : part->rules) {
        if (!Contains(next.rules, rule)) next.rules.push_back(rule);
      }
    }
  }
  if (!DeepEqual(next, role)) plan.Update(next);
  return plan;
}

ControllerEntry ClusterRoleAggregationController() {
  return For<ClusterRole>("clusterrole-aggregation-controller")
      .Watches<ClusterRole>(&WakeAggregated)
      .Reconciles(&ReconcileAggregatedRole);
}

}  // namespace minikube::controllers
