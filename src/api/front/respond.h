// Replies: from an ApiResponse, a Status or a watch to the bytes that the client asked for.
//
// Lists are encoded piece by piece while they are sent, straight from the shared objects; watch frames copy bytes that
// are encoded once for all watchers. Thread safety: pure functions; a source belongs to its connection.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/client.h>
#include <minikube/env.h>

#include "api/front/route.h"
#include "api/stages/api_core.h"
#include "http/message.h"

namespace minikube::api {

// The answer to a request of RouteKind::kResource. `now` is what ages in tables are counted to.
HttpReply ResourceReply(const Route& route, Result<ApiResponse> response, WallTime now);

}  // namespace minikube::api
