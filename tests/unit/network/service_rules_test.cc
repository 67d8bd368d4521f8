// What Services ask of a node's nftables, as tables.
#include <catch2/catch.hpp>

#include <functional>

#include <fmt/format.h>

#include "network/proxy/service_rules.h"

namespace minikube::network {
namespace {

using core::v1::Service;
using core::v1::ServicePort;
using discovery::v1::Endpoint;
using discovery::v1::EndpointSlice;
using Lines = std::vector<std::string>;

const NodeFacts kNode{"here", "west"};

Service Web(const std::function<void(Service&)>& change = {}) {
  Service service;
  service.metadata.namespace_ = "default";
  service.metadata.name = "web";
  service.spec.type = "ClusterIP";
  service.spec.clusterIP = "10.96.0.9";
  service.spec.clusterIPs = {"10.96.0.9"};
  ServicePort& port = service.spec.ports.push_back({});
  port.name = "http";
  port.protocol = "TCP";
  port.port = 80;
  if (change) change(service);
  return service;
}

Endpoint At(std::string_view address, std::string_view node, const std::function<void(Endpoint&)>& change = {}) {
  Endpoint endpoint;
  endpoint.addresses = {Str(address)};
  endpoint.nodeName = Str(node);
  endpoint.conditions.ready = true;
  endpoint.conditions.serving = true;
  endpoint.conditions.terminating = false;
  if (change) change(endpoint);
  return endpoint;
}
void IsEnding(Endpoint& endpoint) {
  endpoint.conditions.ready = false;
  endpoint.conditions.terminating = true;
}
void IsNotReady(Endpoint& endpoint) {
  endpoint.conditions.ready = false;
  endpoint.conditions.serving = false;
}
auto ForZone(std::string_view zone) {
  return [zone](Endpoint& endpoint) { endpoint.hints.Mutable().forZones.push_back({.name = Str(zone)}); };
}
auto ForNode(std::string_view node) {
  return [node](Endpoint& endpoint) { endpoint.hints.Mutable().forNodes.push_back({.name = Str(node)}); };
}

EndpointSlice Slice(std::vector<Endpoint> endpoints, std::string_view protocol = "TCP") {
  EndpointSlice slice;
  slice.addressType = "IPv4";
  discovery::v1::EndpointPort& port = slice.ports.push_back({});
  port.name = Str("http");
  port.port = 8080;
  port.protocol = Str(protocol);
  for (Endpoint& endpoint : endpoints) slice.endpoints.push_back(std::move(endpoint));
  return slice;
}

// Elements and chains, without what says the same for every Service that has endpoints.
Lines Show(const ServiceRules& rules) {
  Lines out;
  for (const auto& [where, value] : rules.elements) {
    if (where.first == "service_addresses") continue;
    out.push_back(fmt::format("{}: {}{}{}", where.first, where.second, value.empty() ? "" : " -> ", value));
  }
  for (const auto& [name, chain] : rules.chains) {
    for (const std::string& rule : chain) out.push_back(fmt::format("{}: {}", name, rule));
  }
  return out;
}

Lines RulesOf(const Service& service, const std::vector<Endpoint>& endpoints) {
  const EndpointSlice slice = Slice(endpoints);
  return Show(RulesFor(service, {&slice}, kNode));
}

// "10.0.0.1 10.0.0.2 | 10.0.0.1": of the cluster, of the node.
std::string Chosen(const std::vector<Endpoint>& endpoints) {
  const EndpointSlice slice = Slice(endpoints);
  const Endpoints chosen = EndpointsFor(Web().spec.ports.front(), {&slice}, kNode);
  std::string out;
  for (const Destination& each : chosen.cluster) out += each.address + " ";
  out += "|";
  for (const Destination& each : chosen.local) out += " " + each.address;
  return out;
}

}  // namespace

TEST_CASE("Endpoints: the ready ones, else those that are ending and serve; hints narrow them") {
  CHECK(Chosen({}) == "|");
  CHECK(Chosen({At("10.0.0.2", "there"), At("10.0.0.1", "here"), At("10.0.0.3", "here", IsNotReady)}) ==
        "10.0.0.1 10.0.0.2 | 10.0.0.1");
  CHECK(Chosen({At("10.0.0.1", "here", IsEnding), At("10.0.0.2", "there")}) == "10.0.0.2 | 10.0.0.1");
  CHECK(Chosen({At("10.0.0.1", "here", IsEnding), At("10.0.0.2", "there", IsNotReady)}) == "10.0.0.1 | 10.0.0.1");
  CHECK(Chosen({At("10.0.0.1", "here", ForZone("west")), At("10.0.0.2", "there", ForZone("east"))}) ==
        "10.0.0.1 | 10.0.0.1");
  CHECK(Chosen({At("10.0.0.1", "here", ForZone("east")), At("10.0.0.2", "there", ForZone("north"))}) ==
        "10.0.0.1 10.0.0.2 | 10.0.0.1");
  CHECK(Chosen({At("10.0.0.1", "here"), At("10.0.0.2", "there", ForZone("west"))}) == "10.0.0.1 10.0.0.2 | 10.0.0.1");
  CHECK(Chosen({At("10.0.0.1", "there", ForNode("there")), At("10.0.0.2", "here", ForNode("here"))}) ==
        "10.0.0.2 | 10.0.0.2");
  CHECK(Chosen({At("10.0.0.1", "here"), At("10.0.0.1", "here")}) == "10.0.0.1 | 10.0.0.1");
}

TEST_CASE("An ordinary Service is elements of maps, and a chain for all with as many endpoints") {
  CHECK(RulesOf(Web(), {At("10.0.0.1", "here"), At("10.0.0.2", "there")}) ==
        Lines{
            "backends/tcp: 10.96.0.9 . 80 . 0 -> 10.0.0.1 . 8080",
            "backends/tcp: 10.96.0.9 . 80 . 1 -> 10.0.0.2 . 8080",
            "hairpins: 10.0.0.1 . 10.0.0.1",
            "services: 10.96.0.9 . tcp . 80 -> goto pick/address/tcp/2",
            "pick/address/tcp/2: meta l4proto tcp dnat ip to ip daddr . tcp dport . numgen random mod 2 "
            "map @backends/tcp",
        });
}

TEST_CASE("A Service without endpoints is refused, on all its faces") {
  const Service service = Web([](Service& web) {
    web.spec.ports.Mutable(0).nodePort = 30080;
    web.spec.externalIPs = {"192.0.2.7"};
  });
  CHECK(RulesOf(service, {At("10.0.0.1", "here", IsNotReady)}) ==
        Lines{"refused: 10.96.0.9 . tcp . 80", "refused: 192.0.2.7 . tcp . 80", "refused_ports: tcp . 30080"});
}

TEST_CASE("What has no address of its own, or is somebody else's, is not routed") {
  const std::vector<Endpoint> endpoints = {At("10.0.0.1", "here")};
  CHECK(RulesOf(Web([](Service& web) { web.spec.clusterIP = "None"; }), endpoints).empty());
  CHECK(RulesOf(Web([](Service& web) { web.spec.type = "ExternalName"; }), endpoints).empty());
  CHECK(RulesOf(Web([](Service& web) { web.metadata.labels["service.kubernetes.io/service-proxy-name"] = "x"; }),
                endpoints)
            .empty());
}

TEST_CASE("What comes by outside addresses is marked; each address and port has destinations of its own") {
  const Service service = Web([](Service& web) {
    web.spec.ports.Mutable(0).nodePort = 30080;
    web.status.loadBalancer.ingress.push_back({.ip = "192.0.2.8"});
  });
  const Lines lines = RulesOf(service, {At("10.0.0.2", "there")});
  CHECK(lines == Lines{
                     "backends/tcp: 10.96.0.9 . 80 . 0 -> 10.0.0.2 . 8080",
                     "backends/tcp: 192.0.2.8 . 80 . 0 -> 10.0.0.2 . 8080",
                     "node_backends/tcp: 30080 . 0 -> 10.0.0.2 . 8080",
                     "node_ports: tcp . 30080 -> goto outside/node-port/tcp/1",
                     "outside: 192.0.2.8 . tcp . 80 -> goto outside/address/tcp/1",
                     "services: 10.96.0.9 . tcp . 80 -> goto pick/address/tcp/1",
                     "outside/address/tcp/1: meta mark set meta mark | 0x4000",
                     "outside/address/tcp/1: meta l4proto tcp dnat ip to ip daddr . tcp dport . numgen random mod "
                     "1 map @backends/tcp",
                     "outside/node-port/tcp/1: meta mark set meta mark | 0x4000",
                     "outside/node-port/tcp/1: meta l4proto tcp dnat ip to tcp dport . numgen random mod 1 map "
                     "@node_backends/tcp",
                     "pick/address/tcp/1: meta l4proto tcp dnat ip to ip daddr . tcp dport . numgen random mod 1 "
                     "map @backends/tcp",
                 });
}

TEST_CASE("Local policies: what comes from outside stays on the node, or goes nowhere") {
  const Service service = Web([](Service& web) {
    web.spec.externalTrafficPolicy = "Local";
    web.spec.externalIPs = {"192.0.2.7"};
  });
  const auto local_chain = [&](const std::vector<Endpoint>& endpoints) {
    Lines out;
    for (const std::string& line : RulesOf(service, endpoints)) {
      if (line.starts_with("local/") || line.starts_with("local_") || line.starts_with("outside:")) out.push_back(line);
    }
    return out;
  };
  CHECK(local_chain({At("10.0.0.1", "here"), At("10.0.0.2", "there")}) ==
        Lines{
            "local_backends/tcp: 192.0.2.7 . 80 . 0 -> 10.0.0.1 . 8080",
            "outside: 192.0.2.7 . tcp . 80 -> goto local/address/tcp/2/1",
            "local/address/tcp/2/1: iifname @pod_links goto pick/address/tcp/2",
            "local/address/tcp/2/1: fib saddr type local goto outside/address/tcp/2",
            "local/address/tcp/2/1: meta l4proto tcp dnat ip to ip daddr . tcp dport . numgen random mod "
            "1 map @local_backends/tcp",
        });
  CHECK(local_chain({At("10.0.0.2", "there")}).back() == "local/address/tcp/1/0: drop");

  const Service inside = Web([](Service& web) { web.spec.internalTrafficPolicy = Str("Local"); });
  CHECK(RulesOf(inside, {At("10.0.0.2", "there")}) == Lines{"services: 10.96.0.9 . tcp . 80 -> goto discard"});
  CHECK(RulesOf(inside, {At("10.0.0.1", "here"), At("10.0.0.2", "there")}).front() ==
        "backends/tcp: 10.96.0.9 . 80 . 0 -> 10.0.0.1 . 8080");
}

TEST_CASE("Session affinity: a client comes back to its endpoint") {
  const Service service = Web([](Service& web) {
    web.spec.sessionAffinity = "ClientIP";
    web.spec.sessionAffinityConfig.Mutable().clientIP.Mutable().timeoutSeconds = 60;
  });
  const EndpointSlice slice = Slice({At("10.0.0.1", "there"), At("10.0.0.2", "there")});
  const ServiceRules rules = RulesFor(service, {&slice}, kNode);
  CHECK(Show(rules) ==
        Lines{
            "services: 10.96.0.9 . tcp . 80 -> goto sticky/default/web/tcp/80",
            "sticky/default/web/tcp/80: ip saddr @clients/default/web/tcp/80/60/10.0.0.1/8080 goto "
            "to/default/web/tcp/80/10.0.0.1/8080",
            "sticky/default/web/tcp/80: ip saddr @clients/default/web/tcp/80/60/10.0.0.2/8080 goto "
            "to/default/web/tcp/80/10.0.0.2/8080",
            "sticky/default/web/tcp/80: numgen random mod 2 vmap { 0 : goto to/default/web/tcp/80/10.0.0.1/8080, 1 : "
            "goto to/default/web/tcp/80/10.0.0.2/8080 }",
            "to/default/web/tcp/80/10.0.0.1/8080: update @clients/default/web/tcp/80/60/10.0.0.1/8080 { ip saddr }",
            "to/default/web/tcp/80/10.0.0.1/8080: meta l4proto tcp dnat ip to 10.0.0.1:8080",
            "to/default/web/tcp/80/10.0.0.2/8080: update @clients/default/web/tcp/80/60/10.0.0.2/8080 { ip saddr }",
            "to/default/web/tcp/80/10.0.0.2/8080: meta l4proto tcp dnat ip to 10.0.0.2:8080",
        });
  CHECK(rules.sets.at("clients/default/web/tcp/80/60/10.0.0.1/8080").body ==
        "type ipv4_addr; size 65536; flags dynamic,timeout; timeout 60s");
}

TEST_CASE("Source ranges guard a load balancer's addresses") {
  const auto guarded = [](std::vector<Str> ranges) {
    return Web([&](Service& web) {
      web.spec.loadBalancerSourceRanges = List<Str>(ranges.begin(), ranges.end());
      web.status.loadBalancer.ingress.push_back({.ip = "192.0.2.8"});
    });
  };
  const Lines lines = RulesOf(guarded({"198.51.100.0/24", "10.1.2.3/8"}), {At("10.0.0.2", "there")});
  CHECK(std::find(lines.begin(), lines.end(),
                  "from/default/web/tcp/80: ip saddr { 10.0.0.0/8, 198.51.100.0/24 } goto outside/address/tcp/1") !=
        lines.end());
  CHECK(std::find(lines.begin(), lines.end(), "from/default/web/tcp/80: drop") != lines.end());
  CHECK(std::find(lines.begin(), lines.end(), "outside: 192.0.2.8 . tcp . 80 -> goto from/default/web/tcp/80") !=
        lines.end());
  const Lines open = RulesOf(guarded({"0.0.0.0/0"}), {At("10.0.0.2", "there")});
  CHECK(std::find(open.begin(), open.end(), "outside: 192.0.2.8 . tcp . 80 -> goto outside/address/tcp/1") !=
        open.end());
}

TEST_CASE("Datagrams: which destinations a flow may have") {
  const Service service = Web([](Service& web) {
    web.spec.ports.Mutable(0).protocol = "UDP";
    web.spec.ports.Mutable(0).nodePort = 30053;
  });
  const EndpointSlice slice = Slice({At("10.0.0.1", "here")}, "UDP");
  const ServiceRules rules = RulesFor(service, {&slice}, kNode);
  REQUIRE(rules.datagrams.size() == 2);
  CHECK(rules.datagrams[0].address == "10.96.0.9");
  CHECK(rules.datagrams[0].destinations == std::set<Destination>{{"10.0.0.1", 8080}});
  CHECK(rules.datagrams[1].address.empty());
  CHECK(rules.datagrams[1].port == 30053);
  // Those that were led nowhere while there were none are stale as well.
  CHECK(RulesFor(service, {}, kNode).datagrams.front().destinations.empty());
}

TEST_CASE("A Service that this process serves leads here, whatever its endpoints are") {
  const EndpointSlice slice = Slice({At("192.0.2.1", "here")});
  CHECK(Show(RulesFor(Web(), {&slice}, kNode, Destination{"127.0.0.1", 6443})) ==
        Lines{
            "backends/tcp: 10.96.0.9 . 80 . 0 -> 127.0.0.1 . 6443",
            "services: 10.96.0.9 . tcp . 80 -> goto pick/address/tcp/1",
            "pick/address/tcp/1: meta l4proto tcp dnat ip to ip daddr . tcp dport . numgen random mod 1 "
            "map @backends/tcp",
        });
  const ServiceRules forward = RulesForForward({"192.0.2.1", 6443}, {"127.0.0.1", 6443});
  CHECK(forward.elements.contains({"services", "192.0.2.1 . tcp . 6443"}));
  CHECK_FALSE(forward.elements.contains({"service_addresses", "192.0.2.1"}));
}

}  // namespace minikube::network
