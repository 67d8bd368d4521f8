// The one place where a Code becomes an HTTP status (Kubernetes API conventions, "HTTP Status codes").
//
// Thread safety: pure functions.
#pragma once

#include <string_view>

#include <minikube/status.h>

namespace minikube::api {

// 200 for kOk; kCancelled, which must not leave the process, counts as our bug (500).
int ToHttp(Code code);

// The reason phrase of RFC 9110 for the statuses this server sends; "Unknown" for others.
std::string_view ReasonPhrase(int http_status);

}  // namespace minikube::api
