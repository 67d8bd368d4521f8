#include "agent/pod_admission.h"
#include "kube/node_selector.h"
#include "kube/taints.h"

#include <algorithm>

#include <fmt/format.h>

namespace minikube::agent {
namespace {

bool PortsClash(const core::ContainerPort& a, const core::ContainerPort& b) {
  if (a.hostPort == 0 || a.hostPort != b.hostPort) return false;
  const auto protocol = [](const core::ContainerPort& p) { return p.protocol.empty() ? "TCP" : p.protocol.view(); };
  if (protocol(a) != protocol(b)) return false;
  const auto any = [](const core::ContainerPort& p) { return p.hostIP.empty() || p.hostIP == "0.0.0.0"; };
  return any(a) || any(b) || a.hostIP == b.hostIP;
}

bool HostPortsFree(const core::Pod& pod, const std::vector<const core::Pod*>& others) {
  bool free = true;
  ForEachPort(pod, [&](const core::ContainerPort& mine) {
    if (mine.hostPort == 0) return;
    for (const core::Pod* other : others) {
      ForEachPort(*other, [&](const core::ContainerPort& theirs) { free = free && !PortsClash(mine, theirs); });
    }
  });
  return free;
}

// Every resource that the pod asks for by name.
std::vector<std::string> RequestedResources(const core::Pod& pod) {
  std::vector<std::string> names;
  const auto add = [&](const Map<Quantity>& quantities) {
    for (const auto& entry : quantities) names.push_back(entry.key.str());
  };
  for (const core::Container& container : pod.spec.initContainers) add(container.resources.requests);
  for (const core::Container& container : pod.spec.containers) add(container.resources.requests);
  if (pod.spec.resources) add(pod.spec.resources->requests);
  add(pod.spec.overhead);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Rejection OutOf(std::string_view resource, std::int64_t requested, std::int64_t used, std::int64_t capacity) {
  return {fmt::format("OutOf{}", resource),
          fmt::format("Node didn't have enough resource: {}, requested: {}, used: {}, capacity: {}", resource,
                      requested, used, capacity)};
}

}  // namespace

bool MatchesNode(const core::Pod& pod, const core::Node& node) {
  return kube::MatchesNodeConstraints(pod.spec, node.metadata);
}

std::optional<Rejection> Admit(const core::Pod& pod, const core::Node& node,
                               const std::vector<const core::Pod*>& others) {
  const Map<Quantity>& allocatable = node.status.allocatable;
  if (const Quantity* pods = allocatable.Find("pods")) {
    const auto running = static_cast<std::int64_t>(others.size());
    if (running + 1 > pods->Value()) return OutOf("pods", 1, running, pods->Value());
  }
  for (const std::string& resource : RequestedResources(pod)) {
    const std::int64_t requested = PodRequest(pod, resource);
    if (requested == 0) continue;
    const Quantity* quantity = allocatable.Find(resource);
    const std::int64_t capacity = quantity == nullptr ? 0
                                  : resource == "cpu" ? quantity->MilliValue()
                                                      : quantity->Value();
    std::int64_t used = 0;
    for (const core::Pod* other : others) used += PodRequest(*other, resource);
    if (requested > capacity - used) return OutOf(resource, requested, used, capacity);
  }
  if (!MatchesNode(pod, node)) {
    return Rejection{"NodeAffinity",
                     "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"};
  }
  if (!HostPortsFree(pod, others)) {
    return Rejection{"NodePorts",
                     "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"};
  }
  for (const core::Taint& taint : node.spec.taints) {
    if (taint.effect == "NoExecute" && !kube::Tolerates(pod.spec.tolerations, taint)) {
      return Rejection{"TaintToleration", fmt::format("Predicate TaintToleration failed: node(s) had untolerated taint "
                                                      "{{{}: {}}}",
                                                      taint.key.view(), taint.value.view())};
    }
  }
  return std::nullopt;
}

Admission AdmitBeside(const core::Pod& pod, const core::Node& node, const std::vector<Neighbour>& neighbours) {
  std::vector<const core::Pod*> all;
  std::vector<const core::Pod*> staying;
  for (const Neighbour& neighbour : neighbours) {
    all.push_back(neighbour.pod);
    if (!neighbour.ending) staying.push_back(neighbour.pod);
  }
  Admission out{Admit(pod, node, all)};
  out.later = out.rejection && staying.size() < all.size() && !Admit(pod, node, staying);
  return out;
}

}  // namespace minikube::agent
