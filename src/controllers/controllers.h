// The built-in controllers. Each is made on its own strand, and lives and dies there.
#pragma once

#include <memory>
#include <string>

#include <minikube/controller_manager.h>

namespace minikube::controllers {

std::unique_ptr<Controller> NewDeploymentController(const ControllerContext& context);
std::unique_ptr<Controller> NewReplicaSetController(const ControllerContext& context);
std::unique_ptr<Controller> NewGarbageCollector(const ControllerContext& context);
std::unique_ptr<Controller> NewNamespaceController(const ControllerContext& context);
std::unique_ptr<Controller> NewServiceAccountController(const ControllerContext& context);
// Publishes `ca` (PEM) as ConfigMap kube-root-ca.crt in every namespace.
std::unique_ptr<Controller> NewRootCaPublisher(const ControllerContext& context, std::string ca);

struct NodeLifecycleOptions {
  Duration grace_period = std::chrono::seconds(40);
};
// Marks silent nodes, keeps their taints, evicts their pods.
std::unique_ptr<Controller> NewNodeLifecycleController(const ControllerContext& context, NodeLifecycleOptions options);

struct PodGcOptions {
  std::size_t terminated_pod_threshold = 12500;
};
std::unique_ptr<Controller> NewPodGarbageCollector(const ControllerContext& context, PodGcOptions options);

}  // namespace minikube::controllers
