// The scheduling framework: the extension points of kube-scheduler, over batches of nodes.
//
// A pod passes PreEnqueue, QueueSort, PreFilter, Filter, PreScore (folded into PreFilter's state), Score, Reserve,
// Permit, PreBind, Bind and PostBind as in Kubernetes' scheduling framework. What differs is the shape of the data: a
// plugin sees the nodes as a table (struct of arrays) and answers for many rows in one call. Pods with equal
// constraints form a class; what a plugin said about a row is kept for the class until that row changes, if the plugin
// declares itself row-local.
//
// Thread safety: plugins are called on the scheduler's strand only. Ownership: the registry owns the plugins.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/object.h>
#include <minikube/status.h>
#include <minikube/types.h>

namespace minikube::scheduler {

using NodeIndex = std::uint32_t;  // a row of the node table; stable while the node exists

inline constexpr std::int64_t kMaxNodeScore = 100;

class NodeTable;
struct PodInfo;

// What a plugin keeps about one class of pods between PreFilter and the calls that follow.
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
};

// 0: the node passes. Otherwise a code of the plugin's own; with kUnresolvable set, removing pods from the node
// would not help.
using Verdict = std::uint16_t;
inline constexpr Verdict kPass = 0;
inline constexpr Verdict kUnresolvable = 0x8000;

class Plugin {
 public:
  virtual ~Plugin() = default;
  virtual std::string_view name() const = 0;
  // ClusterEvent bits after which a pod that this plugin rejected is tried again.
  virtual std::uint32_t Events() const = 0;

  // PreEnqueue: a message keeps the pod out of the queue until it is updated; empty lets it in.
  virtual std::string PreEnqueue(const PodInfo&) const { return {}; }

  // PreFilter: computes what Filter and Score need about pods of this class. Null is fine. An error makes the pod
  // unschedulable with that message.
  virtual Result<std::unique_ptr<PluginState>> PreFilter(const PodInfo&, const NodeTable&) const {
    return std::unique_ptr<PluginState>();
  }
  // Rows have changed since PreFilter or the last Update: brings the state up to date. Called before Filter and Score.
  virtual void Update(PluginState*, const PodInfo&, const NodeTable&, std::span<const NodeIndex>) const {}
  // True if Filter and Score of a row depend on nothing but the class and that row.
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

  // Score: raw scores for rows that passed every filter; Normalize then brings the scores of all such rows to
  // 0..kMaxNodeScore.
  virtual std::int64_t Weight() const { return 0; }  // 0: does not score
  virtual bool Scores(const PodInfo&, const PluginState*) const { return Weight() != 0; }
  virtual void Score(const PluginState*, const PodInfo&, const NodeTable&, std::span<const NodeIndex>,
                     std::span<std::int64_t>) const {}
  virtual bool Normalizes() const { return false; }
  virtual void Normalize(const PluginState*, const PodInfo&, const NodeTable&, std::span<const NodeIndex>,
                         std::span<std::int64_t>) const {}

  // Reserve, Permit and PreBind may refuse a placement; the pod is then put back. Unreserve undoes Reserve and must
  // not fail.
  virtual Status Reserve(const PodInfo&, const NodeTable&, NodeIndex) { return {}; }
  virtual void Unreserve(const PodInfo&, const NodeTable&, NodeIndex) {}
  virtual Status Permit(const PodInfo&, const NodeTable&, NodeIndex) { return {}; }
  virtual Status PreBind(const PodInfo&, const NodeTable&, NodeIndex) { return {}; }
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

// What the scheduler knows of one pod, computed once. Pods of the same class (src/scheduler/pod_info.h, ClassKey) get
// the same answers.
struct PodInfo {
  ObjectRef object;
  std::int32_t priority = 0;
  ResourceAmounts requests;
  std::int64_t scoring_milli_cpu = 0;  // requests, or kube-scheduler's assumed minimum where there are none
  std::int64_t scoring_memory = 0;
  std::vector<HostPort> ports;
};
using PodInfoRef = std::shared_ptr<const PodInfo>;

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

  // Rows changed since version `since`, oldest first, perhaps repeated; nullopt if that is too long ago to tell.
  std::uint64_t version() const { return first_change_ + changes_.size(); }
  std::optional<std::span<const NodeIndex>> ChangesSince(std::uint64_t since) const;

 private:
  NodeIndex RowFor(std::string_view name);
  void FreeIfUnused(std::string_view name, NodeIndex row);
  void Touch(NodeIndex row);
  Columns columns_;
  std::size_t size_ = 0;
  struct Names;
  std::unique_ptr<Names> names_;
  std::vector<NodeIndex> free_rows_;
  std::vector<NodeIndex> changes_;  // a log, cut at its front
  std::uint64_t first_change_ = 0;
};

}  // namespace minikube::scheduler
