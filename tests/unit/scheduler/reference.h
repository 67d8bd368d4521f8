// The scheduler as one would write it without a thought for speed: everything computed anew from API objects, node by
// node, for every decision. What the scheduler says must agree with it.
// Semantics: kube-scheduler v1.36, default profile without volumes.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <minikube/api/core/v1.h>

namespace minikube::test {

struct PlacedPod {
  core::v1::Pod pod;
  std::string node;
};

struct ReferenceCluster {
  std::map<std::string, core::v1::Node> nodes;
  std::vector<PlacedPod> pods;
};

struct ReferenceDecision {
  std::set<std::string> best;  // nodes of the highest score; empty if none fits
  std::string message;         // then: why
};

ReferenceDecision DecideByTheBook(const ReferenceCluster& cluster, const core::v1::Pod& pod);

}  // namespace minikube::test
