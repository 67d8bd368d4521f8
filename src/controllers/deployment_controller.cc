#include <minikube/selector.h>

#include <fmt/format.h>

#include "controllers/common.h"
#include "controllers/controllers.h"
#include "controllers/deployment_plan.h"
#include "controllers/deployment_util.h"

namespace minikube::controllers {
namespace {

using apps::v1::Deployment;
using apps::v1::ReplicaSet;

class DeploymentController final : public Controller, public Reconciler {
 public:
  explicit DeploymentController(const ControllerContext& context)
      : env_(context.env),
        deployments_(context.reader, Client::ResourceOf<Deployment>(), context.strand, context.env),
        replica_sets_(context.reader, Client::ResourceOf<ReplicaSet>(), context.strand, context.env),
        events_(context.client, context.strand, context.env, "deployment-controller"),
        loop_(context.client, context.strand, context.env, context.log, *this, {&deployments_, &replica_sets_},
              {.name = "deployment"}) {
    deployments_.AddHandler([this](const ObjectRef& before, const ObjectRef& after) {
      const ObjectKey key = ObjectKey::Of(after ? *after : *before);
      if (!after) create_errors_.erase(key);
      loop_.Enqueue(key);
    });
    replica_sets_.AddHandler([this](const ObjectRef& before, const ObjectRef& after) {
      if (before) EnqueueOwner(before->meta());
      if (after) EnqueueOwner(after->meta());
    });
    replica_sets_.AddIndex("controller", [](const Object& object) -> std::vector<std::string> {
      const meta::v1::OwnerReference* owner = ControllerOf(object.meta());
      return {owner != nullptr ? owner->uid.str() : OrphansOf(object.meta().namespace_)};
    });
    deployments_.Start();
    replica_sets_.Start();
  }

  bool Idle() const override { return loop_.Idle(); }

  Plan Reconcile(const ObjectKey& key) override {
    const ObjectRef object = deployments_.Get(key);
    if (!object) return {};
    const Deployment& d = object->As<Deployment>();
    const Result<LabelSelector> selector = LabelSelector::From(d.spec.selector.get());
    if (!selector || selector->empty()) {
      events_.Warning(*object, "SelectingAll",
                      "This deployment is selecting all pods. A non-empty selector is required.");
      return {};
    }
    DeploymentView view;
    view.deployment = d;
    view.now = ToTime(env_.clock().Now());
    if (Plan claim = Claim(d, *selector, view.replica_sets); !claim.writes.empty()) return claim;
    if (const auto it = create_errors_.find(key); it != create_errors_.end()) view.create_error = it->second;
    view.name_taken = [&](std::string_view name) {
      return static_cast<bool>(replica_sets_.Get(d.metadata.namespace_, name));
    };
    return ToPlan(key, object, PlanDeployment(view));
  }

 private:
  static std::string OrphansOf(std::string_view ns) { return fmt::format("orphans/{}", ns); }

  // Finds the replica sets that are this deployment's; takes in matching orphans and lets go what no longer matches.
  Plan Claim(const Deployment& d, const LabelSelector& selector, std::vector<ReplicaSet>& mine) {
    Plan plan;
    for (const ObjectRef& object : replica_sets_.ByIndex("controller", d.metadata.uid)) {
      const ReplicaSet& rs = object->As<ReplicaSet>();
      if (selector.Matches(rs.metadata.labels)) {
        mine.push_back(rs);
      } else if (!d.metadata.deletionTimestamp) {
        ReplicaSet released = rs;
        RemoveOwner(released.metadata, d.metadata.uid);
        plan.writes.push_back(UpdateRequest(released));
      }
    }
    if (d.metadata.deletionTimestamp) return plan;
    std::vector<ReplicaSet> orphans;
    for (const ObjectRef& object : replica_sets_.ByIndex("controller", OrphansOf(d.metadata.namespace_))) {
      const ReplicaSet& rs = object->As<ReplicaSet>();
      if (!rs.metadata.deletionTimestamp && selector.Matches(rs.metadata.labels)) orphans.push_back(rs);
    }
    if (orphans.empty()) return plan;
    plan.ordered = true;
    plan.writes.push_back(GuardUnchanged(d));
    for (ReplicaSet& rs : orphans) {
      rs.metadata.ownerReferences.push_back(ControllerRefTo(DescriptorOf<Deployment>(), d.metadata));
      plan.writes.push_back(UpdateRequest(rs));
    }
    return plan;
  }

  Plan ToPlan(const ObjectKey& key, const ObjectRef& about, DeploymentPlan next) {
    Plan plan;
    if (next.create) plan.writes.push_back(Client::RequestFor(Verb::kCreate, *next.create));
    for (const ReplicaSet& rs : next.update) plan.writes.push_back(UpdateRequest(rs));
    for (const ReplicaSet& rs : next.remove)
      plan.writes.push_back(DeleteRequest(replica_sets_.resource(), rs.metadata));
    if (next.annotate) plan.writes.push_back(UpdateRequest(*next.annotate));
    if (next.status) plan.writes.push_back(UpdateRequest(*next.status, "status"));
    plan.requeue_after = next.requeue_after;
    plan.performed = [this, key, about, scaled = std::move(next.scaled)](const ApiRequest& request,
                                                                         const ApiResponse& response) {
      if (request.resource != &replica_sets_.resource() || request.verb == Verb::kDelete) return;
      if (request.verb == Verb::kCreate) create_errors_.erase(key);
      const auto it = scaled.find(response.object->meta().name.str());
      if (it != scaled.end()) events_.Normal(*about, "ScalingReplicaSet", it->second);
    };
    plan.tolerate = [this, key, about](const ApiRequest& request, const Status& status) {
      if (request.verb == Verb::kDelete) return status.code() == Code::kNotFound;
      if (request.verb != Verb::kCreate || IsNamespaceTerminating(status)) return IsNamespaceTerminating(status);
      if (status.code() != Code::kAlreadyExists) {
        create_errors_[key] = fmt::format("Failed to create new replica set \"{}\": {}",
                                          request.object->meta().name.view(), status.message());
        events_.Warning(*about, "ReplicaSetCreateError", create_errors_[key]);
      }
      return false;
    };
    return plan;
  }

  void EnqueueOwner(const meta::v1::ObjectMeta& meta) {
    if (const meta::v1::OwnerReference* owner = ControllerOf(meta)) {
      const ObjectRef object = deployments_.Get(meta.namespace_, owner->name);
      if (object && object->meta().uid == owner->uid) loop_.Enqueue(ObjectKey::Of(*object));
      return;
    }
    deployments_.ForEachIn(meta.namespace_, [&](const ObjectRef& object) {
      const Result<LabelSelector> selector = LabelSelector::From(object->As<Deployment>().spec.selector.get());
      if (selector && !selector->empty() && selector->Matches(meta.labels)) loop_.Enqueue(ObjectKey::Of(*object));
    });
  }

  Env& env_;
  std::map<ObjectKey, std::string> create_errors_;
  Informer deployments_;
  Informer replica_sets_;
  EventRecorder events_;
  ReconcileLoop loop_;
};

}  // namespace

std::unique_ptr<Controller> NewDeploymentController(const ControllerContext& context) {
  return std::make_unique<DeploymentController>(context);
}

}  // namespace minikube::controllers
