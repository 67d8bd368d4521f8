// Discovery: which resources a server serves, as it tells it in one document for all versions (aggregated discovery,
// https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery). Pure functions.
#pragma once

#include <string_view>
#include <vector>

#include <minikube/descriptor.h>
#include <minikube/status.h>

#include "client/wire.h"

namespace minikube::client {

// `path` is /api (the core group) or /apis (all others).
HttpRequest DiscoveryRequest(std::string_view path);
// Appends the resources of the answer: those of the schema, and for any other kind a descriptor whose objects are
// CustomObjects. These are made once for all that say the same, and live as long as the process: objects may outlive
// whoever asked. Errors: the server's; kNotImplemented for one that has no such document (before Kubernetes 1.30).
Status AddDiscovered(const HttpResponse& response, std::vector<const ResourceDesc*>& out);

}  // namespace minikube::client
