// How long failed daemon pods stay before they are replaced. It is remembered only: a controller that starts anew
// replaces them at once.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <minikube/client.h>
#include <minikube/env.h>

namespace minikube::controllers {

// Thread safety: none; a controller's strand.
class DaemonBackoff {
 public:
  static constexpr Duration kFirst = std::chrono::seconds(1);
  static constexpr Duration kMost = std::chrono::minutes(15);

  // How long the failed pod of that node has to stay. Zero: it may go now, and the next one there has to wait, each
  // time twice as long. Another generation of the DaemonSet starts afresh, and so does a node that was well for long.
  Duration Wait(const ObjectKey& set, std::int64_t generation, std::string_view node, MonoTime now) {
    Waits& waits = sets_[set];
    if (waits.generation != generation) waits = {generation, {}};
    const auto [it, fresh] = waits.nodes.try_emplace(std::string(node), Waiting{now, kFirst});
    if (fresh) return Duration::zero();
    Waiting& waiting = it->second;
    const Duration passed = now - waiting.since;
    if (passed < waiting.delay) return waiting.delay - passed;
    waiting = {now, passed > 2 * kMost ? kFirst : std::min<Duration>(2 * waiting.delay, kMost)};
    return Duration::zero();
  }
  void Forget(const ObjectKey& set) { sets_.erase(set); }

 private:
  struct Waiting {
    MonoTime since;  // the last one went
    Duration delay;
  };
  struct Waits {
    std::int64_t generation = 0;
    std::map<std::string, Waiting, std::less<>> nodes;
  };
  std::map<ObjectKey, Waits> sets_;
};

}  // namespace minikube::controllers
