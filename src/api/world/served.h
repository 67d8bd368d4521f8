// Between the version an object is stored in and the version it is served in.
#pragma once

#include <minikube/object.h>
#include <minikube/status.h>

namespace minikube::api {

// `object` as `message`; the very same object if it is of that type already. Errors: kInternal where no conversion
// exists, which the schema rules out for the versions of one resource.
Result<ObjectRef> InServedType(const ObjectRef& object, const MessageDesc& message);
// A copy of `object` as `message`, for changing.
Result<ObjectPtr> CopyAs(const Object& object, const MessageDesc& message);

}  // namespace minikube::api
