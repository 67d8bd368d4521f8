// Requests to pods and services through this server: pods/proxy and services/proxy.
//
// Redirections and links in HTML lead through this server again. HTML is sent when it is whole, others as it comes.
#pragma once

#include <string>

#include <minikube/function.h>

#include "http/forwarder.h"
#include "http/message.h"

namespace minikube::api {

// `path` and query are what the other side is asked for, as Route::proxied. Calls `reply` once, on any thread.
void ServeProxied(Forwarder& forwarder, const ForwardTarget& to, HttpRequest request, std::string proxied,
                  Function<void(HttpReply)> reply);

// A URL, such as the Location of an answer, that came from `host`, so that it leads through this server again where it
// would lead there; `prefix` is the path of the proxy ("/api/v1/namespaces/default/pods/a/proxy"), `asked` the host
// that the client knows this server by.
std::string RewriteLocation(const std::string& location, std::string_view host, std::string_view asked,
                            std::string_view prefix);

}  // namespace minikube::api
