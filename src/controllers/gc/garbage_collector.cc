// Deletes what its owners have left behind, and carries out foreground and orphaning deletion.
// Semantics: https://kubernetes.io/docs/concepts/architecture/garbage-collection/
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <minikube/reconciler.h>

#include "controllers/controllers.h"
#include "controllers/gc/followed_kinds.h"
#include "controllers/gc/owner_graph.h"
#include "kube/names.h"
#include "kube/owners.h"

namespace minikube::controllers {
namespace {

constexpr std::size_t kMaxVerdicts = 10000;
// An owner that a read has found, but no watch has shown yet, is looked for again after this time.
constexpr Duration kPresenceHolds = std::chrono::seconds(10);

class Collector final : public Controller, public Reconciler {
 public:
  explicit Collector(const ControllerContext& context)
      : env_(context.env),
        kinds_(context, Listening()),
        events_(context.client, context.strand, context.env, "garbage-collector-controller"),
        loop_(context.client, context.strand, context.env, context.log, *this, kinds_.built_in(),
              {.name = "garbage-collector", .max_in_flight = 64}, &events_) {}

  bool Idle() const override { return loop_.Idle() && kinds_.HasSynced() && held_.empty(); }

  // The key's name is a UID.
  Plan Reconcile(const ObjectKey& key, const LastRun& last) override {
    const OwnerGraph::Node* node = graph_.Find(key.name);
    if (node == nullptr) return {};
    if (!kinds_.HasSynced()) {
      held_.insert(key);  // dependents of a new kind may not have been seen yet
      return {};
    }
    const Object& object = *node->object;
    for (const LastRun::Answer& answer : last.answers) Remember(object, answer);
    if (IsOrphaning(object)) return Orphan(*node);
    if (IsDeletingDependents(object)) return FinishForeground(*node);
    if (object.meta().deletionTimestamp || object.meta().ownerReferences.empty()) return {};
    return Judge(*node);
  }

 private:
  // What a read said about an owner that the graph does not have.
  struct Verdict {
    bool absent = false;
    MonoTime seen{};
  };

  FollowedKinds::Listener Listening() {
    const auto changed = [this](const ResourceDesc& resource, const ObjectRef& before, const ObjectRef& after) {
      if (after) {
        OnChanged(resource, before, after);
      } else {
        OnDeleted(*before);
      }
    };
    const auto lost = [this](const Object& object) { graph_.Remove(object); };
    const auto synced = [this] {
      for (const ObjectKey& key : std::exchange(held_, {})) loop_.Enqueue(key);
    };
    return {changed, lost, synced};
  }

  void Enqueue(std::string_view uid) { loop_.Enqueue(ObjectKey{Str(), uid}); }

  void OnChanged(const ResourceDesc& resource, const ObjectRef& before, const ObjectRef& after) {
    graph_.Put(resource, after);
    const meta::v1::ObjectMeta& meta = after->meta();
    if (!before) verdicts_.erase(meta.uid.str());
    if (before && !before->meta().ownerReferences.same(meta.ownerReferences)) EnqueueWaiting(*before);
    const bool started_deleting = meta.deletionTimestamp && before && !before->meta().deletionTimestamp;
    if (started_deleting) EnqueueWaiting(*after);
    if (IsOrphaning(*after) || IsDeletingDependents(*after)) return Enqueue(meta.uid);
    for (const meta::v1::OwnerReference& owner : meta.ownerReferences) {
      const OwnerGraph::Node* node = graph_.Find(owner.uid);
      if (node == nullptr || !SameScope(*node, *after)) {
        Enqueue(meta.uid);
      } else if (IsDeletingDependents(*node->object) || IsOrphaning(*node->object)) {
        Enqueue(meta.uid);
        Enqueue(owner.uid);
      }
    }
  }

  void OnDeleted(const Object& object) {
    const Str uid = object.meta().uid;
    graph_.Remove(object);
    for (const OwnerGraph::Node& dependent : graph_.DependentsOf(uid)) {
      Remember(uid.str(), true);  // a UID never comes back
      Enqueue(dependent.object->meta().uid);
    }
    EnqueueWaiting(object);
  }

  // Owners that wait for this one.
  void EnqueueWaiting(const Object& object) {
    for (const meta::v1::OwnerReference& owner : object.meta().ownerReferences) {
      const OwnerGraph::Node* node = graph_.Find(owner.uid);
      if (node != nullptr && node->object->meta().deletionTimestamp) Enqueue(owner.uid);
    }
  }

  void Remember(std::string uid, bool absent) {
    if (verdicts_.size() >= kMaxVerdicts) verdicts_.clear();  // they can be had again
    verdicts_[std::move(uid)] = {absent, env_.clock().MonoNow()};
  }

  void Remember(const Object& dependent, const LastRun::Answer& answer) {
    if (!answer.response && !kinds_.IsServed(*answer.request.resource)) return;
    const std::string_view found = answer.response ? answer.response->object->meta().uid.view() : std::string_view();
    for (const meta::v1::OwnerReference& owner : dependent.meta().ownerReferences) {
      if (owner.name == answer.request.name && owner.kind == answer.request.resource->kind) {
        Remember(owner.uid.str(), !(owner.uid == found));
      }
    }
  }

  // An update of any kind of object, for changes to its metadata.
  template <typename Change>
  static void UpdateMeta(const OwnerGraph::Node& node, Plan& plan, Change change) {
    ObjectPtr copy = ObjectPtr::Clone(*node.object);
    change(copy->mutable_meta());
    ApiRequest request;
    request.verb = Verb::kUpdate;
    request.resource = node.resource;
    request.ns = node.object->meta().namespace_.str();
    request.name = node.object->meta().name.str();
    request.object = std::move(copy).Freeze();
    plan.Add(std::move(request)).IgnoreGone();
  }
  static void RemoveFinalizer(const OwnerGraph::Node& node, Plan& plan, std::string_view finalizer) {
    UpdateMeta(node, plan, [finalizer](meta::v1::ObjectMeta& meta) { kube::RemoveFinalizer(meta, finalizer); });
  }

  Plan Orphan(const OwnerGraph::Node& node) {
    const Str uid = node.object->meta().uid;
    Plan plan;
    for (const OwnerGraph::Node& dependent : graph_.DependentsOf(uid)) {
      UpdateMeta(dependent, plan, [&](meta::v1::ObjectMeta& meta) { kube::RemoveOwner(meta, uid); });
    }
    // The finalizer goes in a later run, when all dependents are seen without the reference.
    if (plan.empty()) RemoveFinalizer(node, plan, "orphan");
    return plan;
  }

  Plan FinishForeground(const OwnerGraph::Node& node) {
    const Str uid = node.object->meta().uid;
    bool blocked = false;
    Plan plan;
    for (const OwnerGraph::Node& dependent : graph_.DependentsOf(uid)) {
      if (!kube::FindOwner(dependent.object->meta(), uid)->blockOwnerDeletion.value_or(false)) continue;
      blocked = true;
      if (!dependent.object->meta().deletionTimestamp) Enqueue(dependent.object->meta().uid);
    }
    if (!blocked) RemoveFinalizer(node, plan, "foregroundDeletion");
    return plan;
  }

  // Decides about an object by the state of its owners.
  Plan Judge(const OwnerGraph::Node& node) {
    Plan reads;
    std::vector<Str> gone;  // owners that are absent, or wait for this object to go
    bool kept = false;
    bool awaited = false;
    for (const meta::v1::OwnerReference& owner : node.object->meta().ownerReferences) {
      const OwnerGraph::Node* found = graph_.Find(owner.uid);
      const bool elsewhere = found != nullptr && !SameScope(*found, *node.object);
      if (elsewhere) found = nullptr;
      if (found != nullptr) {
        if (IsDeletingDependents(*found->object)) {
          awaited = true;
          gone.push_back(owner.uid);
        } else {
          kept = true;
        }
        continue;
      }
      const auto verdict = verdicts_.find(owner.uid.str());
      if (verdict != verdicts_.end() && verdict->second.absent) {
        gone.push_back(owner.uid);
      } else if (verdict != verdicts_.end() && env_.clock().MonoNow() - verdict->second.seen < kPresenceHolds) {
        kept = true;
        reads.Again(kPresenceHolds);
      } else if (std::optional<ApiRequest> read = ReadOf(owner, *node.object)) {
        reads.Add(*std::move(read));  // a watch may lag behind: nothing is deleted before the server itself was asked
        if (elsewhere) WarnOf(owner, node, reads);
      } else {
        kept = true;  // of a kind that is not known here: nobody can say that it is gone
      }
    }
    if (!reads.empty() || gone.empty()) return reads;
    if (!kept) return Collect(node, awaited);
    Plan plan;
    UpdateMeta(node, plan, [&](meta::v1::ObjectMeta& meta) {
      for (const Str& uid : gone) kube::RemoveOwner(meta, uid);
    });
    return plan;
  }

  // Who is deleted for such an owner should be told why.
  static void WarnOf(const meta::v1::OwnerReference& owner, const OwnerGraph::Node& node, Plan& plan) {
    const Str& ns = node.object->meta().namespace_;
    plan.About(node.object);
    plan.Warning("OwnerRefInvalidNamespace",
                 fmt::format("ownerRef [{}/{}, namespace: {}, name: {}, uid: {}] does not exist in namespace \"{}\"",
                             owner.apiVersion.view(), owner.kind.view(), ns.view(), owner.name.view(), owner.uid.view(),
                             ns.view()));
  }

  // A namespaced owner counts within its namespace only; a cluster-scoped one everywhere.
  static bool SameScope(const OwnerGraph::Node& owner, const Object& dependent) {
    return !owner.resource->namespaced || owner.object->meta().namespace_ == dependent.meta().namespace_;
  }

  std::optional<ApiRequest> ReadOf(const meta::v1::OwnerReference& owner, const Object& dependent) const {
    const ResourceDesc* resource = kinds_.Find(kube::GroupOf(owner.apiVersion), owner.kind);
    if (resource == nullptr || (resource->namespaced && dependent.meta().namespace_.empty())) return std::nullopt;
    ApiRequest request;
    request.verb = Verb::kGet;
    request.resource = resource;
    request.ns = resource->namespaced ? dependent.meta().namespace_.str() : std::string();
    request.name = owner.name.str();
    return request;
  }

  Plan Collect(const OwnerGraph::Node& node, bool awaited) {
    const meta::v1::ObjectMeta& meta = node.object->meta();
    Plan plan;
    Propagation propagation = Propagation::kBackground;
    if (awaited && graph_.HasDependents(meta.uid)) {
      propagation = Propagation::kForeground;
      // A dependent that waits for its own dependents may wait for this very object: a circle is broken here.
      const std::vector<OwnerGraph::Node> dependents = graph_.DependentsOf(meta.uid);
      const bool circle = std::any_of(dependents.begin(), dependents.end(),
                                      [](const OwnerGraph::Node& d) { return IsDeletingDependents(*d.object); });
      const auto blocks = [](const meta::v1::OwnerReference& owner) {
        return owner.blockOwnerDeletion.value_or(false);
      };
      if (circle && std::any_of(meta.ownerReferences.begin(), meta.ownerReferences.end(), blocks)) {
        UpdateMeta(node, plan, [](meta::v1::ObjectMeta& m) {
          for (meta::v1::OwnerReference& owner : m.ownerReferences.Mutable()) owner.blockOwnerDeletion = false;
        });
        return plan;
      }
    } else if (kube::HasFinalizer(meta, "orphan")) {
      propagation = Propagation::kOrphan;
    } else if (kube::HasFinalizer(meta, "foregroundDeletion")) {
      propagation = Propagation::kForeground;
    }
    // Only the version with the owner references that were judged upon.
    plan.Delete(*node.resource, meta).OfThisVersion(meta).Propagate(propagation).IgnoreGone();
    return plan;
  }

  Env& env_;
  OwnerGraph graph_;
  std::map<std::string, Verdict, std::less<>> verdicts_;
  std::set<ObjectKey> held_;  // until all kinds have been seen
  FollowedKinds kinds_;
  EventRecorder events_;
  ReconcileLoop loop_;
};

}  // namespace

ControllerEntry GarbageCollector() {
  return {"generic-garbage-collector",
          [](const ControllerContext& context) { return std::make_unique<Collector>(context); }};
}

}  // namespace minikube::controllers
