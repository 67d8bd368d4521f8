#include "scheduler/node_selector.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "scheduler/pod_info.h"

namespace minikube::scheduler {
namespace {

std::optional<std::int64_t> AsInteger(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

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
  const auto have = AsInteger(*value);
  const auto bound = AsInteger(requirement.values[0]);
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

std::optional<std::set<Str>> NodesNamedBy(const core::v1::PodSpec& pod) {
  if (!pod.affinity || !pod.affinity->nodeAffinity) return std::nullopt;
  const auto& required = pod.affinity->nodeAffinity->requiredDuringSchedulingIgnoredDuringExecution;
  if (!required || required->nodeSelectorTerms.empty()) return std::nullopt;
  std::set<Str> all;
  for (const core::v1::NodeSelectorTerm& term : required->nodeSelectorTerms) {
    std::optional<std::set<Str>> named;  // requirements of one term must all hold
    for (const core::v1::NodeSelectorRequirement& requirement : term.matchFields) {
      if (requirement.key != "metadata.name" || requirement.operator_ != "In") continue;
      std::set<Str> values(requirement.values.begin(), requirement.values.end());
      if (named) std::erase_if(values, [&](const Str& name) { return !named->contains(name); });
      named = std::move(values);
    }
    if (!named) return std::nullopt;
    all.merge(*named);
  }
  return all;
}

void AppendNodeConstraints(const PodInfo& info, std::string& key) {
  const auto& pod = info.object->As<core::v1::Pod>().spec;
  if (!pod.nodeSelector.empty()) AppendLabels(pod.nodeSelector, key);
  if (pod.affinity && pod.affinity->nodeAffinity) AppendMessage(*pod.affinity->nodeAffinity, key);
}

}  // namespace minikube::scheduler
