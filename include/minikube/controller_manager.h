// ControllerManager: runs the controllers, each with its own identity. The built-in ones see one and the same set of
// informers, on one strand; each of the host's has a strand and informers of its own.
//
// Thread safety: every member, any thread. Lifetime: env outlives it; it owns its clients.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/client.h>
#include <minikube/controller.h>
#include <minikube/log.h>

namespace minikube {

inline constexpr std::string_view kManagerName = "kube-controller-manager";

// Makes the certificate (PEM) that a PKCS#10 request (PEM) asks for, good for `usages` (Kubernetes' KeyUsage) and
// `lifetime`. Called on the controllers' strand; must not block.
using CertificateAuthority = std::function<Result<std::string>(
    std::string_view request, const std::vector<std::string>& usages, Duration lifetime)>;

struct ControllerManagerOptions {
  // Makes the client of a controller from its identity's name. kManagerName asks for the manager's own one, with which
  // all controllers list and watch (system:kube-controller-manager): their own identities need not be allowed to.
  std::function<std::unique_ptr<Client>(std::string_view controller_name)> new_client;
  std::vector<ControllerEntry> extra;  // of the host; no two controllers have one name
  std::vector<std::string> disabled;   // names of built-in ones not to run
  Duration node_monitor_grace_period = std::chrono::seconds(40);
  // Published in every namespace as ConfigMap kube-root-ca.crt (PEM); "" = not published.
  std::string root_ca;
  // Signs CertificateSigningRequests of kubernetes.io's signers; empty: nobody does.
  CertificateAuthority sign;
  // Finished pods beyond this number are deleted, the oldest first; 0 = never.
  std::size_t terminated_pod_threshold = 12500;
};

class ControllerManager {
 public:
  static Result<std::unique_ptr<ControllerManager>> Start(ControllerManagerOptions options, Env& env, Logger log);
  virtual ~ControllerManager() = default;
  virtual void Stop() = 0;
};

}  // namespace minikube
