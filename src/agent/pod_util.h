// Small facts about pods that several files of the agent need. Pure functions over the API's structs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/api/core/v1.h>
#include <minikube/env.h>
#include <minikube/object.h>
#include <minikube/runtime.h>

namespace minikube::agent {

namespace core = minikube::core::v1;

enum class Qos : std::uint8_t { kGuaranteed, kBurstable, kBestEffort };

// The quality-of-service class of a pod, from the cpu and memory of its containers (or of the pod, where it sets them).
Qos QosOf(const core::Pod& pod);
std::string_view QosName(Qos qos);
// The pod's cgroup, relative to the runtime's root: kubepods[/burstable|/besteffort]/pod<uid>.
std::string CgroupParent(const core::Pod& pod);
// Linux oom_score_adj of a container: the less of its request the machine's memory is, the sooner it dies.
int OomScoreAdj(const core::Pod& pod, const core::Container& container, std::int64_t memory_capacity);

Resources ResourcesOf(const core::Container& container);
// Of the pod's cgroup: what its containers need at once; a limit only if every container has one.
Resources PodResources(const core::Pod& pod);
// What the pod needs of one resource (cpu in thousandths, others in units), as the scheduler counts it.
std::int64_t PodRequest(const core::Pod& pod, std::string_view resource);

// An init container that keeps running beside the others ("sidecar").
bool IsSidecar(const core::Container& init);
// Calls `each` with every port of the containers that keep running.
template <typename Each>
void ForEachPort(const core::Pod& pod, Each each) {
  for (const core::Container& container : pod.spec.containers) {
    for (const core::ContainerPort& port : container.ports) each(port);
  }
  for (const core::Container& container : pod.spec.initContainers) {
    if (!IsSidecar(container)) continue;
    for (const core::ContainerPort& port : container.ports) each(port);
  }
}
// The container of that name among init and app containers; null if there is none.
const core::Container* FindContainer(const core::Pod& pod, std::string_view name);

bool IsDeleted(const core::Pod& pod);  // deletionTimestamp is set

// 64 hexadecimal digits made of `parts`: the same parts give the same id, so a step repeated after a crash finds what
// it began before.
std::string MakeId(std::initializer_list<std::string_view> parts);

// "docker.io/library/busybox:latest" for "busybox".
std::string NormalizeImage(std::string_view reference);

// The standard signal number of "SIGTERM" or "SIGRTMIN+3"; 0 if it is none.
int SignalNumber(std::string_view name);

// An ephemeral container as a plain one: it has every field of that.
core::Container AsContainer(const core::EphemeralContainer& container);

// The hostname inside the pod: spec.hostname or its name, cut to what Linux allows.
std::string HostnameOf(const core::Pod& pod);
// With its subdomain's domain, where it has one: web-0.web.ns.svc.cluster.local; else the same.
std::string FullHostnameOf(const core::Pod& pod);
// What the kernel of the pod says: HostnameOf, or with setHostnameAsFQDN the full one, which may be too long for it.
std::string KernelHostnameOf(const core::Pod& pod);
constexpr std::size_t kMaxKernelHostname = 64;

// "1m2.5s", as Go prints durations of at least a millisecond; used in messages.
std::string FormatDuration(Duration duration);

}  // namespace minikube::agent
