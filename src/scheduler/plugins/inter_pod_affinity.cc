// InterPodAffinity: pods that must, must not, would like to, or would rather not share a domain with others.
//
// For one class of pods the state keeps what each row contributes to each (topology key, value): matches of the pod's
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

namespace minikube::scheduler {
namespace {

// Weight that a required affinity of a pod already there has in scoring.
constexpr std::int64_t kHardAffinityWeight = 1;

enum AffinityVerdict : Verdict { kAffinity = 1, kAntiAffinity = 2, kExistingAntiAffinity = 4 };

struct Term {
  std::string key;
  LabelSelector selector;
  std::vector<std::string> namespaces;
  std::optional<LabelSelector> namespace_selector;
  std::int64_t weight = 0;
};

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
  std::vector<Term> affinity;
  std::vector<Term> anti;
  std::vector<Term> preferred;  // negative weight: anti-affinity
  bool matches_itself = false;  // by every required affinity term
  std::vector<Counts> affinity_counts;
  std::vector<Counts> anti_counts;
  std::int64_t affinity_total = 0;
  Counts objections;
  Counts preferences;
  std::vector<Contribution> rows;
};

const core::v1::Affinity* AffinityOf(const Object& pod) { return pod.As<core::v1::Pod>().spec.affinity.get(); }

Result<Term> Compile(const core::v1::PodAffinityTerm& spec, const Object& owner, std::int64_t weight) {
  Term term;
  term.key = spec.topologyKey.str();
  term.weight = weight;
  Result<LabelSelector> selector = LabelSelector::From(spec.labelSelector.get());
  if (!selector) return selector.status();
  term.selector = std::move(selector).value();
  for (const Str& ns : spec.namespaces) term.namespaces.push_back(ns.str());
  if (spec.namespaceSelector) {
    Result<LabelSelector> namespaces = LabelSelector::From(spec.namespaceSelector.get());
    if (!namespaces) return namespaces.status();
    term.namespace_selector = std::move(namespaces).value();
  } else if (term.namespaces.empty()) {
    term.namespaces.push_back(owner.meta().namespace_.str());
  }
  return term;
}

bool Matches(const Term& term, const Object& pod, const NamespaceLabels& namespace_labels) {
  const Str& ns = pod.meta().namespace_;
  bool in_namespace = std::find(term.namespaces.begin(), term.namespaces.end(), ns.view()) != term.namespaces.end();
  if (!in_namespace && term.namespace_selector) in_namespace = term.namespace_selector->Matches(namespace_labels(ns));
  return in_namespace && term.selector.Matches(pod.meta().labels);
}

void AddTo(Counts& counts, const TopologyPair& pair, std::int64_t amount) {
  const auto it = counts.try_emplace(pair, 0).first;
  it->second += amount;
  if (it->second == 0) counts.erase(it);
}

std::int64_t CountOf(const Counts& counts, const std::string& key, const Map<Str>& labels) {
  const Str* value = labels.Find(key);
  if (value == nullptr) return 0;
  const auto it = counts.find({key, value->str()});
  return it == counts.end() ? 0 : it->second;
}

class InterPodAffinity final : public Plugin {
 public:
  explicit InterPodAffinity(NamespaceLabels namespace_labels) : namespace_labels_(std::move(namespace_labels)) {}

  std::string_view name() const override { return "InterPodAffinity"; }
  std::uint32_t Events() const override {
    return kNodeAdded | kNodeLabelsChanged | kAssignedPodAdded | kAssignedPodDeleted;
  }

  Result<std::unique_ptr<PluginState>> PreFilter(const PodInfo& pod, const NodeTable& nodes) const override {
    auto state = std::make_unique<AffinityState>();
    MINIKUBE_RETURN_IF_ERROR(CompileOwn(*pod.object, *state));
    state->matches_itself = std::all_of(state->affinity.begin(), state->affinity.end(), [&](const Term& term) {
      return Matches(term, *pod.object, namespace_labels_);
    });
    state->affinity_counts.resize(state->affinity.size());
    state->anti_counts.resize(state->anti.size());
    std::vector<NodeIndex> all(nodes.rows());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<NodeIndex>(i);
    Update(state.get(), pod, nodes, all);
    return std::unique_ptr<PluginState>(std::move(state));
  }

  void Update(PluginState* plugin_state, const PodInfo& pod, const NodeTable& nodes,
              std::span<const NodeIndex> changed) const override {
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
    const auto& state = *static_cast<const AffinityState*>(plugin_state);
    return !FiltersBy(state) && state.preferences.empty();
  }
  bool Filters(const PodInfo&, const PluginState* state) const override {
    return FiltersBy(*static_cast<const AffinityState*>(state));
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
    return !static_cast<const AffinityState*>(state)->preferences.empty();
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
  static Status CompileOwn(const Object& pod, AffinityState& state) {
    const core::v1::Affinity* affinity = AffinityOf(pod);
    if (affinity == nullptr) return {};
    const auto add = [&](std::vector<Term>& to, const core::v1::PodAffinityTerm& spec, std::int64_t weight) -> Status {
      Result<Term> term = Compile(spec, pod, weight);
      if (!term) return term.status();
      to.push_back(std::move(term).value());
      return {};
    };
    if (affinity->podAffinity) {
      for (const auto& term : affinity->podAffinity->requiredDuringSchedulingIgnoredDuringExecution) {
        MINIKUBE_RETURN_IF_ERROR(add(state.affinity, term, 0));
      }
      for (const auto& term : affinity->podAffinity->preferredDuringSchedulingIgnoredDuringExecution) {
        MINIKUBE_RETURN_IF_ERROR(add(state.preferred, term.podAffinityTerm, term.weight));
      }
    }
    if (affinity->podAntiAffinity) {
      for (const auto& term : affinity->podAntiAffinity->requiredDuringSchedulingIgnoredDuringExecution) {
        MINIKUBE_RETURN_IF_ERROR(add(state.anti, term, 0));
      }
      for (const auto& term : affinity->podAntiAffinity->preferredDuringSchedulingIgnoredDuringExecution) {
        MINIKUBE_RETURN_IF_ERROR(add(state.preferred, term.podAffinityTerm, -term.weight));
      }
    }
    return {};
  }

  // What the pods on a row say of pods of this class, and what this class says of them.
  Contribution Collect(const AffinityState& state, const PodInfo& pod, const NodeTable& nodes, NodeIndex row) const {
    Contribution out;
    const Map<Str>& labels = nodes.labels(row);
    const auto pair_for = [&](const std::string& key) -> std::optional<TopologyPair> {
      const Str* value = labels.Find(key);
      if (value == nullptr) return std::nullopt;
      return TopologyPair(key, value->str());
    };
    for (const PodInfoRef& there : nodes.columns().pods[row]) {
      // Required affinity counts pods that match every term, as Kubernetes does.
      const bool all = !state.affinity.empty() &&
                       std::all_of(state.affinity.begin(), state.affinity.end(),
                                   [&](const Term& term) { return Matches(term, *there->object, namespace_labels_); });
      for (std::size_t i = 0; all && i < state.affinity.size(); ++i) {
        if (auto pair = pair_for(state.affinity[i].key)) out.affinity.emplace_back(i, *pair);
      }
      for (std::size_t i = 0; i < state.anti.size(); ++i) {
        if (!Matches(state.anti[i], *there->object, namespace_labels_)) continue;
        if (auto pair = pair_for(state.anti[i].key)) out.anti.emplace_back(i, *pair);
      }
      for (const Term& term : state.preferred) {
        if (!Matches(term, *there->object, namespace_labels_)) continue;
        if (auto pair = pair_for(term.key)) out.preferences.emplace_back(*pair, term.weight);
      }
      if (AffinityOf(*there->object) != nullptr) CollectFrom(*there->object, pod, pair_for, out);
    }
    return out;
  }

  template <typename PairFor>
  void CollectFrom(const Object& there, const PodInfo& pod, PairFor pair_for, Contribution& out) const {
    AffinityState theirs;
    if (!CompileOwn(there, theirs).ok()) return;  // refused when it was written; nothing to honour
    for (const Term& term : theirs.anti) {
      if (!Matches(term, *pod.object, namespace_labels_)) continue;
      if (auto pair = pair_for(term.key)) out.objections.push_back(*pair);
    }
    for (const Term& term : theirs.affinity) {
      if (!Matches(term, *pod.object, namespace_labels_)) continue;
      if (auto pair = pair_for(term.key)) out.preferences.emplace_back(*pair, kHardAffinityWeight);
    }
    for (const Term& term : theirs.preferred) {
      if (!Matches(term, *pod.object, namespace_labels_)) continue;
      if (auto pair = pair_for(term.key)) out.preferences.emplace_back(*pair, term.weight);
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
      if (!labels.Contains(state.affinity[i].key)) return kUnresolvable | kAffinity;
      met = met && CountOf(state.affinity_counts[i], state.affinity[i].key, labels) > 0;
    }
    // The first of a group of pods that want to be together may go anywhere.
    if (!met && (state.affinity_total != 0 || !state.matches_itself)) return kUnresolvable | kAffinity;
    for (std::size_t i = 0; i < state.anti.size(); ++i) {
      if (CountOf(state.anti_counts[i], state.anti[i].key, labels) > 0) return kAntiAffinity;
    }
    for (const auto& [pair, count] : state.objections) {
      const Str* value = labels.Find(pair.first);
      if (value != nullptr && *value == pair.second) return kExistingAntiAffinity;
    }
    return kPass;
  }

  NamespaceLabels namespace_labels_;
};

}  // namespace

std::unique_ptr<Plugin> NewInterPodAffinity(NamespaceLabels namespace_labels) {
  return std::make_unique<InterPodAffinity>(std::move(namespace_labels));
}

}  // namespace minikube::scheduler
