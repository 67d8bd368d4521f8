// Cluster: everything wired in one process. The SQLite of Kubernetes: Start, use, destroy; state is in data_dir.
//
// Thread safety: every member, any thread. No globals: many clusters in one process.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/api_server.h>
#include <minikube/client.h>
#include <minikube/controller_manager.h>
#include <minikube/env.h>
#include <minikube/log.h>
#include <minikube/network.h>
#include <minikube/node_agent.h>
#include <minikube/runtime.h>
#include <minikube/scheduler.h>
#include <minikube/simulated_runtime.h>
#include <minikube/status.h>
#include <minikube/store.h>

namespace minikube {

// A controller of the host's own. Without a `user` it acts as system:serviceaccount:kube-system:<name> and may do
// everything, as the host itself may (system:masters); with one, what RBAC lets that user do: so a host tests the roles
// that its operator will have elsewhere. Either way it sees everything through
// ControllerContext::informers.
struct HostController : ControllerEntry {
  std::optional<UserInfo> user;
};

// A node that runs nothing but behaves: pods are bound to it, start, fail and end as `behavior` says. For tests of
// controllers with pods that become ready, and for plans of large clusters. It goes with the Cluster.
struct SimulatedNode {
  NodeAgentOptions node;  // node_name must be given, and no two nodes have one name
  SimulatedOptions behavior;
};

// What can happen to a simulated node's machine. Thread safety: any thread but a Strand's. Lifetime: the Cluster's.
class SimulatedNodeControl {
 public:
  virtual ~SimulatedNodeControl() = default;
  // The power goes: no heartbeat follows, and what ran on it is gone. Nothing if it is off.
  virtual void Kill() = 0;
  // The power comes back; the agent finds what the API server wants of it. Nothing if it is on. Errors: as
  // NodeAgent::Start.
  virtual Status Start() = 0;
  Status Reboot() {
    Kill();
    return Start();
  }
};

// This machine as a node: pods run as real containers on it (needs root).
struct LocalNode {
  NodeAgentOptions agent;
  OciRuntimeOptions runtime;
  NetworkOptions network;
};

// The parts of a cluster, each with its own options. What they have of one another the Cluster sets itself: directories
// below data_dir (store.path, api_server.data_dir, node->agent.root, node->runtime.root), logs, the controllers'
// clients and root certificate, the address of the cluster's DNS (node->agent.cluster_dns), and how its pods' network
// is told of (node->runtime.network_changed).
struct ClusterOptions {
  std::string data_dir;  // "" = state in memory only, gone with the Cluster
  StoreOptions store;
  // `listen` "" = no HTTPS. `nodes` is asked for nodes that are not of this Cluster; it may be empty.
  ApiServerOptions api_server = {.listen = "127.0.0.1:0"};
  std::optional<SchedulerOptions> scheduler = SchedulerOptions{};                    // nullopt = none
  std::optional<ControllerManagerOptions> controllers = ControllerManagerOptions{};  // nullopt = none, nor the host's
  std::vector<HostController> extra_controllers;                                     // of the host
  std::optional<LocalNode> node;                                                     // nullopt = not this machine
  std::vector<SimulatedNode> simulated_nodes;
  Env* env = nullptr;      // null = a real Env of its own
  LogSink* log = nullptr;  // null = no logs
};

class Cluster {
 public:
  // Returns when the API server is ready. Errors: as ApiServer::Start, OpenStore, NodeAgent::Start.
  static Result<std::unique_ptr<Cluster>> Start(ClusterOptions options);
  virtual ~Cluster() = default;

  // As system:masters; the same API that kubectl sees, without serialisation.
  virtual Client& client() = 0;
  virtual std::unique_ptr<Client> NewClient(UserInfo user) = 0;
  // Path of the admin kubeconfig file (its text if data_dir is ""); "" without HTTPS.
  virtual std::string kubeconfig() const = 0;
  virtual std::string url() const = 0;
  virtual Env& env() = 0;
  // One of ClusterOptions::simulated_nodes; null if there is none of that name.
  virtual SimulatedNodeControl* simulated_node(std::string_view name) = 0;
  // Stops everything in order and joins; containers keep running. Idempotent; the destructor does it.
  virtual void Stop() = 0;
};

}  // namespace minikube
