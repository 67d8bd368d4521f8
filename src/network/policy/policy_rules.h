// What NetworkPolicies ask of the node's nftables, as data. A pure function, as tests see it.
//
// A packet between pods, or between a pod and somebody elsewhere, passes the machine's forward hook. There two maps say
// which pods of this node are restricted in which direction; such a pod has a chain that asks its policies in turn and
// drops what none of them allows. Whom a policy means by selectors is a set of addresses, shared by all that mean the
// same: when pods come and go, elements of sets and maps change, and rules only for the pod itself.
//
// What the machine itself sends to its pods, and they to it, always passes, as Kubernetes has it. So do answers, and
// what flowed before it was forbidden.
// Semantics: https://kubernetes.io/docs/concepts/services-networking/network-policies/
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/api/core/v1.h>
#include <minikube/api/networking/v1.h>
#include <minikube/types.h>

#include "network/nft/table.h"

namespace minikube::network {

struct PolicyInput {
  std::string node_name;
  std::vector<const networking::v1::NetworkPolicy*> policies;
  std::map<std::string_view, const core::v1::Namespace*> namespaces;   // by name
  std::map<std::string_view, std::vector<const core::v1::Pod*>> pods;  // of the whole cluster, by namespace
};

TableContent PolicyTable(const PolicyInput& input);

// The IPv4 address by which policies know the pod; "" if it has none of its own, or has ended.
std::string PolicyAddressOf(const core::v1::Pod& pod);

}  // namespace minikube::network
