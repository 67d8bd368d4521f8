// Names and amounts of resources, as pods, quotas and limit ranges use them.
#pragma once

#include <string_view>

#include "api/world/stored_kind.h"

namespace minikube::api {

// Without a domain, or of Kubernetes' own.
bool IsNativeResource(std::string_view name);
// Of a device plugin: "example.com/gpu".
bool IsExtendedResource(std::string_view name);
// One of the names without a domain that Kubernetes knows.
bool IsStandardResource(std::string_view name);
// Counted in whole numbers.
bool CountsWhole(std::string_view name);
// Not negative, and whole where it is counted.
void ValidateAmount(std::string_view name, const Quantity& quantity, const FieldPath& path, ErrorList& errors);

}  // namespace minikube::api
