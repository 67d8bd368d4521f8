// ClusterDns: the cluster's DNS server on this machine, as CoreDNS is in other clusters: what it knows it sees of the
// API.
//
// Thread safety: everything on the strand given at construction, but for the static members. Lifetime: client, env and
// strand outlive it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <minikube/client.h>
#include <minikube/informer.h>
#include <minikube/log.h>

#include "network/dns/server.h"

namespace minikube::network::dns {

inline constexpr std::string_view kServiceNamespace = "kube-system";
inline constexpr std::string_view kServiceName = "kube-dns";

struct ClusterDnsOptions {
  std::string domain;   // cluster.local
  std::string address;  // of the Service by which pods reach it
};

class ClusterDns {
 public:
  ClusterDns(ClusterDnsOptions options, Listeners listeners, Client& client, Env& env, Strand& strand);
  ~ClusterDns();
  void Start();

 private:
  class Names;
  std::unique_ptr<Names> names_;
  Zone zone_;
  Upstream upstream_;
  Responder responder_;
  DnsServer server_;
};

// Sees to it that the Service kube-system/kube-dns is there, at the tenth address of the range if that is free, and
// says where it is served: by `endpoint_address` (not told if "") at `port`. Waits for it; not on a Strand. Returns the
// Service's address. Errors: those of the API.
Result<std::string> PublishDnsService(Client& client, std::string_view service_range,
                                      const std::string& endpoint_address, int port);

}  // namespace minikube::network::dns
