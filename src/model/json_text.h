// JSON documents as nlohmann::json for the patch code: parsing within limits, and Go's spelling of values in messages.
//
// Thread safety: pure functions. No exception leaves them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <minikube/status.h>

namespace minikube {

// Parses JSON text (RFC 8259, UTF-8). With `duplicates`, appends one `duplicate field "spec.containers[0].name"` per
// repeated member; the last one counts. Errors: kBadRequest (malformed, or nested deeper than `max_depth`).
Result<nlohmann::json> ParseJson(std::string_view text, int max_depth, std::vector<std::string>* duplicates = nullptr);

// Compact text; bytes that are not UTF-8 are replaced.
std::string JsonText(const nlohmann::json& value);

// A value as Go's %v prints it ("map[name:web ports:[80 443]]"), and the name of its Go type: Kubernetes' messages
// about patches contain both.
std::string GoValueText(const nlohmann::json& value);
std::string_view GoTypeName(const nlohmann::json& value);

}  // namespace minikube
