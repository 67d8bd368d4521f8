#include "controllers/nodes/node_health.h"

#include <algorithm>
#include <array>
#include <vector>

#include "kube/conditions.h"

namespace minikube::controllers {
namespace {

using core::v1::Node;
using core::v1::NodeCondition;
using core::v1::Taint;

constexpr std::string_view kNotReady = "node.kubernetes.io/not-ready";
constexpr std::string_view kUnreachable = "node.kubernetes.io/unreachable";
constexpr std::string_view kUnschedulable = "node.kubernetes.io/unschedulable";
constexpr std::string_view kNoSchedule = "NoSchedule";
constexpr std::string_view kNoExecute = "NoExecute";

struct Rule {
  std::string_view condition;
  std::string_view status;
  std::string_view taint;
};
constexpr std::array<Rule, 6> kRules{{
    {"Ready", "False", kNotReady},
    {"Ready", "Unknown", kUnreachable},
    {"MemoryPressure", "True", "node.kubernetes.io/memory-pressure"},
    {"DiskPressure", "True", "node.kubernetes.io/disk-pressure"},
    {"NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"},
    {"PIDPressure", "True", "node.kubernetes.io/pid-pressure"},
}};
constexpr std::array<std::string_view, 4> kReportedByNode{"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"};

bool IsOurs(const Taint& taint) {
  if (taint.effect == kNoExecute) return taint.key == kNotReady || taint.key == kUnreachable;
  if (!(taint.effect == kNoSchedule)) return false;
  return taint.key == kUnschedulable ||
         std::any_of(kRules.begin(), kRules.end(), [&](const Rule& rule) { return taint.key == rule.taint; });
}

std::vector<Taint> Wanted(const Node& node, bool evict) {
  std::vector<Taint> wanted;
  const auto add = [&](std::string_view key, std::string_view effect) {
    Taint taint;
    taint.key = key;
    taint.effect = effect;
    wanted.push_back(std::move(taint));
  };
  for (const Rule& rule : kRules) {
    if (ConditionStatus(node, rule.condition) != rule.status) continue;
    add(rule.taint, kNoSchedule);
    if (evict && rule.condition == "Ready") add(rule.taint, kNoExecute);
  }
  if (node.spec.unschedulable) add(kUnschedulable, kNoSchedule);
  return wanted;
}

bool SameKind(const Taint& a, const Taint& b) { return a.key == b.key && a.effect == b.effect; }

}  // namespace

std::string_view ConditionStatus(const Node& node, std::string_view type) {
  const NodeCondition* condition = kube::FindCondition(node.status.conditions, type);
  return condition != nullptr ? condition->status.view() : std::string_view();
}

bool MarkUnknown(Node& node, Instant now) {
  bool changed = false;
  for (const std::string_view type : kReportedByNode) {
    const NodeCondition* old = kube::FindCondition(node.status.conditions, type);
    if (old != nullptr && old->status == "Unknown") continue;
    NodeCondition next;
    next.type = type;
    next.status = "Unknown";
    next.lastTransitionTime = Time{now};
    if (old != nullptr) {
      next.reason = "NodeStatusUnknown";
      next.message = "Kubelet stopped posting node status.";
      next.lastHeartbeatTime = old->lastHeartbeatTime;
    } else {
      next.reason = "NodeStatusNeverUpdated";
      next.message = "Kubelet never posted node status.";
      next.lastHeartbeatTime = node.metadata.creationTimestamp;
    }
    kube::RemoveCondition(node.status.conditions, type);
    node.status.conditions.push_back(std::move(next));
    changed = true;
  }
  return changed;
}

bool SyncTaints(Node& node, bool evict, Instant now) {
  std::vector<Taint> wanted = Wanted(node, evict);
  List<Taint> next;
  for (const Taint& taint : node.spec.taints) {
    const auto it = std::find_if(wanted.begin(), wanted.end(), [&](const Taint& w) { return SameKind(w, taint); });
    if (it != wanted.end()) {
      wanted.erase(it);
    } else if (IsOurs(taint)) {
      continue;
    }
    next.push_back(taint);
  }
  if (wanted.empty() && next.size() == node.spec.taints.size()) return false;
  for (Taint& taint : wanted) {
    taint.timeAdded = Time{now};
    next.push_back(std::move(taint));
  }
  node.spec.taints = std::move(next);
  return true;
}

bool LacksEvictionTaint(const Node& node) {
  const std::string_view ready = ConditionStatus(node, "Ready");
  if (ready != "False" && ready != "Unknown") return false;
  return std::none_of(node.spec.taints.begin(), node.spec.taints.end(),
                      [&](const Taint& taint) { return taint.effect == kNoExecute && IsOurs(taint); });
}

Instant ReadySince(const Node& node) {
  const NodeCondition* ready = kube::FindCondition(node.status.conditions, "Ready");
  return ready != nullptr ? Instant(ready->lastTransitionTime) : Instant{};
}

}  // namespace minikube::controllers
