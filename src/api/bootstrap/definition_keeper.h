// What is left to do about CustomResourceDefinitions after they were written: definitions whose names are taken get
// them once they are free, and a definition that is being deleted goes after its objects.
#pragma once

#include <memory>

#include "api/registry/core.h"

namespace minikube::api {

// One look at all definitions; what it begins may need another look later. On the core's strand; any time.
void KeepDefinitions(const std::shared_ptr<Core>& core);

}  // namespace minikube::api
