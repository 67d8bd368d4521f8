// Rolls replica sets out and back, as deployments ask for.
// Semantics: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/
#include <fmt/format.h>

#include "controllers/controllers.h"
#include "controllers/workloads/deployment_plan.h"
#include "controllers/workloads/deployment_util.h"

namespace minikube::controllers {
namespace {

using apps::v1::Deployment;
using apps::v1::ReplicaSet;

Plan ToPlan(const DeploymentPlan& next) {
  Plan plan;
  const auto say = [&](Step& write, const ReplicaSet& rs) {
    const auto scaled = next.scaled.find(rs.metadata.name.str());
    if (scaled != next.scaled.end()) write.Event("ScalingReplicaSet", scaled->second);
  };
  if (next.create) {
    Step& create = plan.Create(*next.create).Ignore(NamespaceTerminating);
    create.Warning("ReplicaSetCreateError",
                   fmt::format("Failed to create new replica set \"{}\": {{}}", next.create->metadata.name.view()));
    say(create, *next.create);
  }
  for (const ReplicaSet& rs : next.update) say(plan.Update(rs), rs);
  for (const ReplicaSet& rs : next.remove) plan.Delete(rs).IgnoreGone();
  if (next.annotate) plan.Update(*next.annotate);
  if (next.status) plan.Update(*next.status, "status");
  if (next.requeue_after) plan.Again(*next.requeue_after);
  return plan;
}

}  // namespace

Plan ReconcileDeployment(const View& view, const Deployment& d) {
  Plan plan;
  const Result<LabelSelector> selector = LabelSelector::From(d.spec.selector.get());
  if (!selector || selector->empty()) {
    plan.Warning("SelectingAll", "This deployment is selecting all pods. A non-empty selector is required.");
    return plan;
  }
  DeploymentView state;
  for (const ReplicaSet* rs : Owned<Deployment, ReplicaSet>::Claim(view, d, plan)) state.replica_sets.push_back(*rs);
  if (!plan.empty()) return plan;
  state.deployment = d;
  state.now = view.Now();
  const LastRun::Failure* failed = view.Failed<ReplicaSet>(Verb::kCreate);
  if (failed != nullptr && failed->status.code() != Code::kAlreadyExists) {
    state.create_error = fmt::format("Failed to create new replica set \"{}\": {}",
                                     failed->request.object->meta().name.view(), failed->status.message());
  }
  state.name_taken = [&](std::string_view name) {
    return view.Get<ReplicaSet>(d.metadata.namespace_, name) != nullptr;
  };
  return ToPlan(PlanDeployment(state));
}

ControllerEntry DeploymentController() {
  return For<Deployment>("deployment-controller").Owns<ReplicaSet>().Reconciles(&ReconcileDeployment);
}

}  // namespace minikube::controllers
