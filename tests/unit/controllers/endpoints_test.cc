// Which endpoints a Service has: Endpoints and EndpointSlices, as decisions.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <minikube/api/discovery/v1.h>

#include "controllers/controllers.h"
#include "helpers/fixed_view.h"

namespace minikube::controllers {
namespace {

using core::v1::Endpoints;
using core::v1::Node;
using core::v1::Pod;
using core::v1::Service;
using discovery::v1::Endpoint;
using discovery::v1::EndpointSlice;
using test::FixedView;
using test::Lines;
using Writes = std::vector<std::string>;

Service MakeService(std::string_view target = "") {
  Service service;
  service.metadata.name = "web";
  service.metadata.namespace_ = "default";
  service.metadata.uid = "uid-web";
  service.metadata.labels["team"] = "a";
  service.spec.type = "ClusterIP";
  service.spec.clusterIP = "10.96.0.9";
  service.spec.ipFamilies = {"IPv4"};
  service.spec.selector["app"] = "web";
  core::v1::ServicePort& port = service.spec.ports.push_back({});
  port.name = "http";
  port.protocol = "TCP";
  port.port = 80;
  if (target.empty()) {
    port.targetPort.int_value = 8080;
  } else {
    port.targetPort = IntOrString(Str(target));
  }
  return service;
}

Pod MakePod(int number, bool ready = true) {
  Pod pod;
  pod.metadata.name = fmt::format("web-{:04}", number);
  pod.metadata.namespace_ = "default";
  pod.metadata.uid = fmt::format("uid-{:04}", number);
  pod.metadata.labels["app"] = "web";
  pod.spec.nodeName = "n";
  core::v1::Container& container = pod.spec.containers.push_back({});
  container.name = "main";
  core::v1::ContainerPort& port = container.ports.push_back({});
  port.name = "http";
  port.protocol = "TCP";
  port.containerPort = 8000 + number % 2;
  pod.status.phase = "Running";
  pod.status.podIP = fmt::format("10.244.{}.{}", number / 250, number % 250 + 1);
  pod.status.podIPs.push_back({.ip = pod.status.podIP});
  core::v1::PodCondition& condition = pod.status.conditions.push_back({});
  condition.type = "Ready";
  condition.status = ready ? "True" : "False";
  return pod;
}

Node MakeNode() {
  Node node;
  node.metadata.name = "n";
  node.metadata.labels["topology.kubernetes.io/zone"] = "west";
  return node;
}

// The world after the plan: what a server would have made of it.
void Perform(const Plan& plan, FixedView& world) {
  static int made = 0;
  for (const Step& step : plan.steps()) {
    if (step.request.verb == Verb::kDelete) {
      EndpointSlice gone;
      gone.metadata.namespace_ = step.request.ns;
      gone.metadata.name = step.request.name;
      world.Remove(gone);
      continue;
    }
    EndpointSlice slice = step.request.object->As<EndpointSlice>();
    if (slice.metadata.name.empty()) slice.metadata.name = fmt::format("web-slice-{:04}", ++made);
    world.Add(slice);
  }
}

std::vector<const EndpointSlice*> SlicesOf(const FixedView& world) { return world.view().List<EndpointSlice>(); }

std::size_t EndpointsIn(const std::vector<const EndpointSlice*>& slices) {
  std::size_t count = 0;
  for (const EndpointSlice* slice : slices) count += slice->endpoints.size();
  return count;
}

TEST_CASE("endpoints: ready and not ready addresses with the service's ports") {
  FixedView world;
  Service service = MakeService();
  world.Add(MakeNode()).Add(MakePod(1)).Add(MakePod(2, false));
  Pod ended = MakePod(3);
  ended.status.phase = "Succeeded";
  Pod ending = MakePod(4);
  ending.metadata.deletionTimestamp = Time{Instant{1}};
  Pod stranger = MakePod(5);
  stranger.metadata.labels["app"] = "other";
  world.Add(ended).Add(ending).Add(stranger);
  Plan plan = ReconcileEndpoints(world.view(), service);
  REQUIRE(Lines(plan) == Writes{"create endpoints default/web"});
  const Endpoints made = plan.steps()[0].request.object->As<Endpoints>();
  REQUIRE(made.subsets.size() == 1);
  REQUIRE(made.subsets[0].addresses.size() == 1);
  CHECK(made.subsets[0].addresses[0].ip == "10.244.0.2");
  CHECK(made.subsets[0].addresses[0].targetRef->name == "web-0001");
  CHECK(*made.subsets[0].addresses[0].nodeName == "n");
  REQUIRE(made.subsets[0].notReadyAddresses.size() == 1);
  CHECK(made.subsets[0].notReadyAddresses[0].ip == "10.244.0.3");
  REQUIRE(made.subsets[0].ports.size() == 1);
  CHECK(made.subsets[0].ports[0].port == 8080);
  CHECK(*made.metadata.labels.Find("team") == "a");
  CHECK(*made.metadata.labels.Find("endpoints.kubernetes.io/managed-by") == "endpoint-controller");

  SECTION("nothing is written twice") {
    world.Add(made);
    CHECK(Lines(ReconcileEndpoints(world.view(), service)).empty());
  }
  SECTION("a change is written") {
    world.Add(made).Add(MakePod(2));
    CHECK(Lines(ReconcileEndpoints(world.view(), service)) == Writes{"update endpoints default/web"});
  }
  SECTION("they go with the service") {
    world.Add(made);
    CHECK(Lines(DeleteEndpoints(world.view(), {"default", "web"})) == Writes{"delete endpoints default/web"});
  }
  SECTION("what somebody else made under that name stays") {
    Endpoints other;
    other.metadata.name = "web";
    other.metadata.namespace_ = "default";
    world.Add(other);
    CHECK(Lines(DeleteEndpoints(world.view(), {"default", "web"})).empty());
  }
  SECTION("all are published if the service says so") {
    service.spec.publishNotReadyAddresses = true;
    plan = ReconcileEndpoints(world.view(), service);
    CHECK(plan.steps()[0].request.object->As<Endpoints>().subsets[0].addresses.size() == 3);
  }
}

TEST_CASE("endpoints: pods whose port of a name has different numbers are subsets") {
  FixedView world;
  world.Add(MakePod(1)).Add(MakePod(2)).Add(MakePod(3));
  const Plan plan = ReconcileEndpoints(world.view(), MakeService("http"));
  const Endpoints made = plan.steps()[0].request.object->As<Endpoints>();
  REQUIRE(made.subsets.size() == 2);
  CHECK(made.subsets[0].ports[0].port == 8000);
  CHECK(made.subsets[0].addresses.size() == 1);
  CHECK(made.subsets[1].ports[0].port == 8001);
  CHECK(made.subsets[1].addresses.size() == 2);
}

TEST_CASE("endpoints: no more than a thousand, ready ones first") {
  FixedView world;
  for (int i = 0; i < 1200; ++i) world.Add(MakePod(i, i >= 300));
  const Plan plan = ReconcileEndpoints(world.view(), MakeService());
  const Endpoints made = plan.steps()[0].request.object->As<Endpoints>();
  REQUIRE(made.subsets.size() == 1);
  CHECK(made.subsets[0].addresses.size() == 900);
  CHECK(made.subsets[0].notReadyAddresses.size() == 100);
  CHECK(*made.metadata.annotations.Find("endpoints.kubernetes.io/over-capacity") == "truncated");
}

TEST_CASE("services without pods of their own get no endpoints") {
  FixedView world;
  world.Add(MakeNode()).Add(MakePod(1));
  Service service = MakeService();
  SECTION("no selector") { service.spec.selector.clear(); }
  SECTION("an alias") { service.spec.type = "ExternalName"; }
  SECTION("on its way out") { service.metadata.deletionTimestamp = Time{Instant{1}}; }
  CHECK(Lines(ReconcileEndpoints(world.view(), service)).empty());
  CHECK(Lines(ReconcileEndpointSlices(world.view(), service)).empty());
}

TEST_CASE("endpoint slices: what an endpoint says") {
  FixedView world;
  world.Add(MakeNode());
  Service service = MakeService();
  service.spec.clusterIP = "None";
  Pod pod = MakePod(1);
  pod.spec.hostname = "first";
  pod.spec.subdomain = "web";
  pod.metadata.deletionTimestamp = Time{Instant{1}};
  world.Add(pod);
  Plan plan = ReconcileEndpointSlices(world.view(), service);
  REQUIRE(Lines(plan) == Writes{"create endpointslices default/web-*"});
  const EndpointSlice slice = plan.steps()[0].request.object->As<EndpointSlice>();
  CHECK(slice.addressType == "IPv4");
  CHECK(*slice.metadata.labels.Find("kubernetes.io/service-name") == "web");
  CHECK(*slice.metadata.labels.Find("endpointslice.kubernetes.io/managed-by") == "endpointslice-controller.k8s.io");
  CHECK(slice.metadata.labels.Contains("service.kubernetes.io/headless"));
  REQUIRE(slice.metadata.ownerReferences.size() == 1);
  CHECK(slice.metadata.ownerReferences[0].kind == "Service");
  REQUIRE(slice.endpoints.size() == 1);
  const Endpoint& endpoint = slice.endpoints[0];
  CHECK(endpoint.addresses[0] == "10.244.0.2");
  CHECK_FALSE(*endpoint.conditions.ready);  // serving, but on its way out
  CHECK(*endpoint.conditions.serving);
  CHECK(*endpoint.conditions.terminating);
  CHECK(*endpoint.hostname == "first");
  CHECK(*endpoint.zone == "west");
  CHECK(*endpoint.nodeName == "n");
  CHECK(endpoint.targetRef->uid == "uid-0001");
  CHECK_FALSE(endpoint.hints);
}

TEST_CASE("endpoint slices: hints for those who prefer what is close") {
  FixedView world;
  world.Add(MakeNode()).Add(MakePod(1));
  Service service = MakeService();
  service.spec.trafficDistribution = "PreferClose";
  SECTION("where all endpoints have a zone") {
    const Plan plan = ReconcileEndpointSlices(world.view(), service);
    const EndpointSlice slice = plan.steps()[0].request.object->As<EndpointSlice>();
    REQUIRE(slice.endpoints[0].hints);
    CHECK(slice.endpoints[0].hints->forZones[0].name == "west");
  }
  SECTION("none where one has not") {
    Node other;
    other.metadata.name = "elsewhere";
    Pod pod = MakePod(2);
    pod.spec.nodeName = "elsewhere";
    world.Add(other).Add(pod);
    const Plan plan = ReconcileEndpointSlices(world.view(), service);
    const EndpointSlice slice = plan.steps()[0].request.object->As<EndpointSlice>();
    REQUIRE(slice.endpoints.size() == 2);
    CHECK_FALSE(slice.endpoints[0].hints);
  }
}

TEST_CASE("endpoint slices: a service without pods has one empty slice") {
  FixedView world;
  const Service service = MakeService();
  Plan plan = ReconcileEndpointSlices(world.view(), service);
  REQUIRE(Lines(plan) == Writes{"create endpointslices default/web-*"});
  Perform(plan, world);
  CHECK(Lines(ReconcileEndpointSlices(world.view(), service)).empty());
  // The first pod moves into it.
  world.Add(MakeNode()).Add(MakePod(1));
  plan = ReconcileEndpointSlices(world.view(), service);
  REQUIRE(plan.steps().size() == 1);
  CHECK(plan.steps()[0].request.verb == Verb::kUpdate);
  Perform(plan, world);
  CHECK(EndpointsIn(SlicesOf(world)) == 1);
}

TEST_CASE("endpoint slices: a change writes as little as it can") {
  FixedView world;
  const Service service = MakeService();
  world.Add(MakeNode());
  for (int i = 0; i < 250; ++i) world.Add(MakePod(i));
  Perform(ReconcileEndpointSlices(world.view(), service), world);
  REQUIRE(SlicesOf(world).size() == 3);
  REQUIRE(EndpointsIn(SlicesOf(world)) == 250);
  CHECK(Lines(ReconcileEndpointSlices(world.view(), service)).empty());

  SECTION("one pod is no longer ready: its slice") {
    world.Add(MakePod(7, false));
    const Plan plan = ReconcileEndpointSlices(world.view(), service);
    CHECK(plan.steps().size() == 1);
    Perform(plan, world);
    CHECK(EndpointsIn(SlicesOf(world)) == 250);
  }
  SECTION("one goes and another comes: the slice of the first") {
    world.Remove(MakePod(7)).Add(MakePod(900));
    const Plan plan = ReconcileEndpointSlices(world.view(), service);
    CHECK(plan.steps().size() == 1);
    Perform(plan, world);
    CHECK(EndpointsIn(SlicesOf(world)) == 250);
    CHECK(Lines(ReconcileEndpointSlices(world.view(), service)).empty());
  }
  SECTION("one comes: the slice that has room") {
    world.Add(MakePod(900));
    const Plan plan = ReconcileEndpointSlices(world.view(), service);
    REQUIRE(plan.steps().size() == 1);
    CHECK(plan.steps()[0].request.verb == Verb::kUpdate);
  }
  SECTION("all pods are replaced: no slice is made that need not be") {
    for (int i = 0; i < 250; ++i) world.Remove(MakePod(i));
    for (int i = 300; i < 550; ++i) world.Add(MakePod(i));
    const Plan plan = ReconcileEndpointSlices(world.view(), service);
    CHECK(plan.steps().size() == 3);
    Perform(plan, world);
    CHECK(SlicesOf(world).size() == 3);
    CHECK(EndpointsIn(SlicesOf(world)) == 250);
  }
  SECTION("labels follow the service's") {
    Service relabelled = service;
    relabelled.metadata.labels["team"] = "b";
    CHECK(ReconcileEndpointSlices(world.view(), relabelled).steps().size() == 3);
  }
  SECTION("of another service of that name, made before: none is kept") {
    Service again = service;
    again.metadata.uid = "uid-again";
    Perform(ReconcileEndpointSlices(world.view(), again), world);
    for (const EndpointSlice* slice : SlicesOf(world)) CHECK(slice->metadata.ownerReferences[0].uid == "uid-again");
    CHECK(EndpointsIn(SlicesOf(world)) == 250);
  }
}

TEST_CASE("endpoint slices: a pod on a node that is not known yet is looked for again") {
  FixedView world;
  world.Add(MakePod(1));
  Plan plan = ReconcileEndpointSlices(world.view(), MakeService());
  CHECK(plan.again());
  CHECK(plan.steps()[0].request.object->As<EndpointSlice>().endpoints.empty());
  world.Add(MakeNode());
  plan = ReconcileEndpointSlices(world.view(), MakeService());
  CHECK_FALSE(plan.again());
  CHECK(plan.steps()[0].request.object->As<EndpointSlice>().endpoints.size() == 1);
}

Endpoints ByHand(std::initializer_list<const char*> ready, std::initializer_list<const char*> not_ready = {}) {
  Endpoints endpoints;
  endpoints.metadata.name = "web";
  endpoints.metadata.namespace_ = "default";
  endpoints.metadata.uid = "uid-e";
  endpoints.metadata.labels["team"] = "b";
  endpoints.metadata.annotations["note"] = "x";
  endpoints.metadata.annotations["endpoints.kubernetes.io/last-change-trigger-time"] = "now";
  core::v1::EndpointSubset& subset = endpoints.subsets.push_back({});
  const auto add = [](List<core::v1::EndpointAddress>& to, const char* ip) { to.push_back({}).ip = ip; };
  for (const char* ip : ready) add(subset.addresses, ip);
  for (const char* ip : not_ready) add(subset.notReadyAddresses, ip);
  core::v1::EndpointPort& port = subset.ports.push_back({});
  port.name = "http";
  port.port = 8080;
  port.protocol = "TCP";
  return endpoints;
}

TEST_CASE("mirrored slices: endpoints written by hand are shown by family and ports") {
  FixedView world;
  Service service = MakeService();
  service.spec.selector = {};
  world.Add(service);
  Endpoints endpoints = ByHand({"10.1.2.3", "fd00::3"}, {"10.1.2.4"});
  Plan plan = ReconcileMirroredSlices(world.view(), endpoints);
  REQUIRE(Lines(plan) == Writes{"create endpointslices default/web-*", "create endpointslices default/web-*"});
  EndpointSlice four = plan.steps()[0].request.object->As<EndpointSlice>();
  CHECK(four.addressType == "IPv4");
  CHECK(*four.metadata.labels.Find("kubernetes.io/service-name") == "web");
  CHECK(*four.metadata.labels.Find("endpointslice.kubernetes.io/managed-by") ==
        "endpointslicemirroring-controller.k8s.io");
  CHECK(*four.metadata.labels.Find("team") == "b");
  CHECK(four.metadata.annotations.size() == 1);
  CHECK(four.metadata.ownerReferences[0].uid == "uid-e");
  REQUIRE(four.endpoints.size() == 2);
  CHECK(four.endpoints[0].addresses[0] == "10.1.2.3");
  CHECK(four.endpoints[0].conditions.ready == true);
  CHECK(four.endpoints[1].conditions.ready == false);
  REQUIRE(four.ports.size() == 1);
  CHECK(four.ports[0].port == 8080);
  EndpointSlice six = plan.steps()[1].request.object->As<EndpointSlice>();
  CHECK(six.addressType == "IPv6");

  four.metadata.name = "web-4";
  six.metadata.name = "web-6";
  world.Add(four).Add(six);
  CHECK(Lines(ReconcileMirroredSlices(world.view(), endpoints)).empty());
  SECTION("a change of addresses is a change of the slice") {
    endpoints.subsets.Mutable(0).addresses.Mutable(0).ip = "10.1.2.9";
    CHECK(Lines(ReconcileMirroredSlices(world.view(), endpoints)) == Writes{"update endpointslices default/web-4"});
  }
  SECTION("a change of ports reuses the slices") {
    endpoints.subsets.Mutable(0).ports.Mutable(0).port = 81;
    CHECK(Lines(ReconcileMirroredSlices(world.view(), endpoints)) ==
          Writes{"update endpointslices default/web-4", "update endpointslices default/web-6"});
  }
  SECTION("a slice that nothing is to be shown in goes") {
    endpoints = ByHand({"10.1.2.3"}, {"10.1.2.4"});
    CHECK(Lines(ReconcileMirroredSlices(world.view(), endpoints)) == Writes{"delete endpointslices default/web-6"});
  }
  const Writes all{"delete endpointslices default/web-4", "delete endpointslices default/web-6"};
  SECTION("they go with the endpoints") { CHECK(Lines(DeleteMirroredSlices(world.view(), {"default", "web"})) == all); }
  SECTION("they go when the Service selects pods, or is gone") {
    world.Add(MakeService());
    CHECK(Lines(ReconcileMirroredSlices(world.view(), endpoints)) == all);
    world.Remove(service);
    CHECK(Lines(ReconcileMirroredSlices(world.view(), endpoints)) == all);
  }
  SECTION("they go when they are not wanted") {
    endpoints.metadata.labels["endpointslice.kubernetes.io/skip-mirror"] = "true";
    CHECK(Lines(ReconcileMirroredSlices(world.view(), endpoints)) == all);
  }
  SECTION("an election is no endpoint") {
    endpoints.metadata.annotations["control-plane.alpha.kubernetes.io/leader"] = "me";
    CHECK(Lines(ReconcileMirroredSlices(world.view(), endpoints)) == all);
  }
}

TEST_CASE("mirrored slices: addresses beyond the bound are left out, and that is said") {
  FixedView world;
  Service service = MakeService();
  service.spec.selector = {};
  world.Add(service);
  Endpoints endpoints = ByHand({});
  for (int i = 0; i < 1002; ++i) {
    endpoints.subsets.Mutable(0).addresses.push_back({}).ip = fmt::format("10.1.{}.{}", i / 250, i % 250 + 1);
  }
  Plan plan = ReconcileMirroredSlices(world.view(), endpoints);
  REQUIRE(plan.steps().size() == 1);
  CHECK(plan.steps()[0].request.object->As<EndpointSlice>().endpoints.size() == 1000);
  REQUIRE(plan.steps()[0].on_success);
  CHECK(plan.steps()[0].on_success->reason == "TooManyAddressesToMirror");
}

}  // namespace
}  // namespace minikube::controllers
