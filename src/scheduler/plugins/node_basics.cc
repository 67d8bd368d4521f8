// SchedulingGates, NodeName, NodeUnschedulable, NodePorts: the plugins that only say yes or no.
#include <algorithm>

#include <fmt/format.h>

#include <minikube/api/core/v1.h>

#include "kube/taints.h"
#include "scheduler/plugins/plugins.h"
#include "scheduler/pod_info.h"

namespace minikube::scheduler {
namespace {

const core::v1::PodSpec& SpecOf(const PodInfo& pod) { return pod.object->As<core::v1::Pod>().spec; }

class SchedulingGates final : public Plugin {
 public:
  std::string_view name() const override { return "SchedulingGates"; }
  std::uint32_t Events() const override { return kPodUpdated; }
  void Key(const PodInfo&, const NodeTable&, std::string&) const override {}
  std::string PreEnqueue(const PodInfo& pod) const override {
    const auto& gates = SpecOf(pod).schedulingGates;
    if (gates.empty()) return {};
    std::string names;
    for (const auto& gate : gates) names += (names.empty() ? "" : " ") + gate.name.str();
    return fmt::format("waiting for scheduling gates: [{}]", names);
  }
};

class NodeName final : public Plugin {
 public:
  std::string_view name() const override { return "NodeName"; }
  std::uint32_t Events() const override { return kNodeAdded; }
  void Key(const PodInfo& pod, const NodeTable&, std::string& key) const override { key += SpecOf(pod).nodeName; }
  bool Filters(const PodInfo& pod, const PluginState*) const override { return !SpecOf(pod).nodeName.empty(); }
  void Filter(const PluginState*, const PodInfo& pod, const NodeTable& nodes, std::span<const NodeIndex> rows,
              std::span<Verdict> verdicts) const override {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!(nodes.node(rows[i]).meta().name == SpecOf(pod).nodeName)) verdicts[i] = kUnresolvable | 1;
    }
  }
  std::vector<std::string> Reasons(const PluginState*, const PodInfo&, const NodeTable&, NodeIndex,
                                   Verdict) const override {
    return {"node(s) didn't match the requested node name"};
  }
};

class NodeUnschedulable final : public Plugin {
 public:
  std::string_view name() const override { return "NodeUnschedulable"; }
  std::uint32_t Events() const override { return kNodeAdded | kNodeTaintsChanged; }
  void Key(const PodInfo& pod, const NodeTable&, std::string& key) const override {
    key += Filters(pod, nullptr) ? '1' : '0';
  }
  bool Filters(const PodInfo& pod, const PluginState*) const override {
    return !kube::Tolerates(SpecOf(pod).tolerations,
                            core::v1::Taint{.key = "node.kubernetes.io/unschedulable", .effect = "NoSchedule"});
  }
  void Filter(const PluginState*, const PodInfo&, const NodeTable& nodes, std::span<const NodeIndex> rows,
              std::span<Verdict> verdicts) const override {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (nodes.columns().unschedulable[rows[i]] != 0) verdicts[i] = kUnresolvable | 1;
    }
  }
  std::vector<std::string> Reasons(const PluginState*, const PodInfo&, const NodeTable&, NodeIndex,
                                   Verdict) const override {
    return {"node(s) were unschedulable"};
  }
};

class NodePorts final : public Plugin {
 public:
  std::string_view name() const override { return "NodePorts"; }
  std::uint32_t Events() const override { return kNodeAdded | kAssignedPodDeleted; }
  void Key(const PodInfo& pod, const NodeTable&, std::string& key) const override {
    for (const HostPort& port : pod.ports) {
      AppendPart(port.ip, key);
      AppendPart(port.protocol, key);
      AppendNumber(port.port, key);
    }
  }
  bool Filters(const PodInfo& pod, const PluginState*) const override { return !pod.ports.empty(); }
  void Filter(const PluginState*, const PodInfo& pod, const NodeTable& nodes, std::span<const NodeIndex> rows,
              std::span<Verdict> verdicts) const override {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto& used = nodes.columns().used_ports[rows[i]];
      const bool conflict = std::any_of(pod.ports.begin(), pod.ports.end(), [&](const HostPort& wanted) {
        return std::any_of(used.begin(), used.end(), [&](const HostPort& p) { return p.ConflictsWith(wanted); });
      });
      if (conflict) verdicts[i] = 1;
    }
  }
  std::vector<std::string> Reasons(const PluginState*, const PodInfo&, const NodeTable&, NodeIndex,
                                   Verdict) const override {
    return {"node(s) didn't have free ports for the requested pod ports"};
  }
};

}  // namespace

std::unique_ptr<Plugin> NewSchedulingGates() { return std::make_unique<SchedulingGates>(); }
std::unique_ptr<Plugin> NewNodeName() { return std::make_unique<NodeName>(); }
std::unique_ptr<Plugin> NewNodeUnschedulable() { return std::make_unique<NodeUnschedulable>(); }
std::unique_ptr<Plugin> NewNodePorts() { return std::make_unique<NodePorts>(); }

}  // namespace minikube::scheduler
