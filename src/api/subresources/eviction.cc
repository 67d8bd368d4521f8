// eviction: a deletion that a PodDisruptionBudget may refuse. The budget is charged in the same transaction, so two
// evictions cannot both take its last disruption.
#include <fmt/format.h>

#include <minikube/api/core/v1.h>
#include <minikube/api/policy/v1.h>
#include <minikube/selector.h>

#include "api/registry/verbs.h"
#include "api/subresources/subresources.h"
#include "api/wire/errors.h"
#include "kube/pods.h"

namespace minikube::api {

namespace {

// More pods than this in a budget's books means that its controller does not keep up.
constexpr std::size_t kMaxDisruptedPods = 2000;

Status TooMany(const policy::v1::PodDisruptionBudget& budget, std::string_view detail) {
  StatusDetails details;
  details.causes.push_back(
      {"DisruptionBudget", fmt::format("The disruption budget {} {}", budget.metadata.name.view(), detail), ""});
  return {Code::kTooManyRequests, "Cannot evict pod as it would violate the pod's disruption budget.",
          std::move(details)};
}

// Charges the budget, or says why not.
Status Charge(Attempt& attempt, const StoredKind& budgets, const Entry& entry, const core::v1::Pod& pod) {
  const auto& budget = entry.object->As<policy::v1::PodDisruptionBudget>();
  if (budget.status.observedGeneration < budget.metadata.generation) {
    // Without Retry-After, unlike kube-apiserver: a cluster may have no controller that ever does it, and clients that
    // try again by themselves (kubectl drain) would keep the reason from their users.
    return TooMany(budget, "is still being processed by the server.");
  }
  if (budget.status.disruptedPods.size() > kMaxDisruptedPods) {
    return ForbiddenError(*budgets.resource, budget.metadata.name.view(),
                          "DisruptedPods map too big - too many evictions not confirmed by PDB controller");
  }
  if (budget.status.disruptionsAllowed <= 0) {
    return TooMany(budget, fmt::format("needs {} healthy pods and has {} currently", budget.status.desiredHealthy,
                                       budget.status.currentHealthy));
  }
  SideWrite write{&budgets, budget.metadata.namespace_.str(), budget.metadata.name.str(), entry.revision,
                  ObjectPtr::Clone(*entry.object)};
  auto& next = write.object->As<policy::v1::PodDisruptionBudget>();
  --next.status.disruptionsAllowed;
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(attempt.core.env.clock().Now().time_since_epoch()).count();
  next.status.disruptedPods[pod.metadata.name.view()] = Time{Instant::FromUnixMicros(seconds * 1'000'000)};
  attempt.side_writes.push_back(std::move(write));
  return {};
}

}  // namespace

Status DeriveEviction(Attempt& attempt) {
  const auto& eviction = attempt.request().object->As<policy::v1::Eviction>();
  const std::string& name = attempt.request().name;
  if (!eviction.metadata.name.empty() && !(eviction.metadata.name == name)) {
    return {Code::kBadRequest, "name in URL does not match name in Eviction object: " + eviction.metadata.name.str()};
  }
  const Entry* current = attempt.world->Find(attempt.kind->index, attempt.request().ns, name);
  if (current == nullptr) return NotFoundError(attempt.resource(), name);
  const auto& pod = current->object->As<core::v1::Pod>();
  if (eviction.deleteOptions) {
    attempt.operation.context.request.grace_period_seconds = eviction.deleteOptions->gracePeriodSeconds;
    if (eviction.deleteOptions->preconditions) {
      const auto& preconditions = *eviction.deleteOptions->preconditions;
      if (preconditions.uid) attempt.operation.context.request.precondition_uid = preconditions.uid->str();
      if (preconditions.resourceVersion) {
        attempt.operation.context.request.precondition_resource_version = preconditions.resourceVersion->str();
      }
    }
  }

  // Pods that serve nobody (any more) are free to go.
  const bool counted = !kube::IsPodFinished(pod) && !(pod.status.phase == "Pending") && !pod.metadata.deletionTimestamp;
  if (counted) {
    const StoredKind& budgets = attempt.world->catalogue->Get("policy", "poddisruptionbudgets");
    const Entry* match = nullptr;
    for (auto it = attempt.world->kinds[budgets.index].LowerBound({attempt.request().ns, {}}); it; ++it) {
      const auto& budget = it->object->As<policy::v1::PodDisruptionBudget>();
      if (!(budget.metadata.namespace_ == attempt.request().ns)) break;
      Result<LabelSelector> selector = LabelSelector::From(budget.spec.selector.get());
      if (!selector || !selector->Matches(pod.metadata.labels)) continue;
      if (match != nullptr) {
        return {Code::kInternal,
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not "
                "support."};
      }
      match = &*it;
    }
    if (match != nullptr) {
      const auto& budget = match->object->As<policy::v1::PodDisruptionBudget>();
      const bool always =
          budget.spec.unhealthyPodEvictionPolicy && *budget.spec.unhealthyPodEvictionPolicy == "AlwaysAllow";
      const bool healthy_enough =
          budget.status.currentHealthy >= budget.status.desiredHealthy && budget.status.desiredHealthy > 0;
      if (kube::IsPodReady(pod) || !(always || healthy_enough)) {
        MINIKUBE_RETURN_IF_ERROR(Charge(attempt, budgets, *match, pod));
      }
    }
  }
  MINIKUBE_RETURN_IF_ERROR(DeriveDeletion(attempt, *current));
  meta::v1::Status status;
  status.status = "Success";
  attempt.said = Share(std::move(status));
  return {};
}

}  // namespace minikube::api
