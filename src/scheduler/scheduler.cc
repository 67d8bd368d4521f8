#include <minikube/scheduler.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/codec.h>
#include <minikube/informer.h>
#include <minikube/reconciler.h>
#include <minikube/scheduler_framework.h>
#include <minikube/selector.h>

#include "kube/conditions.h"
#include "kube/pods.h"
#include "kube/times.h"
#include "scheduler/placement.h"
#include "scheduler/plugins/plugins.h"
#include "scheduler/pod_info.h"
#include "scheduler/queue.h"

namespace minikube {
namespace {

using namespace scheduler;  // NOLINT(google-build-using-namespace): the part's own

// Pods tried in one go before informers get their turn on the strand.
constexpr int kPodsPerTurn = 64;
// Bindings on their way to the API server; more pods wait rather than pile up.
constexpr std::size_t kMaxBinding = 1024;

const core::v1::Pod& PodOf(const ObjectRef& object) { return object->As<core::v1::Pod>(); }

const core::v1::Service& ServiceOf(const ObjectRef& object) { return object->As<core::v1::Service>(); }

// Everything below runs on one strand, but for Start and Stop.
class SchedulerCore {
 public:
  SchedulerCore(SchedulerOptions options, std::unique_ptr<Client> client, Env& env, Logger log)
      : options_(std::move(options)),
        env_(env),
        log_(std::move(log)),
        strand_(env.NewStrand("scheduler")),
        client_(std::move(client)),
        pods_(*client_, Client::ResourceOf<core::v1::Pod>(), *strand_, env),
        nodes_(*client_, Client::ResourceOf<core::v1::Node>(), *strand_, env),
        namespaces_(*client_, Client::ResourceOf<core::v1::Namespace>(), *strand_, env),
        services_(*client_, Client::ResourceOf<core::v1::Service>(), *strand_, env),
        replica_sets_(*client_, Client::ResourceOf<apps::v1::ReplicaSet>(), *strand_, env),
        stateful_sets_(*client_, Client::ResourceOf<apps::v1::StatefulSet>(), *strand_, env),
        events_(*client_, *strand_, env, options_.scheduler_name),
        built_in_(BuiltInPlugins()),
        plugins_(Profile()),
        placement_({plugins_.begin(), plugins_.end()}, table_, env.random()) {}

  void Start() {
    strand_->Post([this] { Begin(); });
  }

  void Stop() { strand_->Stop(); }

 private:
  std::vector<std::unique_ptr<Plugin>> BuiltInPlugins() {
    std::vector<std::unique_ptr<Plugin>> plugins;
    plugins.push_back(NewSchedulingGates());
    plugins.push_back(NewNodeUnschedulable());
    plugins.push_back(NewNodeName());
    plugins.push_back(NewTaintToleration());
    plugins.push_back(NewNodeAffinity());
    plugins.push_back(NewNodePorts());
    plugins.push_back(NewNodeResourcesFit());
    plugins.push_back(NewNodeResourcesBalancedAllocation());
    plugins.push_back(NewPodTopologySpread([this](const Object& pod) { return SelectorsOf(pod); }));
    plugins.push_back(NewInterPodAffinity({.labels =
                                               [this](std::string_view ns) {
                                                 const ObjectRef object = namespaces_.Get("", ns);
                                                 return object ? object->meta().labels : Map<Str>();
                                               },
                                           .generation = [this] { return namespace_generation_; }}));
    return plugins;
  }

  // The profile: what is built in, then what the host adds.
  std::vector<Plugin*> Profile() const {
    std::vector<Plugin*> all;
    for (const auto& plugin : built_in_) all.push_back(plugin.get());
    if (options_.plugins != nullptr) {
      for (const auto& plugin : options_.plugins->plugins()) all.push_back(plugin.get());
    }
    return all;
  }

  void Begin() {
    pods_.AddHandler([this](const ObjectRef& before, const ObjectRef& now) { OnPod(before, now); });
    nodes_.AddHandler([this](const ObjectRef& before, const ObjectRef& now) { OnNode(before, now); });
    namespaces_.AddHandler([this](const ObjectRef& before, const ObjectRef& now) {
      if (!before || !now || before->meta().labels != now->meta().labels) ++namespace_generation_;
    });
    services_.AddHandler([this](const ObjectRef& before, const ObjectRef& now) {
      if (before && now && ServiceOf(before).spec.selector == ServiceOf(now).spec.selector) return;
      Happened(kServiceChanged);
    });
    for (Informer* informer : Informers()) {
      informer->OnSynced([this] { Kick(); });
      informer->Start();
    }
  }

  std::vector<Informer*> Informers() {
    return {&nodes_, &pods_, &namespaces_, &services_, &replica_sets_, &stateful_sets_};
  }
  bool Synced() {
    std::vector<Informer*> all = Informers();
    return std::all_of(all.begin(), all.end(), [](const Informer* informer) { return informer->HasSynced(); });
  }
  MonoTime Now() { return env_.clock().MonoNow(); }

  // --- What informers say -------------------------------------------------------------------------------------------

  void OnNode(const ObjectRef& before, const ObjectRef& now) {
    if (now) {
      Happened(table_.UpsertNode(now));
    } else {
      table_.RemoveNode(before->meta().name);
    }
  }

  void OnPod(const ObjectRef& before, const ObjectRef& now) {
    const ObjectRef& object = now ? now : before;
    const ObjectKey key = ObjectKey::Of(*object);
    const bool waits = now && PodOf(now).spec.nodeName.empty();
    if (waits) return OnWaitingPod(key, now);

    queue_.Remove(key);
    if (const auto it = assumed_.find(key); it != assumed_.end()) {  // the truth replaces the assumption
      table_.RemovePod(it->second.node, *it->second.pod->object);
      assumed_.erase(it);
    }
    if (before && !PodOf(before).spec.nodeName.empty()) table_.RemovePod(PodOf(before).spec.nodeName, *before);
    if (now && !kube::IsPodFinished(PodOf(now))) {
      table_.AddPod(PodOf(now).spec.nodeName, MakePodInfo(now));
      if (!before || PodOf(before).spec.nodeName.empty()) Happened(kAssignedPodAdded);
    } else {
      Happened(kAssignedPodDeleted);
    }
  }

  void OnWaitingPod(const ObjectKey& key, const ObjectRef& object) {
    const core::v1::Pod& pod = PodOf(object);
    if (!(pod.spec.schedulerName == options_.scheduler_name) || kube::IsPodFinished(pod) ||
        pod.metadata.deletionTimestamp) {
      queue_.Remove(key);
      return;
    }
    if (assumed_.contains(key)) return;  // placed; the binding is on its way
    PodInfoRef info = MakePodInfo(object);
    std::string gate;
    for (const Plugin* plugin : plugins_) {
      if (gate.empty()) gate = plugin->PreEnqueue(*info);
    }
    if (!gate.empty())
      SetUnschedulable(object, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates");
    queue_.Upsert(std::move(info), !gate.empty(), Now());
    Kick();
  }

  void Happened(std::uint32_t events) {
    if (events == 0) return;
    queue_.Happened(events, Now());
    Kick();
  }

  // The selectors of what owns or serves the pod: by them it is spread when it declares nothing itself.
  std::vector<LabelSelector> SelectorsOf(const Object& pod) {
    std::vector<LabelSelector> selectors;
    const std::string_view ns = pod.meta().namespace_;
    for (const auto& [key, service] : services_.objects()) {
      const auto& selector = service->As<core::v1::Service>().spec.selector;
      if (key.ns != ns || selector.empty()) continue;
      LabelSelector labels = LabelSelector::FromMap(selector);
      if (labels.Matches(pod.meta().labels)) selectors.push_back(std::move(labels));
    }
    for (const meta::v1::OwnerReference& owner : pod.meta().ownerReferences) {
      if (!owner.controller.value_or(false)) continue;
      const meta::v1::LabelSelector* selector = nullptr;
      ObjectRef object;
      if (owner.kind == "ReplicaSet" && (object = replica_sets_.Get(ns, owner.name))) {
        selector = object->As<apps::v1::ReplicaSet>().spec.selector.get();
      } else if (owner.kind == "StatefulSet" && (object = stateful_sets_.Get(ns, owner.name))) {
        selector = object->As<apps::v1::StatefulSet>().spec.selector.get();
      }
      if (selector == nullptr) continue;
      if (Result<LabelSelector> labels = LabelSelector::From(selector)) selectors.push_back(std::move(labels).value());
    }
    return selectors;
  }

  // --- The cycle ----------------------------------------------------------------------------------------------------

  // Makes sure that a turn is coming.
  void Kick() {
    if (std::exchange(turn_posted_, true)) return;
    strand_->Post([this] { Turn(); });
  }

  void Turn() {
    turn_posted_ = false;
    if (!Synced()) return;
    const std::optional<MonoTime> next = queue_.Advance(Now());
    for (int i = 0; i < kPodsPerTurn && assumed_.size() < kMaxBinding; ++i) {
      std::optional<SchedulingQueue::Entry> entry = queue_.Pop(Now());
      if (!entry) break;
      ScheduleOne(std::move(*entry));
    }
    if (queue_.has_next() && assumed_.size() < kMaxBinding) return Kick();
    if (next) WakeAt(*next);
  }

  void WakeAt(MonoTime when) {
    if (timer_ != 0) strand_->Cancel(timer_);
    timer_ = strand_->After(std::max(Duration::zero(), when - Now()), [this] {
      timer_ = 0;
      Kick();
    });
  }

  void ScheduleOne(SchedulingQueue::Entry entry) {
    const Decision decision = placement_.Decide(*entry.pod);
    if (!decision.placed) {
      log_.Debug("no node for pod", {{"pod", ObjectKey::Of(*entry.pod->object).ToString()}, {"why", decision.message}});
      const ObjectRef object = entry.pod->object;
      queue_.Park(std::move(entry), decision.events, Now());
      if (const auto next = queue_.Advance(Now())) WakeAt(*next);
      events_.Warning(*object, "FailedScheduling", decision.message);
      SetUnschedulable(object, "Unschedulable", decision.message);
      return;
    }
    const std::string node = table_.node(decision.row).meta().name.str();
    if (Status refused = Reserve(*entry.pod, decision.row); !refused.ok()) {
      events_.Warning(*entry.pod->object, "FailedScheduling", refused.message());
      queue_.Retry(std::move(entry), Now());
      return;
    }
    Bind(std::move(entry), node);
  }

  // Reserve, Permit and PreBind of every plugin; those already reserved are undone if one refuses.
  Status Reserve(const PodInfo& pod, NodeIndex row) {
    std::vector<Plugin*> reserved;
    Status status;
    for (Plugin* plugin : plugins_) {
      status = plugin->Reserve(pod, table_, row);
      if (status.ok()) status = plugin->Permit(pod, table_, row);
      if (status.ok()) status = plugin->PreBind(pod, table_, row);
      if (!status.ok()) break;
      reserved.push_back(plugin);
    }
    if (status.ok()) return status;
    for (auto it = reserved.rbegin(); it != reserved.rend(); ++it) (*it)->Unreserve(pod, table_, row);
    return status;
  }

  void Bind(SchedulingQueue::Entry entry, const std::string& node) {
    const ObjectRef object = entry.pod->object;
    const ObjectKey key = ObjectKey::Of(*object);
    table_.AddPod(node, entry.pod);
    assumed_.emplace(key, Assumed{entry.pod, node});

    core::v1::Binding binding;
    binding.metadata.name = key.name;
    binding.metadata.namespace_ = key.ns;
    binding.metadata.uid = object->meta().uid;
    binding.target.kind = "Node";
    binding.target.name = node;
    ApiRequest request = Client::NamedRequest<core::v1::Pod>(Verb::kCreate, key.ns, key.name);
    request.subresource = "binding";
    request.object = Share(std::move(binding));
    client_->Do(std::move(request), *strand_,
                [this, entry = std::move(entry), key, node, object](Result<ApiResponse> response) mutable {
                  OnBound(std::move(entry), key, node, object, response.status());
                });
  }

  void OnBound(SchedulingQueue::Entry entry, const ObjectKey& key, const std::string& node, const ObjectRef& object,
               const Status& status) {
    if (status.ok()) {
      events_.Normal(*object, "Scheduled", fmt::format("Successfully assigned {} to {}", key.ToString(), node));
      const auto row = table_.Find(node);
      if (row && table_.columns().exists[*row] != 0) {
        for (Plugin* plugin : plugins_) plugin->PostBind(*entry.pod, table_, *row);
      }
      // The assumption stands until the informer shows the pod on its node.
      return Kick();
    }
    log_.Warning("binding failed", {{"pod", key.ToString()}, {"node", node}, {"error", status.ToString()}});
    if (MayBePerformed(status.code())) {
      // It may be bound nevertheless: until that is known, its place on the node is taken.
      auto kept = std::make_shared<SchedulingQueue::Entry>(std::move(entry));
      return pods_.Refresh([this, kept, key, node] { GiveBack(*kept, key, node, false); });
    }
    GiveBack(entry, key, node, status.code() == Code::kNotFound);
  }

  // The pod is not on that node, unless the informer has shown it there by now. If it has not gone, it is tried again.
  void GiveBack(const SchedulingQueue::Entry& entry, const ObjectKey& key, const std::string& node, bool gone) {
    const auto it = assumed_.find(key);
    if (it == assumed_.end() || it->second.pod != entry.pod) return;
    table_.RemovePod(node, *entry.pod->object);
    assumed_.erase(it);
    if (const auto row = table_.Find(node)) {
      for (Plugin* plugin : plugins_) plugin->Unreserve(*entry.pod, table_, *row);
    }
    if (gone) {
      queue_.Remove(key);
    } else {
      queue_.Retry(entry, Now());
    }
    Happened(kAssignedPodDeleted);  // its place is free for others
    Kick();
  }

  // Writes the PodScheduled condition if it says something new.
  void SetUnschedulable(const ObjectRef& object, std::string_view reason, const std::string& message) {
    const core::v1::Pod& pod = PodOf(object);
    const core::v1::PodCondition* before = kube::FindCondition(pod.status.conditions, "PodScheduled");
    if (before != nullptr && before->status == "False" && before->reason == reason && before->message == message)
      return;
    core::v1::PodCondition condition;
    condition.type = "PodScheduled";
    condition.status = "False";
    condition.reason = reason;
    condition.message = message;
    condition.observedGeneration = pod.metadata.generation;
    condition.lastTransitionTime =
        before != nullptr && before->status == "False" ? before->lastTransitionTime : TimeNow();
    ApiRequest request = Client::NamedRequest<core::v1::Pod>(Verb::kPatch, pod.metadata.namespace_, pod.metadata.name);
    request.subresource = "status";
    request.patch_type = PatchType::kStrategicMerge;
    core::v1::Pod patch;
    patch.metadata.uid = pod.metadata.uid;
    patch.status.conditions.push_back(std::move(condition));
    request.patch = StatusPatch(patch);
    client_->Do(std::move(request), *strand_, [this, key = ObjectKey::Of(*object)](Result<ApiResponse> response) {
      if (!response && response.status().code() != Code::kNotFound) {
        log_.Warning("cannot write the condition of a pod",
                     {{"pod", key.ToString()}, {"error", response.status().ToString()}});
      }
    });
  }

  // Only the condition and the UID (so that it cannot land on a namesake), as a strategic merge patch.
  static std::string StatusPatch(const core::v1::Pod& pod) {
    std::string condition;
    EncodeJsonMessage(DescriptorOf<core::v1::PodCondition>(), &pod.status.conditions[0], condition);
    return fmt::format(R"({{"metadata":{{"uid":"{}"}},"status":{{"conditions":[{}]}}}})", pod.metadata.uid.view(),
                       condition);
  }

  Time TimeNow() { return kube::ToTime(env_.clock().Now()); }

  struct Assumed {
    PodInfoRef pod;
    std::string node;
  };

  const SchedulerOptions options_;
  Env& env_;
  Logger log_;
  std::unique_ptr<Strand> strand_;
  std::unique_ptr<Client> client_;
  Informer pods_;
  Informer nodes_;
  Informer namespaces_;
  Informer services_;
  Informer replica_sets_;
  Informer stateful_sets_;
  EventRecorder events_;
  const std::vector<std::unique_ptr<Plugin>> built_in_;
  const std::vector<Plugin*> plugins_;
  NodeTable table_;
  Placement placement_;
  SchedulingQueue queue_;
  std::uint64_t namespace_generation_ = 0;
  std::map<ObjectKey, Assumed> assumed_;  // placed, not yet seen on their node
  bool turn_posted_ = false;
  TimerId timer_ = 0;
};

class SchedulerImpl final : public Scheduler {
 public:
  explicit SchedulerImpl(std::unique_ptr<SchedulerCore> core) : core_(std::move(core)) {}
  ~SchedulerImpl() override { Stop(); }
  void Stop() override { core_->Stop(); }

 private:
  std::unique_ptr<SchedulerCore> core_;
};

}  // namespace

Result<std::unique_ptr<Scheduler>> Scheduler::Start(SchedulerOptions options, std::unique_ptr<Client> client, Env& env,
                                                    Logger log) {
  auto core = std::make_unique<SchedulerCore>(std::move(options), std::move(client), env, std::move(log));
  core->Start();
  return std::unique_ptr<Scheduler>(std::make_unique<SchedulerImpl>(std::move(core)));
}

}  // namespace minikube
