#include <algorithm>
#include <map>

#include <fmt/format.h>

#include <minikube/selector.h>

#include "controllers/common.h"
#include "controllers/controllers.h"
#include "controllers/deployment_util.h"
#include "controllers/pod_ranking.h"
#include "controllers/replica_set_plan.h"

namespace minikube::controllers {
namespace {

using apps::v1::ReplicaSet;
using core::v1::Pod;

// At most so many pods are made or deleted in one run.
constexpr std::size_t kBurst = 500;

class ReplicaSetController final : public Controller, public Reconciler {
 public:
  explicit ReplicaSetController(const ControllerContext& context)
      : env_(context.env),
        replica_sets_(context.reader, Client::ResourceOf<ReplicaSet>(), context.strand, context.env),
        pods_(context.reader, Client::ResourceOf<Pod>(), context.strand, context.env),
        events_(context.client, context.strand, context.env, "replicaset-controller"),
        loop_(context.client, context.strand, context.env, context.log, *this, {&replica_sets_, &pods_},
              {.name = "replicaset"}) {
    const auto by_controller = [](const Object& object) -> std::vector<std::string> {
      const meta::v1::OwnerReference* owner = ControllerOf(object.meta());
      return {owner != nullptr ? owner->uid.str() : OrphansOf(object.meta().namespace_)};
    };
    replica_sets_.AddIndex("controller", by_controller);
    pods_.AddIndex("controller", by_controller);
    replica_sets_.AddHandler([this](const ObjectRef& before, const ObjectRef& after) {
      const ObjectKey key = ObjectKey::Of(after ? *after : *before);
      if (!after) failures_.erase(key);
      loop_.Enqueue(key);
    });
    pods_.AddHandler([this](const ObjectRef& before, const ObjectRef& after) {
      if (before) EnqueueOwner(before->meta());
      if (after) EnqueueOwner(after->meta());
    });
    replica_sets_.Start();
    pods_.Start();
  }

  bool Idle() const override { return loop_.Idle(); }

  Plan Reconcile(const ObjectKey& key) override {
    const ObjectRef object = replica_sets_.Get(key);
    if (!object) return {};
    const ReplicaSet& rs = object->As<ReplicaSet>();
    const Result<LabelSelector> selector = LabelSelector::From(rs.spec.selector.get());
    if (!selector) return {};  // validation lets none in
    std::vector<ObjectRef> pods;
    Plan plan = Claim(rs, *selector, pods);
    if (!plan.writes.empty()) return plan;

    const Instant now = ToTime(env_.clock().Now());
    if (!rs.metadata.deletionTimestamp) Manage(rs, pods, now, plan);
    // With nothing left to do, what failed has been overcome.
    if (plan.writes.empty()) failures_.erase(key);
    std::optional<ReplicaFailure> failure;
    if (const auto it = failures_.find(key); it != failures_.end()) failure = it->second;
    ReplicaSet next = rs;
    next.status = CalculateStatus(rs, pods, failure, now);
    if (!DeepEqual(next.status, rs.status)) {
      // A failure is told before trying again; else the pods come first.
      plan.writes.insert(failure ? plan.writes.begin() : plan.writes.end(), UpdateRequest(next, "status"));
    }
    plan.requeue_after = NextAvailability(rs, pods, now);
    Follow(key, object, plan);
    return plan;
  }

 private:
  static std::string OrphansOf(std::string_view ns) { return fmt::format("orphans/{}", ns); }

  Plan Claim(const ReplicaSet& rs, const LabelSelector& selector, std::vector<ObjectRef>& mine) {
    Plan plan;
    for (ObjectRef& object : pods_.ByIndex("controller", rs.metadata.uid)) {
      if (selector.Matches(object->meta().labels)) {
        mine.push_back(std::move(object));
      } else if (!rs.metadata.deletionTimestamp && IsPodActive(object->As<Pod>())) {
        meta::v1::ObjectMeta released = object->meta();
        RemoveOwner(released, rs.metadata.uid);
        plan.writes.push_back(PatchOwnersRequest(pods_.resource(), released, released.ownerReferences));
      }
    }
    if (rs.metadata.deletionTimestamp) return plan;
    std::vector<ApiRequest> adoptions;
    for (const ObjectRef& object : pods_.ByIndex("controller", OrphansOf(rs.metadata.namespace_))) {
      if (!IsPodActive(object->As<Pod>()) || !selector.Matches(object->meta().labels)) continue;
      List<meta::v1::OwnerReference> owners = object->meta().ownerReferences;
      owners.push_back(ControllerRefTo(DescriptorOf<ReplicaSet>(), rs.metadata));
      adoptions.push_back(PatchOwnersRequest(pods_.resource(), object->meta(), owners));
    }
    if (adoptions.empty()) return plan;
    plan.ordered = true;
    plan.writes.push_back(GuardUnchanged(rs));
    std::move(adoptions.begin(), adoptions.end(), std::back_inserter(plan.writes));
    return plan;
  }

  // Makes or deletes pods until there are as many active ones as asked for.
  void Manage(const ReplicaSet& rs, const std::vector<ObjectRef>& pods, Instant now, Plan& plan) {
    std::vector<ObjectRef> active;
    std::copy_if(pods.begin(), pods.end(), std::back_inserter(active),
                 [](const ObjectRef& object) { return IsPodActive(object->As<Pod>()); });
    const auto wanted = static_cast<std::size_t>(std::max(0, Replicas(rs)));
    if (active.size() < wanted) {
      plan.slow_start = true;
      const ApiRequest create = Client::RequestFor(Verb::kCreate, NewPod(rs));
      plan.writes.insert(plan.writes.end(), std::min(kBurst, wanted - active.size()), create);
    } else if (active.size() > wanted) {
      const std::size_t count = std::min(kBurst, active.size() - wanted);
      std::vector<RankedPod> ranked = RankPods(active, count < active.size() ? Related(rs) : std::vector<ObjectRef>{});
      const auto last = ranked.begin() + static_cast<std::ptrdiff_t>(count);
      std::partial_sort(ranked.begin(), last, ranked.end(),
                        [now](const RankedPod& a, const RankedPod& b) { return DeletedBefore(a, b, now); });
      for (auto it = ranked.begin(); it != last; ++it) {
        plan.writes.push_back(DeleteRequest(pods_.resource(), it->pod->meta()));
      }
    }
  }

  // The pods of all replica sets that the owner of this one controls.
  std::vector<ObjectRef> Related(const ReplicaSet& rs) const {
    const meta::v1::OwnerReference* owner = ControllerOf(rs.metadata);
    if (owner == nullptr) return pods_.ByIndex("controller", rs.metadata.uid);
    std::vector<ObjectRef> related;
    for (const ObjectRef& sibling : replica_sets_.ByIndex("controller", owner->uid)) {
      std::vector<ObjectRef> pods = pods_.ByIndex("controller", sibling->meta().uid);
      std::move(pods.begin(), pods.end(), std::back_inserter(related));
    }
    return related;
  }

  // Events, and what the ReplicaFailure condition is made from.
  void Follow(const ObjectKey& key, const ObjectRef& about, Plan& plan) {
    plan.performed = [this, about](const ApiRequest& request, const ApiResponse& response) {
      if (request.resource != &pods_.resource()) return;
      if (request.verb == Verb::kCreate) {
        events_.Normal(*about, "SuccessfulCreate", fmt::format("Created pod: {}", response.object->meta().name.view()));
      } else {
        events_.Normal(*about, "SuccessfulDelete", fmt::format("Deleted pod: {}", request.name));
      }
    };
    plan.tolerate = [this, key, about](const ApiRequest& request, const Status& status) {
      if (request.resource != &pods_.resource()) return false;
      const bool create = request.verb == Verb::kCreate;
      if (create ? IsNamespaceTerminating(status) : status.code() == Code::kNotFound) return true;
      const std::string_view reason = create ? "FailedCreate" : "FailedDelete";
      failures_[key] = {std::string(reason), status.message()};
      events_.Warning(*about, reason, fmt::format("Error {}: {}", create ? "creating" : "deleting", status.message()));
      return false;
    };
  }

  void EnqueueOwner(const meta::v1::ObjectMeta& meta) {
    if (const meta::v1::OwnerReference* owner = ControllerOf(meta)) {
      const ObjectRef object = replica_sets_.Get(meta.namespace_, owner->name);
      if (object && object->meta().uid == owner->uid) loop_.Enqueue(ObjectKey::Of(*object));
      return;
    }
    replica_sets_.ForEachIn(meta.namespace_, [&](const ObjectRef& object) {
      const Result<LabelSelector> selector = LabelSelector::From(object->As<ReplicaSet>().spec.selector.get());
      if (selector && selector->Matches(meta.labels)) loop_.Enqueue(ObjectKey::Of(*object));
    });
  }

  Env& env_;
  std::map<ObjectKey, ReplicaFailure> failures_;
  Informer replica_sets_;
  Informer pods_;
  EventRecorder events_;
  ReconcileLoop loop_;
};

}  // namespace

std::unique_ptr<Controller> NewReplicaSetController(const ControllerContext& context) {
  return std::make_unique<ReplicaSetController>(context);
}

}  // namespace minikube::controllers
