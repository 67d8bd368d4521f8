// Keeps EndpointSlices of Endpoints that somebody writes by hand, for a Service without a selector: who reads slices
// sees them too.
// Semantics: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#endpointslice-mirroring
#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <minikube/api/discovery/v1.h>

#include "controllers/controllers.h"
#include "controllers/network/service_pods.h"
#include "kube/owners.h"

namespace minikube::controllers {
namespace {

using core::v1::Endpoints;
using core::v1::Service;
using discovery::v1::Endpoint;
using discovery::v1::EndpointPort;
using discovery::v1::EndpointSlice;

constexpr std::size_t kMaxEndpoints = 1000;  // of a subset
constexpr std::size_t kMaxPrefix = 253 - 5 - 1;
constexpr std::string_view kManagedBy = "endpointslice.kubernetes.io/managed-by";
constexpr std::string_view kManager = "endpointslicemirroring-controller.k8s.io";
constexpr std::string_view kServiceName = "kubernetes.io/service-name";
constexpr std::string_view kSkip = "endpointslice.kubernetes.io/skip-mirror";
constexpr std::string_view kElection = "control-plane.alpha.kubernetes.io/leader";
constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

// Mirrored slices by the Endpoints whose name they bear.
const Index kByEndpoints{"mirrored", [](const Object& slice) -> std::vector<std::string> {
                           const Str* service = slice.meta().labels.Find(kServiceName);
                           const Str* manager = slice.meta().labels.Find(kManagedBy);
                           if (service == nullptr || manager == nullptr || !(*manager == kManager)) return {};
                           return {fmt::format("{}/{}", slice.meta().namespace_.view(), service->view())};
                         }};

ObjectKey EndpointsOf(const EndpointSlice& slice) {
  const Str* manager = slice.metadata.labels.Find(kManagedBy);
  const Str* service = slice.metadata.labels.Find(kServiceName);
  const bool own = manager != nullptr && *manager == kManager && service != nullptr;
  return {slice.metadata.namespace_, own ? *service : Str()};
}

bool IsMirrored(const View& view, const Endpoints& endpoints) {
  const Str* skip = endpoints.metadata.labels.Find(kSkip);
  if (skip != nullptr && *skip == "true") return false;
  if (endpoints.metadata.annotations.Contains(kElection)) return false;
  const auto* service = view.Get<Service>(endpoints.metadata.namespace_, endpoints.metadata.name);
  return service != nullptr && service->spec.selector.empty();
}

// What one slice shows: the addresses of a family that have the same ports.
struct Group {
  List<EndpointPort> ports;
  std::vector<Endpoint> endpoints;
};
using Key = std::pair<std::string, std::string>;  // family and ports

std::string KeyOfPorts(const List<EndpointPort>& ports) {
  std::vector<std::string> lines;
  for (const EndpointPort& port : ports) {
    lines.push_back(fmt::format("{}/{}/{}/{}\n", port.name.value_or(Str()).view(), port.protocol.value_or(Str()).view(),
                                port.port.value_or(-1), port.appProtocol.value_or(Str()).view()));
  }
  std::sort(lines.begin(), lines.end());
  return fmt::format("{}", fmt::join(lines, ""));
}

Endpoint EndpointFor(const core::v1::EndpointAddress& address, bool ready) {
  Endpoint endpoint;
  endpoint.addresses = {address.ip};
  endpoint.conditions.ready = ready;
  endpoint.targetRef = address.targetRef;
  endpoint.nodeName = address.nodeName;
  if (!address.hostname.empty()) endpoint.hostname = address.hostname;
  return endpoint;
}

// `skipped` counts the addresses that are too many.
std::map<Key, Group> Desired(const Endpoints& endpoints, std::size_t& skipped) {
  std::map<Key, Group> groups;
  for (const core::v1::EndpointSubset& subset : endpoints.subsets) {
    List<EndpointPort> ports;
    for (const core::v1::EndpointPort& port : subset.ports) {
      EndpointPort& own = ports.push_back({});
      own.name = port.name;
      own.port = port.port;
      own.protocol = port.protocol;
      own.appProtocol = port.appProtocol;
    }
    const std::string key = KeyOfPorts(ports);
    const auto add = [&](const List<core::v1::EndpointAddress>& addresses, bool ready) {
      for (const core::v1::EndpointAddress& address : addresses) {
        Group& group = groups[{IsIpv6(address.ip) ? "IPv6" : "IPv4", key}];
        group.ports = ports;
        if (group.endpoints.size() < kMaxEndpoints) {
          group.endpoints.push_back(EndpointFor(address, ready));
        } else {
          ++skipped;
        }
      }
    };
    add(subset.addresses, true);
    add(subset.notReadyAddresses, false);
  }
  return groups;
}

// `slice` as it is to be; its name, if it has one, stays.
void Fill(EndpointSlice& slice, const Endpoints& endpoints, const Key& key, const Group& group) {
  slice.metadata.labels = endpoints.metadata.labels;
  slice.metadata.labels[kServiceName] = endpoints.metadata.name;
  slice.metadata.labels[kManagedBy] = kManager;
  slice.metadata.annotations = endpoints.metadata.annotations;
  slice.metadata.annotations.Erase(kLastTrigger);
  slice.metadata.annotations.Erase(kLastApplied);
  slice.addressType = key.first;
  slice.ports = group.ports;
  slice.endpoints.clear();
  for (const Endpoint& endpoint : group.endpoints) slice.endpoints.push_back(endpoint);
}

EndpointSlice NewSlice(const Endpoints& endpoints) {
  EndpointSlice slice;
  const Str& name = endpoints.metadata.name;
  slice.metadata.namespace_ = endpoints.metadata.namespace_;
  slice.metadata.generateName = name.size() < kMaxPrefix ? name.str() + "-" : name.str();
  slice.metadata.ownerReferences.push_back(kube::ControllerRefTo(endpoints));
  return slice;
}

std::vector<const EndpointSlice*> SlicesOf(const View& view, const Str& ns, const Str& name) {
  return view.By<EndpointSlice>(kByEndpoints, fmt::format("{}/{}", ns.view(), name.view()));
}

}  // namespace

Plan ReconcileMirroredSlices(const View& view, const Endpoints& endpoints) {
  if (!IsMirrored(view, endpoints)) {
    return DeleteMirroredSlices(view, {endpoints.metadata.namespace_, endpoints.metadata.name});
  }
  Plan plan;
  std::size_t skipped = 0;
  const auto tell = [&](Step& step) {
    if (skipped == 0) return;
    step.About(endpoints).on_success = PlannedEvent{
        "Warning", "TooManyAddressesToMirror",
        fmt::format("A max of {} addresses can be mirrored to EndpointSlices per Endpoints subset. {} addresses were "
                    "skipped",
                    kMaxEndpoints, std::exchange(skipped, 0))};
  };
  std::map<Key, Group> desired = Desired(endpoints, skipped);
  std::vector<const EndpointSlice*> spare;
  for (const EndpointSlice* slice : SlicesOf(view, endpoints.metadata.namespace_, endpoints.metadata.name)) {
    const auto found = desired.find({slice->addressType.str(), KeyOfPorts(slice->ports)});
    if (found == desired.end()) {
      spare.push_back(slice);
      continue;
    }
    EndpointSlice next = *slice;
    Fill(next, endpoints, found->first, found->second);
    if (!DeepEqual(next, *slice)) tell(plan.Update(next));
    desired.erase(found);
  }
  for (const auto& [key, group] : desired) {
    // The family of a slice cannot change; all else of one that would go can.
    const auto reused = std::find_if(spare.begin(), spare.end(),
                                     [&](const EndpointSlice* slice) { return slice->addressType == key.first; });
    EndpointSlice next = reused != spare.end() ? **reused : NewSlice(endpoints);
    Fill(next, endpoints, key, group);
    if (reused != spare.end()) {
      spare.erase(reused);
      tell(plan.Update(next));
    } else if (!endpoints.metadata.deletionTimestamp) {
      tell(plan.Create(next).Ignore(NamespaceTerminating));
    }
  }
  for (const EndpointSlice* slice : spare) plan.Delete(*slice).IgnoreGone();
  return plan;
}

Plan DeleteMirroredSlices(const View& view, const ObjectKey& endpoints) {
  Plan plan;
  for (const EndpointSlice* slice : SlicesOf(view, endpoints.ns, endpoints.name)) plan.Delete(*slice).IgnoreGone();
  return plan;
}

ControllerEntry EndpointSliceMirroringController() {
  return For<Endpoints>("endpointslicemirroring-controller")
      .Indexes<EndpointSlice>(kByEndpoints)
      .Watches<EndpointSlice>(&EndpointsOf)
      .Watches<Service>(&KeyOf<Service>)
      .WhenGone(&DeleteMirroredSlices)
      .Reconciles(&ReconcileMirroredSlices);
}

}  // namespace minikube::controllers
