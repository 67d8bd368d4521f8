// Route: from an HTTP request to an ApiRequest, with the query parameters and options of the Kubernetes API.
//
// A pure function of its arguments: safe to call with anything a client may send.
// Thread safety: any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/client.h>
#include <minikube/node_api.h>
#include <minikube/status.h>

#include "api/registry/request_context.h"
#include "api/table/table.h"
#include "api/wire/negotiate.h"
#include "api/wire/query.h"
#include "api/world/catalogue.h"
#include "http/message.h"

namespace minikube::api {

enum class RouteKind : std::uint8_t {
  kResource,  // request (and body) go to ApiCore::Handle
  kWatch,     // request goes to ApiCore::Watch
  kPodLog,    // request.ns/name and log go to ApiCore::PodLog
  kPodExec,   // request.ns/name and exec go to ApiCore::PodExec; the connection is to be upgraded
  kPodPorts,  // request.ns/name and ports go to ApiCore::PodPorts; likewise
  kProxy,     // request.ns/name go to ApiCore::Proxy; proxied is asked there
  kPath,      // not a resource: health, discovery, OpenAPI ...; also what does not exist
};

struct Route {
  RouteKind kind = RouteKind::kPath;
  Target target;
  Accepted accepted;  // not for kPath, which negotiates for itself
  ApiRequest request;
  std::string user_agent;
  std::optional<Body> body;
  LogRequest log;
  ExecRequest exec;
  std::vector<std::uint16_t> ports;  // that the query names
  std::string proxied;               // path and query on the other side; "" = not even a slash
  IncludeObject include_object = IncludeObject::kMetadata;
};

// Takes request.body. Errors, in Kubernetes' words: kNotFound (no such resource), kMethodNotAllowed, kNotAcceptable,
// kUnsupportedMediaType, kBadRequest (encoding, options), kInvalid (values of options).
Result<Route> RouteRequest(HttpRequest& request, const Catalogue& catalogue);

// "GET" -> "get": how RBAC names a method on a non-resource path.
std::string MethodVerb(std::string_view method);

}  // namespace minikube::api
