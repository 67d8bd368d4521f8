#include "controllers/workloads/pod_ranking.h"

#include <algorithm>
#include <bit>
#include <map>

#include "kube/numbers.h"
#include "kube/pods.h"

namespace minikube::controllers {
namespace {

using core::v1::Pod;

int PhaseRank(const Pod& pod) {
  if (pod.status.phase == "Running") return 2;
  return pod.status.phase == "Unknown" ? 1 : 0;
}

std::int64_t DeletionCost(const Pod& pod) {
  const Str* text = pod.metadata.annotations.Find("controller.kubernetes.io/pod-deletion-cost");
  if (text == nullptr) return 0;
  return kube::ParseInt<std::int32_t>(*text).value_or(0);
}

bool Restartable(const Pod& pod, std::string_view init_container) {
  for (const core::v1::Container& container : pod.spec.initContainers) {
    if (container.name == init_container) return container.restartPolicy && *container.restartPolicy == "Always";
  }
  return false;
}

int MaxRestarts(const Pod& pod) {
  int most = 0;
  for (const core::v1::ContainerStatus& status : pod.status.containerStatuses) {
    most = std::max(most, status.restartCount);
  }
  return most;
}

int MaxSidecarRestarts(const Pod& pod) {
  int most = 0;
  for (const core::v1::ContainerStatus& status : pod.status.initContainerStatuses) {
    if (Restartable(pod, status.name)) most = std::max(most, status.restartCount);
  }
  return most;
}

// Ages that differ by less than a factor of two are alike.
int AgeClass(Instant since, Instant now) {
  const std::int64_t age = now.micros - since.micros;
  return age <= 0 ? -1 : std::bit_width(static_cast<std::uint64_t>(age));
}

// <0: a goes first; 0: decide by what follows.
int CompareTimes(Instant a, Instant b, const Pod& pod_a, const Pod& pod_b, Instant now) {
  if (a == b) return 0;
  if (a.empty() || b.empty()) return a.empty() ? -1 : 1;
  const int difference = AgeClass(a, now) - AgeClass(b, now);
  if (difference != 0) return difference;
  return pod_a.metadata.uid < pod_b.metadata.uid ? -1 : 1;
}

}  // namespace

std::vector<RankedPod> RankPods(const std::vector<const Pod*>& candidates, const std::vector<const Pod*>& related) {
  std::map<std::string_view, int> on_node;
  for (const Pod* pod : related) {
    if (kube::IsPodActive(*pod)) ++on_node[pod->spec.nodeName];
  }
  std::vector<RankedPod> ranked;
  ranked.reserve(candidates.size());
  for (const Pod* pod : candidates) ranked.push_back({pod, on_node[pod->spec.nodeName]});
  return ranked;
}

bool DeletedBefore(const RankedPod& x, const RankedPod& y, Instant now) {
  const Pod& a = *x.pod;
  const Pod& b = *y.pod;
  if (a.spec.nodeName.empty() != b.spec.nodeName.empty()) return a.spec.nodeName.empty();
  if (PhaseRank(a) != PhaseRank(b)) return PhaseRank(a) < PhaseRank(b);
  const bool ready = kube::IsPodReady(a);
  if (ready != kube::IsPodReady(b)) return !ready;
  if (DeletionCost(a) != DeletionCost(b)) return DeletionCost(a) < DeletionCost(b);
  if (x.rank != y.rank) return x.rank > y.rank;
  if (ready) {
    if (const int c = CompareTimes(kube::ReadySince(a), kube::ReadySince(b), a, b, now); c != 0) return c < 0;
  }
  if (MaxRestarts(a) != MaxRestarts(b)) return MaxRestarts(a) > MaxRestarts(b);
  if (MaxSidecarRestarts(a) != MaxSidecarRestarts(b)) return MaxSidecarRestarts(a) > MaxSidecarRestarts(b);
  if (const int c = CompareTimes(a.metadata.creationTimestamp, b.metadata.creationTimestamp, a, b, now); c != 0) {
    return c < 0;
  }
  return false;
}

}  // namespace minikube::controllers
