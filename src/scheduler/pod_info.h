// From API objects to what scheduling computes with.
#pragma once

#include <minikube/api/core/v1.h>
#include <minikube/scheduler_framework.h>

namespace minikube::scheduler {

// A resource list (cpu, memory, ...) as numbers; "pods" is left out: it is counted, not added.
ResourceAmounts AmountsOf(const Map<Quantity>& resources);

// What a pod asks of its node: the sum of its containers and sidecars, or the largest init container with the sidecars
// started before it, whichever is more; pod-level resources override; overhead comes on top.
ResourceAmounts PodRequests(const core::v1::PodSpec& spec);

PodInfoRef MakePodInfo(ObjectRef pod);

// Everything of a pod that a plugin may look at: its whole spec, its namespace, its labels.
std::string ClassKey(const core::v1::Pod& pod);

}  // namespace minikube::scheduler
