// RFC 6902 JSON patch and RFC 7386 merge patch on JSON documents.
//
// Thread safety: pure functions. A document is undefined after an error.
#pragma once

#include <cstddef>

#include <nlohmann/json_fwd.hpp>

#include <minikube/status.h>

namespace minikube {

struct JsonPatchLimits {
  std::size_t max_operations = 10'000;
  std::size_t max_copied_bytes = 3u << 20;  // of all "copy" operations together, as JSON text
  std::size_t max_path_steps = 100;         // of one pointer
};

// Applies the operations in order, all or nothing from the caller's view. Beyond the RFC, as kube-apiserver does:
// testing for null holds where nothing is, and a member that is not there can be replaced. Errors: kBadRequest (not a
// list of operations), kTooLarge (too many), kInvalid (an operation does not apply; a cause of field "patch" tells
// which and why). `test_failed` (may be null) is set if it was a test that did not hold.
Status JsonPatch(nlohmann::json& document, const nlohmann::json& patch, const JsonPatchLimits& limits = {},
                 bool* test_failed = nullptr);

// Cannot fail. Both of bounded depth.
void JsonMergePatch(nlohmann::json& document, nlohmann::json patch);

}  // namespace minikube
