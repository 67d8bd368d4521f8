#include "scheduler/node_selector.h"

#include <optional>
#include <utility>

#include "scheduler/pod_info.h"

namespace minikube::scheduler {
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
