#pragma once

#include <string_view>

#include <minikube/status.h>
#include <minikube/store.h>

namespace minikube::api {

// A resourceVersion as clients send it: "" and "0" are 0. Errors: kBadRequest.
Result<Revision> ParseRevision(std::string_view text);

}  // namespace minikube::api
