#include "controllers/network/service_pods.h"

#include <algorithm>

#include <minikube/selector.h>

#include "kube/pods.h"
#include "kube/times.h"

namespace minikube::controllers {

using core::v1::Container;
using core::v1::Pod;
using core::v1::Service;

namespace {

bool HasAddress(const Pod& pod) { return !pod.status.podIP.empty() || !pod.status.podIPs.empty(); }

// Everything of a pod that an endpoint shows.
bool SameEndpoint(const Pod& a, const Pod& b) {
  return a.metadata.uid == b.metadata.uid && a.metadata.labels == b.metadata.labels &&
         a.metadata.deletionTimestamp.has_value() == b.metadata.deletionTimestamp.has_value() &&
         kube::IsPodReady(a) == kube::IsPodReady(b) && kube::IsPodFinished(a) == kube::IsPodFinished(b) &&
         a.spec.nodeName == b.spec.nodeName && a.status.podIP == b.status.podIP &&
         std::equal(a.status.podIPs.begin(), a.status.podIPs.end(), b.status.podIPs.begin(), b.status.podIPs.end(),
                    [](const auto& x, const auto& y) { return x.ip == y.ip; });
}

}  // namespace

bool HasPods(const Service& service) {
  return !service.spec.selector.empty() && service.spec.type != "ExternalName" && !service.metadata.deletionTimestamp;
}

bool IsHeadless(const Service& service) { return service.spec.clusterIP == "None"; }

std::vector<const Pod*> PodsOf(const View& view, const Service& service, bool terminating_too) {
  std::vector<const Pod*> pods = view.List<Pod>(service.metadata.namespace_);
  const LabelSelector selector = LabelSelector::FromMap(service.spec.selector);
  std::erase_if(pods, [&](const Pod* pod) {
    return kube::IsPodFinished(*pod) || !HasAddress(*pod) || !selector.Matches(pod->metadata.labels) ||
           (pod->metadata.deletionTimestamp && !terminating_too);
  });
  return pods;
}

std::optional<std::int32_t> TargetPortOf(const Pod& pod, const core::v1::ServicePort& port) {
  if (!port.targetPort.is_string) return port.targetPort.int_value != 0 ? port.targetPort.int_value : port.port;
  const auto find = [&](const Container& container) -> const core::v1::ContainerPort* {
    for (const core::v1::ContainerPort& own : container.ports) {
      if (own.name == port.targetPort.string_value && own.protocol == port.protocol) return &own;
    }
    return nullptr;
  };
  for (const Container& container : pod.spec.containers) {
    if (const auto* own = find(container)) return own->containerPort;
  }
  for (const Container& container : pod.spec.initContainers) {
    if (!container.restartPolicy || *container.restartPolicy != "Always")
      continue;  // only a sidecar is there when the pod serves
    if (const auto* own = find(container)) return own->containerPort;
  }
  return std::nullopt;
}

bool HasHostname(const Pod& pod, const Service& service) {
  return !pod.spec.hostname.empty() && pod.spec.subdomain == service.metadata.name;
}

bool IsIpv6(std::string_view address) { return address.find(':') != std::string_view::npos; }

std::string LastTrigger(const Service& service, const std::vector<const Pod*>& pods) {
  Instant newest = service.metadata.creationTimestamp;
  for (const Pod* pod : pods) newest = std::max(newest, kube::ReadySince(*pod));
  return FormatTime(kube::ToWallTime(newest));
}

void WakeServices(const View& view, const Pod* before, const Pod* after, const Wake& wake) {
  if (before != nullptr && after != nullptr && SameEndpoint(*before, *after)) return;
  const Pod& any = after != nullptr ? *after : *before;
  for (const Service* service : view.List<Service>(any.metadata.namespace_)) {
    if (!HasPods(*service)) continue;
    const LabelSelector selector = LabelSelector::FromMap(service->spec.selector);
    const auto selects = [&](const Pod* pod) { return pod != nullptr && selector.Matches(pod->metadata.labels); };
    if (selects(before) || selects(after)) wake({service->metadata.namespace_, service->metadata.name});
  }
}

}  // namespace minikube::controllers
