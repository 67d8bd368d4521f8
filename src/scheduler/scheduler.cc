#include <minikube/scheduler.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/api/policy/v1.h>
#include <minikube/api/storage/v1.h>
#include <minikube/informer.h>
#include <minikube/informers.h>
#include <minikube/reconciler.h>
#include <minikube/scheduler_framework.h>
#include <minikube/selector.h>

#include "kube/conditions.h"
#include "kube/pods.h"
#include "kube/times.h"
#include "scheduler/placement.h"
#include "scheduler/plugins/plugins.h"
#include "scheduler/pod_info.h"
#include "scheduler/pod_writes.h"
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

// A report of the node's about a pod on it, say: nothing in it that a decision depends on.
bool IsSamePlaced(const core::v1::Pod& before, const core::v1::Pod& now) {
  return before.metadata.uid == now.metadata.uid && before.spec.nodeName == now.spec.nodeName &&
         before.metadata.generation == now.metadata.generation && before.metadata.labels == now.metadata.labels &&
         before.metadata.deletionTimestamp.has_value() == now.metadata.deletionTimestamp.has_value() &&
         !kube::IsPodFinished(before) && !kube::IsPodFinished(now);
}

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
        budgets_(*client_, Client::ResourceOf<policy::v1::PodDisruptionBudget>(), *strand_, env),
        storage_(*client_, *strand_, env),
        writes_(*client_, *strand_, env, log_, options_.scheduler_name),
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
    const Storage storage{storage_, [this] { return storage_generation_; }};
    plugins.push_back(NewVolumeRestrictions(storage));
    plugins.push_back(NewNodeVolumeLimits(storage));
    std::unique_ptr<VolumeBinder> binder = NewVolumeBinding(storage);
    volume_binder_ = binder.get();
    plugins.push_back(std::move(binder));
    plugins.push_back(NewVolumeZone(storage));
    plugins.push_back(NewPodTopologySpread([this](const Object& pod) { return SelectorsOf(pod); }));
    plugins.push_back(NewInterPodAffinity({.labels =
                                               [this](std::string_view ns) {
                                                 const ObjectRef object = namespaces_.Get("", ns);
                                                 return object ? object->meta().labels : Map<Str>();
                                               },
                                           .generation = [this] { return namespace_generation_; }}));
    plugins.push_back(NewDefaultPreemption([this](std::string_view ns) { return BudgetsOf(ns); }, env_.random()));
    plugins.push_back(NewNodeResourcesBalancedAllocation());
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

  std::vector<ObjectRef> BudgetsOf(std::string_view ns) const {
    std::vector<ObjectRef> budgets;
    budgets_.ForEachIn(ns, [&](const ObjectRef& budget) { budgets.push_back(budget); });
    return budgets;
  }

  void Begin() {
    for (Plugin* plugin : plugins_) plugin->Start({*client_, *strand_, env_});
    pods_.AddHandler([this](const ObjectRef& before, const ObjectRef& now) { OnPod(before, now); });
    nodes_.AddHandler([this](const ObjectRef& before, const ObjectRef& now) { OnNode(before, now); });
    namespaces_.AddHandler([this](const ObjectRef& before, const ObjectRef& now) {
      if (!before || !now || before->meta().labels != now->meta().labels) ++namespace_generation_;
    });
    services_.AddHandler([this](const ObjectRef& before, const ObjectRef& now) {
      if (before && now && ServiceOf(before).spec.selector == ServiceOf(now).spec.selector) return;
      Happened(kServiceChanged);
    });
    WatchStorage<core::v1::PersistentVolumeClaim>(kClaimChanged);
    WatchStorage<core::v1::PersistentVolume>(kVolumeChanged);
    WatchStorage<storage::v1::StorageClass>(kStorageClassChanged);
    WatchStorage<storage::v1::CSINode>(kDriverChanged);
    WatchStorage<storage::v1::CSIDriver>(kDriverChanged);
    WatchStorage<storage::v1::CSIStorageCapacity>(kDriverChanged);
    WatchStorage<storage::v1::VolumeAttachment>(kDriverChanged);
    for (const auto& [resource, index] : StorageIndexes()) storage_.AddIndex(*resource, *index);
    for (Informer* informer : Watched()) {
      informer->OnSynced([this] { Kick(); });
      if (!IsOfStorage(informer)) informer->Start();
    }
    storage_.Start();
  }

  template <typename T>
  void WatchStorage(std::uint32_t event) {
    Informer& informer = storage_.Of<T>();
    informer.AddHandler([this, event](const ObjectRef&, const ObjectRef&) {
      ++storage_generation_;
      volume_binder_->Changed();
      Happened(event);
    });
    storage_watches_.push_back(&informer);
  }
  bool IsOfStorage(const Informer* informer) const {
    return std::find(storage_watches_.begin(), storage_watches_.end(), informer) != storage_watches_.end();
  }

  std::vector<Informer*> Watched() {
    std::vector<Informer*> all{&nodes_, &pods_, &namespaces_, &services_, &replica_sets_, &stateful_sets_, &budgets_};
    all.insert(all.end(), storage_watches_.begin(), storage_watches_.end());
    return all;
  }
  bool Synced() {
    std::vector<Informer*> all = Watched();
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
    if (waits) return OnWaitingPod(key, now, !before);

    queue_.Remove(key);
    placement_.Unnominate(object->meta().uid);
    if (before && now && !assumed_.contains(key) && IsSamePlaced(PodOf(before), PodOf(now))) {
      return table_.RenewPod(PodOf(now).spec.nodeName, now);
    }
    if (const auto it = assumed_.find(key); it != assumed_.end()) {  // the truth replaces the assumption
      table_.RemovePod(it->second.node, *it->second.pod->object);
      if (!now || PodOf(now).spec.nodeName != it->second.node) Unreserve(*it->second.pod, it->second.node);
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

  void OnWaitingPod(const ObjectKey& key, const ObjectRef& object, bool is_new) {
    const core::v1::Pod& pod = PodOf(object);
    if (!(pod.spec.schedulerName == options_.scheduler_name) || kube::IsPodFinished(pod) ||
        pod.metadata.deletionTimestamp) {
      queue_.Remove(key);
      placement_.Unnominate(pod.metadata.uid);
      return;
    }
    if (assumed_.contains(key)) return;  // placed; the binding is on its way
    PodInfoRef info = MakePodInfo(object);
    std::string gate;
    for (const Plugin* plugin : plugins_) {
      if (gate.empty()) gate = plugin->PreEnqueue(*info);
    }
    if (!gate.empty()) {
      writes_.Unschedulable(*object, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates", {});
    }
    // A promise of a scheduler before this one.
    if (is_new && !pod.status.nominatedNodeName.empty()) {
      placement_.Nominate(pod.status.nominatedNodeName.str(), info);
    }
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
    services_.ForEachIn(ns, [&](const ObjectRef& service) {
      const auto& selector = service->As<core::v1::Service>().spec.selector;
      if (selector.empty()) return;
      LabelSelector labels = LabelSelector::FromMap(selector);
      if (labels.Matches(pod.meta().labels)) selectors.push_back(std::move(labels));
    });
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
    for (int i = 0; i < kPodsPerTurn && binding_ < kMaxBinding; ++i) {
      std::optional<SchedulingQueue::Entry> entry = queue_.Pop(Now());
      if (!entry) break;
      ScheduleOne(std::move(*entry));
    }
    if (queue_.has_next() && binding_ < kMaxBinding) return Kick();
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
    Decision decision = placement_.Decide(*entry.pod);
    if (!decision.placed) return NoNode(std::move(entry), std::move(decision));
    const std::string node = table_.node(decision.row).meta().name.str();
    if (Status refused = Reserve(*entry.pod, decision.row); !refused.ok()) {
      events_.Warning(*entry.pod->object, "FailedScheduling", refused.message());
      queue_.Retry(std::move(entry), Now());
      return;
    }
    table_.AddPod(node, entry.pod);
    assumed_.emplace(ObjectKey::Of(*entry.pod->object), Assumed{entry.pod, node});
    AskPermit(std::make_shared<SchedulingQueue::Entry>(std::move(entry)), node, 0);
  }

  // --- No node passes
  // -------------------------------------------------------------------------------------------------

  void NoNode(SchedulingQueue::Entry entry, Decision decision) {
    const PodInfoRef pod = entry.pod;
    const ObjectRef object = pod->object;
    std::optional<std::string> nominated;
    // While its victims are on their way out, no others are chosen.
    if (!preempting_.contains(object->meta().uid)) nominated = MakeRoom(pod, decision);
    log_.Debug("no node for pod", {{"pod", ObjectKey::Of(*object).ToString()}, {"why", decision.message}});
    queue_.Park(std::move(entry), decision.events | kAssignedPodDeleted, Now());
    if (const auto next = queue_.Advance(Now())) WakeAt(*next);
    events_.Warning(*object, "FailedScheduling", decision.message);
    writes_.Unschedulable(*object, "Unschedulable", decision.message, nominated);
  }

  // PostFilter. The node that is promised to the pod; "" if none is any more, null if that has not changed.
  std::optional<std::string> MakeRoom(const PodInfoRef& pod, Decision& decision) {
    if (table_.size() == 0) return std::nullopt;
    for (Plugin* plugin : plugins_) {
      std::optional<PostFilterResult> result;
      {
        const std::unique_ptr<Overlay> overlay = placement_.Imagine(*pod);
        result = plugin->PostFilter(*pod, table_, decision.resolvable, *overlay);
      }
      if (!result) continue;
      if (!result->message.empty()) decision.message += " preemption: " + result->message;
      if (!result->node) return std::nullopt;
      placement_.Unnominate(pod->object->meta().uid);
      if (!result->node->empty()) Preempt(pod, *result->node, result->victims);
      return result->node;
    }
    return std::nullopt;
  }

  void Preempt(const PodInfoRef& pod, const std::string& node, const std::vector<PodInfoRef>& victims) {
    // Pods of lower priority to which the node was promised had better look elsewhere.
    for (const PodInfoRef& other : placement_.NominatedTo(node)) {
      if (other->priority >= pod->priority) continue;
      placement_.Unnominate(other->object->meta().uid);
      writes_.ClearNomination(*other->object);
    }
    placement_.Nominate(node, pod);
    const Str uid = pod->object->meta().uid;
    for (const PodInfoRef& victim : victims) {
      if (victim->object->meta().deletionTimestamp) continue;  // on its way out already
      ++preempting_[uid];
      writes_.Preempt(*victim->object, [this, uid, node, victim](const Status& status) {
        if (status.ok()) {
          events_.Normal(*victim->object, "Preempted", fmt::format("Preempted by pod {} on node {}", uid.view(), node));
        } else {
          log_.Warning("cannot preempt",
                       {{"pod", ObjectKey::Of(*victim->object).ToString()}, {"error", status.ToString()}});
        }
        if (--preempting_[uid] > 0) return;
        preempting_.erase(uid);
        Happened(kAssignedPodDeleted);  // it may have been tried, in vain, since they left
      });
    }
  }

  // --- A node is chosen
  // ------------------------------------------------------------------------------------------------

  Status Reserve(const PodInfo& pod, NodeIndex row) {
    for (std::size_t i = 0; i < plugins_.size(); ++i) {
      Status status = plugins_[i]->Reserve(pod, table_, row);
      if (status.ok()) continue;
      while (i-- > 0) plugins_[i]->Unreserve(pod, table_, row);
      return status;
    }
    return {};
  }

  void Unreserve(const PodInfo& pod, const std::string& node) {
    const auto row = table_.Find(node);
    if (!row) return;
    for (auto it = plugins_.rbegin(); it != plugins_.rend(); ++it) (*it)->Unreserve(pod, table_, *row);
  }

  using EntryRef = std::shared_ptr<SchedulingQueue::Entry>;

  // Whether the pod is still meant for that node, and the node there; its row then.
  std::optional<NodeIndex> StillAssumed(const SchedulingQueue::Entry& entry, const std::string& node) {
    const auto it = assumed_.find(ObjectKey::Of(*entry.pod->object));
    if (it == assumed_.end() || it->second.pod != entry.pod) return std::nullopt;
    const auto row = table_.Find(node);
    return row && table_.columns().exists[*row] != 0 ? row : std::nullopt;
  }

  // Permit, then PreBind, of one plugin after the other, each in its own time; then the binding.
  void AskPermit(const EntryRef& entry, const std::string& node, std::size_t step) {
    if (step == 2 * plugins_.size()) return Bind(entry, node);
    const auto row = StillAssumed(*entry, node);
    if (!row) return GiveBack(*entry, ObjectKey::Of(*entry->pod->object), node, false);
    auto done = [this, entry, node, step](const Status& status) {
      if (status.ok()) return AskPermit(entry, node, step + 1);
      events_.Warning(*entry->pod->object, "FailedScheduling", status.message());
      GiveBack(*entry, ObjectKey::Of(*entry->pod->object), node, false);
    };
    if (step < plugins_.size()) {
      plugins_[step]->Permit(*entry->pod, table_, *row, std::move(done));
    } else {
      plugins_[step - plugins_.size()]->PreBind(*entry->pod, table_, *row, std::move(done));
    }
  }

  void Bind(const EntryRef& entry, const std::string& node) {
    ++binding_;
    const ObjectRef object = entry->pod->object;
    writes_.Bind(*object, node, [this, entry, node, object](const Status& status) {
      --binding_;
      OnBound(std::move(*entry), ObjectKey::Of(*object), node, object, status);
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
    Unreserve(*entry.pod, node);
    if (gone) {
      queue_.Remove(key);
    } else {
      queue_.Retry(entry, Now());
    }
    Happened(kAssignedPodDeleted);  // its place is free for others
    Kick();
  }

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
  Informer budgets_;
  Informers storage_;  // claims, volumes, classes, drivers
  std::vector<Informer*> storage_watches_;
  std::uint64_t storage_generation_ = 0;
  VolumeBinder* volume_binder_ = nullptr;  // of built_in_
  PodWrites writes_;
  EventRecorder events_;
  const std::vector<std::unique_ptr<Plugin>> built_in_;
  const std::vector<Plugin*> plugins_;
  NodeTable table_;
  Placement placement_;
  SchedulingQueue queue_;
  std::uint64_t namespace_generation_ = 0;
  std::map<ObjectKey, Assumed> assumed_;  // placed, not yet seen on their node
  std::size_t binding_ = 0;               // bindings on their way
  std::map<Str, int> preempting_;         // by UID of the pod: its victims that are being told
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
