// Keeps the status of PodDisruptionBudgets, which is what an eviction goes by.
// Semantics: https://kubernetes.io/docs/tasks/run-application/configure-pdb/
#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <minikube/selector.h>

#include "controllers/controllers.h"
#include "kube/conditions.h"
#include "kube/owners.h"
#include "kube/pods.h"
#include "kube/scaled_value.h"
#include "kube/times.h"

namespace minikube::controllers {
namespace {

using apps::v1::Deployment;
using apps::v1::ReplicaSet;
using apps::v1::StatefulSet;
using core::v1::Pod;
using core::v1::ReplicationController;
using policy::v1::PodDisruptionBudget;
using policy::v1::PodDisruptionBudgetStatus;

// How long an eviction that was allowed may take until its pod is seen going.
constexpr std::int64_t kDeletionSeconds = 2 * 60;
constexpr std::string_view kCondition = "DisruptionAllowed";

template <typename T>
const T* OwnerOf(const View& view, const meta::v1::OwnerReference& reference, std::string_view kind,
                 std::string_view ns) {
  if (reference.kind != kind) return nullptr;
  const T* owner = view.Get<T>(ns, reference.name);
  return owner != nullptr && owner->metadata.uid == reference.uid ? owner : nullptr;
}

// How many pods the controller of a pod wants, and who that is.
struct Scale {
  Str uid;
  std::int32_t replicas = 0;
};

std::optional<Scale> ScaleOf(const View& view, const Pod& pod, const meta::v1::OwnerReference& controller) {
  const std::string_view ns = pod.metadata.namespace_;
  if (const auto* rs = OwnerOf<ReplicaSet>(view, controller, "ReplicaSet", ns)) {
    const meta::v1::OwnerReference* above = kube::ControllerOf(rs->metadata);
    const auto* deployment = above != nullptr ? OwnerOf<Deployment>(view, *above, "Deployment", ns) : nullptr;
    if (deployment != nullptr) return Scale{deployment->metadata.uid, deployment->spec.replicas.value_or(1)};
    return Scale{rs->metadata.uid, rs->spec.replicas.value_or(1)};
  }
  if (const auto* set = OwnerOf<StatefulSet>(view, controller, "StatefulSet", ns)) {
    return Scale{set->metadata.uid, set->spec.replicas.value_or(1)};
  }
  if (const auto* rc = OwnerOf<ReplicationController>(view, controller, "ReplicationController", ns)) {
    return Scale{rc->metadata.uid, rc->spec.replicas.value_or(1)};
  }
  return std::nullopt;
}

// What the controllers of these pods want together.
struct Expected {
  std::int32_t pods = 0;
  bool unmanaged = false;  // some pods have no controller
  Str unknown;             // a pod whose controller has no scale that is known here
};

Expected ExpectedOf(const View& view, const std::vector<const Pod*>& pods) {
  Expected out;
  std::map<Str, std::int32_t> scales;
  for (const Pod* pod : pods) {
    const meta::v1::OwnerReference* controller = kube::ControllerOf(pod->metadata);
    if (controller == nullptr) {
      out.unmanaged = true;
    } else if (const std::optional<Scale> scale = ScaleOf(view, *pod, *controller)) {
      scales[scale->uid] = scale->replicas;
    } else if (out.unknown.empty()) {
      out.unknown = pod->metadata.name;
    }
  }
  for (const auto& [uid, replicas] : scales) out.pods += replicas;
  return out;
}

std::vector<const Pod*> PodsOf(const View& view, const PodDisruptionBudget& budget) {
  const Result<LabelSelector> selector = LabelSelector::From(budget.spec.selector.get());
  if (!selector) return {};
  std::vector<const Pod*> pods = view.List<Pod>(budget.metadata.namespace_);
  std::erase_if(pods, [&](const Pod* pod) { return !selector->Matches(pod->metadata.labels); });
  return pods;
}

// The evictions that were allowed and whose pods are still there, and when the first of them is overdue. Who is overdue
// is told about, and counted again.
Map<Time> StillToGo(const PodDisruptionBudget& budget, const std::vector<const Pod*>& pods, Time now,
                    std::optional<Instant>& recheck) {
  Map<Time> out;
  for (const Pod* pod : pods) {
    const Time* evicted = budget.status.disruptedPods.Find(pod->metadata.name);
    if (evicted == nullptr || pod->metadata.deletionTimestamp) continue;
    const Instant due = kube::After(*evicted, kDeletionSeconds);
    if (due < now) continue;
    out[pod->metadata.name] = *evicted;
    recheck = recheck ? std::min(*recheck, due) : due;
  }
  return out;
}

void SetCondition(PodDisruptionBudgetStatus& status, std::int64_t generation, bool allowed, std::string_view reason,
                  std::string_view message, Time now) {
  meta::v1::Condition next;
  next.type = kCondition;
  next.status = allowed ? "True" : "False";
  next.reason = reason;
  next.message = message;
  next.observedGeneration = generation;
  next.lastTransitionTime = now;
  if (const auto* before = kube::FindCondition(status.conditions, kCondition)) {
    if (before->status == next.status) next.lastTransitionTime = before->lastTransitionTime;
  }
  kube::RemoveCondition(status.conditions, kCondition);
  status.conditions.push_back(std::move(next));
}

void WakeBudgets(const View& view, const Pod& pod, const Wake& wake) {
  for (const PodDisruptionBudget* budget : view.List<PodDisruptionBudget>(pod.metadata.namespace_)) {
    const Result<LabelSelector> selector = LabelSelector::From(budget->spec.selector.get());
    if (selector && selector->Matches(pod.metadata.labels)) wake(KeyOf(*budget));
  }
}

// A change of what is wanted concerns the budgets of the namespace.
template <typename T>
void WakeOfNamespace(const View& view, const T& owner, const Wake& wake) {
  for (const PodDisruptionBudget* budget : view.List<PodDisruptionBudget>(owner.metadata.namespace_)) {
    wake(KeyOf(*budget));
  }
}

}  // namespace

Plan ReconcileDisruptionBudget(const View& view, const PodDisruptionBudget& budget) {
  Plan plan;
  if (budget.metadata.deletionTimestamp) return plan;
  const std::vector<const Pod*> pods = PodsOf(view, budget);
  const Time now = view.Now();
  PodDisruptionBudgetStatus status = budget.status;
  status.observedGeneration = budget.metadata.generation;
  const bool absolute = !budget.spec.maxUnavailable && budget.spec.minAvailable && !budget.spec.minAvailable->is_string;
  const Expected expected =
      absolute ? Expected{static_cast<std::int32_t>(pods.size()), false, {}} : ExpectedOf(view, pods);
  if (!expected.unknown.empty()) {
    // Nobody is evicted on a guess.
    const std::string why = fmt::format("found no controllers for pod \"{}\"", expected.unknown.view());
    status.disruptionsAllowed = 0;
    SetCondition(status, status.observedGeneration, false, "SyncFailed", why, now);
    if (!DeepEqual(status, budget.status)) {
      plan.Warning("CalculateExpectedPodCountFailed",
                   fmt::format("Failed to calculate the number of expected pods: {}", why));
    }
    plan.Status(budget, status);
    return plan;
  }
  status.expectedPods = expected.pods;
  if (budget.spec.maxUnavailable) {
    status.desiredHealthy =
        std::max(0, expected.pods - kube::ScaledValue(*budget.spec.maxUnavailable, expected.pods, kube::Round::kUp));
  } else if (budget.spec.minAvailable) {
    status.desiredHealthy = kube::ScaledValue(*budget.spec.minAvailable, expected.pods, kube::Round::kUp);
  } else {
    status.desiredHealthy = 0;
  }
  std::optional<Instant> recheck;
  status.disruptedPods = StillToGo(budget, pods, now, recheck);
  status.currentHealthy = static_cast<std::int32_t>(std::count_if(pods.begin(), pods.end(), [&](const Pod* pod) {
    return !pod->metadata.deletionTimestamp && !status.disruptedPods.Contains(pod->metadata.name) &&
           kube::IsPodReady(*pod);
  }));
  // With nothing expected nothing is allowed, so that the first pods are safe before they are counted.
  status.disruptionsAllowed = status.expectedPods <= 0 ? 0 : std::max(0, status.currentHealthy - status.desiredHealthy);
  const bool allowed = status.disruptionsAllowed > 0;
  SetCondition(status, status.observedGeneration, allowed, allowed ? "SufficientPods" : "InsufficientPods", "", now);
  if (!DeepEqual(status, budget.status)) {
    if (pods.empty()) plan.Event("NoPods", "No matching pods found");
    if (expected.unmanaged) {
      plan.Warning(
          "UnmanagedPods",
          "Some pods of this budget have no controller, so that the pods to be expected cannot be counted: set "
          "\".spec.minAvailable\" to an integer");
    }
  }
  plan.Status(budget, status);
  if (recheck) plan.Again(kube::Since(now, *recheck) + std::chrono::seconds(1));
  return plan;
}

ControllerEntry DisruptionController() {
  return For<PodDisruptionBudget>("disruption-controller")
      .Watches<Pod>(&WakeBudgets)
      .Watches<Deployment>(&WakeOfNamespace<Deployment>)
      .Watches<ReplicaSet>(&WakeOfNamespace<ReplicaSet>)
      .Watches<StatefulSet>(&WakeOfNamespace<StatefulSet>)
      .Watches<ReplicationController>(&WakeOfNamespace<ReplicationController>)
      .Reconciles(&ReconcileDisruptionBudget);
}

}  // namespace minikube::controllers
