// ControllerManager: runs the controllers, each with its own identity and its own strand.
//
// Thread safety: every member, any thread. Lifetime: env outlives it; it owns its clients.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <minikube/client.h>
#include <minikube/log.h>

namespace minikube {

// What a controller is given. Everything in it outlives the controller.
struct ControllerContext {
  Client& client;
  Strand& strand;
  Env& env;
  Logger log;
};

class Controller {
 public:
  virtual ~Controller() = default;
  virtual bool Idle() const = 0;  // nothing queued, nothing in work; on its strand
};

// A controller's constructor, and the name it goes by (`deployment-controller`); its API identity is
// system:serviceaccount:kube-system:<name>.
struct ControllerEntry {
  std::string name;
  std::function<std::unique_ptr<Controller>(ControllerContext)> make;
};

struct ControllerManagerOptions {
  // Makes the client of a controller from its identity's name.
  std::function<std::unique_ptr<Client>(std::string_view controller_name)> new_client;
  std::vector<ControllerEntry> extra;        // of the host
  std::vector<std::string> disabled;         // names of built-in ones not to run
  Duration node_monitor_grace_period = std::chrono::seconds(40);
  Duration pod_eviction_timeout = std::chrono::minutes(5);
};

class ControllerManager {
 public:
  static Result<std::unique_ptr<ControllerManager>> Start(ControllerManagerOptions options, Env& env, Logger log);
  virtual ~ControllerManager() = default;
  virtual void Stop() = 0;
};

}  // namespace minikube
