// NetworkPolicies between network namespaces: what they cut off and let through, for pods of one bridge.
#include <functional>
#include <memory>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <minikube/api/core/v1.h>
#include <minikube/api/networking/v1.h>

#include "integration/network/machine.h"
#include "integration/network/strand_api.h"
#include "network/policy/network_policy.h"

using namespace minikube;
using namespace minikube::test;
using core::v1::Pod;
using networking::v1::NetworkPolicy;

namespace {

constexpr const char* kTable = "minikube_test_policies";

class Node : StrandApi {
 public:
  // Pods a, b, ... of the machine, labelled app=a, ..., with the port "web" at 8080.
  explicit Node(const std::vector<std::string>& pods) {
    On([&] {
      core::v1::Namespace space;
      space.metadata.name = "default";
      api().Create(space);
      for (std::size_t i = 0; i < pods.size(); ++i) {
        Pod pod;
        pod.metadata.namespace_ = "default";
        pod.metadata.name = pods[i];
        pod.metadata.labels["app"] = Str(pods[i]);
        pod.spec.nodeName = "here";
        core::v1::Container& container = pod.spec.containers.push_back({});
        container.name = "main";
        container.ports.push_back({.name = "web", .containerPort = 8080, .protocol = "TCP"});
        pod.status.podIP = Machine::AddressOf(static_cast<int>(i));
        pod.status.phase = "Running";
        api().Create(pod);
      }
      policies_ = std::make_unique<network::NodePolicies>(network::NodePoliciesOptions{kTable, "here"}, client(), env(),
                                                          strand(), Logger());
      policies_->Start();
    });
    Settle();
  }
  ~Node() {
    On([this] { policies_.reset(); });
  }

  void Settle() {
    REQUIRE(Eventually([this] {
      bool idle = false;
      On([&] { idle = policies_->idle(); });
      return idle;
    }));
  }
  void Create(std::string_view name, std::string_view app, const std::function<void(NetworkPolicy&)>& change) {
    NetworkPolicy policy;
    policy.metadata.namespace_ = "default";
    policy.metadata.name = name;
    policy.spec.podSelector.matchLabels["app"] = Str(app);
    policy.spec.policyTypes = {"Ingress"};
    change(policy);
    On([&] { api().Create(policy); });
    Settle();
  }
  void Delete(std::string_view name) {
    On([&] { CHECK(api().Delete(api().Get<NetworkPolicy>("default", name).value()).ok()); });
    Settle();
  }
  void Label(std::string_view pod, std::string_view app) {
    On([&] {
      api().Change<Pod>(api().Get<Pod>("default", pod).value(), "",
                        [&](Pod& next) { next.metadata.labels["app"] = Str(app); });
    });
    Settle();
  }

 private:
  std::unique_ptr<network::NodePolicies> policies_;
};

}  // namespace

TEST_CASE("A policy cuts pods of one bridge apart, and opens what it names", "[root]") {
  if (!CanMakeNamespaces()) return;
  const bool bridge_filter = GENERATE(true, false);
  CAPTURE(bridge_filter);
  const Machine machine({"a", "b", "c"});
  if (!bridge_filter) Machine::DisableBridgeFilter();
  const std::string a = Machine::AddressOf(0);
  const std::string b = Machine::AddressOf(1);
  const std::string c = Machine::AddressOf(2);
  Node node({"a", "b", "c"});
  CHECK(Ask(&machine.pod("b"), {a, 8080}) == "a " + b);

  node.Create("none", "a", [](NetworkPolicy&) {});
  CHECK(Ask(&machine.pod("b"), {a, 8080}) == "silent");
  CHECK(Ask(&machine.outside(), {a, 8080}) == "silent");
  CHECK(Ask(nullptr, {a, 8080}) == "a 10.214.0.1");  // the machine probes its pods
  CHECK(Ask(&machine.pod("a"), {b, 8080}) == "b " + a);

  node.Create("some", "a", [](NetworkPolicy& policy) {
    auto& rule = policy.spec.ingress.push_back({});
    rule.from.push_back({}).podSelector.Mutable().matchLabels["app"] = "b";
    auto& block = rule.from.push_back({}).ipBlock.Mutable();
    block.cidr = "192.0.2.0/24";
    rule.ports.push_back({}).port = IntOrString("web");
  });
  CHECK(Ask(&machine.pod("b"), {a, 8080}) == "a " + b);
  CHECK(Ask(&machine.pod("b"), {a, 9090}) == "silent");
  CHECK(Ask(&machine.pod("c"), {a, 8080}) == "silent");
  CHECK(Ask(&machine.outside(), {a, 8080}) == "a 192.0.2.2");
  // Who a pod is may change.
  node.Label("c", "b");
  CHECK(Ask(&machine.pod("c"), {a, 8080}) == "a " + c);
  node.Label("c", "c");
  CHECK(Ask(&machine.pod("c"), {a, 8080}) == "silent");

  node.Delete("some");
  node.Delete("none");
  CHECK(Ask(&machine.pod("c"), {a, 9090}) == "a " + c);
}

TEST_CASE("A policy about what leaves a pod; both ends must agree", "[root]") {
  if (!CanMakeNamespaces()) return;
  const Machine machine({"a", "b"});
  const std::string a = Machine::AddressOf(0);
  const std::string b = Machine::AddressOf(1);
  Node node({"a", "b"});
  node.Create("out", "a", [](NetworkPolicy& policy) {
    policy.spec.policyTypes = {"Egress"};
    auto& rule = policy.spec.egress.push_back({});
    rule.to.push_back({}).podSelector.Mutable().matchLabels["app"] = "b";
    auto& port = rule.ports.push_back({});
    port.port = IntOrString(8000);
    port.endPort = 8100;
  });
  CHECK(Ask(&machine.pod("a"), {b, 8080}) == "b " + a);
  CHECK(Ask(&machine.pod("a"), {b, 9090}) == "silent");
  CHECK(Ask(&machine.pod("a"), {b, 8080, true}) == "silent");
  CHECK(Ask(&machine.pod("a"), {"192.0.2.2", 8080}) == "silent");
  CHECK(Ask(&machine.pod("b"), {a, 8080}) == "a " + b);  // answers leave
  node.Create("in", "b", [](NetworkPolicy&) {});
  CHECK(Ask(&machine.pod("a"), {b, 8080}) == "silent");
  node.Delete("in");
  node.Delete("out");
  CHECK(Ask(&machine.pod("a"), {b, 9090}) == "b " + a);
}
