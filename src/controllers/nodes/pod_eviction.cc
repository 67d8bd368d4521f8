#include "controllers/nodes/pod_eviction.h"

#include <algorithm>

#include "kube/taints.h"

namespace minikube::controllers {

using core::v1::Taint;
using core::v1::Toleration;

bool HasNoExecute(const core::v1::Node& node) {
  return std::any_of(node.spec.taints.begin(), node.spec.taints.end(),
                     [](const Taint& taint) { return taint.effect == "NoExecute"; });
}

std::optional<Instant> EvictionTime(const core::v1::Pod& pod, const core::v1::Node& node,
                                    const std::function<Instant(const Taint&)>& since) {
  std::optional<Instant> when;
  const auto at = [&](Instant instant) { when = when ? std::min(*when, instant) : instant; };
  for (const Taint& taint : node.spec.taints) {
    if (!(taint.effect == "NoExecute")) continue;
    bool tolerated = false;
    std::optional<std::int64_t> seconds;
    for (const Toleration& toleration : pod.spec.tolerations) {
      if (!kube::Tolerates(toleration, taint)) continue;
      tolerated = true;
      if (!toleration.tolerationSeconds) continue;
      const std::int64_t limit = std::max<std::int64_t>(0, *toleration.tolerationSeconds);
      seconds = seconds ? std::min(*seconds, limit) : limit;
    }
    constexpr std::int64_t kForever = std::int64_t{1} << 40;  // seconds; keeps the sum within range
    if (!tolerated) {
      at(since(taint));
    } else if (seconds && *seconds < kForever) {
      at(Instant{since(taint).micros + *seconds * 1'000'000});
    }
  }
  return when;
}

}  // namespace minikube::controllers
