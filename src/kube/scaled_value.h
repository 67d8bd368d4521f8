// Counts that may be percentages, as maxSurge and minAvailable are.
#pragma once

#include <cstdint>

#include <minikube/types.h>

namespace minikube::kube {

enum class Round { kUp, kDown };
// An absolute number, or a percentage of `total` rounded as told. Negative and malformed values are 0.
std::int32_t ScaledValue(const IntOrString& value, std::int32_t total, Round round);

}  // namespace minikube::kube
