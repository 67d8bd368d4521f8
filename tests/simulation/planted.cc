#include "simulation/planted.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/codec.h>

#include "simulation/promises.h"
#include "simulation/rules.h"

namespace minikube::simulation {
namespace {

using apps::v1::ReplicaSet;
using core::v1::Pod;

constexpr BugInfo kBugs[] = {
    {Bug::kAcknowledgesUnsynced, "acknowledges-unsynced", kNothingLost},
    {Bug::kReadMissesKey, "read-misses-key", kReadsAreCurrent},
    {Bug::kHistorySkips, "history-skips", kHistoryReadable},
    {Bug::kCollectsTooMuch, "collects-too-much", kHistoryReadable},
    {Bug::kSkipsRevisions, "skips-revisions", kBusInOrder},
    {Bug::kWatchDrops, "watch-drops", kWatchComplete},
    {Bug::kWatchRepeats, "watch-repeats", kWatchComplete},
    {Bug::kWatchReorders, "watch-reorders", kWatchComplete},
    {Bug::kBookmarkTooEarly, "bookmark-too-early", kWatchComplete},
    {Bug::kStaleRead, "stale-read", kReadsAreCurrent},
    {Bug::kIgnoresVersion, "ignores-version", kUpdateMeansVersion},
    {Bug::kNotRepeatable, "not-repeatable", kRepeatable},
    {Bug::kBindsTwice, "binds-twice", kBoundOnce},
    {Bug::kBindsAnywhere, "binds-anywhere", kNodesHold},
    {Bug::kCreatesTwice, "creates-twice", kReplicasExact},
    {Bug::kNeverScalesDown, "never-scales-down", kReplicasConverge},
    {Bug::kSurgesTooFar, "surges-too-far", kSurge},
    {Bug::kTakesTooMany, "takes-too-many", kAvailable},
    {Bug::kRecreatesEarly, "recreates-early", kRecreate},
    {Bug::kKeepsOrphans, "keeps-orphans", kNoOrphans},
    {Bug::kDeletesOrphans, "deletes-orphans", kOrphansStay},
    {Bug::kForegroundTooEarly, "foreground-too-early", kForeground},
    {Bug::kLeaksSandbox, "leaks-sandbox", kNoLeakOnNodes},
    {Bug::kLosesPodStatus, "loses-pod-status", kConverges},
    {Bug::kNeverFinalizes, "never-finalizes", kNamespacesVanish},
    {Bug::kLeaksWatch, "leaks-watch", kNoLeakAtStop},
    {Bug::kLeaksTimer, "leaks-timer", kNoLeakAtStop},
};

bool IsFor(const ApiRequest& request, std::string_view plural, std::string_view subresource = {}) {
  return request.resource->plural == plural && request.subresource == subresource;
}

// "It is done", while nothing is.
Result<ApiResponse> Pretend(const ApiRequest& request) {
  ApiResponse response;
  response.object = request.object;
  return response;
}

class Planted final : public PlantedBug {
 public:
  Planted(Bug bug, SimulatedEnv& env, const Truth& truth, Network& network, SimulatedCluster& cluster)
      : env_(env), truth_(truth), cluster_(cluster) {
    Into(bug, network.tampering);
    cluster.runtime_hooks.forgets_sandboxes = bug == Bug::kLeaksSandbox;
  }

 private:
  void Into(Bug bug, Tampering& into) {
    switch (bug) {
      case Bug::kWatchDrops:
        into.events = [this](const std::string&, const ApiRequest&, std::vector<WatchEvent>& events) {
          if (++count_ % 50 == 0 && events.size() > 1) events.erase(events.begin());
        };
        return;
      case Bug::kWatchRepeats:
        into.events = [this](const std::string&, const ApiRequest&, std::vector<WatchEvent>& events) {
          if (++count_ % 100 == 0) events.push_back(events.back());
        };
        return;
      case Bug::kWatchReorders:
        into.events = [](const std::string&, const ApiRequest&, std::vector<WatchEvent>& events) {
          if (events.size() > 1) std::swap(events.front(), events.back());
        };
        return;
      case Bug::kBookmarkTooEarly:
        into.events = [](const std::string&, const ApiRequest&, std::vector<WatchEvent>& events) {
          for (WatchEvent& event : events) {
            if (event.type == WatchEvent::Type::kBookmark) event.revision += 50;
          }
        };
        return;
      case Bug::kStaleRead:
        into.answer = [this](const std::string&, const ApiRequest& request, ApiResponse& response) {
          if (request.verb != Verb::kList) return;
          const auto [it, first] = reads_.try_emplace({request.resource, request.ns}, response);
          if (!first) response = it->second;
        };
        return;
      case Bug::kIgnoresVersion:
        into.request = [](const std::string& user, ApiRequest& request) {
          if (user != kUser || request.verb != Verb::kUpdate || !request.object) return;
          ObjectPtr copy = ObjectPtr::Clone(*request.object);
          copy->mutable_meta().resourceVersion = {};
          request.object = std::move(copy).Freeze();
        };
        return;
      case Bug::kNotRepeatable:
        into.latency = [] {
          static std::int64_t calls = 0;  // survives its simulation: that is the bug
          return std::chrono::microseconds(100 + ++calls % 1009);
        };
        return;
      case Bug::kBindsTwice:
        into.also = [this](const std::string& user, const ApiRequest& request) {
          if (IsFor(request, "pods", "binding") && user == "system:kube-scheduler") BindAgain();
          return std::vector<ApiRequest>();
        };
        return;
      case Bug::kBindsAnywhere:
        into.request = [this](const std::string&, ApiRequest& request) {
          if (!IsFor(request, "pods", "binding")) return;
          ObjectPtr copy = ObjectPtr::Clone(*request.object);
          copy->As<core::v1::Binding>().target.name = cluster_.node(0).name;
          request.object = std::move(copy).Freeze();
        };
        return;
      case Bug::kCreatesTwice:
        into.also = [](const std::string& user, const ApiRequest& request) {
          std::vector<ApiRequest> more;
          if (user == kReplicaSetUser && request.verb == Verb::kCreate && IsFor(request, "pods"))
            more.push_back(request);
          return more;
        };
        return;
      case Bug::kNeverScalesDown:
        into.instead = [](const std::string& user, const ApiRequest& request) -> std::optional<Result<ApiResponse>> {
          if (user != kReplicaSetUser || request.verb != Verb::kDelete) return std::nullopt;
          return Pretend(request);
        };
        return;
      case Bug::kSurgesTooFar:
        into.request = [](const std::string& user, ApiRequest& request) {
          const bool writes = request.verb == Verb::kUpdate || request.verb == Verb::kCreate;
          if (user != kDeploymentUser || !writes || !IsFor(request, "replicasets")) return;
          ObjectPtr copy = ObjectPtr::Clone(*request.object);
          auto& replicas = copy->As<ReplicaSet>().spec.replicas;
          if (replicas.value_or(0) > 0) replicas = *replicas + 2;
          request.object = std::move(copy).Freeze();
        };
        return;
      case Bug::kTakesTooMany:
        into.also = [this](const std::string& user, const ApiRequest& request) {
          std::vector<ApiRequest> more;
          if (user != kReplicaSetUser || request.verb != Verb::kDelete || !IsFor(request, "pods")) return more;
          for (const auto& [key, object] : truth_.objects(truth_.UnitOf<Pod>())) {
            if (!(key.ns == request.ns) || key.name == request.name || ControllerRef(object->meta()) == nullptr)
              continue;
            more.push_back(request);
            more.back().name = key.name.str();
            more.back().precondition_uid = object->meta().uid.str();
          }
          return more;
        };
        return;
      case Bug::kRecreatesEarly:
        into.also = [this](const std::string& user, const ApiRequest& request) { return CreateEarly(user, request); };
        return;
      case Bug::kKeepsOrphans:
        into.instead = [](const std::string& user, const ApiRequest& request) -> std::optional<Result<ApiResponse>> {
          if (user != kCollectorUser || request.verb != Verb::kDelete) return std::nullopt;
          return Pretend(request);
        };
        return;
      case Bug::kDeletesOrphans:
      case Bug::kForegroundTooEarly:
        into.request = [](const std::string& user, ApiRequest& request) {
          if (user == kUser && request.verb == Verb::kDelete) request.propagation = Propagation::kBackground;
        };
        return;
      case Bug::kLosesPodStatus:
        into.instead = [this](const std::string& user,
                              const ApiRequest& request) -> std::optional<Result<ApiResponse>> {
          if (user != "system:node:" + cluster_.node(0).name || !IsFor(request, "pods", "status")) return std::nullopt;
          const ObjectRef pod = truth_.Find(truth_.UnitOf<Pod>(), ObjectKey{request.ns, request.name});
          if (!pod) return std::nullopt;
          ApiResponse response;
          response.object = pod;
          return response;
        };
        return;
      case Bug::kNeverFinalizes:
        into.instead = [](const std::string& user, const ApiRequest& request) -> std::optional<Result<ApiResponse>> {
          if (user != kNamespaceUser || request.subresource != "finalize") return std::nullopt;
          return Pretend(request);
        };
        return;
      case Bug::kLeaksWatch:
        into.keeps_connections = true;
        return;
      case Bug::kLeaksTimer:
        into.request = [this](const std::string&, ApiRequest&) {
          if (leak_ != nullptr) return;
          leak_ = env_.NewStrand("forgotten");
          leak_->After(std::chrono::hours(1000), [] {});
        };
        return;
      default:
        return;  // the disk's
    }
  }

  // Writes to the store past the API server, as one without its checks would.
  void BindAgain() {
    Store* store = cluster_.store();
    if (store == nullptr || cluster_.nodes() < 2) return;
    for (const auto& [key, object] : truth_.objects(truth_.UnitOf<Pod>())) {
      const Pod& pod = object->As<Pod>();
      if (pod.spec.nodeName.empty()) continue;
      ObjectPtr moved = ObjectPtr::Clone(*object);
      moved->As<Pod>().spec.nodeName = cluster_.node(pod.spec.nodeName == cluster_.node(0).name ? 1 : 0).name;
      moved->mutable_meta().resourceVersion = {};
      std::string value;
      Encode(MediaType::kProtobuf, *moved, value);
      Transaction txn;
      txn.writes.push_back({.key = truth_.UnitOf<Pod>().Key(key.ns, key.name), .value = std::move(value)});
      return store->Commit(std::move(txn), [](const Result<CommitResult>&) {});
    }
  }

  // When a deployment that recreates has taken its replica sets down, a pod of a new one comes at once.
  std::vector<ApiRequest> CreateEarly(const std::string& user, const ApiRequest& request) {
    std::vector<ApiRequest> more;
    if (user != kDeploymentUser || !IsFor(request, "deployments", "status")) return more;
    const auto& deployment = request.object->As<apps::v1::Deployment>();
    if (!(deployment.spec.strategy.type == "Recreate") || deployment.spec.replicas.value_or(1) == 0) return more;
    std::optional<ReplicaSet> old;
    for (const auto& [key, object] : truth_.objects(truth_.UnitOf<ReplicaSet>())) {
      const meta::v1::OwnerReference* owner = ControllerRef(object->meta());
      if (owner == nullptr || !(owner->uid == deployment.metadata.uid)) continue;
      old = object->As<ReplicaSet>();
      if (old->spec.replicas.value_or(1) != 0) return more;
    }
    if (!old) return more;
    ReplicaSet early;
    early.metadata.name = old->metadata.name.str() + "-early";
    early.metadata.namespace_ = old->metadata.namespace_;
    early.metadata.labels = old->metadata.labels;
    early.metadata.ownerReferences = old->metadata.ownerReferences;
    early.spec = old->spec;
    early.spec.replicas = 1;
    more.push_back(Client::RequestFor(Verb::kCreate, early));
    return more;
  }

  SimulatedEnv& env_;
  const Truth& truth_;
  SimulatedCluster& cluster_;
  int count_ = 0;
  std::map<std::pair<const ResourceDesc*, std::string>, ApiResponse> reads_;
  std::unique_ptr<Strand> leak_;
};

}  // namespace

std::span<const BugInfo> AllBugs() { return kBugs; }

std::unique_ptr<PlantedBug> Plant(Bug bug, SimulatedEnv& env, const Truth& truth, Network& network,
                                  SimulatedCluster& cluster) {
  return std::make_unique<Planted>(bug, env, truth, network, cluster);
}

}  // namespace minikube::simulation
