// The objects that every cluster has: made when they are missing, at every start.
#pragma once

#include <string_view>
#include <vector>

#include "api/registry/core.h"

namespace minikube::api {

extern const std::string_view kRbacPolicy;

// The objects of a policy text (its grammar is above kRbacPolicy). Errors: kInternal, naming the line.
Result<std::vector<ObjectPtr>> ParseRbacPolicy(std::string_view text);

// Namespaces, priority classes and the rest, beside RBAC. `service_ip` is the first address of the service range.
std::vector<ObjectPtr> BootstrapObjects(std::string_view service_cluster_ip_range);

// What a new cluster is given once. It is the users' from then on: what they delete or change stays so.
std::vector<ObjectPtr> FirstObjects();

// Creates what is missing, in one transaction, before anyone else can ask; waits for it. What exists stays as it is,
// except that bootstrap roles get back rules that they miss (unless annotated
// rbac.authorization.kubernetes.io/autoupdate: "false"), as Kubernetes reconciles them.
Status Bootstrap(Core& core);

// The same without RBAC, while the server runs and without waiting: what somebody deleted (`kubectl delete all --all`
// takes the Service of the API server along) comes back.
void RestoreBootstrapObjects(Core& core);

// Makes the Endpoints and EndpointSlice of the Service of the API server say core.server_address(): creates, corrects
// or, without an address, removes them. What kube-apiserver's endpoint reconciler does. Waits for it / does not.
Status PublishServerAddress(Core& core);
void RestoreServerAddress(Core& core);

}  // namespace minikube::api
