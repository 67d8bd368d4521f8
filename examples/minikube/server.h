// `minikube server`: a host that is nothing but a cluster.
#pragma once

#include <string>

#include <minikube/cluster.h>

namespace minikube::example {

// Runs until SIGTERM or SIGINT; returns the process's exit code. Prints `ready URL kubeconfig=FILE` when ready.
int RunServer(ClusterOptions options, LogLevel log_level);

}  // namespace minikube::example
