#include "network/proxy/service_rules.h"

#include <algorithm>

#include <fmt/format.h>

#include "model/validation_names.h"

namespace minikube::network {
namespace {

using core::v1::Service;
using core::v1::ServicePort;
using discovery::v1::EndpointSlice;

// The bit of a packet's mark that says: what leaves this machine must come back by it. kube-proxy's own.
constexpr std::string_view kMark = "0x4000";
constexpr int kDefaultAffinitySeconds = 10800;

bool IsIpv4(std::string_view address) {
  const auto parsed = ParseIp(address);
  return parsed && parsed->v4;
}

std::string Masked(const IpPrefix& prefix) { return fmt::format("{}/{}", prefix.Masked().ToString(), prefix.length); }

// What packets to a Service are told apart by. Node ports are the same on whichever address of the machine.
enum class Face : std::uint8_t { kCluster, kOutside, kNodePort };

std::string_view MapOf(Face face) {
  switch (face) {
    case Face::kCluster:
      return "services";
    case Face::kOutside:
      return "outside";
    case Face::kNodePort:
      return "node_ports";
  }
  return "";
}

// The map from a drawn number to a destination. There is one for each protocol: nft does not let ports of one name
// those of another.
std::string BackendsOf(Face face, bool local, std::string_view protocol) {
  return fmt::format("{}{}backends/{}", local ? "local_" : "", face == Face::kNodePort ? "node_" : "", protocol);
}

std::string FieldsOf(Face face, std::string_view protocol) {
  return fmt::format("{}{} dport", face == Face::kNodePort ? "" : "ip daddr . ", protocol);
}

// One port of one Service, in the making.
class PortRules {
 public:
  PortRules(const Service& service, const ServicePort& port, Endpoints endpoints, ServiceRules& out)
      : service_(service), port_(port), endpoints_(std::move(endpoints)), out_(out) {
    for (const char c : port.protocol.empty() ? std::string_view("TCP") : port.protocol.view()) {
      protocol_ += static_cast<char>(c | 0x20);
    }
    if (service.spec.sessionAffinity == "ClientIP") {
      affinity_ = kDefaultAffinitySeconds;
      if (service.spec.sessionAffinityConfig && service.spec.sessionAffinityConfig->clientIP) {
        affinity_ = service.spec.sessionAffinityConfig->clientIP->timeoutSeconds.value_or(kDefaultAffinitySeconds);
      }
    }
  }

  void AddAll() {
    const auto& spec = service_.spec;
    if (spec.clusterIPs.empty()) Inside(spec.clusterIP);
    for (const Str& address : spec.clusterIPs) Inside(address);
    for (const Str& address : spec.externalIPs) Outside(Face::kOutside, address, {});
    for (const core::v1::LoadBalancerIngress& ingress : service_.status.loadBalancer.ingress) {
      const bool proxied = ingress.ipMode && *ingress.ipMode == "Proxy";  // who has the address brings packets himself
      if (!proxied) Outside(Face::kOutside, ingress.ip, Ranges());
    }
    if (port_.nodePort != 0) Outside(Face::kNodePort, "", {});
    for (const Destination& local : endpoints_.local) Put("hairpins", fmt::format("{0} . {0}", local.address), "");
  }

 private:
  // The Service's own address.
  void Inside(std::string_view address) {
    if (!IsIpv4(address)) return;
    Put("service_addresses", std::string(address), "");
    const bool local = service_.spec.internalTrafficPolicy && *service_.spec.internalTrafficPolicy == "Local";
    const std::vector<Destination>& to = local ? endpoints_.local : endpoints_.cluster;
    if (!endpoints_.any) return Refuse(Face::kCluster, address);
    Datagrams(address, port_.port, to);
    const std::string key = Key(Face::kCluster, address);
    if (to.empty()) return Put("services", key, "goto discard");
    if (affinity_ != 0) return Put("services", key, "goto " + Sticky(to, local ? "sticky-local" : "sticky"));
    Backends(Face::kCluster, address, false, to);
    Put("services", key, "goto " + Pick(Face::kCluster, to.size()));
  }

  // An address, or with Face::kNodePort all of the machine's, that others than this cluster use.
  void Outside(Face face, std::string_view address, const std::vector<std::string>& ranges) {
    if (face != Face::kNodePort && !IsIpv4(address)) return;
    if (!endpoints_.any) return Refuse(face, address);
    const bool local = service_.spec.externalTrafficPolicy == "Local";
    std::vector<Destination> all = endpoints_.cluster;
    all.insert(all.end(), endpoints_.local.begin(), endpoints_.local.end());
    Datagrams(address, face == Face::kNodePort ? port_.nodePort : port_.port, all);
    std::string chain;
    if (affinity_ != 0) {
      chain = local ? StickyLocalOutside() : StickyOutside();
    } else {
      Backends(face, address, false, endpoints_.cluster);
      if (local) Backends(face, address, true, endpoints_.local);
      chain = local ? LocalOutside(face) : Marked(face);
    }
    if (!ranges.empty()) {
      // Who may; whoever else is not heard.
      const std::string guard = Own("from");
      out_.chains[guard] = {fmt::format("ip saddr {{ {} }} goto {}", fmt::join(ranges, ", "), chain), "drop"};
      chain = guard;
    }
    Put(MapOf(face), Key(face, address), "goto " + chain);
  }

  void Refuse(Face face, std::string_view address) {
    Put(face == Face::kNodePort ? "refused_ports" : "refused", Key(face, address), "");
    Datagrams(address, face == Face::kNodePort ? port_.nodePort : port_.port, {});
  }

  std::string Key(Face face, std::string_view address) const {
    if (face == Face::kNodePort) return fmt::format("{} . {}", protocol_, port_.nodePort);
    return fmt::format("{} . {} . {}", address, protocol_, port_.port);
  }
  void Put(std::string_view set, std::string key, std::string value) {
    out_.elements[{std::string(set), std::move(key)}] = std::move(value);
  }
  void Backends(Face face, std::string_view address, bool local, const std::vector<Destination>& to) {
    const std::string set = BackendsOf(face, local, protocol_);
    const std::string key =
        face == Face::kNodePort ? std::to_string(port_.nodePort) : fmt::format("{} . {}", address, port_.port);
    for (std::size_t i = 0; i < to.size(); ++i) {
      Put(set, fmt::format("{} . {}", key, i), fmt::format("{} . {}", to[i].address, to[i].port));
    }
  }
  void Datagrams(std::string_view address, int port, const std::vector<Destination>& to) {
    if (protocol_ != "udp") return;
    out_.datagrams.push_back({std::string(address), port, {to.begin(), to.end()}});
  }
  std::vector<std::string> Ranges() const {
    std::vector<std::string> out;
    for (const Str& range : service_.spec.loadBalancerSourceRanges) {
      const auto parsed = ParseCidr(range);
      // All of them may: no rule is needed, and nft knows no such element.
      if (parsed && parsed->length == 0) return {};
      if (parsed && parsed->address.v4) out.push_back(Masked(*parsed));
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  // --- Chains that Services share: their names say all that they do.

  std::string Draw(Face face, bool local, std::size_t count) const {
    return fmt::format("meta l4proto {} dnat ip to {} . numgen random mod {} map @{}", protocol_,
                       FieldsOf(face, protocol_), count, BackendsOf(face, local, protocol_));
  }
  static std::string_view NameOf(Face face) { return face == Face::kNodePort ? "node-port" : "address"; }

  std::string Pick(Face face, std::size_t count) {
    std::string name = fmt::format("pick/{}/{}/{}", NameOf(face), protocol_, count);
    out_.chains[name] = {Draw(face, false, count)};
    return name;
  }
  // The same for what came from outside.
  std::string Marked(Face face) {
    std::string name = fmt::format("outside/{}/{}/{}", NameOf(face), protocol_, endpoints_.cluster.size());
    out_.chains[name] = {fmt::format("meta mark set meta mark | {}", kMark),
                         Draw(face, false, endpoints_.cluster.size())};
    return name;
  }
  // Only to endpoints of this node; but pods and the machine itself are no outsiders.
  std::string LocalOutside(Face face) {
    std::string name =
        fmt::format("local/{}/{}/{}/{}", NameOf(face), protocol_, endpoints_.cluster.size(), endpoints_.local.size());
    out_.chains[name] = {
        fmt::format("iifname @{} goto {}", kPodLinks, Pick(face, endpoints_.cluster.size())),
        fmt::format("fib saddr type local goto {}", Marked(face)),
        endpoints_.local.empty() ? "drop" : Draw(face, true, endpoints_.local.size()),
    };
    return name;
  }

  // --- Chains of a Service with session affinity.

  std::string Own(std::string_view what) const {
    return fmt::format("{}/{}/{}/{}/{}", what, service_.metadata.namespace_.view(), service_.metadata.name.view(),
                       protocol_, port_.port);
  }
  // Leads on to where the client was led before, or to any of `to`.
  std::string Sticky(const std::vector<Destination>& to, std::string_view what) {
    std::string name = Own(what);
    Rules rules;
    std::string all;
    for (std::size_t i = 0; i < to.size(); ++i) {
      const std::string own = fmt::format("{}/{}/{}", Own("to"), to[i].address, to[i].port);
      const std::string clients = fmt::format("{}/{}/{}/{}", Own("clients"), affinity_, to[i].address, to[i].port);
      out_.sets[clients] = {"set",
                            fmt::format("type ipv4_addr; size 65536; flags dynamic,timeout; timeout {}s", affinity_)};
      out_.chains[own] = {
          fmt::format("update @{} {{ ip saddr }}", clients),
          fmt::format("meta l4proto {} dnat ip to {}:{}", protocol_, to[i].address, to[i].port),
      };
      rules.push_back(fmt::format("ip saddr @{} goto {}", clients, own));
      all += fmt::format("{}{} : goto {}", i == 0 ? "" : ", ", i, own);
    }
    rules.push_back(fmt::format("numgen random mod {} vmap {{ {} }}", to.size(), all));
    out_.chains[name] = std::move(rules);
    return name;
  }
  std::string StickyOutside() {
    std::string name = Own("sticky-outside");
    out_.chains[name] = {fmt::format("meta mark set meta mark | {}", kMark),
                         fmt::format("goto {}", Sticky(endpoints_.cluster, "sticky"))};
    return name;
  }
  std::string StickyLocalOutside() {
    std::string name = Own("sticky-local-outside");
    out_.chains[name] = {
        fmt::format("iifname @{} goto {}", kPodLinks, Sticky(endpoints_.cluster, "sticky")),
        fmt::format("fib saddr type local goto {}", StickyOutside()),
        endpoints_.local.empty() ? "drop" : "goto " + Sticky(endpoints_.local, "sticky-local"),
    };
    return name;
  }

  const Service& service_;
  const ServicePort& port_;
  const Endpoints endpoints_;
  ServiceRules& out_;
  std::string protocol_;
  int affinity_ = 0;  // seconds; 0 = none
};

// Headless Services, those that are names only, and those that have been told to be somebody else's are nobody's
// address.
bool IsRouted(const Service& service) {
  const auto& spec = service.spec;
  return !(spec.type == "ExternalName") && !spec.clusterIP.empty() && !(spec.clusterIP == "None") &&
         !service.metadata.labels.Contains("service.kubernetes.io/service-proxy-name");
}

}  // namespace

ServiceRules RulesFor(const Service& service, const std::vector<const EndpointSlice*>& slices, const NodeFacts& node,
                      const std::optional<Destination>& here) {
  ServiceRules out;
  if (!IsRouted(service)) return out;
  for (const ServicePort& port : service.spec.ports) {
    Endpoints endpoints;
    if (here) {
      endpoints = {{*here}, {*here}, true};
    } else {
      endpoints = EndpointsFor(port, slices, node);
    }
    PortRules(service, port, std::move(endpoints), out).AddAll();
  }
  if (here) std::erase_if(out.elements, [](const auto& element) { return element.first.first == "hairpins"; });
  return out;
}

ServiceRules RulesForForward(const Destination& from, const Destination& to) {
  ServiceRules out;
  for (const char* protocol : {"TCP", "UDP"}) {
    Service service;
    service.spec.clusterIP = from.address;
    ServicePort port;
    port.protocol = protocol;
    port.port = from.port;
    PortRules(service, port, {{to}, {}, true}, out).AddAll();
  }
  // The address is the machine's: its other ports are none of our business.
  std::erase_if(out.elements, [](const auto& element) { return element.first.first == "service_addresses"; });
  return out;
}

TableContent EmptyServiceTable(std::string_view service_range) {
  TableContent out;
  const auto set = [&](std::string_view name, std::string body) { out.sets[std::string(name)].kind = {"set", body}; };
  const auto map = [&](std::string_view name, std::string body) { out.sets[std::string(name)].kind = {"map", body}; };
  set(kPodLinks, "type ifname");
  set("hairpins", "type ipv4_addr . ipv4_addr");
  set("refused", "type ipv4_addr . inet_proto . inet_service");
  set("refused_ports", "type inet_proto . inet_service");
  set("service_addresses", "type ipv4_addr");
  map("services", "type ipv4_addr . inet_proto . inet_service : verdict");
  map("outside", "type ipv4_addr . inet_proto . inet_service : verdict");
  map("node_ports", "type inet_proto . inet_service : verdict");
  for (const Face face : {Face::kCluster, Face::kNodePort}) {
    for (const char* protocol : {"tcp", "udp", "sctp"}) {
      for (const bool local : {false, true}) {
        map(BackendsOf(face, local, protocol), fmt::format("typeof {} . numgen random mod 65536 : ip daddr . {} dport",
                                                           FieldsOf(face, protocol), protocol));
      }
    }
  }

  // Before the pod network's own chains, whose ports of the machine come after those of Services. What a cluster's
  // pods may reach by a Service's own address is that cluster's: another on this machine may have the same addresses.
  const std::string services = "ip daddr . meta l4proto . th dport vmap @services";
  const std::string outside = "ip daddr . meta l4proto . th dport vmap @outside";
  const std::string node_ports = "fib daddr type local meta l4proto . th dport vmap @node_ports";
  const std::string from_pods = fmt::format("iifname @{} ", kPodLinks);
  out.chains["prerouting"] = {"type nat hook prerouting priority -110; policy accept;", from_pods + services, outside,
                              node_ports};
  out.chains["output"] = {"type nat hook output priority -110; policy accept;", services, outside, node_ports};
  out.chains["discard"] = {"drop"};
  // What a pod sends itself by a Service, and what the machine sends from an address that is no pod's business, must
  // look as if it came from the machine; and what leaves the machine must come back by it.
  const std::string to_pods = fmt::format("oifname @{} ", kPodLinks);
  const std::string elsewhere = fmt::format("oifname != @{} ", kPodLinks);
  out.chains["postrouting"] = {
      "type nat hook postrouting priority 98; policy accept;",
      to_pods + "ip saddr . ip daddr @hairpins masquerade fully-random",
      to_pods + "ip saddr 127.0.0.0/8 ct status dnat masquerade fully-random",
      fmt::format("{}meta mark & {} == {} masquerade fully-random", elsewhere, kMark, kMark),
      elsewhere + "oifname != \"lo\" ct status dnat fib saddr type local masquerade fully-random",
  };

  // A Service without endpoints says so at once: to TCP by a reset, as the kernel may keep an ICMP error from a client
  // until it tries again a second later.
  out.chains["refuse"] = {"meta l4proto tcp reject with tcp reset", "reject with icmp port-unreachable"};
  const std::string refused = "ct state new ip daddr . meta l4proto . th dport @refused goto refuse";
  const std::string refused_ports =
      "ct state new fib daddr type local meta l4proto . th dport @refused_ports goto refuse";
  const std::string no_port = "ip daddr @service_addresses goto refuse";
  out.chains["refuse-input"] = {"type filter hook input priority -10; policy accept;", refused, refused_ports};
  Rules& forward = out.chains["refuse-forward"];
  forward = {"type filter hook forward priority -10; policy accept;", refused, from_pods + no_port};
  if (const auto range = ParseCidr(service_range); range && range->address.v4) {
    forward.push_back(fmt::format("{}ip daddr {} drop", from_pods, Masked(*range)));
  }
  out.chains["refuse-output"] = {"type filter hook output priority -10; policy accept;", refused, refused_ports,
                                 no_port};
  return out;
}

}  // namespace minikube::network
