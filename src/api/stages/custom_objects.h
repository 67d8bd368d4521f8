// What the schema of a custom kind does to its objects on their way into the store.
//
// Thread safety: as Attempt.
#pragma once

#include "api/registry/attempt.h"
#include "model/field_errors.h"

namespace minikube::api {

// Takes what the schema does not know out of the attempt's next state, and fills in its defaults. What went is an
// error, a warning or nothing, as the request's fieldValidation says. Errors: kBadRequest.
Status ShapeCustomObject(Attempt& attempt);

// The schema, and once that is obeyed its rules. What was wrong before and is unchanged is tolerated.
void ValidateCustomObject(const Attempt& attempt, ErrorList& errors);

}  // namespace minikube::api
