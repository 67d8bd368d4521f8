// InterPodAffinity: pods that must, must not, would like to, or would rather not share a domain with others.
//
// For the pods of one key the state keeps what each row contributes to each (topology key, value): matches of the pod's
// own required terms, objections of the pods already there, and preferences of both sides. A changed row takes back
// what it contributed and contributes anew.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <minikube/api/core/v1.h>
#include <minikube/selector.h>

#include "scheduler/plugins/plugins.h"
#include "scheduler/pod_info.h"

namespace minikube::scheduler {
namespace {

// Weight that a required affinity of a pod already there has in scoring.
constexpr std::int64_t kHardAffinityWeight = 1;

enum AffinityVerdict : Verdict { kAffinity = 1, kAntiAffinity = 2, kExistingAntiAffinity = 4 };

using TopologyPair = std::pair<std::string, std::string>;  // key, value
using Counts = std::map<TopologyPair, std::int64_t>;

// What one row adds, per purpose; own terms are named by their index.
struct Contribution {
  std::vector<std::pair<std::size_t, TopologyPair>> affinity;
  std::vector<std::pair<std::size_t, TopologyPair>> anti;
  std::vector<TopologyPair> objections;
  std::vector<std::pair<TopologyPair, std::int64_t>> preferences;
};

struct AffinityState final : PluginState {
  std::vector<AffinityTerm> affinity;
  std::vector<AffinityTerm> anti;
  std::vector<AffinityTerm> preferred;  // negative weight: anti-affinity
  bool matches_itself = false;          // by every required affinity term
  std::vector<Counts> affinity_counts;
  std::vector<Counts> anti_counts;
  std::int64_t affinity_total = 0;
  Counts objections;
  Counts preferences;
  std::vector<Contribution> rows;
};

bool Matches(const AffinityTerm& term, const Object& pod, const Namespaces& namespaces) {
  const Str& ns = pod.meta().namespace_;
  bool in_namespace = std::find(term.namespaces.begin(), term.namespaces.end(), ns) != term.namespaces.end();
  if (!in_namespace && term.namespace_selector) in_namespace = term.namespace_selector->Matches(namespaces.labels(ns));
  return in_namespace && term.selector.Matches(pod.meta().labels);
}

void AddTo(Counts& counts, const TopologyPair& pair, std::int64_t amount) {
  const auto it = counts.try_emplace(pair, 0).first;
  it->second += amount;
  if (it->second == 0) counts.erase(it);
}

std::int64_t CountOf(const Counts& counts, const Str& key, const Map<Str>& labels) {
  const Str* value = labels.Find(key);
  if (value == nullptr) return 0;
  const auto it = counts.find({key.str(), value->str()});
  return it == counts.end() ? 0 : it->second;
}

class InterPodAffinity final : public Plugin {
 public:
  explicit InterPodAffinity(Namespaces namespaces) : namespaces_(std::move(namespaces)) {}

  std::string_view name() const override { return "InterPodAffinity"; }
  std::uint32_t Events() const override {
    return kNodeAdded | kNodeLabelsChanged | kAssignedPodAdded | kAssignedPodDeleted;
  }

  // Other pods' terms look at the pod's namespace and labels, but only at labels that some term names: a label that
  // tells the pods of a StatefulSet apart, say, is not among them.
  void Key(const PodInfo& pod, const NodeTable& nodes, std::string& key) const override {
    if (!Matters(pod, nodes)) return;
    const meta::v1::ObjectMeta& meta = pod.object->meta();
    AppendPart(meta.namespace_, key);
    for (const auto& [label, uses] : nodes.affinity_label_keys()) {
      const Str* value = meta.labels.Find(label);
      AppendNumber(value != nullptr ? 1 : 0, key);
      AppendPart(label, key);
      if (value != nullptr) AppendPart(*value, key);
    }
    const bool selects = pod.affinity && pod.affinity->has_namespace_selector();
    if (selects || nodes.namespace_selecting_pods() > 0) {
      AppendNumber(static_cast<std::int64_t>(namespaces_.generation()), key);
    }
    if (!pod.affinity) return;
    AppendNumber(MatchesItself(pod) ? 1 : 0, key);
    AppendMessage(*pod.object->As<core::v1::Pod>().spec.affinity, key);
  }

  Result<std::unique_ptr<PluginState>> PreFilter(const PodInfo& pod, const NodeTable& nodes) const override {
    if (!Matters(pod, nodes)) return std::unique_ptr<PluginState>();
    auto state = std::make_unique<AffinityState>();
    if (pod.affinity) {
      MINIKUBE_RETURN_IF_ERROR(pod.affinity->error);
      state->affinity = pod.affinity->required;
      state->anti = pod.affinity->required_anti;
      state->preferred = pod.affinity->preferred;
    }
    state->matches_itself = MatchesItself(pod);
    state->affinity_counts.resize(state->affinity.size());
    state->anti_counts.resize(state->anti.size());
    std::vector<NodeIndex> all(nodes.rows());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<NodeIndex>(i);
    Update(state.get(), pod, nodes, all);
    return std::unique_ptr<PluginState>(std::move(state));
  }

  void Update(PluginState* plugin_state, const PodInfo& pod, const NodeTable& nodes,
              std::span<const NodeIndex> changed) const override {
    if (plugin_state == nullptr) return;
    auto* state = static_cast<AffinityState*>(plugin_state);
    state->rows.resize(nodes.rows());
    for (const NodeIndex row : changed) {
      Apply(*state, state->rows[row], -1);
      state->rows[row] = Contribution();
      if (nodes.columns().exists[row] == 0) continue;
      state->rows[row] = Collect(*state, pod, nodes, row);
      Apply(*state, state->rows[row], 1);
    }
  }

  // While no affinity is around, no row says anything, and rows can be judged one by one.
  bool RowLocal(const PluginState* plugin_state) const override {
    if (plugin_state == nullptr) return true;
    const auto& state = *static_cast<const AffinityState*>(plugin_state);
    return !FiltersBy(state) && state.preferences.empty();
  }
  bool Filters(const PodInfo&, const PluginState* state) const override {
    return state != nullptr && FiltersBy(*static_cast<const AffinityState*>(state));
  }

  void Filter(const PluginState* plugin_state, const PodInfo&, const NodeTable& nodes, std::span<const NodeIndex> rows,
              std::span<Verdict> verdicts) const override {
    const auto& state = *static_cast<const AffinityState*>(plugin_state);
    for (std::size_t i = 0; i < rows.size(); ++i) verdicts[i] = Judge(state, nodes.labels(rows[i]));
  }

  std::vector<std::string> Reasons(const PluginState*, const PodInfo&, const NodeTable&, NodeIndex,
                                   Verdict verdict) const override {
    if ((verdict & kAffinity) != 0) return {"node(s) didn't match pod affinity rules"};
    if ((verdict & kAntiAffinity) != 0) return {"node(s) didn't match pod anti-affinity rules"};
    return {"node(s) didn't satisfy existing pods anti-affinity rules"};
  }

  std::int64_t Weight() const override { return 2; }
  bool Scores(const PodInfo&, const PluginState* state) const override {
    return state != nullptr && !static_cast<const AffinityState*>(state)->preferences.empty();
  }
  void Score(const PluginState* plugin_state, const PodInfo&, const NodeTable& nodes, std::span<const NodeIndex> rows,
             std::span<std::int64_t> scores) const override {
    const auto& state = *static_cast<const AffinityState*>(plugin_state);
    for (const auto& [pair, weight] : state.preferences) {
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const Str* value = nodes.labels(rows[i]).Find(pair.first);
        if (value != nullptr && *value == pair.second) scores[i] += weight;
      }
    }
  }
  bool Normalizes() const override { return true; }
  void Normalize(const PluginState*, const PodInfo&, const NodeTable&, std::span<const NodeIndex>,
                 std::span<std::int64_t> scores) const override {
    if (scores.empty()) return;
    const auto [min, max] = std::minmax_element(scores.begin(), scores.end());
    const std::int64_t low = *min;
    const std::int64_t range = *max - low;
    for (std::int64_t& score : scores) score = range == 0 ? 0 : kMaxNodeScore * (score - low) / range;
  }

 private:
  // Nobody says anything of others.
  static bool Matters(const PodInfo& pod, const NodeTable& nodes) {
    return pod.affinity != nullptr || !nodes.affinity_label_keys().empty();
  }
  bool MatchesItself(const PodInfo& pod) const {
    return !pod.affinity ||
           std::all_of(pod.affinity->required.begin(), pod.affinity->required.end(),
                       [&](const AffinityTerm& term) { return Matches(term, *pod.object, namespaces_); });
  }

  // What the pods on a row say of pods of this class, and what this class says of them.
  Contribution Collect(const AffinityState& state, const PodInfo& pod, const NodeTable& nodes, NodeIndex row) const {
    Contribution out;
    const Map<Str>& labels = nodes.labels(row);
    const auto pair_for = [&](const Str& key) -> std::optional<TopologyPair> {
      const Str* value = labels.Find(key);
      if (value == nullptr) return std::nullopt;
      return TopologyPair(key.str(), value->str());
    };
    for (const PodInfoRef& there : nodes.columns().pods[row]) {
      // Required affinity counts pods that match every term, as Kubernetes does.
      const bool all = !state.affinity.empty() &&
                       std::all_of(state.affinity.begin(), state.affinity.end(), [&](const AffinityTerm& term) {
                         return Matches(term, *there->object, namespaces_);
                       });
      for (std::size_t i = 0; all && i < state.affinity.size(); ++i) {
        if (auto pair = pair_for(state.affinity[i].topology_key)) out.affinity.emplace_back(i, *pair);
      }
      for (std::size_t i = 0; i < state.anti.size(); ++i) {
        if (!Matches(state.anti[i], *there->object, namespaces_)) continue;
        if (auto pair = pair_for(state.anti[i].topology_key)) out.anti.emplace_back(i, *pair);
      }
      for (const AffinityTerm& term : state.preferred) {
        if (!Matches(term, *there->object, namespaces_)) continue;
        if (auto pair = pair_for(term.topology_key)) out.preferences.emplace_back(*pair, term.weight);
      }
      if (there->affinity) CollectFrom(*there->affinity, pod, pair_for, out);
    }
    return out;
  }

  template <typename PairFor>
  void CollectFrom(const PodAffinity& theirs, const PodInfo& pod, PairFor pair_for, Contribution& out) const {
    for (const AffinityTerm& term : theirs.required_anti) {
      if (!Matches(term, *pod.object, namespaces_)) continue;
      if (auto pair = pair_for(term.topology_key)) out.objections.push_back(*pair);
    }
    for (const AffinityTerm& term : theirs.required) {
      if (!Matches(term, *pod.object, namespaces_)) continue;
      if (auto pair = pair_for(term.topology_key)) out.preferences.emplace_back(*pair, kHardAffinityWeight);
    }
    for (const AffinityTerm& term : theirs.preferred) {
      if (!Matches(term, *pod.object, namespaces_)) continue;
      if (auto pair = pair_for(term.topology_key)) out.preferences.emplace_back(*pair, term.weight);
    }
  }

  static void Apply(AffinityState& state, const Contribution& row, std::int64_t sign) {
    for (const auto& [term, pair] : row.affinity) {
      AddTo(state.affinity_counts[term], pair, sign);
      state.affinity_total += sign;
    }
    for (const auto& [term, pair] : row.anti) AddTo(state.anti_counts[term], pair, sign);
    for (const TopologyPair& pair : row.objections) AddTo(state.objections, pair, sign);
    for (const auto& [pair, weight] : row.preferences) AddTo(state.preferences, pair, sign * weight);
  }

  static bool FiltersBy(const AffinityState& state) {
    return !state.affinity.empty() || !state.anti.empty() || !state.objections.empty();
  }

  // In kube-scheduler's order, which decides what reason is given.
  static Verdict Judge(const AffinityState& state, const Map<Str>& labels) {
    bool met = true;
    for (std::size_t i = 0; i < state.affinity.size(); ++i) {
      if (!labels.Contains(state.affinity[i].topology_key)) return kUnresolvable | kAffinity;
      met = met && CountOf(state.affinity_counts[i], state.affinity[i].topology_key, labels) > 0;
    }
    // The first of a group of pods that want to be together may go anywhere.
    if (!met && (state.affinity_total != 0 || !state.matches_itself)) return kUnresolvable | kAffinity;
    for (std::size_t i = 0; i < state.anti.size(); ++i) {
      if (CountOf(state.anti_counts[i], state.anti[i].topology_key, labels) > 0) return kAntiAffinity;
    }
    for (const auto& [pair, count] : state.objections) {
      const Str* value = labels.Find(pair.first);
      if (value != nullptr && *value == pair.second) return kExistingAntiAffinity;
    }
    return kPass;
  }

  Namespaces namespaces_;
};

}  // namespace

std::unique_ptr<Plugin> NewInterPodAffinity(Namespaces namespaces) {
  return std::make_unique<InterPodAffinity>(std::move(namespaces));
}

}  // namespace minikube::scheduler
