// Placement: the decision. Which row of the node table is best for a pod, and if none, why.
//
// Pods of one class share everything: plugin states, verdicts and raw scores per row. Between two pods of a class only
// rows that the table's change log names are judged anew, unless a plugin says that its answers are not row-local.
// Single-threaded; does no I/O.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <minikube/env.h>
#include <minikube/scheduler_framework.h>

namespace minikube::scheduler {

struct Decision {
  bool placed = false;
  NodeIndex row = 0;
  std::string message;       // not placed: the FailedScheduling text
  std::uint32_t events = 0;  // not placed: what may help, of the plugins that rejected
};

class Placement {
 public:
  Placement(std::vector<const Plugin*> plugins, const NodeTable& nodes, Random& random)
      : plugins_(std::move(plugins)), nodes_(nodes), random_(random) {}

  Decision Decide(const PodInfo& pod);
  // Forgets all classes: something outside the table changed that plugins look at.
  void Invalidate() { classes_.clear(), by_key_.clear(); }

 private:
  struct PerPlugin {
    std::unique_ptr<PluginState> state;
    bool row_local = true;
    bool filters = false;
    bool scores = false;
    std::vector<Verdict> verdicts;         // by row
    std::vector<std::int64_t> raw_scores;  // by row; valid where the row passed everything
  };
  struct PodClass {
    std::string key;
    PodInfo pod;  // the first of the class, standing for all
    std::vector<PerPlugin> plugins;
    std::vector<std::uint8_t> passes;  // by row: every row-local filter
    std::uint64_t version = 0;         // of the table, up to which this is complete
    Status failed;                     // of PreFilter
    std::uint32_t failed_events = 0;
  };

  PodClass& ClassOf(const PodInfo& pod);
  void Begin(PodClass& c);
  void Refresh(PodClass& c);
  void JudgeRows(PodClass& c, std::span<const NodeIndex> rows);
  std::vector<NodeIndex> Feasible(PodClass& c);
  NodeIndex Best(PodClass& c, std::span<const NodeIndex> rows);
  Decision Explain(const PodClass& c) const;

  std::vector<const Plugin*> plugins_;
  const NodeTable& nodes_;
  Random& random_;
  std::list<PodClass> classes_;  // most recently used first
  std::unordered_map<std::string_view, std::list<PodClass>::iterator> by_key_;
};

}  // namespace minikube::scheduler
