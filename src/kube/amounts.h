// Amounts of resources by name (cpu, memory, pods, ...), and what pods and their containers ask for.
// Semantics: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
//
// Sums are exact to a thousandth, and to one beyond 9e15; they are written in the form of their first operand.
#pragma once

#include <minikube/api/core/v1.h>

namespace minikube::kube {

using Amounts = Map<Quantity>;

Quantity Sum(const Quantity& a, const Quantity& b);
// a - b.
Quantity Difference(const Quantity& a, const Quantity& b);
bool IsZero(const Quantity& quantity);
bool IsNegative(const Quantity& quantity);

// To what is there of each, or what is missing.
void Add(Amounts& to, const Amounts& more);
// The larger of each.
void Raise(Amounts& to, const Amounts& least);

// What containers that run at the same time ask for together, or any init container on its way; what is said for the
// whole pod counts instead. Without the pod's overhead.
Amounts PodRequests(const core::v1::PodSpec& spec);
Amounts PodLimits(const core::v1::PodSpec& spec);

}  // namespace minikube::kube
