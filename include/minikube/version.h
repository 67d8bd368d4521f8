// What this library is and which Kubernetes it speaks.
#pragma once

#include <string_view>

namespace minikube {

inline constexpr std::string_view kVersion = "0.1.0";
// The Kubernetes API that is served, as /version and kubectl version show it.
inline constexpr std::string_view kKubernetesVersion = "v1.36.0";

}  // namespace minikube
