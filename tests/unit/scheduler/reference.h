// The scheduler as one would write it without a thought for speed: everything computed anew from API objects, node by
// node, for every decision. What the scheduler says must agree with it.
// Semantics: kube-scheduler v1.36, default profile without volumes of CSI drivers.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <minikube/api/core/v1.h>
#include <minikube/api/storage/v1.h>

namespace minikube::test {

struct PlacedPod {
  core::v1::Pod pod;
  std::string node;
};

struct ReferenceCluster {
  std::map<std::string, core::v1::Node> nodes;
  std::vector<PlacedPod> pods;
  std::map<std::string, core::v1::PersistentVolumeClaim> claims;  // of the namespace default
  std::map<std::string, core::v1::PersistentVolume> volumes;
  std::map<std::string, storage::v1::StorageClass> classes;
};

// What a pod's claims would be bound to on a node, claim to volume; no volume: one is to be made.
using ReferenceBindings = std::map<std::string, std::string>;
// Null: they cannot all be bound there.
std::optional<ReferenceBindings> BindByTheBook(const ReferenceCluster& cluster, const core::v1::Pod& pod,
                                               const core::v1::Node& node);

struct ReferenceDecision {
  std::set<std::string> best;  // nodes of the highest score; empty if none fits
  std::string message;         // then: why
};

ReferenceDecision DecideByTheBook(const ReferenceCluster& cluster, const core::v1::Pod& pod);

}  // namespace minikube::test
