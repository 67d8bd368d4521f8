// Placement: the decision. Which row of the node table is best for a pod, and if none, why.
//
// Each plugin's answers are kept by the plugin's own key of the pod, so that pods which differ only in what a plugin
// does not read (the pod-name label of a StatefulSet's, the owner of a Job's) share them. Between two pods only rows
// that the table's change log names are judged anew, unless a plugin says that its answers are not row-local. Where a
// pod names its nodes (a DaemonSet's does), only those rows are looked at. Single-threaded; does no I/O.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <minikube/env.h>
#include <minikube/scheduler_framework.h>

namespace minikube::scheduler {

struct Decision {
  bool placed = false;
  NodeIndex row = 0;
  std::string message;                // not placed: the FailedScheduling text
  std::uint32_t events = 0;           // not placed: what may help, of the plugins that rejected
  std::vector<NodeIndex> resolvable;  // not placed: rows that removing pods might open
};

class Placement {
 public:
  Placement(std::vector<const Plugin*> plugins, NodeTable& nodes, Random& random);

  Decision Decide(const PodInfo& pod);

  // Pods to which a node was promised while its other pods leave. To pods of no more than their priority they count as
  // if they were there; a pod's own promise is tried first.
  void Nominate(std::string node, PodInfoRef pod);
  void Unnominate(std::string_view pod_uid);
  // The node promised to the pod; "" if none is.
  std::string NominatedNode(std::string_view pod_uid) const;
  std::vector<PodInfoRef> NominatedTo(std::string_view node) const;

  // What would be if pods left or came. Between its making and its end nobody else uses the placement or the table.
  // The pod must have been decided on last.
  std::unique_ptr<Overlay> Imagine(const PodInfo& pod);

  // Forgets all answers.
  void Invalidate();

  // What was done so far, for tests and measurements.
  struct Work {
    std::uint64_t decisions = 0;
    std::uint64_t answers = 0;  // made anew: a plugin met a key that it did not know
    std::uint64_t rows = 0;     // filtered by row-local plugins
  };
  const Work& work() const { return work_; }

 private:
  // One plugin's answers for one key.
  struct Memo {
    std::string key;
    PodInfo pod;  // the first with this key, standing for all
    std::unique_ptr<PluginState> state;
    Status failed;  // of PreFilter
    bool row_local = true;
    bool filters = false;
    bool scores = false;
    std::vector<Verdict> verdicts;         // by row, of a row-local plugin that filters
    std::vector<std::int64_t> raw_scores;  // by row, of one that scores
    std::uint64_t version = 0;             // of the table, up to which this is complete
  };
  struct Kept {
    std::list<Memo> memos;  // most recently used first
    std::unordered_map<std::string_view, std::list<Memo>::iterator> by_key;
  };
  // What a plugin says of the pod that is being decided on.
  struct Answer {
    Memo* memo = nullptr;
    std::unique_ptr<Memo> own;  // where it is not kept
  };
  class Imagined;
  using Refused = std::pair<std::size_t, Verdict>;  // by which plugin

  Memo& MemoOf(std::size_t plugin, const PodInfo& pod);
  std::unique_ptr<Memo> Unkept(std::size_t plugin, const PodInfo& pod);
  void Begin(std::size_t plugin, Memo& memo);
  void Refresh(std::size_t plugin, Memo& memo);
  void Judge(std::size_t plugin, Memo& memo, std::span<const NodeIndex> rows);
  std::optional<std::vector<NodeIndex>> Named(const PodInfo& pod);
  void AskAll(const PodInfo& pod);
  const Status* Failed(std::uint32_t& events) const;
  std::vector<NodeIndex> PassingLocally() const;
  std::vector<NodeIndex> LookedAt() const;
  std::vector<NodeIndex> Feasible(const PodInfo& pod);
  void HoldPromises(const PodInfo& pod, std::vector<NodeIndex>& rows);
  std::optional<NodeIndex> OwnPromise(const PodInfo& pod, std::span<const NodeIndex> rows) const;
  NodeIndex Best(const PodInfo& pod, std::span<const NodeIndex> rows);
  Decision Explain(const PodInfo& pod) const;
  std::optional<Refused> FilterAnew(const PodInfo& pod, NodeIndex row) const;

  const std::vector<const Plugin*> plugins_;
  NodeTable& nodes_;
  Random& random_;
  std::vector<Kept> kept_;                                                 // by plugin
  std::map<std::string, std::vector<PodInfoRef>, std::less<>> nominated_;  // by node
  Work work_;

  // Of the decision under way.
  std::vector<Answer> answers_;                  // by plugin
  std::vector<std::size_t> naming_;              // plugins that named rows
  std::map<NodeIndex, Refused> promised_;        // rows refused for the sake of pods that are to come
  std::optional<std::vector<NodeIndex>> named_;  // the rows that all of these name; null: all are looked at
  std::vector<NodeIndex> all_rows_;
};

}  // namespace minikube::scheduler
