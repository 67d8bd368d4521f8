// Keeps one pod on every node that a DaemonSet means, and brings them to its present template.
// Semantics: https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/
#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include <fmt/format.h>

#include "controllers/controllers.h"
#include "controllers/workloads/daemon_backoff.h"
#include "controllers/workloads/daemon_pod.h"
#include "controllers/workloads/revisions.h"
#include "controllers/workloads/stateful_pod.h"
#include "kube/owners.h"
#include "kube/pods.h"
#include "kube/scaled_value.h"
#include "kube/times.h"

namespace minikube::controllers {
namespace {

using apps::v1::DaemonSet;
using core::v1::Node;
using core::v1::Pod;

// At most so many pods are made, and as many deleted, in one run.
constexpr std::size_t kBurst = 250;

// Bound ones first, then by age.
bool Before(const Pod* a, const Pod* b) {
  if (a->spec.nodeName.empty() != b->spec.nodeName.empty()) return !a->spec.nodeName.empty();
  return kube::Older(a->metadata, b->metadata);
}

class Sync {
 public:
  Sync(const View& view, const DaemonSet& set, DaemonBackoff& backoff, Plan& plan)
      : view_(view), set_(set), backoff_(backoff), plan_(plan) {}

  void Run(const std::vector<const Pod*>& pods, std::vector<const Revision*> revisions) {
    if (!SyncRevisions(revisions)) return;
    Look(pods);
    for (const auto& [name, place] : places_) Manage(name, place);
    // What is missing comes first; the next template follows when that is visible.
    if (create_.empty() && delete_.empty() && IsRolling()) Roll();
    plan_.SlowStart().Status(set_, Status());
    Write();
    if (create_.empty() && delete_.empty()) Truncate(pods, revisions);
  }

 private:
  // A node, and the daemon pods that are on it or on their way there.
  struct Place {
    bool exists = false;
    DaemonFit fit;
    std::vector<const Pod*> pods;  // in order of Before
  };
  // The pods of a node that are not being deleted, if there is at most one of each.
  struct Generations {
    const Pod* fresh = nullptr;
    const Pod* old = nullptr;
    bool excess = false;
  };

  // False while the revision of the present template is being made.
  bool SyncRevisions(std::vector<const Revision*>& revisions) {
    meta::v1::ObjectMeta owner = set_.metadata;
    owner.ownerReferences = {kube::ControllerRefTo(set_)};
    const auto taken = [&](std::string_view name) {
      return view_.Get<Revision>(set_.metadata.namespace_, name) != nullptr;
    };
    const RevisionStep step = SyncRevision(owner, set_.spec.template_, revisions,
                                           set_.status.collisionCount.value_or(0), taken, plan_, kRevisionLabel);
    if (step.update == nullptr) return false;
    collisions_ = step.collisions;
    revision_ = step.update->metadata.name;
    hash_ = HashOf(step.update->metadata);
    return true;
  }
  static std::string_view HashOf(const meta::v1::ObjectMeta& meta) {
    const Str* hash = meta.labels.Find(kRevisionLabel);
    return hash != nullptr ? hash->view() : std::string_view();
  }

  void Look(const std::vector<const Pod*>& pods) {
    const DaemonNodes nodes(set_);
    for (const Node* node : view_.List<Node>()) {
      Place& place = places_[node->metadata.name];
      place.exists = true;
      place.fit = nodes.Fit(*node);
      if (place.fit.starts) ++desired_;
    }
    for (const Pod* pod : pods) {
      // One that has ended and only waits for its finalizers stands in nobody's way.
      if (kube::IsPodFinished(*pod) && pod->metadata.deletionTimestamp) continue;
      const std::string_view node = TargetNode(*pod);
      if (!node.empty()) places_[node].pods.push_back(pod);
    }
    for (auto& [name, place] : places_) std::sort(place.pods.begin(), place.pods.end(), &Before);
  }

  bool IsAvailable(const Pod& pod) const { return kube::IsPodAvailable(pod, set_.spec.minReadySeconds, view_.Now()); }
  bool IsUpdated(const Pod& pod) const { return HashOf(pod.metadata) == hash_; }

  void Manage(std::string_view node, const Place& place) {
    if (!place.exists) {
      // Pods that were bound go with their node; the others would wait for it for ever.
      for (const Pod* pod : place.pods) {
        if (pod->spec.nodeName.empty()) Delete(*pod);
      }
    } else if (!place.fit.stays) {
      for (const Pod* pod : place.pods) Delete(*pod);
    } else if (place.pods.empty()) {
      if (place.fit.starts) create_.push_back(node);
    } else {
      Keep(node, place);
    }
  }

  // Removes what has ended, and what is too much.
  void Keep(std::string_view node, const Place& place) {
    std::vector<const Pod*> running;
    for (const Pod* pod : place.pods) {
      if (pod->metadata.deletionTimestamp) continue;
      if (pod->status.phase == "Failed") {
        Replace(node, *pod);
      } else if (pod->status.phase == "Succeeded") {
        plan_.Event("SucceededDaemonPod",
                    fmt::format("Found succeeded daemon pod {} on node {}, will try to delete it", NameOf(*pod), node));
        Delete(*pod);
      } else {
        running.push_back(pod);
      }
    }
    if (MaxSurge(1) == 0) {
      for (std::size_t i = 1; i < running.size(); ++i) Delete(*running[i]);
    } else if (running.empty() && place.fit.starts) {
      create_.push_back(node);
    } else if (running.size() > 1) {
      KeepPair(running);
    }
  }
  // An old pod beside its successor, until that is available or the old one is no good any more.
  void KeepPair(const std::vector<const Pod*>& running) {
    const Pod* fresh = nullptr;
    const Pod* old = nullptr;
    for (const Pod* pod : running) {
      const Pod*& oldest = IsUpdated(*pod) ? fresh : old;
      if (oldest == nullptr) {
        oldest = pod;
      } else {
        Delete(*pod);
      }
    }
    if (fresh != nullptr && old != nullptr && (!kube::IsPodReady(*old) || IsAvailable(*fresh))) Delete(*old);
  }

  void Replace(std::string_view node, const Pod& pod) {
    const Duration wait = backoff_.Wait(KeyOf(set_), set_.metadata.generation, node, view_.MonoNow());
    if (wait > Duration::zero()) return plan_.Again(wait);
    plan_.Warning("FailedDaemonPod",
                  fmt::format("Found failed daemon pod {} on node {}, will try to kill it", NameOf(pod), node));
    Delete(pod);
  }

  bool IsRolling() const { return !(set_.spec.updateStrategy.type == "OnDelete"); }
  std::int32_t MaxSurge(std::int32_t of) const {
    const auto* rolling = set_.spec.updateStrategy.rollingUpdate.get();
    if (!IsRolling() || rolling == nullptr || !rolling->maxSurge) return 0;
    return kube::ScaledValue(*rolling->maxSurge, of, kube::Round::kUp);
  }
  std::int32_t MaxUnavailable() const {
    const auto* rolling = set_.spec.updateStrategy.rollingUpdate.get();
    if (rolling == nullptr || !rolling->maxUnavailable) return 1;
    // With a surge of none, none unavailable would mean that nothing ever moves.
    return std::max(1, kube::ScaledValue(*rolling->maxUnavailable, desired_, kube::Round::kUp));
  }

  Generations Sort(const Place& place) const {
    Generations out;
    for (const Pod* pod : place.pods) {
      if (pod->metadata.deletionTimestamp) continue;
      const Pod*& one = IsUpdated(*pod) ? out.fresh : out.old;
      out.excess = out.excess || one != nullptr;
      one = pod;
    }
    return out;
  }

  void Roll() {
    if (MaxSurge(desired_) > 0) {
      Surge(MaxSurge(desired_));
    } else {
      Exchange(MaxUnavailable());
    }
  }

  // Deletes old pods; their successors come when they have gone.
  void Exchange(std::int32_t max_unavailable) {
    std::vector<const Pod*> candidates;
    for (const auto& [name, place] : places_) {
      if (place.pods.empty() && !place.fit.starts) continue;
      const Generations pods = Sort(place);
      if (!pods.excess && pods.old != nullptr && pods.fresh == nullptr) {
        if (IsAvailable(*pods.old)) {
          candidates.push_back(pods.old);
          continue;
        }
        Delete(*pods.old);  // nothing is lost by it
      } else if (!pods.excess && pods.old == nullptr && pods.fresh != nullptr && IsAvailable(*pods.fresh)) {
        continue;
      }
      --max_unavailable;
    }
    for (const Pod* pod : candidates) {
      if (max_unavailable-- <= 0) return;
      Delete(*pod);
    }
  }

  // Makes new pods beside the old ones, which go when their successors are available.
  void Surge(std::int32_t max_surge) {
    std::vector<std::string_view> candidates;
    std::vector<const Pod*> misplaced;  // available on nodes where they should not be
    std::int32_t available = 0;
    for (const auto& [name, place] : places_) {
      const Generations pods = Sort(place);
      if (pods.excess) {
        --max_surge;
        continue;
      }
      const Pod* counted = pods.old != nullptr ? pods.old : pods.fresh;
      if (counted != nullptr && IsAvailable(*counted)) ++available;
      if (pods.old == nullptr) continue;
      if (pods.fresh != nullptr) {
        if (IsAvailable(*pods.fresh)) {
          Delete(*pods.old);
        } else {
          --max_surge;
        }
      } else if (IsAvailable(*pods.old)) {
        if (place.fit.starts) {
          candidates.push_back(name);
        } else {
          misplaced.push_back(pods.old);
        }
      } else if (place.fit.starts) {
        create_.push_back(name);  // a pod that is not available is nobody's surge
      } else {
        Delete(*pods.old);
      }
    }
    // Whoever surges wants as many available as there are nodes: the misplaced go when others are.
    for (const Pod* pod : misplaced) {
      if (available-- <= desired_) break;
      Delete(*pod);
    }
    for (const std::string_view name : candidates) {
      if (max_surge-- <= 0) break;
      create_.push_back(name);
    }
  }

  void Delete(const Pod& pod) {
    if (!pod.metadata.deletionTimestamp) delete_.push_back(&pod);
  }

  void Write() {
    create_.resize(std::min(create_.size(), kBurst));
    delete_.resize(std::min(delete_.size(), kBurst));
    for (const std::string_view node : create_) {
      plan_.Create(NewDaemonPod(set_, node, hash_))
          .Event("SuccessfulCreate", "Created pod: {}")
          .Warning("FailedCreate", "Error creating: {}")
          .Ignore(NamespaceTerminating);
    }
    for (const Pod* pod : delete_) {
      plan_.Delete(*pod)
          .Event("SuccessfulDelete", "Deleted pod: {}")
          .Warning("FailedDelete", "Error deleting: {}")
          .IgnoreGone();
    }
  }

  void Truncate(const std::vector<const Pod*>& pods, const std::vector<const Revision*>& revisions) {
    std::set<std::string_view> hashes;
    for (const Pod* pod : pods) hashes.insert(HashOf(pod->metadata));
    std::set<std::string_view> live{revision_};
    for (const Revision* revision : revisions) {
      if (hashes.contains(HashOf(revision->metadata))) live.insert(revision->metadata.name);
    }
    TruncateHistory(revisions, live, set_.spec.revisionHistoryLimit.value_or(10), plan_);
  }

  // Of each node the first pod counts.
  apps::v1::DaemonSetStatus Status() {
    apps::v1::DaemonSetStatus status;
    status.observedGeneration = set_.metadata.generation;
    status.conditions = set_.status.conditions;
    status.collisionCount = set_.status.collisionCount;
    if (collisions_ > 0) status.collisionCount = collisions_;
    status.desiredNumberScheduled = desired_;
    for (const auto& [name, place] : places_) {
      if (!place.exists || place.pods.empty()) continue;
      if (!place.fit.starts) {
        ++status.numberMisscheduled;
        continue;
      }
      ++status.currentNumberScheduled;
      const Pod& pod = *place.pods.front();
      if (IsUpdated(pod)) ++status.updatedNumberScheduled;
      if (!kube::IsPodReady(pod)) continue;
      ++status.numberReady;
      if (IsAvailable(pod)) ++status.numberAvailable;
    }
    AgainWhenAvailable();
    status.numberUnavailable = desired_ - status.numberAvailable;
    return status;
  }
  void AgainWhenAvailable() {
    for (const auto& [name, place] : places_) {
      for (const Pod* pod : place.pods) {
        const auto at = kube::AvailableAt(*pod, set_.spec.minReadySeconds);
        if (at && *at > view_.Now()) plan_.Again(kube::Since(view_.Now(), *at));
      }
    }
  }

  static std::string NameOf(const Pod& pod) {
    return fmt::format("{}/{}", pod.metadata.namespace_.view(), pod.metadata.name.view());
  }

  const View& view_;
  const DaemonSet& set_;
  DaemonBackoff& backoff_;
  Plan& plan_;
  std::map<std::string_view, Place> places_;  // by node
  std::int32_t desired_ = 0;                  // nodes that should have a pod
  std::string_view revision_;                 // the name of the present template's
  std::string_view hash_;
  std::int32_t collisions_ = 0;
  std::vector<std::string_view> create_;  // on these nodes
  std::vector<const Pod*> delete_;
};

// Wakes those to whom the node is another than it was.
void WakeByNode(const View& view, const Node* before, const Node* after, const Wake& wake) {
  if (before != nullptr && after != nullptr && before->metadata.labels == after->metadata.labels &&
      DeepEqual(before->spec, after->spec)) {
    return;
  }
  for (const DaemonSet* set : view.List<DaemonSet>()) {
    const DaemonNodes nodes(*set);
    const auto fit = [&](const Node* node) { return node != nullptr ? nodes.Fit(*node) : DaemonFit(); };
    if (!(fit(before) == fit(after))) wake(KeyOf(*set));
  }
}

}  // namespace

Plan ReconcileDaemonSet(const View& view, const DaemonSet& set, DaemonBackoff& backoff) {
  Plan plan;
  const Result<LabelSelector> selector = LabelSelector::From(set.spec.selector.get());
  if (!selector || selector->empty()) {
    plan.Warning("SelectingAll", "This daemon set is selecting all pods. A non-empty selector is required.");
    return plan;
  }
  // What it owned may be gone already, so that nothing could be said of it.
  if (set.metadata.deletionTimestamp) return plan;
  const std::vector<const Pod*> pods = Owned<DaemonSet, Pod>::Claim(view, set, plan);
  if (!plan.empty()) return plan;
  std::vector<const Revision*> revisions = Owned<DaemonSet, Revision>::Claim(view, set, plan);
  if (!plan.empty()) return plan;
  Sync(view, set, backoff, plan).Run(pods, std::move(revisions));
  return plan;
}

ControllerEntry DaemonSetController() {
  const auto backoff = std::make_shared<DaemonBackoff>();
  return For<DaemonSet>("daemon-set-controller")
      .Owns<Pod>()
      .Owns<Revision>()
      .Watches<Node>(&WakeByNode)
      .WhenGone([backoff](const View&, const ObjectKey& key) {
        backoff->Forget(key);
        return Plan();
      })
      .Reconciles(
          [backoff](const View& view, const DaemonSet& set) { return ReconcileDaemonSet(view, set, *backoff); });
}

}  // namespace minikube::controllers
