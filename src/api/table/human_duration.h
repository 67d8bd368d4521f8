// Durations and ages as kubectl prints them: two or three significant figures, for people.
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <string>

#include <minikube/env.h>
#include <minikube/types.h>

namespace minikube::api {

// "45s", "3m20s", "5h", "2d3h", "400d", "3y12d"; "<invalid>" for a time in the future by more than clocks may differ.
std::string HumanDuration(Duration duration);

// Time since `since`; "<unknown>" if it is none.
std::string Age(Instant since, WallTime now);

}  // namespace minikube::api
