// Services between network namespaces: what pods, the machine and others reach by them.
#include <chrono>
#include <functional>
#include <memory>
#include <set>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <minikube/api/core/v1.h>
#include <minikube/api/discovery/v1.h>
#include "integration/network/machine.h"
#include "integration/network/strand_api.h"
#include "network/proxy/service_proxy.h"

using namespace minikube;
using namespace minikube::test;
using core::v1::Service;
using discovery::v1::EndpointSlice;

namespace {

constexpr const char* kTable = "minikube_test_services";

// An API in the test's process, and the Services of a node "here" on `machine`.
class Node : StrandApi {
 public:
  explicit Node(const Machine& machine) : machine_(machine) { StartProxy(); }
  ~Node() {
    On([this] { proxy_.reset(); });
  }

  void StartProxy() {
    On([this] {
      network::ServiceProxyOptions options;
      options.table = kTable;
      options.node_name = "here";
      options.service_range = "10.96.0.0/12";
      proxy_ = std::make_unique<network::ServiceProxy>(options, client(), env(), strand(), Logger());
      proxy_->Start();
      proxy_->SetPodLinks({machine_.network().bridge}, [] {});
    });
    Settle();
  }
  // As a crash does.
  void DropProxy() {
    On([this] { proxy_.reset(); });
  }
  void RemoveTable() {
    Latch removed;
    strand().Post([&] { proxy_->Remove([&removed] { removed.Open(); }); });
    REQUIRE(removed.Block(std::chrono::seconds(20)));
  }
  // Until the kernel has all that the API has.
  void Settle() {
    REQUIRE(Eventually([this] {
      bool idle = false;
      On([&] { idle = proxy_->idle(); });
      return idle;
    }));
  }

  // A Service of that name with port 80 (and UDP port 53) at the address, leading to 8080 of its endpoints.
  void Create(std::string_view name, std::string_view address, const std::function<void(Service&)>& change = {}) {
    Service service;
    service.metadata.namespace_ = "default";
    service.metadata.name = name;
    service.spec.clusterIP = address;
    service.spec.ports.push_back({.name = "http", .protocol = "TCP", .port = 80});
    service.spec.ports.push_back({.name = "dns", .protocol = "UDP", .port = 53});
    if (change) change(service);
    On([&] { api().Create(service); });
  }
  void Change(std::string_view name, const std::function<void(Service&)>& change) {
    On([&] { api().Change<Service>(api().Get<Service>("default", name).value(), "", change); });
    Settle();
  }
  void Delete(std::string_view name) {
    On([&] { CHECK(api().Delete(api().Get<Service>("default", name).value()).ok()); });
  }

  // Endpoints of that Service: addresses, and whether they are on this node.
  void SetEndpoints(std::string_view name, const std::vector<std::pair<std::string, bool>>& endpoints) {
    EndpointSlice slice;
    slice.metadata.namespace_ = "default";
    slice.metadata.name = name;
    slice.metadata.labels["kubernetes.io/service-name"] = Str(name);
    slice.addressType = "IPv4";
    slice.ports.push_back({.name = Str("http"), .protocol = Str("TCP"), .port = 8080});
    slice.ports.push_back({.name = Str("dns"), .protocol = Str("UDP"), .port = 8080});
    for (const auto& [address, here] : endpoints) {
      discovery::v1::Endpoint& endpoint = slice.endpoints.push_back({});
      endpoint.addresses = {Str(address)};
      endpoint.nodeName = here ? Str("here") : Str("there");
      endpoint.conditions.ready = true;
    }
    On([&] {
      if (!api().Get<EndpointSlice>("default", name)) {
        api().Create(slice);
      } else {
        api().Change<EndpointSlice>(slice, "", [&](EndpointSlice& next) { next.endpoints = slice.endpoints; });
      }
    });
    Settle();
  }

 private:
  const Machine& machine_;
  std::unique_ptr<network::ServiceProxy> proxy_;
};

// All answers that come when it is asked again and again, until `count` different ones have.
std::set<std::string> Answers(const Host* from, const Question& question, std::size_t count) {
  std::set<std::string> out;
  for (int i = 0; i < 200 && out.size() < count; ++i) out.insert(Ask(from, question));
  return out;
}

bool Becomes(const Host* from, const Question& question, const std::string& answer) {
  std::string last;
  const bool did = Eventually([&] { return (last = Ask(from, question)) == answer; });
  if (!did) WARN("last answer: " << last << "\n" << Output("nft list ruleset"));
  return did;
}

using Set = std::set<std::string>;

}  // namespace

TEST_CASE("Pods and the machine reach a Service's endpoints; clients' addresses are kept", "[root]") {
  if (!CanMakeNamespaces()) return;
  const bool bridge_filter = GENERATE(true, false);
  CAPTURE(bridge_filter);
  const Machine machine({"a", "b", "c"});
  if (!bridge_filter) Machine::DisableBridgeFilter();
  const std::string a = Machine::AddressOf(0);
  const std::string c = Machine::AddressOf(2);
  Node node(machine);
  node.Create("web", "10.96.0.9");
  node.SetEndpoints("web", {{a, true}, {Machine::AddressOf(1), true}});
  CHECK(Answers(&machine.pod("c"), {"10.96.0.9", 80}, 2) == Set{"a " + c, "b " + c});
  CHECK(Answers(&machine.pod("c"), {"10.96.0.9", 53, true}, 2) == Set{"a " + c, "b " + c});
  // The machine goes by the address that its route to the outside has.
  CHECK(Answers(nullptr, {"10.96.0.9", 80}, 2) == Set{"a 192.0.2.1", "b 192.0.2.1"});
  // An endpoint reaches itself: as the machine.
  CHECK(Answers(&machine.pod("a"), {"10.96.0.9", 80}, 2) == Set{"a 10.214.0.1", "b " + a});
  // Pods reach each other past all Services, and their addresses are kept too.
  CHECK(Ask(&machine.pod("c"), {a, 8080}) == "a " + c);
  // Not by a port that the Service has not, nor by an address that no Service has.
  CHECK(Ask(&machine.pod("c"), {"10.96.0.9", 8080}) == "refused");
  CHECK(Ask(&machine.pod("c"), {"10.96.0.77", 80}) == "silent");
  // Not from outside.
  CHECK(Ask(&machine.outside(), {"10.96.0.9", 80}) != "a 192.0.2.2");

  // A change is followed, and a Service without endpoints refuses.
  node.SetEndpoints("web", {{Machine::AddressOf(1), true}});
  CHECK(Becomes(&machine.pod("a"), {"10.96.0.9", 80}, "b " + a));
  CHECK(Answers(&machine.pod("a"), {"10.96.0.9", 80}, 2) == Set{"b " + a});
  node.SetEndpoints("web", {});
  CHECK(Becomes(&machine.pod("c"), {"10.96.0.9", 80}, "refused"));
  CHECK(Ask(nullptr, {"10.96.0.9", 80}) == "refused");
}

TEST_CASE("Node ports, load balancers and external addresses", "[root]") {
  if (!CanMakeNamespaces()) return;
  const Machine machine({"a", "b"});
  const std::string a = Machine::AddressOf(0);
  const std::string b = Machine::AddressOf(1);
  Node node(machine);
  node.Create("web", "10.96.0.9", [](Service& service) {
    service.spec.type = "LoadBalancer";
    service.spec.ports.Mutable(0).nodePort = 30080;
    service.spec.ports.Mutable(1).nodePort = 30053;
    service.spec.externalIPs = {"198.51.100.7"};
    service.spec.loadBalancerSourceRanges = {"192.0.2.128/25", "10.214.0.2/32"};
    service.status.loadBalancer.ingress.push_back({.ip = "198.51.100.8"});
  });
  node.SetEndpoints("web", {{a, true}});
  REQUIRE(Becomes(&machine.outside(), {"192.0.2.1", 30080}, "a 192.0.2.2"));
  CHECK(Ask(&machine.outside(), {"192.0.2.1", 30053, true}) == "a 192.0.2.2");
  CHECK(Ask(nullptr, {"127.0.0.1", 30080}) == "a 10.214.0.1");
  CHECK(Ask(nullptr, {"192.0.2.1", 30080}) == "a 192.0.2.1");
  CHECK(Ask(&machine.pod("b"), {"192.0.2.1", 30080}) == "a " + b);
  CHECK(Ask(&machine.pod("b"), {"10.214.0.1", 30080}) == "a " + b);
  CHECK(Ask(&machine.outside(), {"198.51.100.7", 80}) == "a 192.0.2.2");
  // Source ranges are about the load balancer's address alone.
  CHECK(Ask(&machine.outside(), {"198.51.100.8", 80}) == "silent");
  CHECK(Ask(&machine.pod("b"), {"198.51.100.8", 80}) == "silent");
  CHECK(Ask(&machine.pod("a"), {"198.51.100.8", 80}) == "a 10.214.0.1");

  // An endpoint that is not on this machine: answers come back this way.
  node.SetEndpoints("web", {{"192.0.2.2", false}});
  CHECK(Becomes(&machine.pod("b"), {"192.0.2.1", 30080}, "outside 192.0.2.1"));
  CHECK(Ask(&machine.outside(), {"192.0.2.1", 30080}) == "outside 192.0.2.1");

  // externalTrafficPolicy: Local.
  node.Change("web", [](Service& service) { service.spec.externalTrafficPolicy = "Local"; });
  CHECK(Becomes(&machine.outside(), {"192.0.2.1", 30080}, "silent"));
  CHECK(Ask(&machine.pod("b"), {"192.0.2.1", 30080}) == "outside 192.0.2.1");
  node.SetEndpoints("web", {{"192.0.2.2", false}, {b, true}});
  CHECK(Becomes(&machine.outside(), {"192.0.2.1", 30080}, "b 192.0.2.2"));
  CHECK(Answers(&machine.outside(), {"192.0.2.1", 30080}, 2) == Set{"b 192.0.2.2"});
  CHECK(Answers(nullptr, {"192.0.2.1", 30080}, 2) == Set{"b 192.0.2.1", "outside 192.0.2.1"});

  node.SetEndpoints("web", {});
  CHECK(Becomes(&machine.outside(), {"192.0.2.1", 30080}, "refused"));
  CHECK(Becomes(&machine.outside(), {"198.51.100.7", 80}, "refused"));
}

TEST_CASE("Session affinity holds a client to its endpoint while that is there", "[root]") {
  if (!CanMakeNamespaces()) return;
  const Machine machine({"a", "b", "c"});
  const std::string c = Machine::AddressOf(2);
  Node node(machine);
  node.Create("web", "10.96.0.9", [](Service& service) { service.spec.sessionAffinity = "ClientIP"; });
  node.SetEndpoints("web", {{Machine::AddressOf(0), true}, {Machine::AddressOf(1), true}});
  const std::string first = Ask(&machine.pod("c"), {"10.96.0.9", 80});
  for (int i = 0; i < 20; ++i) CHECK(Ask(&machine.pod("c"), {"10.96.0.9", 80}) == first);
  const int other = first == "a " + c ? 1 : 0;
  node.SetEndpoints("web", {{Machine::AddressOf(other), true}});
  CHECK(Becomes(&machine.pod("c"), {"10.96.0.9", 80}, (other == 1 ? "b " : "a ") + c));
}

TEST_CASE("A client that keeps sending datagrams is led to where the Service leads now", "[root]") {
  if (!CanMakeNamespaces()) return;
  const Machine machine({"a", "b", "c"});
  const std::string c = Machine::AddressOf(2);
  const Question question{.address = "10.96.0.9", .port = 53, .udp = true, .from_port = 5353};
  Node node(machine);
  node.Create("web", "10.96.0.9");
  node.SetEndpoints("web", {{Machine::AddressOf(0), true}});
  REQUIRE(Becomes(&machine.pod("c"), question, "a " + c));
  node.SetEndpoints("web", {{Machine::AddressOf(1), true}});
  CHECK(Becomes(&machine.pod("c"), question, "b " + c));
  node.SetEndpoints("web", {});
  CHECK(Eventually([&] { return !Ask(&machine.pod("c"), question).ends_with(c); }));
  node.SetEndpoints("web", {{Machine::AddressOf(0), true}});
  CHECK(Becomes(&machine.pod("c"), question, "a " + c));
}

TEST_CASE("The table outlives its process, is found again, and goes when it is told to", "[root]") {
  if (!CanMakeNamespaces()) return;
  const Machine machine({"a", "b"});
  const std::string a = Machine::AddressOf(0);
  Node node(machine);
  node.Create("web", "10.96.0.9");
  node.Create("old", "10.96.0.10");
  node.SetEndpoints("web", {{Machine::AddressOf(1), true}});
  node.SetEndpoints("old", {{Machine::AddressOf(1), true}});
  REQUIRE(Becomes(&machine.pod("a"), {"10.96.0.10", 80}, "b " + a));
  node.DropProxy();
  CHECK(Ask(&machine.pod("a"), {"10.96.0.9", 80}) == "b " + a);
  node.Delete("old");
  node.StartProxy();
  CHECK(Becomes(&machine.pod("a"), {"10.96.0.10", 80}, "silent"));
  CHECK(Ask(&machine.pod("a"), {"10.96.0.9", 80}) == "b " + a);
  // What somebody else does to it does not stay when the next change fails for it.
  Shell(fmt::format("nft delete table ip {}", kTable));
  node.SetEndpoints("web", {});
  CHECK(Becomes(&machine.pod("a"), {"10.96.0.9", 80}, "refused"));
  node.RemoveTable();
  CHECK(Output("nft list tables").find(kTable) == std::string::npos);
}
