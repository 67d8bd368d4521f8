// Keeps the EndpointSlices of every Service that selects pods, with as few writes as possible: an endpoint stays in the
// slice that it is in, and a change fills slices that have to be written anyway.
// Semantics: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <minikube/api/discovery/v1.h>

#include "controllers/controllers.h"
#include "controllers/network/service_pods.h"
#include "kube/owners.h"
#include "kube/pods.h"

namespace minikube::controllers {
namespace {

using core::v1::Node;
using core::v1::Pod;
using core::v1::Service;
using discovery::v1::Endpoint;
using discovery::v1::EndpointPort;
using discovery::v1::EndpointSlice;

constexpr std::size_t kMaxEndpoints = 100;  // of a slice
constexpr std::size_t kMaxPrefix = 253 - 5 - 1;
constexpr std::string_view kManagedBy = "endpointslice.kubernetes.io/managed-by";
constexpr std::string_view kManager = "endpointslice-controller.k8s.io";
constexpr std::string_view kServiceName = "kubernetes.io/service-name";
constexpr std::string_view kZone = "topology.kubernetes.io/zone";
constexpr Duration kLookForNode = std::chrono::seconds(1);

// Slices by the Service whose name they bear.
const Index kByService{"service", [](const Object& slice) -> std::vector<std::string> {
                         const Str* service = slice.meta().labels.Find(kServiceName);
                         if (service == nullptr) return {};
                         return {fmt::format("{}/{}", slice.meta().namespace_.view(), service->view())};
                       }};

ObjectKey ServiceOf(const EndpointSlice& slice) {
  const Str* service = slice.metadata.labels.Find(kServiceName);
  return {slice.metadata.namespace_, service != nullptr ? *service : Str()};
}

std::vector<Str> FamiliesOf(const Service& service) {
  std::vector<Str> families(service.spec.ipFamilies.begin(), service.spec.ipFamilies.end());
  if (families.empty()) families.emplace_back("IPv4");
  return families;
}

bool OwnedBy(const EndpointSlice& slice, const Service& service) {
  return kube::FindOwner(slice.metadata, service.metadata.uid) != nullptr;
}

List<EndpointPort> PortsFor(const Pod& pod, const Service& service) {
  List<EndpointPort> ports;
  for (const core::v1::ServicePort& port : service.spec.ports) {
    const std::optional<std::int32_t> number = TargetPortOf(pod, port);
    if (!number) continue;
    EndpointPort& own = ports.push_back({});
    own.name = port.name;
    own.port = *number;
    own.protocol = port.protocol;
    own.appProtocol = port.appProtocol;
  }
  return ports;
}

// The same for ports that are the same, in whatever order.
std::string KeyOfPorts(const List<EndpointPort>& ports) {
  std::vector<std::string> lines;
  for (const EndpointPort& port : ports) {
    lines.push_back(fmt::format("{}/{}/{}/{}\n", port.name.value_or(Str()).view(), port.protocol.value_or(Str()).view(),
                                port.port.value_or(-1), port.appProtocol.value_or(Str()).view()));
  }
  std::sort(lines.begin(), lines.end());
  std::string key;
  for (const std::string& line : lines) key += line;
  return key;
}

Endpoint EndpointFor(const Pod& pod, const Node* node, const Service& service, std::string_view family) {
  Endpoint endpoint;
  for (const core::v1::PodIP& ip : pod.status.podIPs) {
    if (IsIpv6(ip.ip) == (family == "IPv6")) endpoint.addresses.push_back(ip.ip);
  }
  const bool serving = kube::IsPodReady(pod);
  const bool terminating = pod.metadata.deletionTimestamp.has_value();
  endpoint.conditions.ready = service.spec.publishNotReadyAddresses || (serving && !terminating);
  endpoint.conditions.serving = serving;
  endpoint.conditions.terminating = terminating;
  core::v1::ObjectReference& target = endpoint.targetRef.Mutable();
  target.kind = "Pod";
  target.namespace_ = pod.metadata.namespace_;
  target.name = pod.metadata.name;
  target.uid = pod.metadata.uid;
  if (!pod.spec.nodeName.empty()) endpoint.nodeName = pod.spec.nodeName;
  if (node != nullptr) {
    if (const Str* zone = node->metadata.labels.Find(kZone); zone != nullptr && !zone->empty()) endpoint.zone = *zone;
  }
  if (HasHostname(pod, service)) endpoint.hostname = pod.spec.hostname;
  return endpoint;
}

// The endpoints that a set of slices with the same ports shows.
struct Group {
  List<EndpointPort> ports;
  std::map<Str, Endpoint> endpoints;  // by the pod's UID
};

// Tells who should use each endpoint, if the Service wants that and all of them can tell.
void AddHints(const Service& service, std::map<std::string, Group>& groups) {
  if (!service.spec.trafficDistribution) return;
  const std::string_view wanted = *service.spec.trafficDistribution;
  const bool same_node = wanted == "PreferSameNode";
  if (!same_node && wanted != "PreferClose" && wanted != "PreferSameZone") return;
  for (const auto& [key, group] : groups) {
    for (const auto& [uid, endpoint] : group.endpoints) {
      if (endpoint.conditions.ready.value_or(false) && (!endpoint.zone || (same_node && !endpoint.nodeName))) return;
    }
  }
  for (auto& [key, group] : groups) {
    for (auto& [uid, endpoint] : group.endpoints) {
      if (!endpoint.conditions.ready.value_or(false)) continue;
      discovery::v1::EndpointHints& hints = endpoint.hints.Mutable();
      hints.forZones.push_back({.name = *endpoint.zone});
      if (same_node) hints.forNodes.push_back({.name = *endpoint.nodeName});
    }
  }
}

Map<Str> LabelsFor(const Service& service) {
  Map<Str> labels = service.metadata.labels;
  labels.Erase(kHeadless);
  if (IsHeadless(service)) labels[kHeadless] = Str();
  labels[kServiceName] = service.metadata.name;
  labels[kManagedBy] = kManager;
  return labels;
}

// What is to be written, for slices of one family.
class Slices {
 public:
  Slices(const Service& service, std::string_view family) : service_(service), family_(family) {}

  // Brings the slices that have these ports to show these endpoints.
  void Bring(const std::vector<const EndpointSlice*>& slices, Group group) {
    std::vector<EndpointSlice> changed;
    std::vector<EndpointSlice> unchanged;
    for (const EndpointSlice* slice : slices) {
      EndpointSlice next = *slice;
      next.endpoints.clear();
      for (const Endpoint& endpoint : slice->endpoints) {
        auto found = endpoint.targetRef ? group.endpoints.extract(endpoint.targetRef->uid) : Node();
        if (!found.empty()) next.endpoints.push_back(std::move(found.mapped()));
      }
      next.metadata.labels = LabelsFor(service_);
      if (next.endpoints.empty()) {
        remove.push_back(slice);
      } else {
        (DeepEqual(next, *slice) ? unchanged : changed).push_back(std::move(next));
      }
    }
    Fill(changed, unchanged, std::move(group));
    for (EndpointSlice& slice : changed) update.push_back(std::move(slice));
    kept += unchanged.size();
  }

  // A slice without endpoints, or with those that it takes from `group`.
  EndpointSlice New(Group& group) const {
    EndpointSlice slice;
    slice.metadata.namespace_ = service_.metadata.namespace_;
    slice.metadata.generateName =
        service_.metadata.name.size() < kMaxPrefix ? service_.metadata.name.str() + "-" : service_.metadata.name.str();
    slice.metadata.labels = LabelsFor(service_);
    slice.metadata.ownerReferences.push_back(kube::ControllerRefTo(service_));
    slice.addressType = family_;
    slice.ports = group.ports;
    Move(group, slice);
    return slice;
  }

  // Turns what would be made and what would go into updates, and sees to it that there is a slice at all.
  void Finish() {
    if (update.empty() && create.empty() && kept == 0) {
      Group none;
      EndpointSlice placeholder = New(none);
      const auto is_it = [&](const EndpointSlice* slice) {
        return slice->endpoints.empty() && slice->ports.empty() && OwnedBy(*slice, service_) &&
               slice->metadata.labels == placeholder.metadata.labels;
      };
      const auto found = std::find_if(remove.begin(), remove.end(), is_it);
      if (found != remove.end()) {
        remove.erase(found);
      } else {
        create.push_back(std::move(placeholder));
      }
    }
    while (!create.empty()) {
      const auto reused = std::find_if(remove.begin(), remove.end(), [&](const EndpointSlice* slice) {
        return OwnedBy(*slice, service_) && slice->addressType == family_ && !slice->metadata.deletionTimestamp;
      });
      if (reused == remove.end()) break;
      EndpointSlice next = **reused;
      next.ports = create.back().ports;
      next.endpoints = create.back().endpoints;
      next.metadata.labels = create.back().metadata.labels;
      update.push_back(std::move(next));
      create.pop_back();
      remove.erase(reused);
    }
  }

  std::vector<EndpointSlice> create;
  std::vector<EndpointSlice> update;
  std::vector<const EndpointSlice*> remove;
  std::size_t kept = 0;  // slices that stay as they are

 private:
  using Node = std::map<Str, Endpoint>::node_type;

  static void Move(Group& group, EndpointSlice& slice) {
    while (!group.endpoints.empty() && slice.endpoints.size() < kMaxEndpoints) {
      slice.endpoints.push_back(std::move(group.endpoints.extract(group.endpoints.begin()).mapped()));
    }
  }

  // Puts the endpoints that are in no slice yet where there is room: first where something is written anyway, fullest
  // first; then into the one slice that all of the rest just fit in; then into new ones.
  void Fill(std::vector<EndpointSlice>& changed, std::vector<EndpointSlice>& unchanged, Group group) {
    std::stable_sort(changed.begin(), changed.end(), [](const EndpointSlice& a, const EndpointSlice& b) {
      return a.endpoints.size() > b.endpoints.size();
    });
    for (EndpointSlice& slice : changed) Move(group, slice);
    while (!group.endpoints.empty()) {
      const auto fits = [&](const EndpointSlice& slice) {
        return slice.endpoints.size() + group.endpoints.size() <= kMaxEndpoints;
      };
      auto best = unchanged.end();
      for (auto it = unchanged.begin(); it != unchanged.end(); ++it) {
        if (fits(*it) && (best == unchanged.end() || it->endpoints.size() > best->endpoints.size())) best = it;
      }
      if (best == unchanged.end()) {
        create.push_back(New(group));
        continue;
      }
      Move(group, *best);
      changed.push_back(std::move(*best));
      unchanged.erase(best);
    }
  }

  const Service& service_;
  const std::string_view family_;
};

// The endpoints of one family, by their ports. `missing` is set if a pod's node is not known (yet).
std::map<std::string, Group> Desired(const View& view, const Service& service, std::string_view family,
                                     const std::vector<const Pod*>& pods, bool& missing) {
  std::map<std::string, Group> groups;
  for (const Pod* pod : pods) {
    const Node* node = view.Get<Node>("", pod->spec.nodeName);
    if (node == nullptr && !service.spec.publishNotReadyAddresses) {
      missing = true;
      continue;
    }
    Endpoint endpoint = EndpointFor(*pod, node, service, family);
    if (endpoint.addresses.empty()) continue;
    List<EndpointPort> ports = PortsFor(*pod, service);
    Group& group = groups[KeyOfPorts(ports)];
    group.ports = std::move(ports);
    group.endpoints.emplace(pod->metadata.uid, std::move(endpoint));
  }
  AddHints(service, groups);
  return groups;
}

Slices Reconcile(const Service& service, std::string_view family, const std::vector<const EndpointSlice*>& existing,
                 std::map<std::string, Group> desired) {
  Slices out(service, family);
  std::map<std::string, std::vector<const EndpointSlice*>> by_ports;
  for (const EndpointSlice* slice : existing) {
    const std::string key = KeyOfPorts(slice->ports);
    if (OwnedBy(*slice, service) && desired.contains(key)) {
      by_ports[key].push_back(slice);
    } else {
      out.remove.push_back(slice);
    }
  }
  for (auto& [key, group] : desired) out.Bring(by_ports[key], std::move(group));
  out.Finish();
  return out;
}

}  // namespace

Plan ReconcileEndpointSlices(const View& view, const Service& service) {
  Plan plan;
  if (!HasPods(service)) return plan;
  std::vector<const EndpointSlice*> existing = view.By<EndpointSlice>(
      kByService, fmt::format("{}/{}", service.metadata.namespace_.view(), service.metadata.name.view()));
  std::erase_if(existing, [](const EndpointSlice* slice) {
    const Str* manager = slice->metadata.labels.Find(kManagedBy);
    return manager == nullptr || *manager != kManager;
  });
  const std::vector<const Pod*> pods = PodsOf(view, service, true);
  const std::string trigger = LastTrigger(service, pods);
  const std::string failed = fmt::format("Error updating Endpoint Slices for Service {}/{}: {{}}",
                                         service.metadata.namespace_.view(), service.metadata.name.view());
  constexpr std::string_view kFailed = "FailedToUpdateEndpointSlices";
  bool missing = false;
  for (const Str& family : FamiliesOf(service)) {
    std::vector<const EndpointSlice*> own;
    std::copy_if(existing.begin(), existing.end(), std::back_inserter(own),
                 [&](const EndpointSlice* slice) { return slice->addressType == family; });
    std::erase_if(existing, [&](const EndpointSlice* slice) { return slice->addressType == family; });
    Slices slices = Reconcile(service, family, own, Desired(view, service, family, pods, missing));
    for (EndpointSlice& slice : slices.create) {
      slice.metadata.annotations[kLastTrigger] = trigger;
      plan.Create(slice).Warning(kFailed, failed).Ignore(NamespaceTerminating);
    }
    for (EndpointSlice& slice : slices.update) {
      slice.metadata.annotations[kLastTrigger] = trigger;
      plan.Update(slice).Warning(kFailed, failed);
    }
    for (const EndpointSlice* slice : slices.remove) plan.Delete(*slice).Warning(kFailed, failed).IgnoreGone();
  }
  // Of a family that the Service does not have any more.
  for (const EndpointSlice* slice : existing) plan.Delete(*slice).Warning(kFailed, failed).IgnoreGone();
  if (missing) plan.Again(kLookForNode);
  return plan;
}

ControllerEntry EndpointSliceController() {
  return For<Service>("endpointslice-controller")
      .Indexes<EndpointSlice>(kByService)
      .Watches<EndpointSlice>(&ServiceOf)
      .Watches<Pod>(&WakeServices)
      .Reads<Node>()
      .Reconciles(&ReconcileEndpointSlices);
}

}  // namespace minikube::controllers
