// Housekeeping: what a running core does from time to time.
#pragma once

#include "api/registry/core.h"

namespace minikube::api {

// Starts the timers, on the core's strand; they end with it. Every ten seconds, what every cluster has comes back if
// somebody deleted it. Every minute, watchers that asked for bookmarks are told how far they are, and worlds kept for
// paginated lists expire. (The store compacts itself: StoreOptions::history_age.)
void StartHousekeeping(const std::shared_ptr<Core>& core);

}  // namespace minikube::api
