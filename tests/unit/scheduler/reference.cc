#include "unit/scheduler/reference.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

#include <fmt/format.h>

#include <minikube/selector.h>

namespace minikube::test {
namespace {

using core::v1::Node;
using core::v1::Pod;
using Scores = std::map<std::string, std::int64_t>;

bool Has(const List<Str>& values, const Str& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

bool SelectorMatches(const Box<meta::v1::LabelSelector>& selector, const Pod& pod) {
  return LabelSelector::From(selector.get()).value().Matches(pod.metadata.labels);
}

// --- Nodes against the pod ------------------------------------------------------------------------------------------

bool TermMatches(const core::v1::NodeSelectorTerm& term, const Node& node) {
  for (const auto& requirement : term.matchExpressions) {
    const Str* value = node.metadata.labels.Find(requirement.key);
    if (requirement.operator_ == "In" && (value == nullptr || !Has(requirement.values, *value))) return false;
    if (requirement.operator_ == "Exists" && value == nullptr) return false;
  }
  for (const auto& requirement : term.matchFields) {
    if (!Has(requirement.values, node.metadata.name)) return false;
  }
  return !term.matchExpressions.empty() || !term.matchFields.empty();
}

bool NodeConstraintsHold(const Pod& pod, const Node& node) {
  for (const auto& [key, value] : pod.spec.nodeSelector) {
    const Str* have = node.metadata.labels.Find(key);
    if (have == nullptr || *have != value) return false;
  }
  if (!pod.spec.affinity || !pod.spec.affinity->nodeAffinity) return true;
  const auto& required = pod.spec.affinity->nodeAffinity->requiredDuringSchedulingIgnoredDuringExecution;
  if (!required) return true;
  for (const auto& term : required->nodeSelectorTerms) {
    if (TermMatches(term, node)) return true;
  }
  return false;
}

bool Tolerated(const Pod& pod, const core::v1::Taint& taint) {
  for (const auto& toleration : pod.spec.tolerations) {
    const bool key = toleration.key.empty() || toleration.key == taint.key;
    const bool value = toleration.operator_ == "Exists" || toleration.value == taint.value;
    const bool effect = toleration.effect.empty() || toleration.effect == taint.effect;
    if (key && value && effect) return true;
  }
  return false;
}

std::int64_t Milli(const Map<Quantity>& list, std::string_view name) {
  const Quantity* quantity = list.Find(name);
  return quantity == nullptr ? 0 : quantity->MilliValue();
}

std::int64_t Asked(const Pod& pod, std::string_view name, std::int64_t otherwise = 0) {
  std::int64_t sum = 0;
  for (const auto& container : pod.spec.containers) {
    sum += container.resources.requests.Contains(name) ? Milli(container.resources.requests, name) : otherwise;
  }
  return sum;
}

std::vector<std::string> ClaimNames(const Pod& pod) {
  std::vector<std::string> names;
  for (const auto& volume : pod.spec.volumes) {
    if (volume.persistentVolumeClaim) names.push_back(volume.persistentVolumeClaim->claimName.str());
  }
  return names;
}

bool IsBound(const core::v1::PersistentVolumeClaim& claim) {
  return !claim.spec.volumeName.empty() && claim.metadata.annotations.Contains("pv.kubernetes.io/bind-completed");
}

// Volumes here are bound to nodes by one label of theirs, if at all.
bool Reaches(const Node& node, const core::v1::PersistentVolume& volume) {
  if (!volume.spec.nodeAffinity) return true;
  const auto& wanted = volume.spec.nodeAffinity->required->nodeSelectorTerms[0].matchExpressions[0];
  const Str* value = node.metadata.labels.Find(wanted.key);
  return value != nullptr && *value == wanted.values[0];
}

class Book {
 public:
  Book(const ReferenceCluster& cluster, const Pod& pod) : cluster_(cluster), pod_(pod) {}

  ReferenceDecision Decide() {
    if (const std::string why = ClaimsRefuse(); !why.empty()) {
      return {.message = fmt::format("0/{} nodes are available: {}.", cluster_.nodes.size(), why)};
    }
    std::map<std::string, int> reasons;
    for (const auto& [name, node] : cluster_.nodes) {
      const std::vector<std::string> why = WhyNot(node);
      if (why.empty()) feasible_.push_back(&node);
      for (const std::string& reason : why) ++reasons[reason];
    }
    ReferenceDecision decision;
    if (feasible_.empty()) {
      std::vector<std::string> parts;
      for (const auto& [reason, count] : reasons) parts.push_back(fmt::format("{} {}", count, reason));
      std::sort(parts.begin(), parts.end());
      decision.message = fmt::format("0/{} nodes are available: {}.", cluster_.nodes.size(), fmt::join(parts, ", "));
      return decision;
    }
    Scores totals;
    Add(totals, 3, RelativeToMax(TaintScores(), true));
    Add(totals, 2, RelativeToMax(NodeAffinityScores(), false));
    Add(totals, 1, LeastAllocated());
    Add(totals, 2, Spreading());
    Add(totals, 2, PodAffinityScores());
    Add(totals, 1, Balanced());
    std::int64_t best = -1;
    for (const auto& [name, score] : totals) best = std::max(best, score);
    for (const auto& [name, score] : totals) {
      if (score == best) decision.best.insert(name);
    }
    return decision;
  }

 private:
  std::vector<const Pod*> On(const Node& node) const {
    std::vector<const Pod*> pods;
    for (const PlacedPod& placed : cluster_.pods) {
      if (node.metadata.name == placed.node) pods.push_back(&placed.pod);
    }
    return pods;
  }
  std::int64_t Used(const Node& node, std::string_view resource, std::int64_t otherwise = 0) const {
    std::int64_t sum = 0;
    for (const Pod* pod : On(node)) sum += Asked(*pod, resource, otherwise);
    return sum;
  }

  // --- Filters, in order; the first that refuses gives the reasons ---------------------------------------------------

  std::vector<std::string> WhyNot(const Node& node) const {
    if (node.spec.unschedulable) return {"node(s) were unschedulable"};
    for (const auto& taint : node.spec.taints) {
      if (taint.effect != "PreferNoSchedule" && !Tolerated(pod_, taint)) return {"node(s) had untolerated taint(s)"};
    }
    if (!NodeConstraintsHold(pod_, node)) return {"node(s) didn't match Pod's node affinity/selector"};
    if (PortTaken(node)) return {"node(s) didn't have free ports for the requested pod ports"};
    std::vector<std::string> reasons;
    if (static_cast<std::int64_t>(On(node).size()) + 1 > Milli(node.status.allocatable, "pods") / 1000) {
      reasons.emplace_back("Too many pods");
    }
    for (const char* name : {"cpu", "memory"}) {
      const std::int64_t ask = Asked(pod_, name);
      if (ask > 0 && ask > Milli(node.status.allocatable, name) - Used(node, name)) {
        reasons.push_back(fmt::format("Insufficient {}", name));
      }
    }
    if (!reasons.empty()) return reasons;
    if (std::vector<std::string> why = VolumesRefuse(node); !why.empty()) return why;
    if (std::string why = SpreadRefuses(node); !why.empty()) return {why};
    if (std::string why = AffinityRefuses(node); !why.empty()) return {why};
    return {};
  }

  // --- Volumes -------------------------------------------------------------------------------------------------------

  // Why no node at all can be found.
  std::string ClaimsRefuse() const {
    bool waits_for_binder = false;
    for (const std::string& name : ClaimNames(pod_)) {
      const auto it = cluster_.claims.find(name);
      if (it == cluster_.claims.end()) return fmt::format("persistentvolumeclaim \"{}\" not found", name);
    }
    for (const std::string& name : ClaimNames(pod_)) {
      const auto& claim = cluster_.claims.at(name);
      if (claim.metadata.deletionTimestamp) return fmt::format("persistentvolumeclaim \"{}\" is being deleted", name);
      if (IsBound(claim)) continue;
      const auto klass = cluster_.classes.find(claim.spec.storageClassName.value_or("").str());
      const bool delayed =
          klass != cluster_.classes.end() && klass->second.volumeBindingMode == Str("WaitForFirstConsumer");
      if (!delayed) waits_for_binder = true;
    }
    if (waits_for_binder) return "pod has unbound immediate PersistentVolumeClaims";
    for (const std::string& name : ClaimNames(pod_)) {
      const auto& claim = cluster_.claims.at(name);
      if (!IsBound(claim) || cluster_.volumes.contains(claim.spec.volumeName.str())) continue;
      return fmt::format("persistentvolume \"{}\" not found", claim.spec.volumeName.view());
    }
    return "";
  }

  std::vector<std::string> VolumesRefuse(const Node& node) const {
    for (const std::string& name : ClaimNames(pod_)) {
      const auto& modes = cluster_.claims.at(name).spec.accessModes;
      if (std::find(modes.begin(), modes.end(), Str("ReadWriteOncePod")) == modes.end()) continue;
      for (const PlacedPod& placed : cluster_.pods) {
        const std::vector<std::string> theirs = ClaimNames(placed.pod);
        if (std::find(theirs.begin(), theirs.end(), name) != theirs.end()) {
          return {
              "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by "
              "another pod"};
        }
      }
    }
    std::vector<std::string> reasons;
    for (const std::string& name : ClaimNames(pod_)) {
      const auto& claim = cluster_.claims.at(name);
      if (!IsBound(claim)) continue;
      if (Reaches(node, cluster_.volumes.at(claim.spec.volumeName.str()))) continue;
      reasons.emplace_back("node(s) didn't match PersistentVolume's node affinity");
      break;
    }
    if (!BindByTheBook(cluster_, pod_, node)) {
      reasons.emplace_back("node(s) didn't find available persistent volumes to bind");
    }
    return reasons;
  }

  bool PortTaken(const Node& node) const {
    for (const Pod* there : On(node)) {
      for (const auto& mine : pod_.spec.containers[0].ports) {
        for (const auto& theirs : there->spec.containers[0].ports) {
          if (mine.hostPort != 0 && mine.hostPort == theirs.hostPort) return true;
        }
      }
    }
    return false;
  }

  std::int64_t Matching(const core::v1::TopologySpreadConstraint& spread, const Node& node) const {
    std::int64_t count = 0;
    for (const Pod* there : On(node)) {
      if (there->metadata.namespace_ == pod_.metadata.namespace_ && SelectorMatches(spread.labelSelector, *there))
        ++count;
    }
    return count;
  }

  // Nodes with the keys of all constraints of that sort, which the pod's node constraints allow.
  bool CountsForSpreading(const Node& node, std::string_view when) const {
    for (const auto& spread : pod_.spec.topologySpreadConstraints) {
      if (spread.whenUnsatisfiable == when && !node.metadata.labels.Contains(spread.topologyKey)) return false;
    }
    return NodeConstraintsHold(pod_, node);
  }

  std::map<std::string, std::int64_t> Domains(const core::v1::TopologySpreadConstraint& spread) const {
    std::map<std::string, std::int64_t> domains;
    for (const auto& [name, node] : cluster_.nodes) {
      if (!CountsForSpreading(node, spread.whenUnsatisfiable)) continue;
      domains[node.metadata.labels.Find(spread.topologyKey)->str()] += Matching(spread, node);
    }
    return domains;
  }

  std::string SpreadRefuses(const Node& node) const {
    for (const auto& spread : pod_.spec.topologySpreadConstraints) {
      if (spread.whenUnsatisfiable != "DoNotSchedule") continue;
      const Str* value = node.metadata.labels.Find(spread.topologyKey);
      if (value == nullptr) return "node(s) didn't match pod topology spread constraints (missing required label)";
      std::map<std::string, std::int64_t> domains = Domains(spread);
      std::int64_t fewest = domains.empty() ? 0 : domains.begin()->second;
      for (const auto& [domain, count] : domains) fewest = std::min(fewest, count);
      const std::int64_t self = SelectorMatches(spread.labelSelector, pod_) ? 1 : 0;
      const auto at = domains.find(value->str());
      const std::int64_t here = at == domains.end() ? 0 : at->second;
      if (here + self - fewest > spread.maxSkew) return "node(s) didn't match pod topology spread constraints";
    }
    return "";
  }

  static bool TermSelects(const core::v1::PodAffinityTerm& term, const Pod& owner, const Pod& other) {
    return owner.metadata.namespace_ == other.metadata.namespace_ && SelectorMatches(term.labelSelector, other);
  }
  bool SameDomain(const Str& key, const Node& a, std::string_view b) const {
    const auto other = cluster_.nodes.find(std::string(b));
    const Str* value = a.metadata.labels.Find(key);
    if (other == cluster_.nodes.end() || value == nullptr) return false;
    const Str* theirs = other->second.metadata.labels.Find(key);
    return theirs != nullptr && *theirs == *value;
  }
  static List<core::v1::PodAffinityTerm> RequiredAnti(const Pod& pod) {
    if (!pod.spec.affinity || !pod.spec.affinity->podAntiAffinity) return {};
    return pod.spec.affinity->podAntiAffinity->requiredDuringSchedulingIgnoredDuringExecution;
  }
  static List<core::v1::PodAffinityTerm> Required(const Pod& pod) {
    if (!pod.spec.affinity || !pod.spec.affinity->podAffinity) return {};
    return pod.spec.affinity->podAffinity->requiredDuringSchedulingIgnoredDuringExecution;
  }
  static List<core::v1::WeightedPodAffinityTerm> Preferred(const Pod& pod) {
    if (!pod.spec.affinity || !pod.spec.affinity->podAffinity) return {};
    return pod.spec.affinity->podAffinity->preferredDuringSchedulingIgnoredDuringExecution;
  }

  // Only one required affinity term a pod, so that "matches every term" is "matches the term".
  std::string AffinityRefuses(const Node& node) const {
    for (const auto& term : Required(pod_)) {
      if (!node.metadata.labels.Contains(term.topologyKey)) return "node(s) didn't match pod affinity rules";
      bool here = false;
      bool anywhere = false;
      for (const PlacedPod& placed : cluster_.pods) {
        if (!TermSelects(term, pod_, placed.pod)) continue;
        const auto at = cluster_.nodes.find(placed.node);
        if (at == cluster_.nodes.end() || !at->second.metadata.labels.Contains(term.topologyKey)) continue;
        anywhere = true;
        here = here || SameDomain(term.topologyKey, node, placed.node);
      }
      if (!here && (anywhere || !TermSelects(term, pod_, pod_))) return "node(s) didn't match pod affinity rules";
    }
    for (const auto& term : RequiredAnti(pod_)) {
      for (const PlacedPod& placed : cluster_.pods) {
        if (TermSelects(term, pod_, placed.pod) && SameDomain(term.topologyKey, node, placed.node)) {
          return "node(s) didn't match pod anti-affinity rules";
        }
      }
    }
    for (const PlacedPod& placed : cluster_.pods) {
      for (const auto& term : RequiredAnti(placed.pod)) {
        if (TermSelects(term, placed.pod, pod_) && SameDomain(term.topologyKey, node, placed.node)) {
          return "node(s) didn't satisfy existing pods anti-affinity rules";
        }
      }
    }
    return "";
  }

  // --- Scores --------------------------------------------------------------------------------------------------------

  static void Add(Scores& totals, std::int64_t weight, const Scores& scores) {
    for (const auto& [name, score] : scores) totals[name] += weight * score;
  }
  static Scores RelativeToMax(Scores scores, bool reverse) {
    std::int64_t max = 0;
    for (const auto& [name, score] : scores) max = std::max(max, score);
    for (auto& [name, score] : scores) {
      const std::int64_t share = max == 0 ? 0 : score * 100 / max;
      score = reverse ? 100 - share : share;
    }
    return scores;
  }
  template <typename Score>
  Scores Each(Score score) const {
    Scores scores;
    for (const Node* node : feasible_) scores[node->metadata.name.str()] = score(*node);
    return scores;
  }

  Scores TaintScores() const {
    return Each([&](const Node& node) {
      return std::count_if(node.spec.taints.begin(), node.spec.taints.end(), [&](const core::v1::Taint& taint) {
        return taint.effect == "PreferNoSchedule" && !Tolerated(pod_, taint);
      });
    });
  }
  Scores NodeAffinityScores() const {
    return Each([&](const Node& node) {
      std::int64_t sum = 0;
      if (!pod_.spec.affinity || !pod_.spec.affinity->nodeAffinity) return sum;
      for (const auto& term : pod_.spec.affinity->nodeAffinity->preferredDuringSchedulingIgnoredDuringExecution) {
        if (TermMatches(term.preference, node)) sum += term.weight;
      }
      return sum;
    });
  }
  // In whole units as kube-scheduler has them: thousandths of cpu, bytes of memory.
  struct Resource {
    const char* name;
    std::int64_t unit;
    std::int64_t assumed;
  };
  static constexpr Resource kResources[] = {{"cpu", 1, 100}, {"memory", 1000, std::int64_t{200} * 1024 * 1024 * 1000}};

  Scores LeastAllocated() const {
    return Each([&](const Node& node) {
      std::int64_t sum = 0;
      for (const Resource& r : kResources) {
        const std::int64_t all = Milli(node.status.allocatable, r.name) / r.unit;
        const std::int64_t used = (Used(node, r.name, r.assumed) + Asked(pod_, r.name, r.assumed)) / r.unit;
        sum += all == 0 || used > all ? 0 : (all - used) * 100 / all;
      }
      return sum / 2;
    });
  }
  std::int64_t Balance(const Node& node, bool with) const {
    double shares[2];
    for (int i = 0; i < 2; ++i) {
      const Resource& r = kResources[i];
      const auto all = static_cast<double>(Milli(node.status.allocatable, r.name) / r.unit);
      const auto used = static_cast<double>((Used(node, r.name) + (with ? Asked(pod_, r.name) : 0)) / r.unit);
      shares[i] = std::min(1.0, used / all);
    }
    return static_cast<std::int64_t>((1 - std::abs((shares[0] - shares[1]) / 2)) * 100);
  }
  Scores Balanced() const {
    if (Asked(pod_, "cpu") == 0 && Asked(pod_, "memory") == 0) return {};
    return Each([&](const Node& node) { return 50 + (50 + Balance(node, true) - Balance(node, false)) / 2; });
  }

  Scores Spreading() const {
    std::vector<core::v1::TopologySpreadConstraint> soft;
    for (const auto& spread : pod_.spec.topologySpreadConstraints) {
      if (spread.whenUnsatisfiable == "ScheduleAnyway") soft.push_back(spread);
    }
    if (soft.empty()) return {};
    std::map<std::string, double> sums;
    for (const Node* node : feasible_) {
      bool all = true;
      for (const auto& spread : soft) all = all && node->metadata.labels.Contains(spread.topologyKey);
      if (all) sums[node->metadata.name.str()] = 0;
    }
    for (const auto& spread : soft) {
      const bool host = spread.topologyKey == "kubernetes.io/hostname";
      std::set<std::string> among;
      for (const auto& [name, sum] : sums) {
        among.insert(cluster_.nodes.at(name).metadata.labels.Find(spread.topologyKey)->str());
      }
      const double weight = std::log(static_cast<double>(host ? sums.size() : among.size()) + 2);
      const std::map<std::string, std::int64_t> domains = Domains(spread);
      for (auto& [name, sum] : sums) {
        const Node& node = cluster_.nodes.at(name);
        const auto at = domains.find(node.metadata.labels.Find(spread.topologyKey)->str());
        const std::int64_t count = host ? Matching(spread, node) : at == domains.end() ? 0 : at->second;
        sum += static_cast<double>(count) * weight + (spread.maxSkew - 1);
      }
    }
    std::optional<std::int64_t> min;
    std::int64_t max = 0;
    for (const auto& [name, sum] : sums) {
      min = std::min(min.value_or(std::llround(sum)), static_cast<std::int64_t>(std::llround(sum)));
      max = std::max<std::int64_t>(max, std::llround(sum));
    }
    return Each([&](const Node& node) -> std::int64_t {
      const auto it = sums.find(node.metadata.name.str());
      if (it == sums.end()) return 0;
      return max == 0 ? 100 : 100 * (max + *min - std::llround(it->second)) / max;
    });
  }

  // Preferences of both sides; a required affinity of a pod already there counts 1.
  Scores PodAffinityScores() const {
    Scores scores = Each([&](const Node& node) {
      std::int64_t sum = 0;
      for (const PlacedPod& placed : cluster_.pods) {
        for (const auto& mine : Preferred(pod_)) {
          const auto& term = mine.podAffinityTerm;
          if (TermSelects(term, pod_, placed.pod) && SameDomain(term.topologyKey, node, placed.node))
            sum += mine.weight;
        }
        for (const auto& theirs : Preferred(placed.pod)) {
          const auto& term = theirs.podAffinityTerm;
          if (TermSelects(term, placed.pod, pod_) && SameDomain(term.topologyKey, node, placed.node))
            sum += theirs.weight;
        }
        for (const auto& term : Required(placed.pod)) {
          if (TermSelects(term, placed.pod, pod_) && SameDomain(term.topologyKey, node, placed.node)) sum += 1;
        }
      }
      return sum;
    });
    std::int64_t min = scores.begin()->second;
    std::int64_t max = min;
    for (const auto& [name, score] : scores) {
      min = std::min(min, score);
      max = std::max(max, score);
    }
    for (auto& [name, score] : scores) score = max == min ? 0 : 100 * (score - min) / (max - min);
    return scores;
  }

  const ReferenceCluster& cluster_;
  const Pod& pod_;
  std::vector<const Node*> feasible_;
};

}  // namespace

std::optional<ReferenceBindings> BindByTheBook(const ReferenceCluster& cluster, const Pod& pod, const Node& node) {
  ReferenceBindings bindings;
  std::vector<const core::v1::PersistentVolumeClaim*> unbound;
  for (const std::string& name : ClaimNames(pod)) {
    if (!IsBound(cluster.claims.at(name))) unbound.push_back(&cluster.claims.at(name));
  }
  const auto size = [](const core::v1::PersistentVolumeClaim* claim) {
    return claim->spec.resources.requests.Find("storage")->Value();
  };
  std::stable_sort(unbound.begin(), unbound.end(), [&](const auto* a, const auto* b) { return size(a) < size(b); });
  std::set<std::string> taken;
  for (const auto* claim : unbound) {
    std::string best;
    std::int64_t best_size = 0;
    for (const auto& [name, volume] : cluster.volumes) {
      const std::int64_t has = volume.spec.capacity.Find("storage")->Value();
      const bool exclusive = claim->spec.accessModes[0] == "ReadWriteOncePod";  // volumes here are not
      const bool fits = !exclusive && !volume.spec.claimRef && volume.status.phase == "Available" &&
                        !taken.contains(name) && volume.spec.storageClassName == *claim->spec.storageClassName &&
                        has >= size(claim) && Reaches(node, volume);
      if (!fits || (!best.empty() && best_size <= has)) continue;
      best = name;
      best_size = has;
    }
    const auto& klass = cluster.classes.at(claim->spec.storageClassName->str());
    if (best.empty() && klass.provisioner == "kubernetes.io/no-provisioner") return std::nullopt;
    if (!best.empty()) taken.insert(best);
    bindings[claim->metadata.name.str()] = best;
  }
  return bindings;
}

ReferenceDecision DecideByTheBook(const ReferenceCluster& cluster, const Pod& pod) {
  return Book(cluster, pod).Decide();
}

}  // namespace minikube::test
