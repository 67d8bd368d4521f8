// Keeps pods with stable names and storage, started, updated and stopped in order.
// Semantics: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "controllers/controllers.h"
#include "controllers/workloads/revisions.h"
#include "controllers/workloads/stateful_pod.h"
#include "kube/owners.h"
#include "kube/pods.h"
#include "kube/scaled_value.h"
#include "kube/times.h"

namespace minikube::controllers {
namespace {

using apps::v1::StatefulSet;
using core::v1::PersistentVolumeClaim;
using core::v1::Pod;

class Sync {
 public:
  Sync(const View& view, const StatefulSet& set, const std::vector<const Pod*>& pods,
       std::vector<const Revision*> revisions, Plan& plan)
      : view_(view),
        set_(set),
        revisions_(std::move(revisions)),
        plan_(plan),
        in_order_(!(set.spec.podManagementPolicy == "Parallel")) {
    for (const Pod* pod : pods) {
      if (const auto ordinal = OrdinalIn(set_.metadata.name, pod->metadata.name)) pods_[*ordinal] = pod;
    }
  }

  void Run() {
    if (!SyncRevisions()) return;
    const bool deleted = set_.metadata.deletionTimestamp.has_value();
    if (!deleted && SyncReplicas() && SyncCondemned()) Update();
    if (!deleted) Truncate();
    plan_.Status(set_, Status());
    AgainWhenAvailable();
  }

 private:
  bool IsAvailable(const Pod& pod) const {
    return pod.status.phase == "Running" && !pod.metadata.deletionTimestamp &&
           kube::IsPodAvailable(pod, set_.spec.minReadySeconds, view_.Now());
  }

  // False while the revision of the present template is being made.
  bool SyncRevisions() {
    meta::v1::ObjectMeta owner = set_.metadata;
    owner.ownerReferences = {kube::ControllerRefTo(set_)};
    const auto taken = [&](std::string_view name) {
      return view_.Get<Revision>(set_.metadata.namespace_, name) != nullptr;
    };
    const RevisionStep step =
        SyncRevision(owner, set_.spec.template_, revisions_, set_.status.collisionCount.value_or(0), taken, plan_);
    collisions_ = step.collisions;
    update_ = step.update;
    if (update_ == nullptr) return false;
    current_ = update_;
    for (const Revision* revision : revisions_) {
      if (revision->metadata.name == set_.status.currentRevision) current_ = revision;
    }
    return true;
  }

  // The pod of an ordinal as it is to be made: of the old revision below the partition.
  Pod Make(std::int32_t ordinal) const {
    const auto* rolling = set_.spec.updateStrategy.rollingUpdate.get();
    const bool rolls = !(set_.spec.updateStrategy.type == "OnDelete");
    const std::int32_t kept = rolling != nullptr ? rolling->partition.value_or(0) : set_.status.currentReplicas;
    if (rolls && current_ != update_ && ordinal < FirstOrdinal(set_) + kept) {
      if (const auto old = TemplateOf(*current_)) {
        return NewStatefulPod(set_, *old, current_->metadata.name, ordinal);
      }
    }
    return NewStatefulPod(set_, set_.spec.template_, update_->metadata.name, ordinal);
  }

  // Makes what is missing and deletes what has ended, lowest ordinal first. False while it has to wait.
  bool SyncReplicas() {
    bool settled = true;
    for (std::int32_t i = 0; i < Replicas(set_); ++i) {
      const std::int32_t ordinal = FirstOrdinal(set_) + i;
      const auto found = pods_.find(ordinal);
      const Pod* pod = found != pods_.end() ? found->second : nullptr;
      bool wait = false;
      if (pod == nullptr) {
        Create(ordinal);
        wait = true;
      } else if (kube::IsPodFinished(*pod)) {
        if (!pod->metadata.deletionTimestamp) Delete(*pod);
        wait = true;
      } else {
        if (pod->status.phase == "Pending") CreateClaims(ordinal, *pod);
        wait = !IsAvailable(*pod);
        if (!wait) Retain(ordinal, pod);
      }
      if (wait && in_order_) return false;
      settled = settled && pod != nullptr && !kube::IsPodFinished(*pod);
    }
    return settled || !in_order_;
  }

  void Create(std::int32_t ordinal) {
    const Pod pod = Make(ordinal);
    for (const PersistentVolumeClaim& claim : ClaimsOf(set_, ordinal)) {
      const auto* old = view_.Get<PersistentVolumeClaim>(claim.metadata.namespace_, claim.metadata.name);
      // The last pod's claim is still on its way out with it.
      if (old != nullptr && old->metadata.deletionTimestamp) return;
    }
    CreateClaims(ordinal, pod);
    const std::string_view name = pod.metadata.name;
    plan_.Create(pod)
        .Event("SuccessfulCreate", fmt::format("create Pod {} in StatefulSet {} successful", name, Name()))
        .Warning("FailedCreate", fmt::format("create Pod {} in StatefulSet {} failed error: {{}}", name, Name()))
        .Ignore(NamespaceTerminating);
  }

  void CreateClaims(std::int32_t ordinal, const Pod& pod) {
    for (PersistentVolumeClaim& claim : ClaimsOf(set_, ordinal)) {
      if (view_.Get<PersistentVolumeClaim>(claim.metadata.namespace_, claim.metadata.name) != nullptr) continue;
      const std::string_view name = claim.metadata.name;
      if (auto retained = RetainedClaim(set_, claim, ordinal, nullptr)) claim = *std::move(retained);
      plan_.Create(claim)
          .Event("SuccessfulCreate", fmt::format("create Claim {} Pod {} in StatefulSet {} success", name,
                                                 pod.metadata.name.view(), Name()))
          .Warning("FailedCreate", fmt::format("create Claim {} for Pod {} in StatefulSet {} failed error: {{}}", name,
                                               pod.metadata.name.view(), Name()))
          .Ignore(Code::kAlreadyExists)
          .Ignore(NamespaceTerminating);
    }
  }

  // Gives the pod's claims the owners that the retention policy asks for. False while it has to.
  bool Retain(std::int32_t ordinal, const Pod* pod) {
    bool kept = true;
    for (const PersistentVolumeClaim& wanted : ClaimsOf(set_, ordinal)) {
      const auto* claim = view_.Get<PersistentVolumeClaim>(wanted.metadata.namespace_, wanted.metadata.name);
      if (claim == nullptr) continue;
      if (const auto next = RetainedClaim(set_, *claim, ordinal, pod)) {
        plan_.Update(*next).IgnoreGone();
        kept = false;
      }
    }
    return kept;
  }

  void Delete(const Pod& pod) {
    const std::string_view name = pod.metadata.name;
    plan_.Delete(pod)
        .Event("SuccessfulDelete", fmt::format("delete Pod {} in StatefulSet {} successful", name, Name()))
        .Warning("FailedDelete", fmt::format("delete Pod {} in StatefulSet {} failed error: {{}}", name, Name()))
        .IgnoreGone();
  }

  // Takes down pods beyond the wanted number, highest ordinal first. False while there are some.
  bool SyncCondemned() {
    bool none = true;
    for (auto it = pods_.rbegin(); it != pods_.rend(); ++it) {
      if (IsWithin(set_, it->first)) continue;
      none = false;
      const Pod& pod = *it->second;
      if (!Retain(it->first, &pod)) return false;
      if (!pod.metadata.deletionTimestamp) {
        // In order, a pod that is not well goes only if no other one is unwell.
        if (in_order_ && !IsAvailable(pod) && FirstUnavailable() != &pod) return false;
        Delete(pod);
      }
      if (in_order_) return false;
    }
    return none;
  }
  const Pod* FirstUnavailable() const {
    for (const bool within : {true, false}) {
      for (const auto& [ordinal, pod] : pods_) {
        if (IsWithin(set_, ordinal) == within && !IsAvailable(*pod)) return pod;
      }
    }
    return nullptr;
  }

  // Deletes pods of old revisions, highest ordinal first, as many as may be unavailable.
  void Update() {
    if (set_.spec.updateStrategy.type == "OnDelete") return;
    const auto* rolling = set_.spec.updateStrategy.rollingUpdate.get();
    const std::int32_t partition = rolling != nullptr ? rolling->partition.value_or(0) : 0;
    std::int32_t budget = 1;
    if (rolling != nullptr && rolling->maxUnavailable) {
      budget = std::max(1, kube::ScaledValue(*rolling->maxUnavailable, Replicas(set_), kube::Round::kUp));
    }
    for (std::int32_t i = 0; i < Replicas(set_); ++i) {
      const auto found = pods_.find(FirstOrdinal(set_) + i);
      if (found == pods_.end() || !IsAvailable(*found->second)) --budget;
    }
    for (std::int32_t i = Replicas(set_) - 1; i >= partition && budget > 0; --i) {
      const auto found = pods_.find(FirstOrdinal(set_) + i);
      if (found == pods_.end() || found->second->metadata.deletionTimestamp) continue;
      if (RevisionOf(*found->second) == update_->metadata.name.view()) continue;
      Delete(*found->second);
      --budget;
    }
  }

  void Truncate() {
    std::set<std::string_view> live{current_->metadata.name, update_->metadata.name};
    for (const auto& [ordinal, pod] : pods_) live.insert(RevisionOf(*pod));
    TruncateHistory(revisions_, live, set_.spec.revisionHistoryLimit.value_or(10), plan_);
  }

  apps::v1::StatefulSetStatus Status() const {
    apps::v1::StatefulSetStatus status;
    status.observedGeneration = set_.metadata.generation;
    status.conditions = set_.status.conditions;
    status.currentRevision = current_->metadata.name;
    status.updateRevision = update_->metadata.name;
    status.collisionCount = collisions_;
    for (const auto& [ordinal, pod] : pods_) {
      ++status.replicas;
      if (pod->status.phase == "Running" && kube::IsPodReady(*pod)) {
        ++status.readyReplicas;
        if (kube::IsPodAvailable(*pod, set_.spec.minReadySeconds, view_.Now())) ++status.availableReplicas;
      }
      if (pod->metadata.deletionTimestamp) continue;
      if (RevisionOf(*pod) == status.currentRevision.view()) ++status.currentReplicas;
      if (RevisionOf(*pod) == status.updateRevision.view()) ++status.updatedReplicas;
    }
    const bool rolled_out = status.updatedReplicas == Replicas(set_) && status.readyReplicas == Replicas(set_) &&
                            status.replicas == Replicas(set_);
    if (rolled_out && !(set_.spec.updateStrategy.type == "OnDelete")) {
      status.currentReplicas = status.updatedReplicas;
      status.currentRevision = status.updateRevision;
    }
    return status;
  }

  void AgainWhenAvailable() {
    for (const auto& [ordinal, pod] : pods_) {
      const auto at = kube::AvailableAt(*pod, set_.spec.minReadySeconds);
      if (at && *at > view_.Now()) plan_.Again(kube::Since(view_.Now(), *at));
    }
  }

  std::string_view Name() const { return set_.metadata.name; }

  const View& view_;
  const StatefulSet& set_;
  std::vector<const Revision*> revisions_;
  Plan& plan_;
  const bool in_order_;
  std::map<std::int32_t, const Pod*> pods_;  // by ordinal
  const Revision* current_ = nullptr;        // of pods not yet updated
  const Revision* update_ = nullptr;         // of the present template
  std::int32_t collisions_ = 0;
};

}  // namespace

Plan ReconcileStatefulSet(const View& view, const StatefulSet& set) {
  Plan plan;
  const auto is_member = [&](const Object& pod) {
    return OrdinalIn(set.metadata.name, pod.meta().name).has_value() && !pod.meta().deletionTimestamp;
  };
  const std::vector<const Pod*> pods = Owned<StatefulSet, Pod>::Claim(view, set, plan, is_member);
  if (!plan.empty()) return plan;
  std::vector<const Revision*> revisions = Owned<StatefulSet, Revision>::Claim(view, set, plan);
  if (!plan.empty()) return plan;
  Sync(view, set, pods, std::move(revisions), plan).Run();
  return plan;
}

ControllerEntry StatefulSetController() {
  return For<StatefulSet>("statefulset-controller")
      .Owns<Pod>()
      .Owns<Revision>()
      .Watches<PersistentVolumeClaim>([](const View& view, const PersistentVolumeClaim& claim, const Wake& wake) {
        // <template>-<set>-<ordinal>: those whose name is in it.
        for (const StatefulSet* set : view.List<StatefulSet>(claim.metadata.namespace_)) {
          if (set->spec.volumeClaimTemplates.empty()) continue;
          const std::string part = "-" + set->metadata.name.str() + "-";
          if (claim.metadata.name.view().find(part) != std::string_view::npos) wake(KeyOf(*set));
        }
      })
      .Reconciles(&ReconcileStatefulSet);
}

}  // namespace minikube::controllers
