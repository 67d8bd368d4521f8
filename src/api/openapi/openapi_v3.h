// OpenAPI 3.0 at /openapi/v3: an index of documents, and one document per group and version.
//
// Thread safety: pure functions. Documents are made anew when asked for (see openapi_v2.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/world/catalogue.h"
#include "http/message.h"

namespace minikube::api {

// The index: a relative URL for each group and version, with a hash that changes when the document does.
std::string OpenApiV3Index(const Catalogue& catalogue);
// The document of one group and version; "" if it serves nothing.
std::string OpenApiV3Document(const Catalogue& catalogue, std::string_view group, std::string_view version);

// The reply to a GET of /openapi/v3 or below. A URL with the current hash may be cached for ever.
HttpReply OpenApiV3Reply(const Catalogue& catalogue, const HttpRequest& request,
                         const std::vector<std::string>& segments, std::string_view hash);

}  // namespace minikube::api
