// TaintToleration and NodeAffinity: what nodes say of pods, and pods of nodes.
#include <algorithm>

#include <minikube/api/core/v1.h>

#include "kube/node_selector.h"
#include "kube/taints.h"
#include "scheduler/node_selector.h"
#include "scheduler/plugins/plugins.h"
#include "scheduler/pod_info.h"

namespace minikube::scheduler {
namespace {

const core::v1::PodSpec& SpecOf(const PodInfo& pod) { return pod.object->As<core::v1::Pod>().spec; }

const List<core::v1::Taint>& TaintsOf(const NodeTable& nodes, NodeIndex row) {
  return nodes.node(row).As<core::v1::Node>().spec.taints;
}

// Brings scores to 0..kMaxNodeScore relative to the largest; `reverse` makes the largest the worst.
void NormalizeToMax(std::span<std::int64_t> scores, bool reverse) {
  const std::int64_t max = scores.empty() ? 0 : *std::max_element(scores.begin(), scores.end());
  for (std::int64_t& score : scores) {
    if (max == 0) {
      score = reverse ? kMaxNodeScore : 0;
    } else {
      score = score * kMaxNodeScore / max;
      if (reverse) score = kMaxNodeScore - score;
    }
  }
}

class TaintToleration final : public Plugin {
 public:
  std::string_view name() const override { return "TaintToleration"; }
  std::uint32_t Events() const override { return kNodeAdded | kNodeTaintsChanged; }
  void Key(const PodInfo& pod, const NodeTable&, std::string& key) const override {
    for (const core::v1::Toleration& toleration : SpecOf(pod).tolerations) AppendMessage(toleration, key);
  }
  bool Filters(const PodInfo&, const PluginState*) const override { return true; }
  void Filter(const PluginState*, const PodInfo& pod, const NodeTable& nodes, std::span<const NodeIndex> rows,
              std::span<Verdict> verdicts) const override {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (FirstUntolerated(pod, nodes, rows[i]) != nullptr) verdicts[i] = kUnresolvable | 1;
    }
  }
  std::vector<std::string> Reasons(const PluginState*, const PodInfo&, const NodeTable&, NodeIndex,
                                   Verdict) const override {
    return {"node(s) had untolerated taint(s)"};
  }

  // Fewer PreferNoSchedule taints that are not tolerated are better.
  std::int64_t Weight() const override { return 3; }
  void Score(const PluginState*, const PodInfo& pod, const NodeTable& nodes, std::span<const NodeIndex> rows,
             std::span<std::int64_t> scores) const override {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (const core::v1::Taint& taint : TaintsOf(nodes, rows[i])) {
        if (taint.effect == "PreferNoSchedule" && !kube::Tolerates(SpecOf(pod).tolerations, taint)) ++scores[i];
      }
    }
  }
  bool Normalizes() const override { return true; }
  void Normalize(const PluginState*, const PodInfo&, const NodeTable&, std::span<const NodeIndex>,
                 std::span<std::int64_t> scores) const override {
    NormalizeToMax(scores, true);
  }

 private:
  static const core::v1::Taint* FirstUntolerated(const PodInfo& pod, const NodeTable& nodes, NodeIndex row) {
    for (const core::v1::Taint& taint : TaintsOf(nodes, row)) {
      if (taint.effect == "PreferNoSchedule") continue;
      if (!kube::Tolerates(SpecOf(pod).tolerations, taint)) return &taint;
    }
    return nullptr;
  }
};

class NodeAffinity final : public Plugin {
 public:
  std::string_view name() const override { return "NodeAffinity"; }
  std::uint32_t Events() const override { return kNodeAdded | kNodeLabelsChanged; }
  void Key(const PodInfo& pod, const NodeTable&, std::string& key) const override { AppendNodeConstraints(pod, key); }
  std::optional<std::vector<NodeIndex>> Candidates(const PodInfo& pod, const NodeTable& nodes) const override {
    const std::optional<std::set<Str>> names = NodesNamedBy(SpecOf(pod));
    if (!names) return std::nullopt;
    std::vector<NodeIndex> rows;
    for (const Str& name : *names) {
      if (const auto row = nodes.Find(name); row && nodes.columns().exists[*row] != 0) rows.push_back(*row);
    }
    std::sort(rows.begin(), rows.end());
    return rows;
  }
  Result<std::unique_ptr<PluginState>> PreFilter(const PodInfo& pod, const NodeTable&) const override {
    const std::optional<std::set<Str>> names = NodesNamedBy(SpecOf(pod));
    if (names && names->empty()) return Status(Code::kConflict, "pod affinity terms conflict");
    return std::unique_ptr<PluginState>();
  }
  bool Filters(const PodInfo& pod, const PluginState*) const override {
    const core::v1::PodSpec& spec = SpecOf(pod);
    return !spec.nodeSelector.empty() || (spec.affinity && spec.affinity->nodeAffinity &&
                                          spec.affinity->nodeAffinity->requiredDuringSchedulingIgnoredDuringExecution);
  }
  void Filter(const PluginState*, const PodInfo& pod, const NodeTable& nodes, std::span<const NodeIndex> rows,
              std::span<Verdict> verdicts) const override {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!kube::MatchesNodeConstraints(SpecOf(pod), nodes.node(rows[i]).meta())) verdicts[i] = kUnresolvable | 1;
    }
  }
  std::vector<std::string> Reasons(const PluginState*, const PodInfo&, const NodeTable&, NodeIndex,
                                   Verdict) const override {
    return {"node(s) didn't match Pod's node affinity/selector"};
  }

  std::int64_t Weight() const override { return 2; }
  bool Scores(const PodInfo& pod, const PluginState*) const override {
    const core::v1::PodSpec& spec = SpecOf(pod);
    return spec.affinity && spec.affinity->nodeAffinity &&
           !spec.affinity->nodeAffinity->preferredDuringSchedulingIgnoredDuringExecution.empty();
  }
  void Score(const PluginState*, const PodInfo& pod, const NodeTable& nodes, std::span<const NodeIndex> rows,
             std::span<std::int64_t> scores) const override {
    const auto& preferred = SpecOf(pod).affinity->nodeAffinity->preferredDuringSchedulingIgnoredDuringExecution;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (const core::v1::PreferredSchedulingTerm& term : preferred) {
        if (kube::MatchesTerm(term.preference, nodes.node(rows[i]).meta())) scores[i] += term.weight;
      }
    }
  }
  bool Normalizes() const override { return true; }
  void Normalize(const PluginState*, const PodInfo&, const NodeTable&, std::span<const NodeIndex>,
                 std::span<std::int64_t> scores) const override {
    NormalizeToMax(scores, false);
  }
};

}  // namespace

std::unique_ptr<Plugin> NewTaintToleration() { return std::make_unique<TaintToleration>(); }
std::unique_ptr<Plugin> NewNodeAffinity() { return std::make_unique<NodeAffinity>(); }

}  // namespace minikube::scheduler
