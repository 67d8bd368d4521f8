// NodeResourcesFit (least allocated) and NodeResourcesBalancedAllocation.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "scheduler/plugins/plugins.h"

namespace minikube::scheduler {
namespace {

// Verdict bits of NodeResourcesFit: what is short. `others` are named when the reasons are asked for.
enum Short : Verdict { kShortPods = 1, kShortCpu = 2, kShortMemory = 4, kShortEphemeral = 8, kShortOther = 16 };

std::int64_t Amount(const std::vector<ResourceAmounts::Other>& others, const Str& name) {
  for (const auto& other : others) {
    if (other.name == name) return other.amount;
  }
  return 0;
}

class NodeResourcesFit final : public Plugin {
 public:
  std::string_view name() const override { return "NodeResourcesFit"; }
  std::uint32_t Events() const override { return kNodeAdded | kNodeAllocatableChanged | kAssignedPodDeleted; }
  bool Filters(const PodInfo&, const PluginState*) const override { return true; }

  void Filter(const PluginState*, const PodInfo& pod, const NodeTable& nodes, std::span<const NodeIndex> rows,
              std::span<Verdict> verdicts) const override {
    const NodeTable::Columns& c = nodes.columns();
    const ResourceAmounts& ask = pod.requests;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const NodeIndex row = rows[i];
      Verdict verdict = 0;
      if (c.pod_count[row] + 1 > c.max_pods[row]) verdict |= kShortPods;
      if (ask.milli_cpu > 0 && c.used_milli_cpu[row] + ask.milli_cpu > c.milli_cpu[row]) verdict |= kShortCpu;
      if (ask.memory > 0 && c.used_memory[row] + ask.memory > c.memory[row]) verdict |= kShortMemory;
      if (ask.ephemeral_storage > 0 &&
          c.used_ephemeral_storage[row] + ask.ephemeral_storage > c.ephemeral_storage[row]) {
        verdict |= kShortEphemeral;
      }
      for (const auto& other : ask.others) {
        if (Lacks(c, row, other)) verdict |= kShortOther;
      }
      verdicts[i] = verdict;
    }
  }

  std::vector<std::string> Reasons(const PluginState*, const PodInfo& pod, const NodeTable& nodes, NodeIndex row,
                                   Verdict verdict) const override {
    std::vector<std::string> reasons;
    if ((verdict & kShortPods) != 0) reasons.emplace_back("Too many pods");
    if ((verdict & kShortCpu) != 0) reasons.emplace_back("Insufficient cpu");
    if ((verdict & kShortMemory) != 0) reasons.emplace_back("Insufficient memory");
    if ((verdict & kShortEphemeral) != 0) reasons.emplace_back("Insufficient ephemeral-storage");
    for (const auto& other : pod.requests.others) {
      if (Lacks(nodes.columns(), row, other)) reasons.push_back(fmt::format("Insufficient {}", other.name.view()));
    }
    return reasons;
  }

  // The mean over cpu and memory of the share that would be left free.
  std::int64_t Weight() const override { return 1; }
  void Score(const PluginState*, const PodInfo& pod, const NodeTable& nodes, std::span<const NodeIndex> rows,
             std::span<std::int64_t> scores) const override {
    const NodeTable::Columns& c = nodes.columns();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const NodeIndex row = rows[i];
      const std::int64_t cpu = Free(c.scoring_milli_cpu[row] + pod.scoring_milli_cpu, c.milli_cpu[row]);
      const std::int64_t memory = Free(c.scoring_memory[row] + pod.scoring_memory, c.memory[row]);
      scores[i] = (cpu + memory) / 2;
    }
  }

 private:
  static bool Lacks(const NodeTable::Columns& c, NodeIndex row, const ResourceAmounts::Other& ask) {
    return ask.amount > 0 && Amount(c.used_others[row], ask.name) + ask.amount > Amount(c.others[row], ask.name);
  }
  static std::int64_t Free(std::int64_t used, std::int64_t all) {
    return all == 0 || used > all ? 0 : (all - used) * kMaxNodeScore / all;
  }
};

class BalancedAllocation final : public Plugin {
 public:
  std::string_view name() const override { return "NodeResourcesBalancedAllocation"; }
  std::uint32_t Events() const override { return 0; }
  std::int64_t Weight() const override { return 1; }
  // A pod that asks for nothing balances nothing.
  bool Scores(const PodInfo& pod, const PluginState*) const override {
    return pod.requests.milli_cpu > 0 || pod.requests.memory > 0;
  }
  void Score(const PluginState*, const PodInfo& pod, const NodeTable& nodes, std::span<const NodeIndex> rows,
             std::span<std::int64_t> scores) const override {
    const NodeTable::Columns& c = nodes.columns();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const NodeIndex row = rows[i];
      const double cpu = Share(c.used_milli_cpu[row] + pod.requests.milli_cpu, c.milli_cpu[row]);
      const double memory = Share(c.used_memory[row] + pod.requests.memory, c.memory[row]);
      // The standard deviation of two values is half their distance.
      scores[i] = static_cast<std::int64_t>((1 - std::abs(cpu - memory) / 2) * kMaxNodeScore);
    }
  }

 private:
  static double Share(std::int64_t used, std::int64_t all) {
    return all == 0 ? 1 : std::min(1.0, static_cast<double>(used) / static_cast<double>(all));
  }
};

}  // namespace

std::unique_ptr<Plugin> NewNodeResourcesFit() { return std::make_unique<NodeResourcesFit>(); }
std::unique_ptr<Plugin> NewNodeResourcesBalancedAllocation() { return std::make_unique<BalancedAllocation>(); }

}  // namespace minikube::scheduler
