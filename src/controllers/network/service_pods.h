// Which pods a Service leads to, and how: what the controllers of Endpoints and of EndpointSlices share. Pure
// functions. Semantics: https://kubernetes.io/docs/concepts/services-networking/service/
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/api/core/v1.h>
#include <minikube/owned.h>
#include <minikube/view.h>

namespace minikube::controllers {

// What both kinds of object bear.
inline constexpr std::string_view kHeadless = "service.kubernetes.io/headless";                       // label
inline constexpr std::string_view kLastTrigger = "endpoints.kubernetes.io/last-change-trigger-time";  // annotation

// Whether this Service gets its endpoints from pods: one without a selector has its endpoints from somebody else, and
// one of type ExternalName has none.
bool HasPods(const core::v1::Service& service);
// Has no address of its own: its name leads to its pods themselves.
bool IsHeadless(const core::v1::Service& service);

// The pods that the Service selects and that have an address, in order of name; those that have ended are none, and
// those that are ending only if asked for.
std::vector<const core::v1::Pod*> PodsOf(const View& view, const core::v1::Service& service, bool terminating_too);

// The number of the pod's port that a port of a Service leads to; nullopt if the pod has none of that name.
std::optional<std::int32_t> TargetPortOf(const core::v1::Pod& pod, const core::v1::ServicePort& port);

// Whether the pod has a name of its own below that of the Service.
bool HasHostname(const core::v1::Pod& pod, const core::v1::Service& service);

bool IsIpv6(std::string_view address);

// When the newest thing happened that the Service's endpoints show: a pod became ready or not, or the Service was made.
// As it is written into kLastTrigger.
std::string LastTrigger(const core::v1::Service& service, const std::vector<const core::v1::Pod*>& pods);

// The Services that a change of a pod concerns. Most changes of pods concern none.
void WakeServices(const View& view, const core::v1::Pod* before, const core::v1::Pod* after, const Wake& wake);

}  // namespace minikube::controllers
