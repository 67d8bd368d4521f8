// Scheduler: finds a node for every pod that has none, through the API server only, and tells it the decision with the
// binding subresource. Profiles, extension points and plugins follow kube-scheduler; see scheduler_framework.h.
//
// Thread safety: every member, any thread. Lifetime: client and env outlive it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <minikube/client.h>
#include <minikube/log.h>

namespace minikube {

namespace scheduler {
class PluginRegistry;
}

struct SchedulerOptions {
  std::string scheduler_name = "default-scheduler";
  // Further plugins of the host; may be null. Outlives the scheduler.
  const scheduler::PluginRegistry* plugins = nullptr;
};

class Scheduler {
 public:
  static Result<std::unique_ptr<Scheduler>> Start(SchedulerOptions options, std::unique_ptr<Client> client, Env& env,
                                                  Logger log);
  virtual ~Scheduler() = default;
  virtual void Stop() = 0;
};

}  // namespace minikube
