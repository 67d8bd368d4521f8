// What the Services ask of the node's nftables, as data. Pure functions, as tests see them.
//
// A packet to a Service is found in one map and led on by another, both hashed: `services` (address, protocol, port)
// says how many destinations there are and which rules apply, by naming a chain; that chain draws a number and looks
// the destination up in `backends/<protocol>` under (address, port, number). Chains are shared by all Services for
// which the same is to be done, so an ordinary Service is elements of maps and nothing else, and a change of one
// touches those of its own. Only Services with session affinity or source ranges have chains of their own. Semantics:
// https://kubernetes.io/docs/reference/networking/virtual-ips/
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <minikube/api/core/v1.h>
#include <minikube/api/discovery/v1.h>

#include "network/nft/table.h"

namespace minikube::network {

// Where connections can be led to. IPv4.
struct Destination {
  std::string address;
  int port = 0;
  friend auto operator<=>(const Destination&, const Destination&) = default;
};

// The node whose rules these are.
struct NodeFacts {
  std::string name;
  std::string zone;
  friend bool operator==(const NodeFacts&, const NodeFacts&) = default;
};

// Datagrams to `address` (of any address of the machine if "") belong to these destinations: what the connection
// tracker remembers otherwise is stale.
struct DatagramService {
  std::string address;
  int port = 0;
  std::set<Destination> destinations;
};

// What one Service needs in the table, beside what all share.
struct ServiceRules {
  std::map<std::string, Rules> chains;
  std::map<std::string, SetKind> sets;
  std::map<std::pair<std::string, std::string>, std::string> elements;  // (set, key) to value
  std::vector<DatagramService> datagrams;
};

// `slices` are those of the Service. With `here`, all of its ports lead there, whatever its endpoints are.
ServiceRules RulesFor(const core::v1::Service& service, const std::vector<const discovery::v1::EndpointSlice*>& slices,
                      const NodeFacts& node, const std::optional<Destination>& here = std::nullopt);

// TCP and UDP from this machine and its pods to `from` lead to `to`.
ServiceRules RulesForForward(const Destination& from, const Destination& to);

// What the table holds without any Service. Packets of pods to addresses of `service_range` (a CIDR; "" = unknown) that
// no Service has are dropped: they have no business outside.
TableContent EmptyServiceTable(std::string_view service_range);
// The set of the interfaces that pods are behind.
inline constexpr std::string_view kPodLinks = "pod_links";

// What a Service's port leads to on this node.
struct Endpoints {
  std::vector<Destination> cluster;  // in the whole cluster; sorted
  std::vector<Destination> local;    // on this node; sorted
  bool any = false;                  // whether some are there, be it elsewhere
};
// Those that are ready; if none are, those that still serve though they are ending. Of the ready ones of the whole
// cluster those that are meant for this node, if all say for whom they are meant and some are for it.
Endpoints EndpointsFor(const core::v1::ServicePort& port,
                       const std::vector<const discovery::v1::EndpointSlice*>& slices, const NodeFacts& node);

}  // namespace minikube::network
