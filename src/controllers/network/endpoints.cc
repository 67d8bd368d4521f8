// Keeps the Endpoints of every Service that selects pods: the older form of EndpointSlices, in one object.
// Semantics: https://kubernetes.io/docs/concepts/services-networking/service/#endpoints
#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "controllers/controllers.h"
#include "controllers/network/service_pods.h"
#include "kube/pods.h"

namespace minikube::controllers {
namespace {

using core::v1::EndpointAddress;
using core::v1::EndpointPort;
using core::v1::Endpoints;
using core::v1::EndpointSubset;
using core::v1::Pod;
using core::v1::Service;

constexpr std::size_t kMaxAddresses = 1000;  // of all subsets
constexpr std::string_view kManagedBy = "endpoints.kubernetes.io/managed-by";
constexpr std::string_view kOverCapacity = "endpoints.kubernetes.io/over-capacity";

struct PortLess {
  bool operator()(const EndpointPort& a, const EndpointPort& b) const {
    return std::tuple(a.name.view(), a.protocol.view(), a.port) < std::tuple(b.name.view(), b.protocol.view(), b.port);
  }
};
using Ports = std::vector<EndpointPort>;
struct PortsLess {
  bool operator()(const Ports& a, const Ports& b) const {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), PortLess());
  }
};

struct Addresses {
  std::vector<EndpointAddress> ready;
  std::vector<EndpointAddress> not_ready;
};

// The pod's address of the Service's (first) family.
Str AddressOf(const Pod& pod, const Service& service) {
  const bool six = !service.spec.ipFamilies.empty() && service.spec.ipFamilies.front() == "IPv6";
  for (const core::v1::PodIP& ip : pod.status.podIPs) {
    if (IsIpv6(ip.ip) == six) return ip.ip;
  }
  return IsIpv6(pod.status.podIP) == six ? pod.status.podIP : Str();
}

EndpointAddress AddressFor(const Pod& pod, const Service& service) {
  EndpointAddress address;
  address.ip = AddressOf(pod, service);
  if (!pod.spec.nodeName.empty()) address.nodeName = pod.spec.nodeName;
  if (HasHostname(pod, service)) address.hostname = pod.spec.hostname;
  core::v1::ObjectReference& target = address.targetRef.Mutable();
  target.kind = "Pod";
  target.namespace_ = pod.metadata.namespace_;
  target.name = pod.metadata.name;
  target.uid = pod.metadata.uid;
  return address;
}

Ports PortsFor(const Pod& pod, const Service& service) {
  Ports ports;
  for (const core::v1::ServicePort& port : service.spec.ports) {
    const std::optional<std::int32_t> number = TargetPortOf(pod, port);
    if (!number) continue;
    EndpointPort& own = ports.emplace_back();
    own.name = port.name;
    own.port = *number;
    own.protocol = port.protocol;
    own.appProtocol = port.appProtocol;
  }
  std::sort(ports.begin(), ports.end(), PortLess());
  return ports;
}

List<EndpointAddress> Sorted(const std::vector<EndpointAddress>& addresses) {
  std::vector<const EndpointAddress*> order;
  for (const EndpointAddress& address : addresses) order.push_back(&address);
  std::sort(order.begin(), order.end(), [](const EndpointAddress* a, const EndpointAddress* b) {
    return std::pair(a->ip.view(), a->targetRef->uid.view()) < std::pair(b->ip.view(), b->targetRef->uid.view());
  });
  List<EndpointAddress> out;
  for (const EndpointAddress* address : order) out.push_back(*address);
  return out;
}

// Takes away what is beyond the bound, not ready ones first. True if there was too much.
bool Truncate(std::map<Ports, Addresses, PortsLess>& groups) {
  std::size_t ready = 0;
  std::size_t all = 0;
  for (const auto& [ports, addresses] : groups) {
    ready += addresses.ready.size();
    all += addresses.ready.size() + addresses.not_ready.size();
  }
  if (all <= kMaxAddresses) return false;
  std::size_t room_ready = std::min(ready, kMaxAddresses);
  std::size_t room_rest = kMaxAddresses - room_ready;
  const auto cut = [](std::vector<EndpointAddress>& addresses, std::size_t& room) {
    if (addresses.size() > room) addresses.resize(room);
    room -= addresses.size();
  };
  for (auto& [ports, addresses] : groups) {
    cut(addresses.ready, room_ready);
    cut(addresses.not_ready, room_rest);
  }
  return true;
}

Map<Str> LabelsFor(const Service& service) {
  Map<Str> labels = service.metadata.labels;
  if (IsHeadless(service)) {
    labels[kHeadless] = Str();
  } else {
    labels.Erase(kHeadless);
  }
  labels[kManagedBy] = "endpoint-controller";
  return labels;
}

// Gives `endpoints` the content that it is to have; its name and what others wrote into it stay.
void Fill(Endpoints& endpoints, const View& view, const Service& service) {
  const std::vector<const Pod*> pods = PodsOf(view, service, service.spec.publishNotReadyAddresses);
  std::map<Ports, Addresses, PortsLess> groups;
  for (const Pod* pod : pods) {
    EndpointAddress address = AddressFor(*pod, service);
    if (address.ip.empty()) continue;
    Ports ports = PortsFor(*pod, service);
    if (ports.empty() && !(service.spec.ports.empty() && IsHeadless(service))) continue;
    const bool ready = service.spec.publishNotReadyAddresses || kube::IsPodReady(*pod);
    Addresses& group = groups[std::move(ports)];
    (ready ? group.ready : group.not_ready).push_back(std::move(address));
  }
  if (Truncate(groups)) {
    endpoints.metadata.annotations[kOverCapacity] = "truncated";
  } else {
    endpoints.metadata.annotations.Erase(kOverCapacity);
  }
  endpoints.subsets.clear();
  for (auto& [ports, addresses] : groups) {
    EndpointSubset& subset = endpoints.subsets.push_back({});
    subset.addresses = Sorted(addresses.ready);
    subset.notReadyAddresses = Sorted(addresses.not_ready);
    for (const EndpointPort& port : ports) subset.ports.push_back(port);
  }
  endpoints.metadata.labels = LabelsFor(service);
  endpoints.metadata.annotations[kLastTrigger] = LastTrigger(service, pods);
}

// Whether they differ in more than when that was last so.
bool Same(const Endpoints& a, Endpoints b) {
  if (const Str* value = a.metadata.annotations.Find(kLastTrigger)) {
    b.metadata.annotations[kLastTrigger] = *value;
  } else {
    b.metadata.annotations.Erase(kLastTrigger);
  }
  return DeepEqual(a, b);
}

}  // namespace

Plan ReconcileEndpoints(const View& view, const Service& service) {
  Plan plan;
  if (!HasPods(service)) return plan;
  const auto* existing = view.Get<Endpoints>(service.metadata.namespace_, service.metadata.name);
  Endpoints next;
  if (existing != nullptr) next = *existing;
  next.metadata.name = service.metadata.name;
  next.metadata.namespace_ = service.metadata.namespace_;
  Fill(next, view, service);
  if (existing == nullptr) {
    plan.Create(next)
        .Warning("FailedToCreateEndpoint",
                 fmt::format("Failed to create endpoint for service {}/{}: {{}}", service.metadata.namespace_.view(),
                             service.metadata.name.view()))
        .Ignore(NamespaceTerminating);
  } else if (!Same(*existing, next)) {
    plan.Update(next).Warning("FailedToUpdateEndpoint",
                              fmt::format("Failed to update endpoint {}/{}: {{}}", service.metadata.namespace_.view(),
                                          service.metadata.name.view()));
  }
  return plan;
}

// What a Service had goes with it; the endpoints of one that selects nothing are somebody else's, but go with its name.
Plan DeleteEndpoints(const View& view, const ObjectKey& key) {
  Plan plan;
  const auto* endpoints = view.Get<Endpoints>(key.ns, key.name);
  // Without the mark they may be of a Service that has not been seen yet, or serve another purpose, such as an
  // election.
  if (endpoints != nullptr && endpoints->metadata.labels.Contains(kManagedBy)) plan.Delete(*endpoints).IgnoreGone();
  return plan;
}

ControllerEntry EndpointsController() {
  return For<Service>("endpoint-controller")
      .Watches<Endpoints>(&KeyOf<Endpoints>)
      .Watches<Pod>(&WakeServices)
      .WhenGone(&DeleteEndpoints)
      .Reconciles(&ReconcileEndpoints);
}

}  // namespace minikube::controllers
