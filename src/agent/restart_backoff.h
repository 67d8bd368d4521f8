// RestartBackoff: how long a container that ended, or an image that could not be pulled, waits for its next turn.
//
// The first restart is at once; then 10 s after the end, doubling to 300 s. An end that comes 10 minutes or more after
// the last restart starts anew: the container had proved itself.
#pragma once

#include <algorithm>
#include <optional>

#include <minikube/env.h>

namespace minikube::agent {

class RestartBackoff {
 public:
  static constexpr Duration kInitial = std::chrono::seconds(10);
  static constexpr Duration kMax = std::chrono::seconds(300);
  static constexpr Duration kForgive = 2 * kMax;

  // How long from `now` something that failed at `failed` has yet to wait; zero: its turn is now. Never more than the
  // whole delay, wherever the wall clock jumped to.
  Duration Remaining(WallTime failed, WallTime now) const {
    if (delay_ == Duration::zero() || failed - last_ >= kForgive) return Duration::zero();
    return std::clamp(failed + delay_ - now, Duration::zero(), delay_);
  }
  // Notes that the next turn begins `now`, after a failure at `failed`.
  void Next(WallTime failed, WallTime now) {
    if (delay_ == Duration::zero() || failed - last_ >= kForgive) {
      delay_ = kInitial;
    } else {
      delay_ = std::min(delay_ * 2, kMax);
    }
    last_ = now;
  }
  void Reset() { delay_ = Duration::zero(); }
  // What a predecessor of this process must have known of a container that was restarted `restarts` times, the last
  // time at `started`.
  static RestartBackoff Recall(std::uint32_t restarts, WallTime started) {
    RestartBackoff backoff;
    if (restarts == 0) return backoff;
    backoff.delay_ = kInitial;
    for (std::uint32_t i = 1; i < restarts && backoff.delay_ < kMax; ++i) backoff.delay_ *= 2;
    backoff.delay_ = std::min(backoff.delay_, kMax);
    backoff.last_ = started;
    return backoff;
  }
  Duration delay() const { return delay_; }

 private:
  Duration delay_{};  // zero: nothing to wait for
  WallTime last_{};   // when the last turn began
};

}  // namespace minikube::agent
