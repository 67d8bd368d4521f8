// OpenAPI 2.0 at /openapi/v2, as JSON and as the protobuf that older kubectl reads (gnostic's openapi.v2.Document).
//
// Thread safety: pure functions. A document is made anew for each request that needs one: clients cache it by its ETag,
// and several megabytes for something asked for once a day are better not kept.
#pragma once

#include <string>

#include "api/world/catalogue.h"
#include "http/message.h"

namespace minikube::api {

std::string OpenApiV2Json(const Catalogue& catalogue);
std::string OpenApiV2Protobuf(const Catalogue& catalogue);

// The reply to GET /openapi/v2: form by Accept, 304 by ETag.
HttpReply OpenApiV2Reply(const Catalogue& catalogue, const HttpRequest& request);

}  // namespace minikube::api
