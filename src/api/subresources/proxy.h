// Where a request below pods/<id>/proxy or services/<id>/proxy goes to.
//
// Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>

#include <minikube/env.h>
#include <minikube/status.h>
#include <minikube/view.h>

#include "http/forwarder.h"

namespace minikube::api {

// `id` is NAME, NAME:PORT or SCHEME:NAME:PORT, with http or https. Errors: kBadRequest (no such id; the pod has no
// address that others could reach), kNotFound.
Result<ForwardTarget> LocatePod(const ViewSource& world, std::string_view ns, std::string_view id);
// To one of the service's pods that are ready, drawn from `random`; PORT is the port's name or number, "" the one
// without a name. Errors: kBadRequest, kNotFound, kUnavailable (no such port, nobody serves it).
Result<ForwardTarget> LocateService(const ViewSource& world, std::string_view ns, std::string_view id, Random& random);

}  // namespace minikube::api
