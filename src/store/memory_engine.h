// The engine without a disk.
#pragma once

#include <memory>

#include "store/engine.h"

namespace minikube::store {

std::unique_ptr<Engine> NewMemoryEngine();

}  // namespace minikube::store
