// Deletes what its owners have left behind, and carries out foreground and orphaning deletion.
// Semantics: https://kubernetes.io/docs/concepts/architecture/garbage-collection/
#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "controllers/common.h"
#include "controllers/controllers.h"
#include "controllers/owner_graph.h"

namespace minikube::controllers {
namespace {

constexpr std::size_t kMaxVerdicts = 10000;
// An owner that a read has found, but no watch has shown yet, is looked for again after this time.
constexpr Duration kPresenceHolds = std::chrono::seconds(10);

bool HasVerb(const ResourceDesc& resource, std::string_view verb) {
  return std::find(resource.verbs.begin(), resource.verbs.end(), verb) != resource.verbs.end();
}

// Each resource in one version, if its objects can be followed and deleted. Events own nothing and are not owned.
std::vector<const ResourceDesc*> CollectableResources() {
  std::map<std::pair<std::string_view, std::string_view>, const ResourceDesc*> chosen;
  for (const ResourceDesc& resource : AllResources()) {
    if (!HasVerb(resource, "list") || !HasVerb(resource, "watch") || !HasVerb(resource, "delete")) continue;
    if (resource.kind == "Event") continue;
    const ResourceDesc*& slot = chosen[{resource.group, resource.plural}];
    if (slot == nullptr || resource.version == resource.storage_version) slot = &resource;
  }
  std::vector<const ResourceDesc*> out;
  for (const auto& [name, resource] : chosen) out.push_back(resource);
  return out;
}

class GarbageCollector final : public Controller, public Reconciler {
 public:
  explicit GarbageCollector(const ControllerContext& context)
      : env_(context.env),
        informers_(MakeInformers(context)),
        loop_(context.client, context.strand, context.env, context.log, *this, Pointers(),
              {.name = "garbage-collector", .max_in_flight = 64}) {
    for (const auto& informer : informers_) informer->Start();
  }

  bool Idle() const override { return loop_.Idle(); }

  // The key's name is a UID.
  Plan Reconcile(const ObjectKey& key) override {
    const OwnerGraph::Node* node = graph_.Find(key.name);
    if (node == nullptr) return {};
    const Object& object = *node->object;
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

  std::vector<std::unique_ptr<Informer>> MakeInformers(const ControllerContext& context) {
    std::vector<std::unique_ptr<Informer>> informers;
    for (const ResourceDesc* resource : CollectableResources()) {
      informers.push_back(std::make_unique<Informer>(context.reader, *resource, context.strand, context.env));
      informers.back()->AddHandler([this, resource](const ObjectRef& before, const ObjectRef& after) {
        if (after) {
          OnChanged(*resource, before, after);
        } else {
          OnDeleted(*before);
        }
      });
    }
    return informers;
  }
  std::vector<Informer*> Pointers() const {
    std::vector<Informer*> out;
    for (const auto& informer : informers_) out.push_back(informer.get());
    return out;
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

  // An update of any kind of object, for changes to its metadata.
  template <typename Change>
  static ApiRequest UpdateMeta(const OwnerGraph::Node& node, Change change) {
    ObjectPtr copy = ObjectPtr::Clone(*node.object);
    change(copy->mutable_meta());
    ApiRequest request;
    request.verb = Verb::kUpdate;
    request.resource = node.resource;
    request.ns = node.object->meta().namespace_.str();
    request.name = node.object->meta().name.str();
    request.object = std::move(copy).Freeze();
    return request;
  }
  static ApiRequest RemoveFinalizer(const OwnerGraph::Node& node, std::string_view finalizer) {
    return UpdateMeta(node, [finalizer](meta::v1::ObjectMeta& meta) {
      for (std::size_t i = meta.finalizers.size(); i-- > 0;) {
        if (meta.finalizers[i] == finalizer) meta.finalizers.Erase(i);
      }
    });
  }
  static Plan PlanOf(std::vector<ApiRequest> writes) {
    Plan plan;
    plan.writes = std::move(writes);
    plan.tolerate = [](const ApiRequest&, const Status& status) { return status.code() == Code::kNotFound; };
    return plan;
  }

  Plan Orphan(const OwnerGraph::Node& node) {
    const Str uid = node.object->meta().uid;
    std::vector<ApiRequest> writes;
    for (const OwnerGraph::Node& dependent : graph_.DependentsOf(uid)) {
      writes.push_back(UpdateMeta(dependent, [&](meta::v1::ObjectMeta& meta) { RemoveOwner(meta, uid); }));
    }
    // The finalizer goes in a later run, when all dependents are seen without the reference.
    if (writes.empty()) writes.push_back(RemoveFinalizer(node, "orphan"));
    return PlanOf(std::move(writes));
  }

  Plan FinishForeground(const OwnerGraph::Node& node) {
    const Str uid = node.object->meta().uid;
    bool blocked = false;
    for (const OwnerGraph::Node& dependent : graph_.DependentsOf(uid)) {
      if (!FindOwner(*dependent.object, uid)->blockOwnerDeletion.value_or(false)) continue;
      blocked = true;
      if (!dependent.object->meta().deletionTimestamp) Enqueue(dependent.object->meta().uid);
    }
    if (blocked) return {};
    return PlanOf({RemoveFinalizer(node, "foregroundDeletion")});
  }

  // Decides about an object by the state of its owners.
  Plan Judge(const OwnerGraph::Node& node) {
    Plan reads;
    std::vector<Str> gone;  // owners that are absent, or wait for this object to go
    bool kept = false;
    bool awaited = false;
    for (const meta::v1::OwnerReference& owner : node.object->meta().ownerReferences) {
      const OwnerGraph::Node* found = graph_.Find(owner.uid);
      if (found != nullptr && !SameScope(*found, *node.object)) found = nullptr;
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
        reads.requeue_after = kPresenceHolds;
      } else if (std::optional<ApiRequest> read = ReadOf(owner, *node.object)) {
        reads.writes.push_back(*std::move(read));
      } else {
        kept = true;  // of a kind that is not known here: nobody can say that it is gone
      }
    }
    if (!reads.writes.empty()) return Investigate(std::move(reads), node);
    if (gone.empty()) return reads;
    if (kept) {
      return PlanOf({UpdateMeta(node, [&](meta::v1::ObjectMeta& meta) {
        for (const Str& uid : gone) RemoveOwner(meta, uid);
      })});
    }
    return Collect(node, awaited);
  }

  // A namespaced owner counts within its namespace only; a cluster-scoped one everywhere.
  static bool SameScope(const OwnerGraph::Node& owner, const Object& dependent) {
    return !owner.resource->namespaced || owner.object->meta().namespace_ == dependent.meta().namespace_;
  }

  std::optional<ApiRequest> ReadOf(const meta::v1::OwnerReference& owner, const Object& dependent) const {
    for (const auto& informer : informers_) {
      const ResourceDesc& resource = informer->resource();
      const std::string_view api_version = owner.apiVersion;
      const std::string_view group =
          api_version.find('/') == std::string_view::npos ? "" : api_version.substr(0, api_version.find('/'));
      if (resource.kind != owner.kind.view() || resource.group != group) continue;
      if (resource.namespaced && dependent.meta().namespace_.empty()) return std::nullopt;
      ApiRequest request;
      request.verb = Verb::kGet;
      request.resource = &resource;
      request.ns = resource.namespaced ? dependent.meta().namespace_.str() : std::string();
      request.name = owner.name.str();
      return request;
    }
    return std::nullopt;
  }

  // Asks the API server itself before anything is deleted: a watch may lag behind.
  Plan Investigate(Plan plan, const OwnerGraph::Node& node) {
    const auto judge = [this, object = node.object](const ApiRequest& request, std::string_view found_uid) {
      for (const meta::v1::OwnerReference& owner : object->meta().ownerReferences) {
        if (owner.name == request.name && owner.kind == request.resource->kind) {
          Remember(owner.uid.str(), !(owner.uid == found_uid));
        }
      }
    };
    plan.performed = [judge](const ApiRequest& request, const ApiResponse& response) {
      judge(request, response.object->meta().uid);
    };
    plan.tolerate = [judge](const ApiRequest& request, const Status& status) {
      if (status.code() != Code::kNotFound) return false;
      judge(request, "");
      return true;
    };
    plan.requeue_after = Duration(0);
    return plan;
  }

  Plan Collect(const OwnerGraph::Node& node, bool awaited) {
    const meta::v1::ObjectMeta& meta = node.object->meta();
    ApiRequest request = DeleteRequest(*node.resource, meta);
    request.precondition_resource_version = meta.resourceVersion.str();  // the owner references judged upon
    request.propagation = Propagation::kBackground;
    if (awaited && graph_.HasDependents(meta.uid)) {
      request.propagation = Propagation::kForeground;
      // A dependent that waits for its own dependents may wait for this very object: a circle is broken here.
      const std::vector<OwnerGraph::Node> dependents = graph_.DependentsOf(meta.uid);
      const bool circle = std::any_of(dependents.begin(), dependents.end(),
                                      [](const OwnerGraph::Node& d) { return IsDeletingDependents(*d.object); });
      const auto blocks = [](const meta::v1::OwnerReference& owner) {
        return owner.blockOwnerDeletion.value_or(false);
      };
      if (circle && std::any_of(meta.ownerReferences.begin(), meta.ownerReferences.end(), blocks)) {
        return PlanOf({UpdateMeta(node, [](meta::v1::ObjectMeta& m) {
          for (meta::v1::OwnerReference& owner : m.ownerReferences.Mutable()) owner.blockOwnerDeletion = false;
        })});
      }
    } else if (HasFinalizer(meta, "orphan")) {
      request.propagation = Propagation::kOrphan;
    } else if (HasFinalizer(meta, "foregroundDeletion")) {
      request.propagation = Propagation::kForeground;
    }
    return PlanOf({std::move(request)});
  }

  Env& env_;
  OwnerGraph graph_;
  std::map<std::string, Verdict, std::less<>> verdicts_;
  std::vector<std::unique_ptr<Informer>> informers_;
  ReconcileLoop loop_;
};

}  // namespace

std::unique_ptr<Controller> NewGarbageCollector(const ControllerContext& context) {
  return std::make_unique<GarbageCollector>(context);
}

}  // namespace minikube::controllers
