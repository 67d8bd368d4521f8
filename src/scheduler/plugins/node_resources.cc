// NodeResourcesFit (least allocated) and NodeResourcesBalancedAllocation.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "scheduler/plugins/plugins.h"
#include "scheduler/pod_info.h"

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

void AppendRequests(const PodInfo& pod, std::string& key) {
  AppendNumber(pod.requests.milli_cpu, key);
  AppendNumber(pod.requests.memory, key);
  AppendNumber(pod.requests.ephemeral_storage, key);
  for (const auto& other : pod.requests.others) {
    AppendPart(other.name, key);
    AppendNumber(other.amount, key);
  }
}

class NodeResourcesFit final : public Plugin {
 public:
  std::string_view name() const override { return "NodeResourcesFit"; }
  std::uint32_t Events() const override { return kNodeAdded | kNodeAllocatableChanged | kAssignedPodDeleted; }
  void Key(const PodInfo& pod, const NodeTable&, std::string& key) const override {
    AppendRequests(pod, key);
    AppendNumber(pod.scoring_milli_cpu, key);
    AppendNumber(pod.scoring_memory, key);
  }
  bool Filters(const PodInfo&, const PluginState*) const override { return true; }

  void Filter(const PluginState*, const PodInfo& pod, const NodeTable& nodes, std::span<const NodeIndex> rows,
              std::span<Verdict> verdicts) const override {
    const NodeTable::Columns& c = nodes.columns();
    const ResourceAmounts& ask = pod.requests;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const NodeIndex row = rows[i];
      Verdict verdict = 0;
      if (c.pod_count[row] + 1 > c.max_pods[row]) verdict |= kShortPods;
      verdict |= Held(ask.milli_cpu, c.used_milli_cpu[row], c.milli_cpu[row], kShortCpu);
      verdict |= Held(ask.memory, c.used_memory[row], c.memory[row], kShortMemory);
      verdict |= Held(ask.ephemeral_storage, c.used_ephemeral_storage[row], c.ephemeral_storage[row], kShortEphemeral);
      for (const auto& other : ask.others) {
        verdict |=
            Held(other.amount, Amount(c.used_others[row], other.name), Amount(c.others[row], other.name), kShortOther);
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
  // What is asked, used and there: where an empty node would not do, removing pods does not help.
  static Verdict Held(std::int64_t ask, std::int64_t used, std::int64_t all, Verdict lacking) {
    if (ask <= 0 || ask <= all - used) return kPass;
    return ask > all ? lacking | kUnresolvable : lacking;
  }
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
  void Key(const PodInfo& pod, const NodeTable&, std::string& key) const override {
    AppendNumber(pod.requests.milli_cpu, key);
    AppendNumber(pod.requests.memory, key);
  }
  // A pod that asks for nothing balances nothing.
  bool Scores(const PodInfo& pod, const PluginState*) const override {
    return pod.requests.milli_cpu > 0 || pod.requests.memory > 0;
  }
  // How much better balanced the node is with the pod than without: 50 to 100, 75 where it makes no difference.
  void Score(const PluginState*, const PodInfo& pod, const NodeTable& nodes, std::span<const NodeIndex> rows,
             std::span<std::int64_t> scores) const override {
    const NodeTable::Columns& c = nodes.columns();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::int64_t with = Balance(c, rows[i], pod.requests.milli_cpu, pod.requests.memory);
      const std::int64_t without = Balance(c, rows[i], 0, 0);
      scores[i] = kMaxNodeScore / 2 + (kMaxNodeScore / 2 + with - without) / 2;
    }
  }

 private:
  static std::int64_t Balance(const NodeTable::Columns& c, NodeIndex row, std::int64_t more_cpu,
                              std::int64_t more_memory) {
    if (c.milli_cpu[row] == 0 || c.memory[row] == 0) return kMaxNodeScore;
    const double cpu = Share(c.used_milli_cpu[row] + more_cpu, c.milli_cpu[row]);
    const double memory = Share(c.used_memory[row] + more_memory, c.memory[row]);
    // The standard deviation of two values is half their distance.
    return static_cast<std::int64_t>((1 - std::abs(cpu - memory) / 2) * kMaxNodeScore);
  }
  static double Share(std::int64_t used, std::int64_t all) {
    return std::min(1.0, static_cast<double>(used) / static_cast<double>(all));
  }
};

}  // namespace

std::unique_ptr<Plugin> NewNodeResourcesFit() { return std::make_unique<NodeResourcesFit>(); }
std::unique_ptr<Plugin> NewNodeResourcesBalancedAllocation() { return std::make_unique<BalancedAllocation>(); }

}  // namespace minikube::scheduler
