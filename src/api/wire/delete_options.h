// DeleteOptions: the one body that is options rather than an object.
#pragma once

#include <string_view>

#include <minikube/client.h>
#include <minikube/status.h>

#include "api/wire/query.h"

namespace minikube::api {

// Reads the options of a delete or deletecollection from its body (metav1.DeleteOptions in JSON, YAML or protobuf; may
// be empty) or, without one, from the query. Errors: kUnsupportedMediaType, kBadRequest, kInvalid. Any thread.
Status ReadDeleteOptions(const Query& query, std::string_view content_type, std::string_view body, ApiRequest& request);

}  // namespace minikube::api
