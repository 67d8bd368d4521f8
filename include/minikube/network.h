// Network: what makes a node's pods find and reach what they may: Services (as kube-proxy does), cluster DNS (as
// CoreDNS does) and NetworkPolicies. By nftables(8), in tables that are named after the cluster, so that several
// clusters live side by side on one machine.
//
// Thread safety: every member, any thread. Lifetime: env outlives it; it owns its clients.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/client.h>
#include <minikube/log.h>
#include <minikube/runtime.h>

namespace minikube {

// Which parts of it there are.
struct NetworkOptions {
  bool services = true;  // addresses, node ports and external addresses of Services lead to their endpoints
  bool dns = true;       // names of Services and pods are known; only with `services`, which lead to who knows them
  bool policies = true;  // NetworkPolicies hold for pods of this machine
};

// Connections to `address` (IPv4) that this machine and its pods make lead to `to_address` instead, also if that is a
// loopback address of the machine.
struct LocalForward {
  std::string address;
  int port = 0;
  std::string to_address;
  int to_port = 0;
};

// A Service whose ports lead to a server on this machine, be it on a loopback address, whatever its endpoints say.
struct LocalService {
  std::string ns;
  std::string name;
  std::string address;
  int port = 0;
};

struct NodeNetworkOptions : NetworkOptions {
  std::string cluster_id;  // tells this cluster from others on the machine; [a-z0-9]
  std::string node_name;
  std::string service_cluster_ip_range;
  std::string machine_address;  // by which others know this machine; "" = it is on no network
  std::vector<LocalService> local_services;
  std::vector<LocalForward> forwards;
};

class Network {
 public:
  // As whom a part of it speaks to the API server.
  static constexpr std::string_view kProxy = "kube-proxy";
  static constexpr std::string_view kDns = "kube-dns";
  static constexpr std::string_view kPolicy = "network-policy";
  static constexpr std::string_view kPublisher = "addon-manager";  // makes objects that others find it by
  using NewClient = std::function<std::unique_ptr<Client>(std::string_view part)>;

  // Not on a Strand. Errors: kUnavailable (no port to listen at), those of the API.
  static Result<std::unique_ptr<Network>> Start(NodeNetworkOptions options, const NewClient& new_client, Env& env,
                                                Logger log);
  virtual ~Network() = default;
  // Address of the cluster's DNS, for NodeAgentOptions; "" without.
  virtual std::string cluster_dns() const = 0;
  // OciRuntimeOptions::network_changed: `done` is called once the rules for the pods are in force, or cannot be loaded.
  virtual void PodNetworkChanged(const PodNetworkState& state, Task done) = 0;
  // The rules stay while the pods' network does, as the pods do. Otherwise they are removed.
  virtual void Stop() = 0;
};

}  // namespace minikube
