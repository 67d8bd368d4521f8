// The scale of a custom object: reading and writing what its definition says are its numbers of replicas and its
// selector. Semantics: apiextensions.k8s.io/v1 CustomResourceSubresourceScale.
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/json.h>
#include <minikube/status.h>

#include "api/world/custom_resource.h"
#include "model/field_errors.h"

namespace minikube::api {

std::vector<std::string_view> SplitPath(std::string_view dotted);

// nullopt if there is none, or it is null. Errors: kInternal, what is there instead, in the words of Kubernetes.
Result<std::optional<std::int64_t>> ReadReplicas(const Json& rest, std::string_view path);
// "" if there is none. Errors likewise.
Result<std::string> ReadSelector(const Json& rest, std::string_view path);
// Errors: kInternal (something on the way is no object).
Status WriteReplicas(Json& rest, std::string_view path, std::int64_t replicas);

// Of the object, or, as a write to its status has it, without what is under spec.
void ValidateCustomScale(const CustomScale& scale, const Json& rest, bool status_only, ErrorList& errors);

}  // namespace minikube::api
