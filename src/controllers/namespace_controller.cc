// Empties a namespace that is being deleted, and then lets it go.
// Semantics: https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/ and KEP-5080 (ordered
// deletion).
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "controllers/common.h"
#include "controllers/controllers.h"
#include "controllers/namespace_status.h"

namespace minikube::controllers {
namespace {

using core::v1::Namespace;

constexpr std::string_view kFinalizer = "kubernetes";
constexpr Duration kFirstLook = std::chrono::milliseconds(50);
constexpr Duration kLongestWait = std::chrono::seconds(5);

bool HasVerb(const ResourceDesc& resource, std::string_view verb) {
  return std::find(resource.verbs.begin(), resource.verbs.end(), verb) != resource.verbs.end();
}

// Everything that can be in a namespace, each resource in one version.
std::vector<const ResourceDesc*> ContentResources() {
  std::map<std::pair<std::string_view, std::string_view>, const ResourceDesc*> chosen;
  for (const ResourceDesc& resource : AllResources()) {
    if (!resource.namespaced || !HasVerb(resource, "list") || !HasVerb(resource, "deletecollection")) continue;
    const ResourceDesc*& slot = chosen[{resource.group, resource.plural}];
    if (slot == nullptr || resource.version == resource.storage_version) slot = &resource;
  }
  std::vector<const ResourceDesc*> out;
  for (const auto& [name, resource] : chosen) out.push_back(resource);
  return out;
}

class NamespaceController final : public Controller, public Reconciler {
 public:
  explicit NamespaceController(const ControllerContext& context)
      : env_(context.env),
        resources_(ContentResources()),
        namespaces_(context.reader, Client::ResourceOf<Namespace>(), context.strand, context.env),
        loop_(context.client, context.strand, context.env, context.log, *this, {&namespaces_}, {.name = "namespace"}) {
    namespaces_.AddHandler([this](const ObjectRef& before, const ObjectRef& after) {
      const ObjectKey key = ObjectKey::Of(after ? *after : *before);
      if (!after) {
        progress_.erase(key);
      } else if (after->meta().deletionTimestamp) {
        loop_.Enqueue(key);
      }
    });
    namespaces_.Start();
  }

  bool Idle() const override { return loop_.Idle(); }

  // Looks at what is there, and in the next run acts on what was seen.
  Plan Reconcile(const ObjectKey& key) override {
    const ObjectRef object = namespaces_.Get(key);
    if (!object || !object->meta().deletionTimestamp) return {};
    const Namespace& ns = object->As<Namespace>();
    if (std::none_of(ns.spec.finalizers.begin(), ns.spec.finalizers.end(),
                     [](const Str& finalizer) { return finalizer == kFinalizer; })) {
      return {};
    }
    Progress& progress = progress_[key];
    if (!progress.looked) return Look(key, progress);
    progress.looked = false;
    Namespace next = ns;
    SyncDeletionConditions(next.status.conditions, progress.content, ToTime(env_.clock().Now()));
    if (!DeepEqual(next.status, ns.status)) {
      progress.looked = true;  // it stays true meanwhile
      Plan plan;
      plan.writes.push_back(UpdateRequest(next, "status"));
      plan.requeue_after = Duration(0);
      return plan;
    }
    if (progress.content.remaining.empty() && progress.content.failures.empty()) return Finalize(ns);
    return Empty(key, progress);
  }

 private:
  struct Progress {
    bool looked = false;
    NamespaceContent content;
    std::vector<const ResourceDesc*> occupied;
    int rounds = 0;
  };

  Plan Look(const ObjectKey& key, Progress& progress) {
    progress.content.remaining.clear();
    progress.content.finalizers.clear();
    progress.occupied.clear();
    progress.looked = true;
    Plan plan;
    for (const ResourceDesc* resource : resources_) {
      ApiRequest request;
      request.verb = Verb::kList;
      request.resource = resource;
      request.ns = key.name.str();
      plan.writes.push_back(std::move(request));
    }
    plan.performed = [this, key](const ApiRequest& request, const ApiResponse& response) {
      const auto it = progress_.find(key);
      if (it == progress_.end() || response.items.empty()) return;
      it->second.occupied.push_back(request.resource);
      NamespaceContent& content = it->second.content;
      content.remaining[fmt::format("{}.{}", request.resource->plural, request.resource->group)] =
          response.items.size();
      for (const ObjectRef& item : response.items) {
        for (const Str& finalizer : item->meta().finalizers) ++content.finalizers[finalizer.str()];
      }
    };
    plan.tolerate = [this, key](const ApiRequest&, const Status& status) {
      if (status.code() == Code::kNotFound || status.code() == Code::kMethodNotAllowed) return true;  // not served
      if (const auto it = progress_.find(key); it != progress_.end()) it->second.looked = false;
      return false;
    };
    plan.requeue_after = Duration(0);
    return plan;
  }

  // Pods go first: what they use (secrets, policies, accounts) outlives them.
  Plan Empty(const ObjectKey& key, Progress& progress) {
    progress.content.failures.clear();
    const auto pods =
        std::find(progress.occupied.begin(), progress.occupied.end(), &Client::ResourceOf<core::v1::Pod>());
    Plan plan;
    for (const ResourceDesc* resource : progress.occupied) {
      if (pods != progress.occupied.end() && resource != *pods) continue;
      ApiRequest request;
      request.verb = Verb::kDeleteCollection;
      request.resource = resource;
      request.ns = key.name.str();
      request.propagation = Propagation::kBackground;
      plan.writes.push_back(std::move(request));
    }
    plan.tolerate = [this, key](const ApiRequest& request, const Status& status) {
      if (const auto it = progress_.find(key); it != progress_.end()) {
        it->second.content.failures.push_back(fmt::format("{}: {}", request.resource->plural, status.message()));
      }
      return true;  // told in the conditions; the next round tries again
    };
    plan.requeue_after = std::min(kFirstLook * (1 << std::min(progress.rounds++, 10)), kLongestWait);
    return plan;
  }

  Plan Finalize(const Namespace& ns) {
    Namespace next = ns;
    for (std::size_t i = next.spec.finalizers.size(); i-- > 0;) {
      if (next.spec.finalizers[i] == kFinalizer) next.spec.finalizers.Erase(i);
    }
    Plan plan;
    plan.writes.push_back(UpdateRequest(next, "finalize"));
    plan.tolerate = [](const ApiRequest&, const Status& status) { return status.code() == Code::kNotFound; };
    return plan;
  }

  Env& env_;
  const std::vector<const ResourceDesc*> resources_;
  std::map<ObjectKey, Progress> progress_;
  Informer namespaces_;
  ReconcileLoop loop_;
};

}  // namespace

std::unique_ptr<Controller> NewNamespaceController(const ControllerContext& context) {
  return std::make_unique<NamespaceController>(context);
}

}  // namespace minikube::controllers
