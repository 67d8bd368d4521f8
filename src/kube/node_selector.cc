#include "kube/node_selector.h"

#include <algorithm>
#include <cstdint>

#include "kube/numbers.h"

namespace minikube::kube {
namespace {

// `value` is null where the label is absent.
bool Holds(const core::v1::NodeSelectorRequirement& requirement, const Str* value) {
  const std::string_view op = requirement.operator_;
  if (op == "Exists") return value != nullptr;
  if (op == "DoesNotExist") return value == nullptr;
  const auto listed = [&] {
    return std::any_of(requirement.values.begin(), requirement.values.end(),
                       [&](const Str& candidate) { return candidate == *value; });
  };
  if (op == "NotIn") return value == nullptr || !listed();
  if (value == nullptr) return false;
  if (op == "In") return listed();
  if (requirement.values.size() != 1) return false;
  const auto have = ParseInt<std::int64_t>(*value);
  const auto bound = ParseInt<std::int64_t>(requirement.values[0]);
  if (!have || !bound) return false;
  if (op == "Gt") return *have > *bound;
  if (op == "Lt") return *have < *bound;
  return false;
}

}  // namespace

bool MatchesTerm(const core::v1::NodeSelectorTerm& term, const meta::v1::ObjectMeta& node) {
  if (term.matchExpressions.empty() && term.matchFields.empty()) return false;
  return std::all_of(term.matchExpressions.begin(), term.matchExpressions.end(),
                     [&](const auto& requirement) { return Holds(requirement, node.labels.Find(requirement.key)); }) &&
         std::all_of(term.matchFields.begin(), term.matchFields.end(), [&](const auto& requirement) {
           return Holds(requirement, requirement.key == "metadata.name" ? &node.name : nullptr);
         });
}

bool Matches(const core::v1::NodeSelector& selector, const meta::v1::ObjectMeta& node) {
  return std::any_of(selector.nodeSelectorTerms.begin(), selector.nodeSelectorTerms.end(),
                     [&](const auto& term) { return MatchesTerm(term, node); });
}

bool MatchesNodeConstraints(const core::v1::PodSpec& pod, const meta::v1::ObjectMeta& node) {
  for (const auto& [key, value] : pod.nodeSelector) {
    const Str* have = node.labels.Find(key);
    if (have == nullptr || !(*have == value)) return false;
  }
  if (!pod.affinity || !pod.affinity->nodeAffinity) return true;
  const auto& required = pod.affinity->nodeAffinity->requiredDuringSchedulingIgnoredDuringExecution;
  return !required || Matches(*required, node);
}

}  // namespace minikube::kube
