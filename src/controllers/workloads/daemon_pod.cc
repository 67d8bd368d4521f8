#include "controllers/workloads/daemon_pod.h"

#include <algorithm>

#include "controllers/workloads/stateful_pod.h"
#include "kube/node_selector.h"
#include "kube/owners.h"
#include "kube/taints.h"

namespace minikube::controllers {
namespace {

using apps::v1::DaemonSet;
using core::v1::Node;
using core::v1::Pod;
using core::v1::PodSpec;
using core::v1::Toleration;

void Tolerate(PodSpec& spec, std::string_view key, std::string_view effect) {
  for (const Toleration& old : spec.tolerations) {
    const bool exists = old.operator_ == "Exists";
    if (exists && old.key == key && old.effect == effect && !old.tolerationSeconds) return;
  }
  Toleration toleration;
  toleration.key = key;
  toleration.operator_ = "Exists";
  toleration.effect = effect;
  spec.tolerations.push_back(std::move(toleration));
}

}  // namespace

void AddDaemonTolerations(PodSpec& spec) {
  for (const char* key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    Tolerate(spec, key, "NoExecute");
  }
  for (const char* key : {"node.kubernetes.io/disk-pressure", "node.kubernetes.io/memory-pressure",
                          "node.kubernetes.io/pid-pressure", "node.kubernetes.io/unschedulable"}) {
    Tolerate(spec, key, "NoSchedule");
  }
  if (spec.hostNetwork) Tolerate(spec, "node.kubernetes.io/network-unavailable", "NoSchedule");
}

DaemonNodes::DaemonNodes(const DaemonSet& set) : spec_(set.spec.template_.spec) {
  PodSpec spec = spec_;
  AddDaemonTolerations(spec);
  tolerations_ = std::move(spec.tolerations);
}

DaemonFit DaemonNodes::Fit(const Node& node) const {
  if (!spec_.nodeName.empty() && !(spec_.nodeName == node.metadata.name)) return {};
  if (!kube::MatchesNodeConstraints(spec_, node.metadata)) return {};
  DaemonFit fit{true, true};
  for (const core::v1::Taint& taint : node.spec.taints) {
    if (taint.effect == "PreferNoSchedule" || kube::Tolerates(tolerations_, taint)) continue;
    fit.starts = false;
    if (taint.effect == "NoExecute") fit.stays = false;
  }
  return fit;
}

Pod NewDaemonPod(const DaemonSet& set, std::string_view node, std::string_view hash) {
  const core::v1::PodTemplateSpec& pod_template = set.spec.template_;
  Pod pod;
  pod.metadata.generateName = set.metadata.name.str() + "-";
  pod.metadata.namespace_ = set.metadata.namespace_;
  pod.metadata.labels = pod_template.metadata.labels;
  pod.metadata.labels[kRevisionLabel] = hash;
  pod.metadata.annotations = pod_template.metadata.annotations;
  pod.metadata.finalizers = pod_template.metadata.finalizers;
  pod.metadata.ownerReferences.push_back(kube::ControllerRefTo(set));
  pod.spec = pod_template.spec;
  AddDaemonTolerations(pod.spec);
  // The node has been judged by what the template required; from now on the name says it all.
  core::v1::NodeSelectorRequirement named;
  named.key = "metadata.name";
  named.operator_ = "In";
  named.values = {node};
  core::v1::NodeSelectorTerm term;
  term.matchFields = {named};
  core::v1::NodeSelector selector;
  selector.nodeSelectorTerms = {term};
  pod.spec.affinity.Mutable().nodeAffinity.Mutable().requiredDuringSchedulingIgnoredDuringExecution.Mutable() =
      std::move(selector);
  return pod;
}

std::string_view TargetNode(const Pod& pod) {
  if (!pod.spec.nodeName.empty()) return pod.spec.nodeName;
  if (!pod.spec.affinity || !pod.spec.affinity->nodeAffinity) return {};
  const auto& required = pod.spec.affinity->nodeAffinity->requiredDuringSchedulingIgnoredDuringExecution;
  if (!required) return {};
  for (const core::v1::NodeSelectorTerm& term : required->nodeSelectorTerms) {
    for (const core::v1::NodeSelectorRequirement& field : term.matchFields) {
      const bool names = field.key == "metadata.name" && field.operator_ == "In";
      if (names && field.values.size() == 1) return field.values[0];
    }
  }
  return {};
}

}  // namespace minikube::controllers
