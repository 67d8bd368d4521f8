// The in-process client: requests go to the stages as they are, objects are shared, nothing is encoded.
#pragma once

#include "api/registry/core.h"

namespace minikube::api {

std::unique_ptr<Client> NewLocalClient(std::shared_ptr<Core> core, UserInfo user);

}  // namespace minikube::api
