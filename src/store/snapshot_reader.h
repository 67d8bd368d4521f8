// SnapshotReader over an engine's image.
#pragma once

#include <memory>

#include <minikube/store_admin.h>

#include "store/engine.h"

namespace minikube::store {

std::unique_ptr<SnapshotReader> NewSnapshotReader(std::unique_ptr<EngineImage> image);

}  // namespace minikube::store
