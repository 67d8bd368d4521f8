// What the workers of one agent share. Everything is used on the agent's strand, but for `files`.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <minikube/client.h>
#include <minikube/log.h>
#include <minikube/node_agent.h>
#include <minikube/reconciler.h>
#include <minikube/runtime.h>

#include "agent/checks/net_probe.h"
#include "agent/object_cache.h"

namespace minikube::agent {

// A blocking strand that is made when first needed: a node that only pretends needs none.
class LazyStrand {
 public:
  LazyStrand(Env& env, std::string name) : env_(env), name_(std::move(name)) {}
  Strand& get() {
    if (strand_ == nullptr) strand_ = env_.NewBlockingStrand(name_);
    return *strand_;
  }
  void Stop() {
    if (strand_ != nullptr) strand_->Stop();
  }

 private:
  Env& env_;
  std::string name_;
  std::unique_ptr<Strand> strand_;
};

struct AgentContext {
  Client& client;
  Strand& strand;
  Env& env;
  Runtime& runtime;
  EventRecorder& events;
  ObjectCache& objects;
  NetProber& net;
  LazyStrand& files;  // what blocks: volumes, /etc files, termination messages
  const NodeAgentOptions& options;
  const Logger& log;
  std::vector<std::string> host_ips;
  std::int64_t memory_capacity = 0;
  std::function<ObjectRef()> node;  // the newest Node object; null before it is registered
  std::function<void()> images_changed;
  std::function<EnvList(const core::Pod& pod)> service_env;  // null: nobody reads it

  bool simulated() const { return runtime.simulated(); }
  // The directory of this node's local-path volumes; "" on a node that only pretends.
  std::string local_root() const { return simulated() ? std::string() : options.root + "/local-path"; }
  WallTime Now() const { return env.clock().Now(); }
};

}  // namespace minikube::agent
