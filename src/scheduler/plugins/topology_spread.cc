// PodTopologySpread: pods of a kind spread evenly over domains (zones, hosts, any node label).
//
// The state holds, per constraint, how many matching pods each row has (rows without any are left out, so that a
// Deployment of ten costs ten entries) and how many each domain adds up to; a changed row is recounted alone. Which row
// is in which domain is a column of the table, shared by all.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include <minikube/api/core/v1.h>
#include <minikube/selector.h>

#include "kube/names.h"
#include "kube/node_selector.h"
#include "kube/taints.h"
#include "scheduler/node_selector.h"
#include "scheduler/plugins/plugins.h"
#include "scheduler/pod_info.h"

namespace minikube::scheduler {
namespace {

constexpr std::string_view kZone = "topology.kubernetes.io/zone";
using Topology = NodeTable::Topology;
constexpr std::int32_t kNoDomain = Topology::kNone;

enum SpreadVerdict : Verdict { kSkew = 1, kMissingLabel = 2 };

// What a row with matching pods adds.
struct RowCount {
  NodeIndex row = 0;
  std::int32_t matching = 0;        // pods on it that the selectors match
  std::int32_t domain = kNoDomain;  // to which they were added
};

struct Constraint {
  std::string key;
  const Topology* topology = nullptr;
  std::vector<LabelSelector> selectors;  // all must match
  std::int32_t max_skew = 1;
  std::int32_t min_domains = 0;
  bool hard = false;
  bool honor_affinity = true;
  bool honor_taints = false;
  bool self = false;  // the pod itself matches

  std::vector<RowCount> rows;          // by row
  std::vector<std::int32_t> matching;  // by domain, on rows that count
  // Of hard constraints: the domain to which a row counts, and how many rows count to a domain.
  std::vector<std::int32_t> eligible;
  std::vector<std::int32_t> eligible_rows;

  bool Counts(const Object& pod) const {
    return std::all_of(selectors.begin(), selectors.end(),
                       [&](const LabelSelector& selector) { return selector.Matches(pod.meta().labels); });
  }
  bool by_host() const { return key == kube::kHostnameLabel; }
  std::int32_t DomainOf(NodeIndex row) const { return topology->domain[row]; }
  std::int32_t MatchingIn(std::int32_t domain) const {
    const auto at = static_cast<std::size_t>(domain);
    return at < matching.size() ? matching[at] : 0;
  }
  void AddTo(std::vector<std::int32_t>& counts, std::int32_t domain, std::int32_t amount) const {
    if (counts.size() < topology->nodes.size()) counts.resize(topology->nodes.size(), 0);
    counts[static_cast<std::size_t>(domain)] += amount;
  }
  // The fewest matching pods in any domain; 0 while there are fewer domains than asked for.
  std::int32_t Fewest() const {
    std::int32_t fewest = -1;
    std::int32_t count = 0;
    for (std::size_t domain = 0; domain < eligible_rows.size(); ++domain) {
      if (eligible_rows[domain] == 0) continue;
      ++count;
      const std::int32_t here = MatchingIn(static_cast<std::int32_t>(domain));
      if (fewest < 0 || here < fewest) fewest = here;
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

  void Key(const PodInfo& pod, const NodeTable& nodes, std::string& key) const override {
    const auto& specs = PodOf(pod).spec.topologySpreadConstraints;
    if (specs.empty()) {
      const std::vector<LabelSelector> selectors = DefaultSelectors(pod);
      if (selectors.empty()) return;
      for (const LabelSelector& selector : selectors) AppendPart(selector.ToString(), key);
    }
    bool taints = false;
    for (const auto& spec : specs) {
      AppendMessage(spec, key);
      const Result<Constraint> constraint = Compile(spec, *pod.object, nodes);
      if (!constraint) continue;
      for (const LabelSelector& selector : constraint->selectors) AppendPart(selector.ToString(), key);
      AppendNumber(constraint->self ? 1 : 0, key);
      taints = taints || constraint->honor_taints;
    }
    AppendPart(PodOf(pod).metadata.namespace_, key);
    AppendNodeConstraints(pod, key);
    if (!taints) return;
    for (const core::v1::Toleration& toleration : PodOf(pod).spec.tolerations) AppendMessage(toleration, key);
  }

  Result<std::unique_ptr<PluginState>> PreFilter(const PodInfo& pod, const NodeTable& nodes) const override {
    auto state = std::make_unique<SpreadState>();
    for (const auto& spec : PodOf(pod).spec.topologySpreadConstraints) {
      Result<Constraint> constraint = Compile(spec, *pod.object, nodes);
      if (!constraint) return constraint.status();
      state->constraints.push_back(std::move(constraint).value());
    }
    if (state->constraints.empty()) {
      const std::vector<LabelSelector> selectors = DefaultSelectors(pod);
      if (selectors.empty()) return std::unique_ptr<PluginState>();
      state->system_defaults = true;
      for (const auto& [key, skew] : {std::pair(kube::kHostnameLabel, 3), std::pair(kZone, 5)}) {
        Constraint constraint;
        constraint.key = key;
        constraint.topology = &nodes.topology(key);
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
      const std::int32_t fewest = constraint.Fewest();
      for (std::size_t i = 0; i < rows.size(); ++i) {
        if (verdicts[i] != kPass) continue;
        const std::int32_t domain = constraint.DomainOf(rows[i]);
        if (domain == kNoDomain) {
          verdicts[i] = kUnresolvable | kMissingLabel;
        } else if (constraint.MatchingIn(domain) + (constraint.self ? 1 : 0) - fewest > constraint.max_skew) {
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
    std::size_t ignored = 0;
    for (std::size_t i = 0; i < rows.size() && !state.system_defaults; ++i) {
      if (HasSoftKeys(state, rows[i])) continue;
      scores[i] = -1;
      ++ignored;
    }
    std::vector<double> sums(rows.size(), 0);
    for (const Constraint& constraint : state.constraints) {
      if (constraint.hard) continue;
      if (constraint.by_host()) {
        AddByHost(constraint, rows, rows.size() - ignored, sums);
      } else {
        AddByDomain(constraint, rows, scores, sums);
      }
    }
    // Sums are never negative: adding a half and cutting rounds them.
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (scores[i] != -1) scores[i] = static_cast<std::int64_t>(sums[i] + 0.5);
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
  std::vector<LabelSelector> DefaultSelectors(const PodInfo& pod) const {
    return default_selector_ ? default_selector_(*pod.object) : std::vector<LabelSelector>();
  }

  static Result<Constraint> Compile(const core::v1::TopologySpreadConstraint& spec, const Object& pod,
                                    const NodeTable& nodes) {
    Constraint constraint;
    constraint.topology = &nodes.topology(spec.topologyKey);
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

  static double WeightFor(std::size_t domains) { return std::log(static_cast<double>(domains) + 2); }

  static bool HasSoftKeys(const SpreadState& state, NodeIndex row) {
    return std::all_of(state.constraints.begin(), state.constraints.end(), [&](const Constraint& constraint) {
      return constraint.hard || constraint.DomainOf(row) != kNoDomain;
    });
  }

  // Every host is a domain of its own; rows and their counts are both in order.
  static void AddByHost(const Constraint& constraint, std::span<const NodeIndex> rows, std::size_t domains,
                        std::span<double> sums) {
    const double weight = WeightFor(domains);
    const double base = constraint.max_skew - 1;
    auto count = constraint.rows.begin();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (constraint.DomainOf(rows[i]) == kNoDomain) continue;
      while (count != constraint.rows.end() && count->row < rows[i]) ++count;
      const bool here = count != constraint.rows.end() && count->row == rows[i];
      sums[i] += (here ? count->matching * weight : 0) + base;
    }
  }

  static void AddByDomain(const Constraint& constraint, std::span<const NodeIndex> rows,
                          std::span<const std::int64_t> scores, std::span<double> sums) {
    const std::size_t all = constraint.topology->nodes.size();
    std::vector<std::uint8_t> seen(all + 1);  // the last: nodes without the label
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (scores[i] == -1) continue;
      const std::int32_t domain = constraint.DomainOf(rows[i]);
      seen[domain == kNoDomain ? all : static_cast<std::size_t>(domain)] = 1;
    }
    const double weight = WeightFor(static_cast<std::size_t>(std::count(seen.begin(), seen.end(), 1)));
    std::vector<double> scored(all);
    for (std::size_t domain = 0; domain < all; ++domain) {
      scored[domain] = constraint.MatchingIn(static_cast<std::int32_t>(domain)) * weight + (constraint.max_skew - 1);
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::int32_t domain = constraint.DomainOf(rows[i]);
      if (domain != kNoDomain) sums[i] += scored[static_cast<std::size_t>(domain)];
    }
  }

  static std::int32_t MatchingOn(const Constraint& constraint, const PodInfo& pod, const NodeTable& nodes,
                                 NodeIndex index) {
    std::int32_t matching = 0;
    for (const PodInfoRef& other : nodes.columns().pods[index]) {
      const meta::v1::ObjectMeta& meta = other->object->meta();
      if (meta.namespace_ == pod.object->meta().namespace_ && !meta.deletionTimestamp &&
          constraint.Counts(*other->object)) {
        ++matching;
      }
    }
    return matching;
  }

  static void Recount(const SpreadState& state, Constraint& constraint, const PodInfo& pod, const NodeTable& nodes,
                      NodeIndex index) {
    const std::int32_t domain = constraint.DomainOf(index);
    const bool eligible = domain != kNoDomain && Eligible(state, constraint, pod, nodes, index);
    if (constraint.hard) {
      constraint.eligible.resize(nodes.rows(), kNoDomain);
      std::int32_t& counted = constraint.eligible[index];
      if (counted != kNoDomain) constraint.AddTo(constraint.eligible_rows, counted, -1);
      counted = eligible ? domain : kNoDomain;
      if (counted != kNoDomain) constraint.AddTo(constraint.eligible_rows, counted, 1);
    }
    auto at = std::lower_bound(constraint.rows.begin(), constraint.rows.end(), index,
                               [](const RowCount& row, NodeIndex wanted) { return row.row < wanted; });
    const bool known = at != constraint.rows.end() && at->row == index;
    if (known && at->domain != kNoDomain) constraint.AddTo(constraint.matching, at->domain, -at->matching);
    const bool exists = nodes.columns().exists[index] != 0;
    const std::int32_t matching = exists ? MatchingOn(constraint, pod, nodes, index) : 0;
    if (matching == 0) {
      if (known) constraint.rows.erase(at);
      return;
    }
    if (!known) at = constraint.rows.insert(at, RowCount{.row = index});
    at->matching = matching;
    at->domain = eligible ? domain : kNoDomain;
    if (eligible) constraint.AddTo(constraint.matching, domain, matching);
  }

  // A node counts if it has the keys of all constraints of the same sort, the system's own aside, and passes the
  // inclusion policies.
  static bool Eligible(const SpreadState& state, const Constraint& constraint, const PodInfo& pod,
                       const NodeTable& nodes, NodeIndex index) {
    for (const Constraint& other : state.constraints) {
      if (!state.system_defaults && other.hard == constraint.hard && other.DomainOf(index) == kNoDomain) return false;
    }
    const core::v1::PodSpec& spec = PodOf(pod).spec;
    if (constraint.honor_affinity && !kube::MatchesNodeConstraints(spec, nodes.node(index).meta())) return false;
    if (!constraint.honor_taints) return true;
    const auto& taints = nodes.node(index).As<core::v1::Node>().spec.taints;
    return std::all_of(taints.begin(), taints.end(), [&](const core::v1::Taint& taint) {
      return taint.effect == "PreferNoSchedule" || kube::Tolerates(spec.tolerations, taint);
    });
  }

  DefaultSelector default_selector_;
};

}  // namespace

std::unique_ptr<Plugin> NewPodTopologySpread(DefaultSelector default_selector) {
  return std::make_unique<PodTopologySpread>(std::move(default_selector));
}

}  // namespace minikube::scheduler
