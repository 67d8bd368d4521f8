// Replies: from an ApiResponse, a Status or a watch to the bytes that the client asked for.
//
// Lists are encoded piece by piece while they are sent, straight from the shared objects; watch frames copy bytes that
// are encoded once for all watchers. Thread safety: pure functions; a source belongs to its connection.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/client.h>
#include <minikube/env.h>

#include "api/engine.h"
#include "api/http_message.h"
#include "api/route.h"

namespace minikube::api {

// A metav1.Status of failure with the HTTP status that goes with it, and Retry-After if the error says when.
HttpReply StatusReply(const Status& status, MediaType type = MediaType::kJson, bool pretty = false);

// The answer to a request of RouteKind::kResource. `now` is what ages in tables are counted to.
HttpReply ResourceReply(const Route& route, Result<ApiResponse> response, WallTime now);

// A reply whose body is text as it stands.
HttpReply TextReply(std::string text, std::string content_type = "text/plain; charset=utf-8", int status = 200);

// JSON, indented if `pretty`.
HttpReply JsonReply(std::string json, bool pretty);

// Adds `Warning: 299 - "..."` (RFC 9111 section 5.5) for each.
void AddWarnings(const std::vector<std::string>& warnings, HttpReply& reply);

// A whole object in the agreed form (no transformation).
std::string EncodeWhole(const Object& object, const Accepted& accepted);

// `status` as the object that error replies and ERROR events carry.
ObjectRef StatusObject(const Status& status);

}  // namespace minikube::api
