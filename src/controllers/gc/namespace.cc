// Empties a namespace that is being deleted, and then lets it go.
// Semantics: https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/ and KEP-5080 (ordered
// deletion).
#include <algorithm>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "controllers/controllers.h"
#include "controllers/gc/namespace_status.h"
#include "controllers/gc/served_resources.h"

namespace minikube::controllers {
namespace {

using core::v1::Namespace;

constexpr std::string_view kFinalizer = "kubernetes";
constexpr Duration kFirstLook = std::chrono::milliseconds(50);
constexpr Duration kLongestWait = std::chrono::seconds(5);

// Everything that can be in a namespace, each resource in one version.
std::vector<const ResourceDesc*> ContentResources(Client& client) {
  std::vector<const ResourceDesc*> out = ServedResources(client, {"list", "deletecollection"});
  std::erase_if(out, [](const ResourceDesc* resource) { return !resource->namespaced; });
  return out;
}

// Whether a definition has changed since the server was asked: what it said of a resource that is not served (so) any
// more is not that there are no objects.
bool IsOutdated(const LastRun& last, std::span<const ResourceDesc* const> resources) {
  return std::any_of(last.answers.begin(), last.answers.end(), [&](const LastRun::Answer& answer) {
    return std::find(resources.begin(), resources.end(), answer.request.resource) == resources.end();
  });
}

// What the API server said is in the namespace.
NamespaceContent ContentOf(const LastRun& last, std::vector<const ResourceDesc*>& occupied) {
  NamespaceContent content;
  for (const LastRun::Answer& answer : last.answers) {
    if (!answer.response || answer.response->items.empty()) continue;
    const ResourceDesc& resource = *answer.request.resource;
    occupied.push_back(&resource);
    content.remaining[fmt::format("{}.{}", resource.plural, resource.group)] = answer.response->items.size();
    for (const ObjectRef& item : answer.response->items) {
      for (const Str& finalizer : item->meta().finalizers) ++content.finalizers[finalizer.str()];
    }
  }
  for (const LastRun::Failure& failure : last.failures) {
    if (failure.request.verb != Verb::kDeleteCollection) continue;
    content.failures.push_back(fmt::format("{}: {}", failure.request.resource->plural, failure.status.message()));
  }
  return content;
}

// Deletes all of `occupied`. Pods go first: what they use (secrets, policies, accounts) outlives them.
void Empty(const Namespace& ns, const std::vector<const ResourceDesc*>& occupied, Plan& plan) {
  const auto* const pods = &Client::ResourceOf<core::v1::Pod>();
  const bool pods_first = std::find(occupied.begin(), occupied.end(), pods) != occupied.end();
  for (const ResourceDesc* resource : occupied) {
    if (pods_first && resource != pods) continue;
    ApiRequest request;
    request.verb = Verb::kDeleteCollection;
    request.resource = resource;
    request.ns = ns.metadata.name.str();
    request.propagation = Propagation::kBackground;
    plan.Add(std::move(request));
  }
}

}  // namespace

// Asks what is there, and in the next run acts on the answers.
Plan ReconcileNamespace(const View& view, const Namespace& ns, std::span<const ResourceDesc* const> resources,
                        Duration pause) {
  Plan plan;
  const auto ours = std::find(ns.spec.finalizers.begin(), ns.spec.finalizers.end(), kFinalizer);
  if (!ns.metadata.deletionTimestamp || ours == ns.spec.finalizers.end()) return plan;
  if (view.last().answers.empty() || IsOutdated(view.last(), resources)) {
    for (const ResourceDesc* resource : resources)
      plan.ReadAll(*resource, ns.metadata.name).Ignore(Code::kMethodNotAllowed);
    return plan;
  }
  std::vector<const ResourceDesc*> occupied;
  const NamespaceContent content = ContentOf(view.last(), occupied);
  core::v1::NamespaceStatus status = ns.status;
  SyncDeletionConditions(status.conditions, content, view.Now());
  plan.Status(ns, status);
  if (!occupied.empty()) {
    Empty(ns, occupied, plan);
    plan.NoRetry().Again(pause);  // what failed is told in the conditions, and tried again
  } else if (!plan.empty()) {
    plan.Again(Duration(0));
  } else {
    Namespace next = ns;
    next.spec.finalizers.Erase(static_cast<std::size_t>(ours - ns.spec.finalizers.begin()));
    plan.Update(next, "finalize").IgnoreGone();
  }
  return plan;
}

ControllerEntry NamespaceController() {
  constexpr std::string_view kName = "namespace-controller";
  return {std::string(kName), [kName](const ControllerContext& context) {
            // How often it has been looked at, for longer and longer pauses.
            const auto rounds = std::make_shared<std::map<ObjectKey, int>>();
            return For<Namespace>(std::string(kName))
                .When([](const View&, const Namespace& ns) { return ns.metadata.deletionTimestamp.has_value(); })
                .WhenGone([rounds](const View&, const ObjectKey& key) {
                  rounds->erase(key);
                  return Plan();
                })
                .Reconciles([rounds, &client = context.client](const View& view, const Namespace& ns) {
                  int& round = (*rounds)[KeyOf(ns)];
                  const Duration pause = std::min(kFirstLook * (1 << std::min(round, 10)), kLongestWait);
                  if (!view.last().answers.empty()) ++round;
                  return ReconcileNamespace(view, ns, ContentResources(client), pause);
                })
                .make(context);
          }};
}

}  // namespace minikube::controllers
