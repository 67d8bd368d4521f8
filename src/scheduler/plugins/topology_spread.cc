// PodTopologySpread: pods of a kind spread evenly over domains (zones, hosts, any node label).
//
// For one class of pods the state holds, per constraint, how many matching pods each row has and how many each domain
// adds up to; a changed row is recounted alone.
#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <unordered_map>

#include <minikube/api/core/v1.h>
#include <minikube/selector.h>

#include "kube/taints.h"
#include "scheduler/node_selector.h"
#include "scheduler/plugins/plugins.h"
#include "scheduler/pod_info.h"

namespace minikube::scheduler {
namespace {

constexpr std::string_view kHostname = "kubernetes.io/hostname";
constexpr std::string_view kZone = "topology.kubernetes.io/zone";
constexpr std::int32_t kNoDomain = -1;

enum SpreadVerdict : Verdict { kSkew = 1, kMissingLabel = 2 };

struct Row {
  std::int32_t domain = kNoDomain;  // of the node, whether or not it is eligible
  std::int32_t matching = 0;        // pods on it that the selector matches
  bool eligible = false;            // counts for this constraint
};

struct Domain {
  std::int64_t matching = 0;
  std::int32_t nodes = 0;  // eligible ones
};

struct Constraint {
  std::string key;
  std::vector<LabelSelector> selectors;  // all must match
  std::int32_t max_skew = 1;
  std::int32_t min_domains = 0;
  bool hard = false;
  bool honor_affinity = true;
  bool honor_taints = false;
  bool self = false;  // the pod itself matches

  std::vector<Row> rows;
  std::vector<Domain> domains;
  std::unordered_map<std::string, std::int32_t> domain_ids;

  bool Counts(const Object& pod) const {
    return std::all_of(selectors.begin(), selectors.end(),
                       [&](const LabelSelector& selector) { return selector.Matches(pod.meta().labels); });
  }
  // The fewest matching pods in any domain; 0 while there are fewer domains than asked for.
  std::int64_t Fewest() const {
    std::int64_t fewest = -1;
    std::int32_t count = 0;
    for (const Domain& domain : domains) {
      if (domain.nodes == 0) continue;
      ++count;
      if (fewest < 0 || domain.matching < fewest) fewest = domain.matching;
    }
    return fewest < 0 || count < min_domains ? 0 : fewest;
  }
};

struct SpreadState final : PluginState {
  std::vector<Constraint> constraints;
  bool system_defaults = false;  // nodes without a zone still spread by host
};

const core::v1::Pod& PodOf(const PodInfo& pod) { return pod.object->As<core::v1::Pod>(); }

class PodTopologySpread final : public Plugin {
 public:
  explicit PodTopologySpread(DefaultSelector default_selector) : default_selector_(std::move(default_selector)) {}

  std::string_view name() const override { return "PodTopologySpread"; }
  std::uint32_t Events() const override {
    return kNodeAdded | kNodeLabelsChanged | kNodeTaintsChanged | kAssignedPodAdded | kAssignedPodDeleted;
  }

  Result<std::unique_ptr<PluginState>> PreFilter(const PodInfo& pod, const NodeTable& nodes) const override {
    auto state = std::make_unique<SpreadState>();
    for (const auto& spec : PodOf(pod).spec.topologySpreadConstraints) {
      Result<Constraint> constraint = Compile(spec, *pod.object);
      if (!constraint) return constraint.status();
      state->constraints.push_back(std::move(constraint).value());
    }
    if (state->constraints.empty()) {
      std::vector<LabelSelector> selectors =
          default_selector_ ? default_selector_(*pod.object) : std::vector<LabelSelector>();
      if (selectors.empty()) return std::unique_ptr<PluginState>();
      state->system_defaults = true;
      for (const auto& [key, skew] : {std::pair(kHostname, 3), std::pair(kZone, 5)}) {
        Constraint constraint;
        constraint.key = key;
        constraint.max_skew = skew;
        constraint.selectors = selectors;
        state->constraints.push_back(std::move(constraint));
      }
    }
    std::vector<NodeIndex> all(nodes.rows());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<NodeIndex>(i);
    Update(state.get(), pod, nodes, all);
    return std::unique_ptr<PluginState>(std::move(state));
  }

  void Update(PluginState* plugin_state, const PodInfo& pod, const NodeTable& nodes,
              std::span<const NodeIndex> changed) const override {
    if (plugin_state == nullptr) return;
    auto* state = static_cast<SpreadState*>(plugin_state);
    for (Constraint& constraint : state->constraints) {
      constraint.rows.resize(nodes.rows());
      for (const NodeIndex row : changed) Recount(*state, constraint, pod, nodes, row);
    }
  }

  bool RowLocal(const PluginState* state) const override { return state == nullptr; }

  bool Filters(const PodInfo&, const PluginState* plugin_state) const override {
    if (plugin_state == nullptr) return false;
    const auto& constraints = static_cast<const SpreadState*>(plugin_state)->constraints;
    return std::any_of(constraints.begin(), constraints.end(), [](const Constraint& c) { return c.hard; });
  }

  void Filter(const PluginState* plugin_state, const PodInfo&, const NodeTable&, std::span<const NodeIndex> rows,
              std::span<Verdict> verdicts) const override {
    for (const Constraint& constraint : static_cast<const SpreadState*>(plugin_state)->constraints) {
      if (!constraint.hard) continue;
      const std::int64_t fewest = constraint.Fewest();
      for (std::size_t i = 0; i < rows.size(); ++i) {
        if (verdicts[i] != kPass) continue;
        const std::int32_t domain = constraint.rows[rows[i]].domain;
        if (domain == kNoDomain) {
          verdicts[i] = kUnresolvable | kMissingLabel;
        } else if (constraint.domains[static_cast<std::size_t>(domain)].matching + (constraint.self ? 1 : 0) - fewest >
                   constraint.max_skew) {
          verdicts[i] = kSkew;
        }
      }
    }
  }

  std::vector<std::string> Reasons(const PluginState*, const PodInfo&, const NodeTable&, NodeIndex,
                                   Verdict verdict) const override {
    if ((verdict & kMissingLabel) != 0) {
      return {"node(s) didn't match pod topology spread constraints (missing required label)"};
    }
    return {"node(s) didn't match pod topology spread constraints"};
  }

  std::int64_t Weight() const override { return 2; }
  bool Scores(const PodInfo&, const PluginState* plugin_state) const override {
    if (plugin_state == nullptr) return false;
    const auto& constraints = static_cast<const SpreadState*>(plugin_state)->constraints;
    return std::any_of(constraints.begin(), constraints.end(), [](const Constraint& c) { return !c.hard; });
  }

  // The raw score is the number of matching pods in the row's domains, weighted so that keys with many domains count
  // more; -1 marks a row that cannot be compared because it lacks a key.
  void Score(const PluginState* plugin_state, const PodInfo&, const NodeTable&, std::span<const NodeIndex> rows,
             std::span<std::int64_t> scores) const override {
    const auto& state = *static_cast<const SpreadState*>(plugin_state);
    std::vector<double> sums(rows.size(), 0);
    for (const Constraint& constraint : state.constraints) {
      if (constraint.hard) continue;
      const double weight = std::log(static_cast<double>(DomainsAmong(constraint, rows)) + 2);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::int32_t domain = constraint.rows[rows[i]].domain;
        if (domain == kNoDomain) {
          if (!state.system_defaults) scores[i] = -1;
          continue;
        }
        const auto matching = static_cast<double>(constraint.domains[static_cast<std::size_t>(domain)].matching);
        sums[i] += matching * weight + (constraint.max_skew - 1);
      }
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (scores[i] != -1) scores[i] = std::llround(sums[i]);
    }
  }

  bool Normalizes() const override { return true; }
  void Normalize(const PluginState*, const PodInfo&, const NodeTable&, std::span<const NodeIndex>,
                 std::span<std::int64_t> scores) const override {
    std::int64_t min = -1;
    std::int64_t max = 0;
    for (const std::int64_t score : scores) {
      if (score < 0) continue;
      if (min < 0 || score < min) min = score;
      max = std::max(max, score);
    }
    for (std::int64_t& score : scores) {
      if (score < 0) {
        score = 0;
      } else {
        score = max == 0 ? kMaxNodeScore : kMaxNodeScore * (max + min - score) / max;
      }
    }
  }

 private:
  static Result<Constraint> Compile(const core::v1::TopologySpreadConstraint& spec, const Object& pod) {
    Constraint constraint;
    constraint.key = spec.topologyKey.str();
    constraint.max_skew = spec.maxSkew;
    constraint.min_domains = spec.minDomains.value_or(1);
    constraint.hard = spec.whenUnsatisfiable == "DoNotSchedule";
    constraint.honor_affinity = !spec.nodeAffinityPolicy || *spec.nodeAffinityPolicy == "Honor";
    constraint.honor_taints = spec.nodeTaintsPolicy && *spec.nodeTaintsPolicy == "Honor";
    Result<LabelSelector> selector = LabelSelector::From(spec.labelSelector.get());
    if (!selector) return selector.status();
    constraint.selectors.push_back(std::move(selector).value());
    Map<Str> same;
    for (const Str& key : spec.matchLabelKeys) {
      if (const Str* value = pod.meta().labels.Find(key)) same[key] = *value;
    }
    if (!same.empty()) constraint.selectors.push_back(LabelSelector::FromMap(same));
    constraint.self = constraint.Counts(pod);
    return constraint;
  }

  static void Recount(const SpreadState& state, Constraint& constraint, const PodInfo& pod, const NodeTable& nodes,
                      NodeIndex index) {
    Row& row = constraint.rows[index];
    if (row.eligible) {
      Domain& domain = constraint.domains[static_cast<std::size_t>(row.domain)];
      domain.matching -= row.matching;
      --domain.nodes;
    }
    row = Row();
    if (nodes.columns().exists[index] == 0) return;
    const Str* value = nodes.labels(index).Find(constraint.key);
    if (value == nullptr) return;
    const auto [it, is_new] =
        constraint.domain_ids.try_emplace(value->str(), static_cast<std::int32_t>(constraint.domains.size()));
    if (is_new) constraint.domains.emplace_back();
    row.domain = it->second;
    row.eligible = Eligible(state, constraint, pod, nodes, index);
    if (!row.eligible) return;
    for (const PodInfoRef& other : nodes.columns().pods[index]) {
      const meta::v1::ObjectMeta& meta = other->object->meta();
      if (meta.namespace_ == pod.object->meta().namespace_ && !meta.deletionTimestamp &&
          constraint.Counts(*other->object)) {
        ++row.matching;
      }
    }
    Domain& domain = constraint.domains[static_cast<std::size_t>(row.domain)];
    domain.matching += row.matching;
    ++domain.nodes;
  }

  // A node counts if it has the keys of all hard constraints and passes the inclusion policies.
  static bool Eligible(const SpreadState& state, const Constraint& constraint, const PodInfo& pod,
                       const NodeTable& nodes, NodeIndex index) {
    if (constraint.hard) {
      for (const Constraint& other : state.constraints) {
        if (other.hard && !nodes.labels(index).Contains(other.key)) return false;
      }
    }
    const core::v1::PodSpec& spec = PodOf(pod).spec;
    if (constraint.honor_affinity && !MatchesNodeConstraints(spec, nodes.node(index).meta())) return false;
    if (!constraint.honor_taints) return true;
    const auto& taints = nodes.node(index).As<core::v1::Node>().spec.taints;
    return std::all_of(taints.begin(), taints.end(), [&](const core::v1::Taint& taint) {
      return taint.effect == "PreferNoSchedule" || kube::Tolerates(spec.tolerations, taint);
    });
  }

  static std::size_t DomainsAmong(const Constraint& constraint, std::span<const NodeIndex> rows) {
    std::vector<bool> seen(constraint.domains.size());
    std::size_t count = 0;
    for (const NodeIndex row : rows) {
      const std::int32_t domain = constraint.rows[row].domain;
      if (domain == kNoDomain || seen[static_cast<std::size_t>(domain)]) continue;
      seen[static_cast<std::size_t>(domain)] = true;
      ++count;
    }
    return count;
  }

  DefaultSelector default_selector_;
};

}  // namespace

std::unique_ptr<Plugin> NewPodTopologySpread(DefaultSelector default_selector) {
  return std::make_unique<PodTopologySpread>(std::move(default_selector));
}

}  // namespace minikube::scheduler
