#pragma once

#include <string_view>

#include <minikube/client.h>
#include <minikube/status.h>
#include <minikube/store.h>

namespace minikube::api {

// A resourceVersion as clients send it: "" and "0" are 0. Errors: kBadRequest.
Result<Revision> ParseRevision(std::string_view text);

// The options of a list or watch that do not go together. Errors: kInvalid, as kube-apiserver's of a ListOptions.
Status CheckListOptions(const ApiRequest& request);

}  // namespace minikube::api
