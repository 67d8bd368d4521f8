// Examine: reads every record of an image, counts, and holds the records against one another.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include <minikube/store_admin.h>

#include "store/engine.h"

namespace minikube::store {

// Fills `usage` and, with Depth::kVerify, `problems`: files' checksums, keys and records that cannot be decoded,
// versions that do not follow one another, revisions missing from the log, versions the log does not know or that it
// knows but are not there, leases without a record. An image that cannot be read on is a problem too; counting ends
// there. Errors: kUnavailable (Depth::kCount: cannot be read on), kCancelled (`stop`).
Status Examine(EngineImage& image, StoreAdmin::Depth depth, const std::stop_token& stop, StoreUsage& usage,
               std::vector<std::string>& problems);

}  // namespace minikube::store
