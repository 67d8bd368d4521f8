// Pods of DaemonSets: on which nodes they belong, and what they are made of. Pure functions.
// Semantics: https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/#how-daemon-pods-are-scheduled
#pragma once

#include <string_view>

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>

namespace minikube::controllers {

// What a daemon pod may do on a node. One that may not start there may still stay, as a taint may only keep new pods
// away.
struct DaemonFit {
  bool starts = false;
  bool stays = false;
  friend bool operator==(const DaemonFit&, const DaemonFit&) = default;
};

// Adds what every daemon pod tolerates: that its node is not well, or closed to other pods.
void AddDaemonTolerations(core::v1::PodSpec& spec);

// Judges nodes for the pods of one DaemonSet, which outlives it.
class DaemonNodes {
 public:
  explicit DaemonNodes(const apps::v1::DaemonSet& set);
  DaemonFit Fit(const core::v1::Node& node) const;

 private:
  const core::v1::PodSpec& spec_;
  List<core::v1::Toleration> tolerations_;
};

// The pod for that node, of the revision with this hash. The scheduler binds it: its affinity names the node.
core::v1::Pod NewDaemonPod(const apps::v1::DaemonSet& set, std::string_view node, std::string_view hash);
// The node that a daemon pod is on, or is meant for; "" if it does not say.
std::string_view TargetNode(const core::v1::Pod& pod);

}  // namespace minikube::controllers
