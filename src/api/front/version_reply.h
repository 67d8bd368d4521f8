// GET /version.
#pragma once

#include "http/message.h"

namespace minikube::api {

// The version of Kubernetes that this server is like, and the commit it was built from (zeros outside a git checkout).
HttpReply VersionReply(bool pretty);

}  // namespace minikube::api
