#include "controllers/workloads/deployment_plan.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include <minikube/object.h>

#include "controllers/workloads/deployment_status.h"
#include "controllers/workloads/deployment_util.h"
#include "kube/conditions.h"
#include "kube/owners.h"

namespace minikube::controllers {
namespace {

using apps::v1::Deployment;
using apps::v1::DeploymentStatus;
using apps::v1::ReplicaSet;

class Planner {
 public:
  explicit Planner(const DeploymentView& view)
      : view_(view), d_(view.deployment), sets_(view.replica_sets), status_(d_.status) {
    std::sort(sets_.begin(), sets_.end(),
              [](const ReplicaSet& a, const ReplicaSet& b) { return kube::Older(a.metadata, b.metadata); });
    seen_ = sets_;
    for (std::size_t i = 0; i < sets_.size() && !fresh_; ++i) {
      if (SameTemplate(sets_[i].spec.template_, d_.spec.template_)) fresh_ = i;
    }
  }

  DeploymentPlan Run() {
    if (d_.metadata.deletionTimestamp) {
      FinishStatus(Progress::kIgnore);
      return Finish();
    }
    SyncPausedCondition(d_, Conditions());
    // Recreate knows one size only, so a change of scale is no case of its own.
    if (d_.spec.paused || (IsRollingUpdate(d_) && IsScaling())) {
      AdoptFresh();
      Scale();
      if (d_.spec.paused) CleanUp();
      FinishStatus(Progress::kIgnore);
    } else if (IsRollingUpdate(d_)) {
      Roll();
      FinishStatus(Progress::kFollow);
    } else {
      Recreate();
      FinishStatus(Progress::kFollow);
    }
    return Finish();
  }

 private:
  enum class Progress { kIgnore, kFollow };

  DeploymentConditions Conditions() { return {status_.conditions, view_.now}; }
  ReplicaSet* Fresh() { return fresh_ ? &sets_[*fresh_] : nullptr; }
  bool IsFresh(std::size_t i) const { return fresh_ == i; }
  std::int32_t Total() const {
    return std::accumulate(sets_.begin(), sets_.end(), std::int32_t{0},
                           [](std::int32_t sum, const ReplicaSet& rs) { return sum + Replicas(rs); });
  }
  // Whether it has noticed the size it was given.
  static bool Noticed(const ReplicaSet& rs) { return rs.status.observedGeneration >= rs.metadata.generation; }
  bool Settled() const { return std::all_of(sets_.begin(), sets_.end(), Noticed); }
  // The size of the new replica set by what the others ask for and still have. Kubernetes counts only what they ask
  // for, and overshoots maxSurge for as long as it takes them to delete pods.
  std::int32_t NextFreshSize() {
    const std::int32_t size = fresh_ ? Replicas(*Fresh()) : 0;
    if (size > Replicas(d_)) return Replicas(d_);
    if (IsRollingUpdate(d_) && !Settled()) return size;
    const std::int32_t occupied = std::accumulate(
        sets_.begin(), sets_.end(), std::int32_t{0},
        [](std::int32_t sum, const ReplicaSet& rs) { return sum + std::max(Replicas(rs), rs.status.replicas); });
    return NewReplicaSetSize(d_, occupied, size);
  }
  std::int32_t TotalOld() const { return Total() - (fresh_ ? Replicas(sets_[*fresh_]) : 0); }
  // Pods that are available and stay so: those that a replica set is already to take down do not count.
  std::int32_t TotalAvailable() const {
    return std::accumulate(sets_.begin(), sets_.end(), std::int32_t{0}, [](std::int32_t sum, const ReplicaSet& rs) {
      return sum + std::min(Replicas(rs), rs.status.availableReplicas);
    });
  }
  std::int64_t NextRevision() const {
    std::int64_t revision = 0;
    for (std::size_t i = 0; i < sets_.size(); ++i) {
      if (!IsFresh(i)) revision = std::max(revision, RevisionOf(sets_[i].metadata).value_or(0));
    }
    return revision + 1;
  }

  // spec.replicas has changed since the replica sets got their sizes.
  bool IsScaling() const {
    return std::any_of(sets_.begin(), sets_.end(), [&](const ReplicaSet& rs) {
      const std::optional<std::int32_t> desired = IntAnnotation(rs.metadata, kDesiredReplicas);
      return Replicas(rs) > 0 && desired && *desired != Replicas(d_);
    });
  }

  // Brings the replica set of the current template up to date, if there is one.
  void AdoptFresh() {
    ReplicaSet* rs = Fresh();
    if (rs == nullptr) return;
    SyncAnnotations(d_, NextRevision(), *rs);
    rs->spec.minReadySeconds = d_.spec.minReadySeconds;
    if (HasProgressDeadline(d_) && kube::FindCondition(status_.conditions, "Progressing") == nullptr) {
      Conditions().Set("Progressing", "True", "FoundNewReplicaSet",
                       fmt::format("Found new replica set \"{}\"", rs->metadata.name.view()));
    }
    SetRevision(rs->metadata);
  }

  // As AdoptFresh, or plans to make it. True if it exists.
  bool EnsureFresh() {
    if (fresh_) {
      AdoptFresh();
      return true;
    }
    const std::string hash = TemplateHash(d_.spec.template_, d_.status.collisionCount);
    ReplicaSet rs;
    rs.metadata.name = d_.metadata.name.str() + "-" + hash;
    rs.metadata.namespace_ = d_.metadata.namespace_;
    if (view_.name_taken(rs.metadata.name)) {
      // Another template has the same hash: the count makes the next hash a different one.
      status_.collisionCount = status_.collisionCount.value_or(0) + 1;
      return false;
    }
    rs.metadata.ownerReferences.push_back(kube::ControllerRefTo(d_));
    rs.spec.template_ = d_.spec.template_;
    rs.spec.template_.metadata.labels[kTemplateHash] = hash;
    rs.metadata.labels = rs.spec.template_.metadata.labels;
    rs.spec.selector = d_.spec.selector;
    rs.spec.selector.Mutable().matchLabels[kTemplateHash] = hash;
    rs.spec.minReadySeconds = d_.spec.minReadySeconds;
    const std::int32_t size = NextFreshSize();
    rs.spec.replicas = size;
    SyncAnnotations(d_, NextRevision(), rs);
    SetSizeAnnotations(d_, rs);
    if (size > 0) Say(rs, 0, size);
    if (HasProgressDeadline(d_)) {
      if (view_.create_error.empty()) {
        Conditions().Set("Progressing", "True", "NewReplicaSetCreated",
                         fmt::format("Created new replica set \"{}\"", rs.metadata.name.view()));
      } else {
        Conditions().Set("Progressing", "False", "ReplicaSetCreateError", view_.create_error);
      }
    }
    plan_.create = std::move(rs);
    return false;
  }

  void SetRevision(const meta::v1::ObjectMeta& from) {
    const Str* revision = from.annotations.Find(kRevision);
    const Str* now = d_.metadata.annotations.Find(kRevision);
    if (revision == nullptr || (now != nullptr && *now == *revision)) return;
    Deployment annotated = d_;
    annotated.metadata.annotations[kRevision] = *revision;
    plan_.annotate = std::move(annotated);
  }

  void Say(const ReplicaSet& rs, std::int32_t from, std::int32_t to) {
    plan_.scaled[rs.metadata.name.str()] = fmt::format("Scaled {} replica set {} from {} to {}",
                                                       to > from ? "up" : "down", rs.metadata.name.view(), from, to);
  }

  void Resize(std::size_t i, std::int32_t size) {
    SetSizeAnnotations(d_, sets_[i]);
    sets_[i].spec.replicas = size;
  }

  // Follows a change of spec.replicas with the replica sets as they are, without going on with a rollout.
  void Scale() {
    std::vector<std::size_t> active;
    for (std::size_t i = 0; i < sets_.size(); ++i) {
      if (Replicas(sets_[i]) > 0) active.push_back(i);
    }
    if (active.size() <= 1) {
      std::optional<std::size_t> only = fresh_;
      if (!active.empty()) {
        only = active.front();
      } else if (!only && !sets_.empty()) {
        only = sets_.size() - 1;  // the newest
      }
      if (only) Resize(*only, Replicas(d_));
      return;
    }
    if (IsSaturated()) {
      for (const std::size_t i : active) {
        if (!IsFresh(i)) Resize(i, 0);
      }
      return;
    }
    if (IsRollingUpdate(d_)) ScaleProportionally(std::move(active));
  }

  // The new replica set has all that is wanted, and it is available. One that has not noticed its size yet may tell of
  // pods that it has taken down.
  bool IsSaturated() {
    const ReplicaSet* rs = Fresh();
    return rs != nullptr && Noticed(*rs) && Replicas(*rs) == Replicas(d_) &&
           rs->status.availableReplicas == Replicas(d_) &&
           IntAnnotation(rs->metadata, kDesiredReplicas) == Replicas(d_);
  }

  void ScaleProportionally(std::vector<std::size_t> active) {
    const std::int32_t allowed = Replicas(d_) > 0 ? Replicas(d_) + MaxSurge(d_) : 0;
    const std::int32_t to_add = allowed - Total();
    // The largest first; of equals the newest when growing, the oldest when shrinking.
    std::sort(active.begin(), active.end(), [&](std::size_t a, std::size_t b) {
      if (Replicas(sets_[a]) != Replicas(sets_[b])) return Replicas(sets_[a]) > Replicas(sets_[b]);
      return to_add > 0 ? a > b : a < b;
    });
    std::vector<std::int32_t> sizes;
    std::int32_t added = 0;
    for (const std::size_t i : active) {
      const std::int32_t share = Proportion(sets_[i], d_, to_add, added);
      sizes.push_back(Replicas(sets_[i]) + share);
      added += share;
    }
    sizes.front() = std::max(0, sizes.front() + to_add - added);  // what rounding left over
    for (std::size_t k = 0; k < active.size(); ++k) Resize(active[k], sizes[k]);
  }

  void Roll() {
    if (!EnsureFresh()) return;
    const std::int32_t size = Replicas(*Fresh());
    const std::int32_t next = NextFreshSize();
    if (next != size) {
      Resize(*fresh_, next);
      return;
    }
    if (ScaleDownOld()) return;
    if (IsComplete(d_, d_.status)) CleanUp();
  }

  // Takes pods from old replica sets: the unhealthy ones first, then as many as availability allows. What is available
  // is known once every replica set has noticed its size: until then one may tell of pods that it has taken down.
  bool ScaleDownOld() {
    if (TotalOld() == 0 || !Settled()) return false;
    const std::int32_t min_available = Replicas(d_) - MaxUnavailable(d_);
    const std::int32_t fresh_unavailable = Replicas(*Fresh()) - Fresh()->status.availableReplicas;
    const std::int32_t max_cleanup = Total() - min_available - fresh_unavailable;
    if (max_cleanup <= 0) return false;
    std::int32_t cleaned = 0;
    for (std::size_t i = 0; i < sets_.size() && cleaned < max_cleanup; ++i) {
      const std::int32_t unhealthy = Replicas(sets_[i]) - sets_[i].status.availableReplicas;
      if (IsFresh(i) || unhealthy <= 0) continue;
      const std::int32_t take = std::min(max_cleanup - cleaned, unhealthy);
      Resize(i, Replicas(sets_[i]) - take);
      cleaned += take;
    }
    std::int32_t spare = TotalAvailable() - min_available;
    for (std::size_t i = 0; i < sets_.size() && spare > 0; ++i) {
      const std::int32_t take = std::min(spare, Replicas(sets_[i]));
      if (IsFresh(i) || take == 0) continue;
      Resize(i, Replicas(sets_[i]) - take);
      spare -= take;
      cleaned += take;
    }
    return cleaned > 0;
  }

  void Recreate() {
    AdoptFresh();
    if (TotalOld() > 0) {
      for (std::size_t i = 0; i < sets_.size(); ++i) {
        if (!IsFresh(i) && Replicas(sets_[i]) > 0) Resize(i, 0);
      }
      return;
    }
    // Old pods count until they are gone, those that are terminating too. A replica set that has not noticed its new
    // size may make more.
    for (std::size_t i = 0; i < sets_.size(); ++i) {
      const apps::v1::ReplicaSetStatus& status = sets_[i].status;
      if (IsFresh(i)) continue;
      if (!Noticed(sets_[i])) return;
      if (status.replicas + status.terminatingReplicas.value_or(0) > 0) return;
    }
    if (!EnsureFresh()) return;
    if (Replicas(*Fresh()) != Replicas(d_)) {
      Resize(*fresh_, Replicas(d_));
    } else if (IsComplete(d_, d_.status)) {
      CleanUp();
    }
  }

  // Deletes the oldest replica sets beyond revisionHistoryLimit that have no pods.
  void CleanUp() {
    if (!d_.spec.revisionHistoryLimit || *d_.spec.revisionHistoryLimit == 0x7fffffff) return;
    std::vector<std::size_t> old;
    for (std::size_t i = 0; i < sets_.size(); ++i) {
      if (!IsFresh(i) && !sets_[i].metadata.deletionTimestamp) old.push_back(i);
    }
    const auto limit = static_cast<std::size_t>(std::max(0, *d_.spec.revisionHistoryLimit));
    if (old.size() <= limit) return;
    std::stable_sort(old.begin(), old.end(), [&](std::size_t a, std::size_t b) {
      return RevisionOf(sets_[a].metadata).value_or(0) < RevisionOf(sets_[b].metadata).value_or(0);
    });
    old.resize(old.size() - limit);
    for (const std::size_t i : old) {
      const ReplicaSet& rs = sets_[i];
      if (rs.status.replicas != 0 || Replicas(rs) != 0 || !Noticed(rs)) continue;
      plan_.remove.push_back(rs);
    }
  }

  void FinishStatus(Progress progress) {
    Deployment with_conditions = d_;
    with_conditions.status = status_;
    DeploymentStatus next = CalculateStatus(with_conditions, sets_, Fresh(), view_.now);
    if (progress == Progress::kFollow && !plan_.create) {
      SyncProgress(d_, d_.status, sets_, Fresh(), view_.now, next);
    }
    status_ = std::move(next);
  }

  DeploymentPlan Finish() {
    for (std::size_t i = 0; i < sets_.size(); ++i) {
      if (DeepEqual(sets_[i], seen_[i])) continue;
      if (Replicas(sets_[i]) != Replicas(seen_[i])) Say(sets_[i], Replicas(seen_[i]), Replicas(sets_[i]));
      plan_.update.push_back(sets_[i]);
    }
    plan_.requeue_after = CheckAgainIn(d_, status_, view_.now);
    // Annotations and status are two writes of one object: the status follows when the annotations are visible.
    if (!plan_.annotate && !DeepEqual(status_, d_.status)) {
      plan_.status = d_;
      plan_.status->status = status_;
    }
    return std::move(plan_);
  }

  const DeploymentView& view_;
  const Deployment& d_;
  std::vector<ReplicaSet> sets_;      // oldest first, as they shall be
  std::vector<ReplicaSet> seen_;      // the same, as they are
  std::optional<std::size_t> fresh_;  // the one of the current template
  DeploymentStatus status_;
  DeploymentPlan plan_;
};

}  // namespace

DeploymentPlan PlanDeployment(const DeploymentView& view) { return Planner(view).Run(); }

}  // namespace minikube::controllers
