// The scheduling framework: the extension points of kube-scheduler, over batches of nodes.
//
// A pod passes PreEnqueue, QueueSort, PreFilter, Filter, PostFilter, PreScore (folded into PreFilter's state), Score,
// Reserve, Permit, PreBind, Bind and PostBind as in Kubernetes' scheduling framework. What differs is the shape of the
// data: a plugin sees the nodes as a table (struct of arrays) and answers for many rows in one call. What a plugin said
// about a row is kept, under the plugin's own key of the pod (Plugin::Key), until that row changes; so pods that differ
// only in what the plugin does not read share its answers.
//
// Thread safety: plugins are called on the scheduler's strand only. Ownership: the registry owns the plugins.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/client.h>
#include <minikube/env.h>
#include <minikube/function.h>
#include <minikube/object.h>
#include <minikube/selector.h>
#include <minikube/status.h>
#include <minikube/types.h>

namespace minikube::scheduler {

using NodeIndex = std::uint32_t;  // a row of the node table; stable while the node exists

inline constexpr std::int64_t kMaxNodeScore = 100;

class NodeTable;
struct PodInfo;
using PodInfoRef = std::shared_ptr<const PodInfo>;

// What a plugin keeps about the pods of one key between PreFilter and the calls that follow.
class PluginState {
 public:
  virtual ~PluginState() = default;
};

// What may make an unschedulable pod schedulable; bits. Which of them concern a plugin, it declares.
enum ClusterEvent : std::uint32_t {
  kNodeAdded = 1,
  kNodeAllocatableChanged = 2,
  kNodeLabelsChanged = 4,
  kNodeTaintsChanged = 8,  // taints, or spec.unschedulable
  kAssignedPodAdded = 16,
  kAssignedPodDeleted = 32,
  kPodUpdated = 64,  // the waiting pod itself
  kServiceChanged = 128,
  kClaimChanged = 256,   // a PersistentVolumeClaim
  kVolumeChanged = 512,  // a PersistentVolume
  kStorageClassChanged = 1024,
  kDriverChanged = 2048,  // what CSI drivers say of nodes: CSINode, CSIDriver, CSIStorageCapacity, VolumeAttachment
};

// 0: the node passes. Otherwise a code of the plugin's own; with kUnresolvable set, removing pods from the node
// would not help.
using Verdict = std::uint16_t;
inline constexpr Verdict kPass = 0;
inline constexpr Verdict kUnresolvable = 0x8000;

class Plugin;

// What refuses a pod on a row.
struct Refusal {
  const Plugin* plugin = nullptr;
  Verdict verdict = kPass;
  std::vector<std::string> reasons;
};

// What would be if pods left rows or came to them. It ends as everything was before.
class Overlay {
 public:
  virtual ~Overlay() = default;
  virtual void Remove(NodeIndex row, const PodInfoRef& pod) = 0;
  virtual void Add(NodeIndex row, const PodInfoRef& pod) = 0;
  // Takes all changes back.
  virtual void Reset() = 0;
  // What refuses the pod there, pods to which the node was promised included; null: it fits.
  virtual std::optional<Refusal> Check(NodeIndex row) = 0;
};

struct PostFilterResult {
  // Promised to the pod once the victims have gone; "": nothing helps, and an earlier promise ends.
  std::optional<std::string> node;  // null: an earlier promise stays
  std::vector<PodInfoRef> victims;  // to be deleted
  std::string message;              // why nothing helps
};

// What a plugin may work with. Everything outlives the plugin's use by the scheduler.
struct PluginContext {
  Client& client;
  Strand& strand;  // on which plugins are called
  Env& env;
};

class Plugin {
 public:
  virtual ~Plugin() = default;
  virtual std::string_view name() const = 0;
  // ClusterEvent bits after which a pod that this plugin rejected is tried again.
  virtual std::uint32_t Events() const = 0;

  // Called once, before anything else.
  virtual void Start(const PluginContext&) {}

  // PreEnqueue: a message keeps the pod out of the queue until it is updated; empty lets it in.
  virtual std::string PreEnqueue(const PodInfo&) const { return {}; }

  // Appends everything that PreFilter, Filter and Score read of the pod, and of whatever they look at beside the table
  // and the pod. Pods with equal keys get equal answers. By default everything that a pod declares: namespace, labels,
  // owners and spec.
  virtual void Key(const PodInfo& pod, const NodeTable& nodes, std::string& key) const;
  // The only rows that can pass, where the pod itself names them (kube-scheduler's PreFilterResult); then this plugin
  // is asked about these rows alone, and keeps nothing. Null: all rows.
  virtual std::optional<std::vector<NodeIndex>> Candidates(const PodInfo&, const NodeTable&) const {
    return std::nullopt;
  }

  // PreFilter: computes what Filter and Score need about pods of this key. Null is fine. An error makes the pod
  // unschedulable with that message.
  virtual Result<std::unique_ptr<PluginState>> PreFilter(const PodInfo&, const NodeTable&) const {
    return std::unique_ptr<PluginState>();
  }
  // Rows have changed since PreFilter or the last Update: brings the state up to date. Called before Filter and Score.
  virtual void Update(PluginState*, const PodInfo&, const NodeTable&, std::span<const NodeIndex>) const {}
  // True if Filter and Score of a row depend on nothing but the key and that row.
  virtual bool RowLocal(const PluginState*) const { return true; }

  // Filter: verdicts[i] is for rows[i] and comes in as kPass.
  virtual bool Filters(const PodInfo&, const PluginState*) const { return false; }
  virtual void Filter(const PluginState*, const PodInfo&, const NodeTable&, std::span<const NodeIndex>,
                      std::span<Verdict>) const {}
  // The reasons behind a verdict, as they are counted in the FailedScheduling message.
  virtual std::vector<std::string> Reasons(const PluginState*, const PodInfo&, const NodeTable&, NodeIndex,
                                           Verdict) const {
    return {};
  }

  // Score: raw scores. A row-local plugin is asked about rows that others refuse, too; one that is not, about the rows
  // that passed every filter. Normalize then brings the scores of all rows that passed to 0..kMaxNodeScore.
  virtual std::int64_t Weight() const { return 0; }  // 0: does not score
  virtual bool Scores(const PodInfo&, const PluginState*) const { return Weight() != 0; }
  virtual void Score(const PluginState*, const PodInfo&, const NodeTable&, std::span<const NodeIndex>,
                     std::span<std::int64_t>) const {}
  virtual bool Normalizes() const { return false; }
  virtual void Normalize(const PluginState*, const PodInfo&, const NodeTable&, std::span<const NodeIndex>,
                         std::span<std::int64_t>) const {}

  // PostFilter: no node passed; `rows` are those where removing pods might help. Null: has nothing to say. The first
  // plugin that does ends the search.
  virtual std::optional<PostFilterResult> PostFilter(const PodInfo&, const NodeTable&, std::span<const NodeIndex>,
                                                     Overlay&) {
    return std::nullopt;
  }

  // Reserve, Permit and PreBind may refuse a placement; the pod is then put back, and Unreserve, which must not fail,
  // undoes Reserve. Permit and PreBind may take their time: `done` is to be called once, on the scheduler's strand,
  // perhaps at once. Meanwhile the pod counts as being on its node, and others are scheduled. If the pod goes away, the
  // answer is of no consequence.
  using Done = Function<void(Status)>;
  virtual Status Reserve(const PodInfo&, const NodeTable&, NodeIndex) { return {}; }
  virtual void Unreserve(const PodInfo&, const NodeTable&, NodeIndex) {}
  virtual void Permit(const PodInfo&, const NodeTable&, NodeIndex, Done done) { done({}); }
  virtual void PreBind(const PodInfo&, const NodeTable&, NodeIndex, Done done) { done({}); }
  virtual void PostBind(const PodInfo&, const NodeTable&, NodeIndex) {}
};

// The plugins of a profile, in order.
class PluginRegistry {
 public:
  void Add(std::unique_ptr<Plugin> plugin) { plugins_.push_back(std::move(plugin)); }
  std::span<const std::unique_ptr<Plugin>> plugins() const { return plugins_; }

 private:
  std::vector<std::unique_ptr<Plugin>> plugins_;
};

// Amounts of what pods ask for and nodes have. cpu in thousandths; memory and ephemeral storage in bytes.
struct ResourceAmounts {
  std::int64_t milli_cpu = 0;
  std::int64_t memory = 0;
  std::int64_t ephemeral_storage = 0;
  struct Other {
    Str name;
    std::int64_t amount = 0;
  };
  std::vector<Other> others;  // extended resources and hugepages; sorted by name

  std::int64_t Get(std::string_view name) const;  // of `others`
  void Add(const ResourceAmounts& more);
  void Subtract(const ResourceAmounts& less);
};

struct HostPort {
  Str ip;  // "" and 0.0.0.0 are every address
  Str protocol;
  std::int32_t port = 0;
  bool ConflictsWith(const HostPort& other) const;
};

// A required or preferred term of pod affinity or anti-affinity, compiled.
struct AffinityTerm {
  Str topology_key;
  LabelSelector selector;
  std::vector<Str> namespaces;
  std::optional<LabelSelector> namespace_selector;
  std::int64_t weight = 0;  // of a preferred term; negative for anti-affinity
};

// What a pod says of other pods.
struct PodAffinity {
  std::vector<AffinityTerm> required;
  std::vector<AffinityTerm> required_anti;
  std::vector<AffinityTerm> preferred;
  Status error;  // a selector that cannot be read; then the terms are incomplete

  bool has_namespace_selector() const;
};

// What the scheduler knows of one pod, computed once.
struct PodInfo {
  ObjectRef object;
  std::int32_t priority = 0;
  ResourceAmounts requests;
  std::int64_t scoring_milli_cpu = 0;  // requests, or kube-scheduler's assumed minimum where there are none
  std::int64_t scoring_memory = 0;
  std::vector<HostPort> ports;
  std::shared_ptr<const PodAffinity> affinity;  // null where the pod declares none
};

// The nodes as a struct of arrays, each indexed by NodeIndex. A row whose `exists` is 0 is free.
class NodeTable {
 public:
  struct Columns {
    std::vector<std::uint8_t> exists;
    std::vector<std::uint8_t> unschedulable;
    std::vector<std::int64_t> milli_cpu;  // allocatable
    std::vector<std::int64_t> memory;
    std::vector<std::int64_t> ephemeral_storage;
    std::vector<std::int32_t> max_pods;
    std::vector<std::int64_t> used_milli_cpu;  // requested by the pods on it
    std::vector<std::int64_t> used_memory;
    std::vector<std::int64_t> used_ephemeral_storage;
    std::vector<std::int64_t> scoring_milli_cpu;  // the same with assumed minimums
    std::vector<std::int64_t> scoring_memory;
    std::vector<std::int32_t> pod_count;
    std::vector<ObjectRef> object;  // the Node; null for a node seen only through its pods
    std::vector<std::vector<ResourceAmounts::Other>> others;
    std::vector<std::vector<ResourceAmounts::Other>> used_others;
    std::vector<std::vector<HostPort>> used_ports;
    std::vector<std::vector<PodInfoRef>> pods;
  };
  // One node label as a column: which domain (number of a value) each row is in. Domains are never renumbered.
  struct Topology {
    static constexpr std::int32_t kNone = -1;
    std::vector<std::int32_t> domain;  // by row; kNone where the node has no such label, or is gone
    std::vector<std::int32_t> nodes;   // by domain: how many rows are in it
    std::int32_t domains = 0;          // those with a node
  };
  NodeTable();
  ~NodeTable();
  NodeTable(const NodeTable&) = delete;
  NodeTable& operator=(const NodeTable&) = delete;

  const Columns& columns() const { return columns_; }
  std::size_t rows() const { return columns_.exists.size(); }
  std::size_t size() const { return size_; }  // nodes that exist
  // Node objects are needed for labels and taints; only for rows that exist.
  const Object& node(NodeIndex row) const { return *columns_.object[row]; }
  const Map<Str>& labels(NodeIndex row) const { return columns_.object[row]->meta().labels; }
  std::optional<NodeIndex> Find(std::string_view name) const;

  // Returns the ClusterEvent bits that describe the change.
  std::uint32_t UpsertNode(const ObjectRef& node);
  void RemoveNode(std::string_view name);
  void AddPod(std::string_view node, PodInfoRef pod);
  void RemovePod(std::string_view node, const Object& pod);
  // A newer object of a pod that is there, which differs in nothing that a decision depends on.
  void RenewPod(std::string_view node, const ObjectRef& pod);

  // The column of a label; made when first asked for, and kept up to date from then on.
  const Topology& topology(std::string_view label) const;

  // Label keys that the affinity terms of pods on nodes look at, and how many terms do; empty while no such pod is
  // there.
  const std::map<Str, std::size_t>& affinity_label_keys() const { return affinity_label_keys_; }
  // Pods on nodes whose terms select namespaces by label.
  std::size_t namespace_selecting_pods() const { return namespace_selecting_pods_; }

  // What if: the row as if this pod were there, or were not, without a word to the log of changes. Whoever does so
  // undoes it before anybody else looks. `pod` must be on the row to be taken from it.
  void AddPodUnlogged(NodeIndex row, PodInfoRef pod);
  PodInfoRef RemovePodUnlogged(NodeIndex row, const Object& pod);

  // Rows changed since version `since`, oldest first, perhaps repeated; nullopt if that is too long ago to tell.
  std::uint64_t version() const { return first_change_ + changes_.size(); }
  std::optional<std::span<const NodeIndex>> ChangesSince(std::uint64_t since) const;

 private:
  NodeIndex RowFor(std::string_view name);
  void FreeIfUnused(std::string_view name, NodeIndex row);
  void Touch(NodeIndex row);
  void PlaceInTopologies(NodeIndex row, const Map<Str>* labels);
  void CountAffinity(const PodInfo& pod, bool there);
  Columns columns_;
  std::size_t size_ = 0;
  struct Names;
  std::unique_ptr<Names> names_;
  std::vector<NodeIndex> free_rows_;
  std::map<Str, std::size_t> affinity_label_keys_;
  std::size_t namespace_selecting_pods_ = 0;
  std::vector<NodeIndex> changes_;  // a log, cut at its front
  std::uint64_t first_change_ = 0;
};

}  // namespace minikube::scheduler
