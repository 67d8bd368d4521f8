// The one place where a Code becomes an HTTP status (Kubernetes API conventions, "HTTP Status codes").
//
// Thread safety: pure functions.
#pragma once

#include <minikube/status.h>

namespace minikube::api {

// 200 for kOk; kCancelled, which must not leave the process, counts as our bug (500).
int ToHttp(Code code);

}  // namespace minikube::api
