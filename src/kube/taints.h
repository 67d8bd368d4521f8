// Taints and tolerations. Pure functions.
// Semantics: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
#pragma once

#include <minikube/api/core/v1.h>

namespace minikube::kube {

bool Tolerates(const core::v1::Toleration& toleration, const core::v1::Taint& taint);
// Whether one of them bears the taint.
bool Tolerates(const List<core::v1::Toleration>& tolerations, const core::v1::Taint& taint);

}  // namespace minikube::kube
