// What the executable does under other names. Started as `kube-apiserver` and `etcd` it takes the flags that
// controller-runtime's envtest gives these two, so that an operator's tests run against it unchanged:
//
//   minikube envtest-assets DIR
//   KUBEBUILDER_ASSETS=DIR go test ./...
#pragma once

#include <string>
#include <string_view>

namespace minikube::example {

// Makes DIR with the two names in it, links to this executable. Returns the exit code.
int MakeEnvtestAssets(const std::string& dir);

// An API server with its state in memory, and with --controllers=true the controllers too. Until SIGTERM.
int RunKubeApiserver(int argc, char** argv);
// Nothing is stored there: it says that it is healthy on --listen-client-urls, which is all that is asked of it.
int RunEtcd(int argc, char** argv);

}  // namespace minikube::example
