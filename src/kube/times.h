// From the clock's time to that of API objects, and back. Pure functions.
#pragma once

#include <minikube/env.h>
#include <minikube/types.h>

namespace minikube::kube {

inline Instant ToInstant(WallTime time) {
  return Instant::FromUnixMicros(std::chrono::floor<std::chrono::microseconds>(time).time_since_epoch().count());
}
inline MicroTime ToMicroTime(WallTime time) { return MicroTime{ToInstant(time)}; }
// metav1.Time has whole seconds; so has what this gives, or an object would differ from itself once it was encoded.
inline Time ToTime(WallTime time) { return Time{ToInstant(std::chrono::floor<std::chrono::seconds>(time))}; }
inline WallTime ToWallTime(Instant instant) { return WallTime(std::chrono::microseconds(instant.unix_micros())); }

inline Duration Since(Instant from, Instant now) { return std::chrono::microseconds(now.micros - from.micros); }
inline Instant After(Instant from, std::int64_t seconds) { return Instant{from.micros + seconds * 1'000'000}; }

}  // namespace minikube::kube
