// Kubernetes' strategic merge patch: a merge patch that merges lists by key, driven by the patch strategies and merge
// keys of the tables, with the directives $patch, $retainKeys, $deleteFromPrimitiveList/x and $setElementOrder/x.
//
// Where the tables know nothing (maps of scalars, raw JSON, unknown fields) objects merge as in RFC 7386, lists
// replace. Thread safety: pure functions.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <minikube/descriptor.h>
#include <minikube/status.h>

namespace minikube {

// Applies `patch` (an object) to `document` (the JSON of a `desc`), which is undefined after an error.
// Errors: kBadRequest for a malformed directive; kInvalid for a patch that does not fit the document (an element
// without its merge key, elements of different types).
// Both must be of bounded depth; the work is at most quadratic in the length of any one list.
Status StrategicMerge(const MessageDesc& desc, nlohmann::json& document, nlohmann::json patch);

}  // namespace minikube
