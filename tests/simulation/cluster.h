// Cluster: the components of one simulated cluster, each a process that can be killed at any step and started again.
// API server and store are one process over a Disk; scheduler, controller manager and one agent per node are the
// others. Containers are on their node's machine and outlive the agent.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <minikube/api_server.h>
#include <minikube/controller_manager.h>
#include <minikube/log.h>
#include <minikube/node_agent.h>
#include <minikube/scheduler.h>
#include <minikube/simulated_env.h>
#include <minikube/simulated_runtime.h>

#include "simulation/disk.h"
#include "simulation/history.h"
#include "simulation/network.h"
#include "simulation/truth.h"

namespace minikube::simulation {

// A program that can die and start again.
class Component {
 public:
  Component(SimulatedEnv& env, History& history, std::string name);
  virtual ~Component();

  const std::string& name() const { return endpoint_.name; }
  Endpoint& endpoint() { return endpoint_; }
  bool running() const { return process_ != nullptr; }
  // Dying counts as not running, from the moment of death.
  bool alive() const { return process_ != nullptr && !process_->killed(); }
  // Nothing that it sent before it died is still under way.
  bool settled() const { return endpoint_.in_flight == 0; }

  void Start();
  // Dies at once, wherever it is; what it consisted of is taken apart in a later step.
  void Kill();
  // Ends in good order; or, if it is dead or dying, is taken apart.
  void Stop();
  // Its wall clock, now and in later lives.
  void SetSkew(Duration skew);
  void SetDrift(int millionths) { drift_ = millionths; }
  // Called after the remains of a dead one are gone.
  std::function<void()> on_buried;
  int lives() const { return lives_; }

 protected:
  virtual Status Begin(SimulatedProcess& process) = 0;
  // In the moment of death, perhaps in the middle of one of its steps.
  virtual void Died() {}
  // Everything is destroyed. `dead`: nothing it does counts any more.
  virtual void Destroy(bool dead) = 0;

  SimulatedEnv& env_;
  History& history_;

 private:
  Endpoint endpoint_;
  std::unique_ptr<SimulatedProcess> process_;
  std::unique_ptr<Strand> undertaker_;
  Duration skew_{0};
  int drift_ = 0;
  int lives_ = 0;
};

struct NodeSpec {
  std::string name;
  std::string cpu;
  int max_pods = 20;
};

// What the runtimes do besides running, for faults and planted bugs.
struct RuntimeHooks {
  // Asked when something has been done for an agent, before it hears of it; true: it dies now.
  std::function<bool(const std::string& node)> dies;
  bool forgets_sandboxes = false;  // says that they are removed
};

struct ClusterOptions {
  std::size_t max_watch_queue = 8192;
  std::vector<NodeSpec> nodes;
  SimulatedOptions machine;
  Duration node_monitor_grace_period = std::chrono::seconds(40);
};

class SimulatedCluster {
 public:
  SimulatedCluster(SimulatedEnv& env, History& history, Truth& truth, Network& network, Disk& disk,
                   ClusterOptions options, LogSink& log);
  ~SimulatedCluster();

  Component& api();
  Component& scheduler() { return *scheduler_; }
  Component& controllers() { return *controllers_; }
  std::size_t nodes() const { return agents_.size(); }
  Component& agent(std::size_t node) { return *agents_[node]; }
  SimulatedMachine& machine(std::size_t node) { return *machines_[node]; }
  const NodeSpec& node(std::size_t node) const { return options_.nodes[node]; }
  const std::vector<Component*>& components() const { return components_; }

  // Null while it does not run.
  Store* store();
  // Who still followed the bus when the API server had stopped in good order.
  std::size_t subscribers_left() const { return subscribers_left_; }
  // Asked before each Append (true) and Sync (false) of the store's engine; may be empty.
  std::function<DiskFault(bool append)> disk_fault;
  RuntimeHooks runtime_hooks;
  // What the runtime of a machine lists.
  Runtime::Inventory InventoryOf(std::size_t node);

 private:
  class Api;
  class SchedulerProcess;
  class ControllerProcess;
  class AgentProcess;
  class SpyRuntime;

  SimulatedEnv& env_;
  History& history_;
  Truth& truth_;
  Network& network_;
  Disk& disk_;
  const ClusterOptions options_;
  LogSink& log_;
  std::vector<std::shared_ptr<SimulatedMachine>> machines_;
  std::unique_ptr<Api> api_;
  std::unique_ptr<Component> scheduler_;
  std::unique_ptr<Component> controllers_;
  std::vector<std::unique_ptr<Component>> agents_;
  std::vector<Component*> components_;
  std::size_t subscribers_left_ = 0;
};

}  // namespace minikube::simulation
