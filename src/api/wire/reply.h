// Replies that need no resource: texts, documents, and a Status.
//
// Thread safety: pure functions.
#pragma once

#include <string>
#include <vector>

#include <minikube/codec.h>
#include <minikube/object.h>
#include <minikube/status.h>

#include "api/wire/negotiate.h"
#include "http/message.h"

namespace minikube::api {

// A metav1.Status of failure with the HTTP status that goes with it, and Retry-After if the error says when.
HttpReply StatusReply(const Status& status, MediaType type = MediaType::kJson, bool pretty = false);

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
