// DefaultPreemption: pods of lower priority make room. PostFilter only.
//
// On every row where removing pods might help, all pods of lower priority are imagined gone; if the pod then fits, they
// come back one by one, the most important first, as long as it still fits: those that cannot are the victims. Pods
// whose budget (PodDisruptionBudget) would be broken come back first of all. Of the rows the one with the least harm is
// chosen. Semantics: https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include <minikube/api/core/v1.h>
#include <minikube/api/policy/v1.h>
#include <minikube/selector.h>

#include "kube/conditions.h"
#include "scheduler/plugins/plugins.h"

namespace minikube::scheduler {
namespace {

// Rows that are looked at: enough candidates to choose from, and no more.
constexpr std::size_t kMinCandidatesPercent = 10;
constexpr std::size_t kMinCandidates = 100;

const core::v1::Pod& PodOf(const PodInfo& pod) { return pod.object->As<core::v1::Pod>(); }

// A pod that has not started counts as having started last.
std::int64_t StartOf(const PodInfo& pod) {
  const auto& start = PodOf(pod).status.startTime;
  return start ? start->micros : std::numeric_limits<std::int64_t>::max();
}

bool MoreImportant(const PodInfoRef& a, const PodInfoRef& b) {
  return a->priority != b->priority ? a->priority > b->priority : StartOf(*a) < StartOf(*b);
}

struct Candidate {
  NodeIndex row = 0;
  std::vector<PodInfoRef> victims;  // most important first
  std::int64_t violations = 0;      // victims whose budget would be broken

  // Less is better, in this order.
  auto Harm() const {
    std::int64_t sum = 0;
    std::int64_t earliest = std::numeric_limits<std::int64_t>::max();
    for (const PodInfoRef& victim : victims) {
      // All addends are positive, so that fewer pods of negative priority harm less than more of them.
      sum += victim->priority + (std::int64_t{std::numeric_limits<std::int32_t>::max()} + 1);
      if (victim->priority == victims.front()->priority) earliest = std::min(earliest, StartOf(*victim));
    }
    return std::tuple(violations, victims.front()->priority, sum, victims.size(), -earliest);
  }
};

// How many more evictions each budget of the pods' namespaces allows.
class Budgets {
 public:
  Budgets(const BudgetsIn& budgets_in, const std::vector<PodInfoRef>& pods) {
    for (const PodInfoRef& pod : pods) {
      const auto [it, is_new] = by_namespace_.try_emplace(pod->object->meta().namespace_);
      if (!is_new || !budgets_in) continue;
      for (const ObjectRef& object : budgets_in(it->first)) {
        const auto& budget = object->As<policy::v1::PodDisruptionBudget>();
        Result<LabelSelector> selector = LabelSelector::From(budget.spec.selector.get());
        // Here an empty selector is nobody's, as in kube-scheduler.
        if (!selector || selector->empty()) continue;
        it->second.push_back({object, std::move(selector).value(), budget.status.disruptionsAllowed});
      }
    }
  }
  // Whether evicting the pod, after those asked about before it, breaks a budget.
  bool Breaks(const PodInfo& pod) {
    const meta::v1::ObjectMeta& meta = pod.object->meta();
    bool breaks = false;
    for (Budget& budget : by_namespace_.at(meta.namespace_)) {
      if (meta.labels.empty() || !budget.selector.Matches(meta.labels)) continue;
      const auto& status = budget.object->As<policy::v1::PodDisruptionBudget>().status;
      if (status.disruptedPods.Contains(meta.name)) continue;  // was counted when its eviction was allowed
      breaks = --budget.allowed < 0 || breaks;
    }
    return breaks;
  }

 private:
  struct Budget {
    ObjectRef object;
    LabelSelector selector;
    std::int32_t allowed = 0;
  };
  std::map<Str, std::vector<Budget>> by_namespace_;
};

class DefaultPreemption final : public Plugin {
 public:
  DefaultPreemption(BudgetsIn budgets_in, Random& random) : budgets_in_(std::move(budgets_in)), random_(random) {}

  std::string_view name() const override { return "DefaultPreemption"; }
  std::uint32_t Events() const override { return 0; }
  void Key(const PodInfo&, const NodeTable&, std::string&) const override {}

  std::optional<PostFilterResult> PostFilter(const PodInfo& pod, const NodeTable& nodes,
                                             std::span<const NodeIndex> rows, Overlay& overlay) override {
    if (std::string why = WhyNotEligible(pod, nodes, rows); !why.empty()) return PostFilterResult{.message = why};
    std::map<std::string, std::size_t> reasons;
    std::vector<Candidate> candidates = Candidates(pod, nodes, rows, overlay, reasons);
    if (candidates.empty()) return PostFilterResult{.node = "", .message = Explain(nodes.size(), rows.size(), reasons)};
    Candidate& best = *std::min_element(candidates.begin(), candidates.end(),
                                        [](const auto& a, const auto& b) { return a.Harm() < b.Harm(); });
    return PostFilterResult{.node = nodes.node(best.row).meta().name.str(), .victims = std::move(best.victims)};
  }

 private:
  // A pod whose victims are still leaving waits for them.
  static std::string WhyNotEligible(const PodInfo& info, const NodeTable& nodes, std::span<const NodeIndex> rows) {
    const core::v1::Pod& pod = PodOf(info);
    if (pod.spec.preemptionPolicy && *pod.spec.preemptionPolicy == "Never") {
      return "not eligible due to preemptionPolicy=Never.";
    }
    if (pod.status.nominatedNodeName.empty()) return "";
    const auto row = nodes.Find(pod.status.nominatedNodeName);
    if (!row || std::find(rows.begin(), rows.end(), *row) == rows.end()) return "";
    for (const PodInfoRef& there : nodes.columns().pods[*row]) {
      if (there->priority >= info.priority || !PodOf(*there).metadata.deletionTimestamp) continue;
      const auto* target = kube::FindCondition(PodOf(*there).status.conditions, "DisruptionTarget");
      if (target != nullptr && target->status == "True" && target->reason == "PreemptionByScheduler") {
        return "not eligible due to a terminating pod on the nominated node.";
      }
    }
    return "";
  }

  // From a random row on, until there are enough, at least one of which breaks no budget.
  std::vector<Candidate> Candidates(const PodInfo& pod, const NodeTable& nodes, std::span<const NodeIndex> rows,
                                    Overlay& overlay, std::map<std::string, std::size_t>& reasons) {
    std::vector<Candidate> candidates;
    const std::size_t enough = std::max(rows.size() * kMinCandidatesPercent / 100, kMinCandidates);
    const std::size_t offset = rows.empty() ? 0 : random_.Next() % rows.size();
    bool harmless = false;
    for (std::size_t i = 0; i < rows.size() && !(harmless && candidates.size() >= enough); ++i) {
      Candidate candidate{.row = rows[(offset + i) % rows.size()]};
      std::vector<std::string> refused = SelectVictims(pod, nodes, overlay, candidate);
      overlay.Reset();
      for (std::string& reason : refused) ++reasons[std::move(reason)];
      if (candidate.victims.empty()) continue;
      harmless = harmless || candidate.violations == 0;
      candidates.push_back(std::move(candidate));
    }
    return candidates;
  }

  // Fills in the victims, or says why there is no use in any.
  std::vector<std::string> SelectVictims(const PodInfo& pod, const NodeTable& nodes, Overlay& overlay,
                                         Candidate& candidate) const {
    std::vector<PodInfoRef> lower;
    for (const PodInfoRef& there : nodes.columns().pods[candidate.row]) {
      if (there->priority < pod.priority) lower.push_back(there);
    }
    if (lower.empty()) return {"No preemption victims found for incoming pod"};
    for (const PodInfoRef& victim : lower) overlay.Remove(candidate.row, victim);
    if (auto refusal = overlay.Check(candidate.row)) return std::move(refusal->reasons);

    std::stable_sort(lower.begin(), lower.end(), MoreImportant);
    Budgets budgets(budgets_in_, lower);
    const auto safe = std::stable_partition(lower.begin(), lower.end(),
                                            [&](const PodInfoRef& victim) { return budgets.Breaks(*victim); });
    for (auto it = lower.begin(); it != lower.end(); ++it) {
      overlay.Add(candidate.row, *it);
      if (!overlay.Check(candidate.row)) continue;
      overlay.Remove(candidate.row, *it);
      candidate.victims.push_back(*it);
      if (it < safe) ++candidate.violations;
    }
    std::stable_sort(candidate.victims.begin(), candidate.victims.end(), MoreImportant);
    return {};
  }

  static std::string Explain(std::size_t nodes, std::size_t tried, std::map<std::string, std::size_t>& counts) {
    if (tried < nodes) counts["Preemption is not helpful for scheduling"] += nodes - tried;
    std::vector<std::string> parts;
    for (const auto& [reason, count] : counts) parts.push_back(fmt::format("{} {}", count, reason));
    std::sort(parts.begin(), parts.end());
    return fmt::format("0/{} nodes are available: {}.", nodes, fmt::join(parts, ", "));
  }

  BudgetsIn budgets_in_;
  Random& random_;
};

}  // namespace

std::unique_ptr<Plugin> NewDefaultPreemption(BudgetsIn budgets_in, Random& random) {
  return std::make_unique<DefaultPreemption>(std::move(budgets_in), random);
}

}  // namespace minikube::scheduler
