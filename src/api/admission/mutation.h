// What admission makes of an object in another version than it is stored in: webhooks, mutating policies.
//
// Thread safety: the attempt's.
#pragma once

#include "api/admission/admission.h"

namespace minikube::api {

// Makes `mutated` the next state of the request's object: as it is stored, and with its defaults. True if the object is
// another one now; then the mutating plugins see it once more. Errors: of the conversion.
Result<bool> TakeMutated(AdmissionRequest& request, const Object& mutated);

}  // namespace minikube::api
