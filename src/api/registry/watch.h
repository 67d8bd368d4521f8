// Starting a watch: where it begins, what it sees first, and the stream that its owner pulls.
#pragma once

#include "api/registry/core.h"
#include "api/registry/request_context.h"

namespace minikube::api {

// As ApiCore::Watch, for a request that has been authorised. Errors: kBadRequest, kExpired (the revision is gone),
// kUnavailable (stopping), kMethodNotAllowed.
Result<std::unique_ptr<WatchStream>> StartWatch(std::shared_ptr<Core> core, const RequestContext& context,
                                                Task on_ready);

}  // namespace minikube::api
