// Backoff: how long to wait before the next attempt. Doubles from `base` to `max`, with jitter so that many waiters do
// not come back at once.
#pragma once

#include <algorithm>

#include <minikube/env.h>

namespace minikube::client {

// The `failures`-th delay (counted from 1) without jitter: base, 2 base, 4 base, ... max.
inline Duration ExponentialDelay(Duration base, Duration max, int failures) {
  Duration delay = base;
  for (int i = 1; i < failures && delay < max; ++i) delay *= 2;
  return std::min(delay, max);
}

// Uniform in [delay / 2, delay].
inline Duration Jittered(Duration delay, Random& random) {
  const auto half = static_cast<std::uint64_t>(delay.count()) / 2;
  return Duration(static_cast<Duration::rep>(half + random.Next() % (half + 1)));
}

class Backoff {
 public:
  Backoff(Duration base, Duration max) : base_(base), max_(max) {}
  Duration Next(Random& random) {
    failures_ = std::min(failures_ + 1, 64);
    return Jittered(ExponentialDelay(base_, max_, failures_), random);
  }
  void Reset() { failures_ = 0; }

 private:
  Duration base_;
  Duration max_;
  int failures_ = 0;
};

}  // namespace minikube::client
