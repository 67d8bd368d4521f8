// What the HTTP status of an answer of the Kubernetes API means.
#pragma once

#include <cstdint>
#include <optional>

#include <minikube/status.h>

namespace minikube::kube {

// 409 is kConflict, which may as well be kAlreadyExists. nullopt for what the API has no reason for.
std::optional<Code> CodeOfHttp(std::int64_t status);

}  // namespace minikube::kube
