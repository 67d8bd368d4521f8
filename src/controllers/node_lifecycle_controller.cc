// Watches over nodes: those whose heartbeats have stopped become Unknown, conditions become taints, and pods leave
// nodes with NoExecute taints when their tolerations have run out.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include <minikube/api/coordination/v1.h>

#include "controllers/common.h"
#include "controllers/controllers.h"
#include "controllers/disruption.h"
#include "controllers/node_health.h"
#include "controllers/pod_eviction.h"

namespace minikube::controllers {
namespace {

using coordination::v1::Lease;
using core::v1::Node;
using core::v1::Pod;

constexpr std::string_view kLeaseNamespace = "kube-node-lease";
// A node that has never reported gets more time for its start.
constexpr Duration kStartupGrace = std::chrono::seconds(60);
// How long a node is not ready before its pods are evicted. Nodes that fail together are noticed one by one, as their
// heartbeats fall due; only then can it be seen that all have failed.
constexpr Duration kSettle = std::chrono::seconds(10);

class NodeLifecycleController final : public Controller {
 public:
  NodeLifecycleController(const ControllerContext& context, NodeLifecycleOptions options)
      : env_(context.env),
        options_(options),
        nodes_(context.reader, Client::ResourceOf<Node>(), context.strand, context.env),
        leases_(context.reader, Client::ResourceOf<Lease>(), context.strand, context.env,
                {.ns = std::string(kLeaseNamespace)}),
        pods_(context.reader, Client::ResourceOf<Pod>(), context.strand, context.env),
        events_(context.client, context.strand, context.env, "node-controller"),
        health_reconciler_(*this),
        eviction_reconciler_(*this),
        health_(context.client, context.strand, context.env, context.log, health_reconciler_,
                {&nodes_, &leases_, &pods_}, {.name = "node-health"}),
        eviction_(context.client, context.strand, context.env, context.log, eviction_reconciler_, {&nodes_, &pods_},
                  {.name = "pod-eviction"}) {
    pods_.AddIndex("node", [](const Object& object) -> std::vector<std::string> {
      const Str& node = object.As<Pod>().spec.nodeName;
      if (node.empty()) return {};
      return {node.str()};
    });
    nodes_.AddHandler([this](const ObjectRef& before, const ObjectRef& after) { OnNode(before, after); });
    leases_.AddHandler([this](const ObjectRef& before, const ObjectRef& after) {
      if (after) {
        OnLease(after->As<Lease>());
      } else if (!nodes_.Get("", before->meta().name)) {
        heartbeats_.erase(before->meta().name);
      }
    });
    pods_.AddHandler([this](const ObjectRef&, const ObjectRef& after) {
      if (after) OnPod(*after);
    });
    nodes_.Start();
    leases_.Start();
    pods_.Start();
  }

  bool Idle() const override { return health_.Idle() && eviction_.Idle(); }

 private:
  // Signs of life, measured by our own clock when they arrive: the node's clock may be wrong.
  struct Heartbeat {
    MonoTime seen{};
    Instant lease;
    Instant status;
    Str ready;
  };

  class HealthReconciler final : public Reconciler {
   public:
    explicit HealthReconciler(NodeLifecycleController& owner) : owner_(owner) {}
    Plan Reconcile(const ObjectKey& key) override { return owner_.ReconcileNode(key); }

   private:
    NodeLifecycleController& owner_;
  };
  class EvictionReconciler final : public Reconciler {
   public:
    explicit EvictionReconciler(NodeLifecycleController& owner) : owner_(owner) {}
    Plan Reconcile(const ObjectKey& key) override { return owner_.ReconcilePod(key); }

   private:
    NodeLifecycleController& owner_;
  };

  Heartbeat& HeartbeatOf(const Str& node) {
    const auto [it, inserted] = heartbeats_.try_emplace(node);
    if (inserted) it->second.seen = env_.clock().MonoNow();
    return it->second;
  }

  void OnNode(const ObjectRef& before, const ObjectRef& after) {
    const Str name = (after ? after : before)->meta().name;
    if (!after) {
      heartbeats_.erase(name);
      taints_seen_.erase(name);
      if (disruption_.Set(name.str(), ZoneOf(before->As<Node>()), std::nullopt)) EnqueueAllNodes();
      return;
    }
    const Node& node = after->As<Node>();
    Heartbeat& heartbeat = HeartbeatOf(name);
    if (const auto* ready = FindCondition(node.status.conditions, "Ready")) {
      const bool alive = !(ready->status == "Unknown");
      if (alive && (heartbeat.status != ready->lastHeartbeatTime || !(heartbeat.ready == ready->status))) {
        heartbeat.seen = env_.clock().MonoNow();
      }
      heartbeat.status = ready->lastHeartbeatTime;
      heartbeat.ready = ready->status;
    }
    if (disruption_.Set(name.str(), ZoneOf(node), ConditionStatus(node, "Ready") == "True")) EnqueueAllNodes();
    health_.Enqueue(ObjectKey::Of(*after));
    NoteTaints(node);
    if (HasNoExecute(node) && (!before || !before->As<Node>().spec.taints.same(node.spec.taints))) {
      for (const ObjectRef& pod : pods_.ByIndex("node", name)) eviction_.Enqueue(ObjectKey::Of(*pod));
    }
  }

  void OnLease(const Lease& lease) {
    if (!lease.spec.renewTime) return;
    Heartbeat& heartbeat = HeartbeatOf(lease.metadata.name);
    if (heartbeat.lease == *lease.spec.renewTime) return;
    heartbeat.lease = *lease.spec.renewTime;
    heartbeat.seen = env_.clock().MonoNow();
  }

  void OnPod(const Object& object) {
    const Pod& pod = object.As<Pod>();
    if (pod.spec.nodeName.empty()) return;
    const ObjectRef node = nodes_.Get("", pod.spec.nodeName);
    if (!node) return;
    if (HasNoExecute(node->As<Node>())) eviction_.Enqueue(ObjectKey::Of(object));
    if (IsPodReady(pod) && ConditionStatus(node->As<Node>(), "Ready") == "Unknown") {
      health_.Enqueue(ObjectKey::Of(*node));
    }
  }

  void EnqueueAllNodes() {
    for (const auto& [key, node] : nodes_.objects()) health_.Enqueue(key);
  }

  // When each NoExecute taint that does not say so itself was first seen.
  void NoteTaints(const Node& node) {
    std::map<std::string, Instant>& seen = taints_seen_[node.metadata.name];
    std::map<std::string, Instant> next;
    for (const core::v1::Taint& taint : node.spec.taints) {
      if (!(taint.effect == "NoExecute") || taint.timeAdded) continue;
      const std::string id = TaintId(taint);
      const auto it = seen.find(id);
      next[id] = it != seen.end() ? it->second : ToTime(env_.clock().Now());
    }
    seen = std::move(next);
  }
  static std::string TaintId(const core::v1::Taint& taint) {
    return fmt::format("{}={}", taint.key.view(), taint.value.view());
  }

  Plan ReconcileNode(const ObjectKey& key) {
    const ObjectRef object = nodes_.Get(key);
    if (!object) return {};
    const Node& node = object->As<Node>();
    if (node.metadata.deletionTimestamp) return {};
    const Instant now = ToTime(env_.clock().Now());
    const std::string ready(ConditionStatus(node, "Ready"));
    const Duration silent = env_.clock().MonoNow() - HeartbeatOf(node.metadata.name).seen;
    const Duration grace = ready.empty() ? std::max(options_.grace_period, kStartupGrace) : options_.grace_period;
    Plan plan;
    Node next = node;
    // Status and taints are two writes of one object; the taints follow when the status is visible.
    if (silent >= grace && MarkUnknown(next, now)) {
      plan.writes.push_back(UpdateRequest(next, "status"));
      if (ready == "True") {
        events_.Normal(*object, "NodeNotReady",
                       fmt::format("Node {} status is now: NodeNotReady", node.metadata.name.view()));
      }
      return plan;
    }
    if (silent < grace) plan.requeue_after = grace - silent;
    SyncNodeTaints(node, now, plan);
    if (ready == "Unknown") MarkPodsNotReady(node.metadata.name, now, plan);
    return plan;
  }

  void SyncNodeTaints(const Node& node, Instant now, Plan& plan) {
    const auto again_in = [&plan](Duration wait) {
      plan.requeue_after = plan.requeue_after ? std::min(*plan.requeue_after, wait) : wait;
    };
    bool evict = !disruption_.Everywhere();
    if (evict && LacksEvictionTaint(node)) {
      const Duration unready = Since(ReadySince(node), now);
      if (unready >= Duration(0) && unready < kSettle) {
        evict = false;
        again_in(kSettle - unready);
      } else {
        const Disruption::Permission permission = disruption_.TakePermission(ZoneOf(node), env_.clock().MonoNow());
        evict = permission.granted;
        if (permission.wait) again_in(*permission.wait);
      }
    }
    Node next = node;
    if (SyncTaints(next, evict, now)) plan.writes.push_back(UpdateRequest(next));
  }

  // What runs on an unreachable node can no longer be counted on.
  void MarkPodsNotReady(std::string_view node, Instant now, Plan& plan) {
    for (const ObjectRef& object : pods_.ByIndex("node", node)) {
      if (!IsPodReady(object->As<Pod>())) continue;
      Pod pod = object->As<Pod>();
      for (core::v1::PodCondition& condition : pod.status.conditions.Mutable()) {
        if (!(condition.type == "Ready")) continue;
        condition.status = "False";
        condition.lastTransitionTime = Time{now};
      }
      events_.Warning(*object, "NodeNotReady", "Node is not ready");
      plan.writes.push_back(UpdateRequest(pod, "status"));
    }
    plan.tolerate = [](const ApiRequest& request, const Status& status) {
      return request.subresource == "status" && status.code() == Code::kNotFound;
    };
  }

  Plan ReconcilePod(const ObjectKey& key) {
    const ObjectRef object = pods_.Get(key);
    if (!object) return {};
    const Pod& pod = object->As<Pod>();
    const ObjectRef node = nodes_.Get("", pod.spec.nodeName);
    if (!node || pod.metadata.deletionTimestamp) return {};
    const std::optional<Instant> when =
        EvictionTime(pod, node->As<Node>(), [&](const core::v1::Taint& taint) { return TaintedSince(*node, taint); });
    if (!when) return {};
    const WallTime now = env_.clock().Now();
    const Duration wait = Since(ToTime(now), *when);
    Plan plan;
    if (wait > Duration(0)) {
      plan.requeue_after = wait;
      return plan;
    }
    events_.Normal(*object, "TaintManagerEviction", fmt::format("Marking for deletion Pod {}", key.ToString()));
    plan.ordered = true;
    if (!IsPodFinished(pod)) {
      Pod told = pod;
      RemoveCondition(told.status.conditions, "DisruptionTarget");
      core::v1::PodCondition condition;
      condition.type = "DisruptionTarget";
      condition.status = "True";
      condition.reason = "DeletionByTaintManager";
      condition.message = "Taint manager: deleting due to NoExecute taint";
      condition.lastTransitionTime = ToTime(now);
      told.status.conditions.push_back(std::move(condition));
      plan.writes.push_back(UpdateRequest(told, "status"));
    }
    plan.writes.push_back(DeleteRequest(pods_.resource(), pod.metadata));
    plan.tolerate = [](const ApiRequest&, const Status& status) { return status.code() == Code::kNotFound; };
    return plan;
  }

  Instant TaintedSince(const Object& node, const core::v1::Taint& taint) const {
    if (taint.timeAdded) return *taint.timeAdded;
    const auto seen = taints_seen_.find(node.meta().name);
    if (seen != taints_seen_.end()) {
      const auto it = seen->second.find(TaintId(taint));
      if (it != seen->second.end()) return it->second;
    }
    return ToTime(env_.clock().Now());
  }

  Env& env_;
  const NodeLifecycleOptions options_;
  std::map<Str, Heartbeat> heartbeats_;
  std::map<Str, std::map<std::string, Instant>> taints_seen_;
  Disruption disruption_;
  Informer nodes_;
  Informer leases_;
  Informer pods_;
  EventRecorder events_;
  HealthReconciler health_reconciler_;
  EvictionReconciler eviction_reconciler_;
  ReconcileLoop health_;
  ReconcileLoop eviction_;
};

}  // namespace

std::unique_ptr<Controller> NewNodeLifecycleController(const ControllerContext& context, NodeLifecycleOptions options) {
  return std::make_unique<NodeLifecycleController>(context, options);
}

}  // namespace minikube::controllers
