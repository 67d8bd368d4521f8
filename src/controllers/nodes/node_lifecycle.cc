// Watches over nodes: those whose heartbeats have stopped become Unknown, conditions become taints, and pods of nodes
// that are out of reach are no longer ready.
// Semantics: https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller
#include <algorithm>
#include <map>
#include <memory>

#include <fmt/format.h>

#include <minikube/api/coordination/v1.h>

#include "controllers/controllers.h"
#include "controllers/nodes/node_health.h"
#include "controllers/nodes/pod_eviction.h"
#include "controllers/nodes/zones.h"
#include "kube/conditions.h"
#include "kube/pods.h"
#include "kube/times.h"

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

// What no object says: when signs of life came, by our own clock (the node's may be wrong), and what may be evicted.
class NodeWatch {
 public:
  explicit NodeWatch(Duration grace_period) : grace_period_(grace_period) {}

  void OnNode(const View& view, const Node* before, const Node* after, const Wake& wake) {
    const Str& name = (after != nullptr ? after : before)->metadata.name;
    if (after == nullptr) {
      heartbeats_.erase(name);
      if (disruption_.Set(name.str(), ZoneOf(*before), std::nullopt)) WakeAll(view, wake);
      return;
    }
    Heartbeat& heartbeat = HeartbeatOf(name, view.MonoNow());
    if (const auto* ready = kube::FindCondition(after->status.conditions, "Ready")) {
      const bool alive = !(ready->status == "Unknown");
      if (alive && (heartbeat.status != ready->lastHeartbeatTime || !(heartbeat.ready == ready->status))) {
        heartbeat.seen = view.MonoNow();
      }
      heartbeat.status = ready->lastHeartbeatTime;
      heartbeat.ready = ready->status;
    }
    if (disruption_.Set(name.str(), ZoneOf(*after), ConditionStatus(*after, "Ready") == "True")) WakeAll(view, wake);
  }

  void OnLease(const View& view, const Lease* before, const Lease* after) {
    const Str& name = (after != nullptr ? after : before)->metadata.name;
    if (!((after != nullptr ? after : before)->metadata.namespace_ == kLeaseNamespace)) return;
    if (after == nullptr) {
      if (view.Get<Node>("", name) == nullptr) heartbeats_.erase(name);
      return;
    }
    if (!after->spec.renewTime) return;
    Heartbeat& heartbeat = HeartbeatOf(name, view.MonoNow());
    if (heartbeat.lease == *after->spec.renewTime) return;
    heartbeat.lease = *after->spec.renewTime;
    heartbeat.seen = view.MonoNow();
  }

  static void OnPod(const View& view, const Pod& pod, const Wake& wake) {
    if (pod.spec.nodeName.empty() || !kube::IsPodReady(pod)) return;
    const Node* node = view.Get<Node>("", pod.spec.nodeName);
    if (node != nullptr && ConditionStatus(*node, "Ready") == "Unknown") wake(KeyOf(*node));
  }

  Plan Reconcile(const View& view, const Node& node) {
    Plan plan;
    if (node.metadata.deletionTimestamp) return plan;
    const std::string_view ready = ConditionStatus(node, "Ready");
    const Duration silent = view.MonoNow() - HeartbeatOf(node.metadata.name, view.MonoNow()).seen;
    const Duration grace = ready.empty() ? std::max(grace_period_, kStartupGrace) : grace_period_;
    Node next = node;
    // Status and taints are two writes of one object; the taints follow when the status is visible.
    if (silent >= grace && MarkUnknown(next, view.Now())) {
      plan.Update(next, "status");
      if (ready == "True") {
        plan.Event("NodeNotReady", fmt::format("Node {} status is now: NodeNotReady", node.metadata.name.view()));
      }
      return plan;
    }
    if (silent < grace) plan.Again(grace - silent);
    next = node;
    if (SyncTaints(next, MayEvict(view, node, plan), view.Now())) plan.Update(next);
    if (ready == "Unknown") MarkPodsNotReady(view, node, plan);
    return plan;
  }

 private:
  struct Heartbeat {
    MonoTime seen{};
    Instant lease;
    Instant status;
    Str ready;
  };

  Heartbeat& HeartbeatOf(const Str& node, MonoTime now) {
    const auto [it, inserted] = heartbeats_.try_emplace(node);
    if (inserted) it->second.seen = now;
    return it->second;
  }

  static void WakeAll(const View& view, const Wake& wake) {
    for (const Node* node : view.List<Node>()) wake(KeyOf(*node));
  }

  bool MayEvict(const View& view, const Node& node, Plan& plan) {
    if (disruption_.Everywhere()) return false;
    if (!LacksEvictionTaint(node)) return true;
    const Duration unready = kube::Since(ReadySince(node), view.Now());
    if (unready >= Duration(0) && unready < kSettle) {
      plan.Again(kSettle - unready);
      return false;
    }
    const Disruption::Permission permission = disruption_.TakePermission(ZoneOf(node), view.MonoNow());
    if (permission.wait) plan.Again(*permission.wait);
    return permission.granted;
  }

  // What runs on an unreachable node can no longer be counted on.
  static void MarkPodsNotReady(const View& view, const Node& node, Plan& plan) {
    for (const Pod* seen : view.By<Pod>(kByNode, node.metadata.name)) {
      if (!kube::IsPodReady(*seen)) continue;
      Pod pod = *seen;
      for (core::v1::PodCondition& condition : pod.status.conditions.Mutable()) {
        if (!(condition.type == "Ready")) continue;
        condition.status = "False";
        condition.lastTransitionTime = view.Now();
      }
      Step& write = plan.Update(pod, "status").IgnoreGone().About(*seen);
      write.on_success = PlannedEvent{"Warning", "NodeNotReady", "Node is not ready"};
    }
  }

  const Duration grace_period_;
  std::map<Str, Heartbeat> heartbeats_;
  Disruption disruption_;
};

// When each NoExecute taint that does not say so itself was first seen.
class TaintTimes {
 public:
  void OnNode(const View& view, const Node* before, const Node* after, const Wake& wake) {
    if (after == nullptr) {
      seen_.erase(before->metadata.name);
      return;
    }
    Note(*after, view.Now());
    if (!HasNoExecute(*after) || (before != nullptr && before->spec.taints.same(after->spec.taints))) return;
    for (const Pod* pod : view.By<Pod>(kByNode, after->metadata.name)) wake(KeyOf(*pod));
  }

  Instant Since(const Node& node, const core::v1::Taint& taint, Instant now) const {
    if (taint.timeAdded) return *taint.timeAdded;
    const auto of_node = seen_.find(node.metadata.name);
    if (of_node == seen_.end()) return now;
    const auto it = of_node->second.find(IdOf(taint));
    return it != of_node->second.end() ? it->second : now;
  }

 private:
  static std::string IdOf(const core::v1::Taint& taint) {
    return fmt::format("{}={}", taint.key.view(), taint.value.view());
  }
  void Note(const Node& node, Instant now) {
    std::map<std::string, Instant>& seen = seen_[node.metadata.name];
    std::map<std::string, Instant> next;
    for (const core::v1::Taint& taint : node.spec.taints) {
      if (!(taint.effect == "NoExecute") || taint.timeAdded) continue;
      const std::string id = IdOf(taint);
      const auto it = seen.find(id);
      next[id] = it != seen.end() ? it->second : now;
    }
    seen = std::move(next);
  }

  std::map<Str, std::map<std::string, Instant>> seen_;
};

bool IsTainted(const View& view, const Pod& pod) {
  const Node* node = pod.spec.nodeName.empty() ? nullptr : view.Get<Node>("", pod.spec.nodeName);
  return node != nullptr && HasNoExecute(*node);
}

Plan Evict(const View& view, const Pod& pod, const TaintTimes& times) {
  Plan plan;
  const Node* node = view.Get<Node>("", pod.spec.nodeName);
  if (node == nullptr || pod.metadata.deletionTimestamp) return plan;
  const Instant now = view.Now();
  const std::optional<Instant> when =
      EvictionTime(pod, *node, [&](const core::v1::Taint& taint) { return times.Since(*node, taint, now); });
  if (!when) return plan;
  if (const Duration wait = kube::Since(now, *when); wait > Duration(0)) {
    plan.Again(wait);
    return plan;
  }
  plan.InOrder();
  plan.Event("TaintManagerEviction", fmt::format("Marking for deletion Pod {}", KeyOf(pod).ToString()));
  if (!kube::IsPodFinished(pod)) {
    Pod told = pod;
    kube::RemoveCondition(told.status.conditions, "DisruptionTarget");
    told.status.conditions.push_back(kube::MakeCondition<core::v1::PodCondition>(
        "DisruptionTarget", "True", "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint", now));
    plan.Update(told, "status").IgnoreGone();
  }
  plan.Delete(pod).IgnoreGone();
  return plan;
}

}  // namespace

ControllerEntry NodeLifecycleController(Duration grace_period) {
  const auto watch = std::make_shared<NodeWatch>(grace_period);
  return For<Node>("node-controller")
      .Watches<Node>([watch](const View& view, const Node* before, const Node* after, const Wake& wake) {
        watch->OnNode(view, before, after, wake);
      })
      .Watches<Lease>([watch](const View& view, const Lease* before, const Lease* after, const Wake&) {
        watch->OnLease(view, before, after);
      })
      .Watches<Pod>(&NodeWatch::OnPod)
      .Indexes<Pod>(kByNode)
      .Reconciles([watch](const View& view, const Node& node) { return watch->Reconcile(view, node); });
}

ControllerEntry TaintEvictionController() {
  const auto times = std::make_shared<TaintTimes>();
  return For<Pod>("taint-eviction-controller")
      .As("node-controller")
      .When(&IsTainted)
      .Watches<Node>([times](const View& view, const Node* before, const Node* after, const Wake& wake) {
        times->OnNode(view, before, after, wake);
      })
      .Indexes<Pod>(kByNode)
      .Reconciles([times](const View& view, const Pod& pod) { return Evict(view, pod, *times); });
}

}  // namespace minikube::controllers
