// The environment variables by which programs find services (Kubernetes: "Discovering services", and Docker's links).
//
// Pure functions.
#pragma once

#include <vector>

#include "agent/container_env.h"

namespace minikube::agent {

// For the containers of `pod`: the services of its namespace, unless it does not want them (enableServiceLinks), and
// that of the API server. `services`: all there are.
EnvList ServiceEnv(const core::Pod& pod, const std::vector<const core::Service*>& services);

}  // namespace minikube::agent
