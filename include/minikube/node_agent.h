// NodeAgent: makes the pods bound to its node run, and reports what is.
//
// Registers its Node, renews its lease, and runs one worker (a state machine) per pod. Crash-only: everything it needs
// to know it finds in the API and in the runtime's inventory; restarting the process leaves containers running and
// adopts them. Thread safety: every member, any thread. Lifetime: client, runtime and env outlive it. Stop leaves
// containers running.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <minikube/client.h>
#include <minikube/log.h>
#include <minikube/node_api.h>
#include <minikube/runtime.h>

namespace minikube {

struct NodeAgentOptions {
  std::string node_name;  // "" = the machine's hostname, lower case
  std::string root;       // pod volumes and logs: root/pods/<uid>/..., root/logs/pods/...; unused by a
                          // runtime that is simulated
  std::map<std::string, std::string> labels;
  // What the node offers, instead of what the machine has: {"cpu", "8"}, {"example.com/gpu", "2"}, ...
  std::map<std::string, std::string> capacity;
  int max_pods = 110;
  std::string internal_ip;  // "" = found by the default route
  // Address of the cluster's DNS, which pods ask for names unless they want another; "" = there is none, and they ask
  // whom the machine asks.
  std::string cluster_dns;
  Duration status_interval = std::chrono::minutes(5);  // heartbeats are the lease; status only on change
  Duration lease_renew_interval = std::chrono::seconds(10);
  int lease_duration_seconds = 40;
};

class NodeAgent : public NodeApi {
 public:
  // `make_runtime` builds the runtime on the agent's own strand. Errors: kBadRequest (no name for a node), those of
  // `make_runtime`.
  using RuntimeFactory = Function<Result<std::unique_ptr<Runtime>>(Env&, Strand&)>;
  static Result<std::shared_ptr<NodeAgent>> Start(NodeAgentOptions options, std::unique_ptr<Client> client,
                                                  RuntimeFactory make_runtime, Env& env, Logger log);
  virtual const std::string& node_name() const = 0;
  virtual void Stop() = 0;
};

}  // namespace minikube
