// Discovery: what is served, told to clients. /api, /apis, /api/v1, /apis/<group>, /apis/<group>/<version>, and the
// aggregated form (apidiscovery.k8s.io/v2 and v2beta1) that recent clients ask for in one request.
//
// Thread safety: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/descriptor.h>

#include "api/world/catalogue.h"
#include "http/message.h"

namespace minikube::api {

// True for the paths answered here.
bool IsDiscoveryPath(const std::vector<std::string>& segments);

// The reply to a GET of a discovery path, in the form its Accept header asks for; a 404 Status for what is not served,
// 304 for an aggregated document that the client has (ETag). `server_address` is where this server is reached
// (host:port).
HttpReply DiscoveryReply(const Catalogue& catalogue, const HttpRequest& request,
                         const std::vector<std::string>& segments, std::string_view server_address);

// The hash that tells clients whether the stored form of a resource has changed.
std::string StorageVersionHash(std::string_view group, std::string_view version, std::string_view kind);

}  // namespace minikube::api
