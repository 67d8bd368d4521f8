#include "api/world/served.h"

#include "model/convert.h"

namespace minikube::api {

Result<ObjectRef> InServedType(const ObjectRef& object, const MessageDesc& message) {
  if (&object->desc() == &message) return object;
  Result<ObjectPtr> converted = Convert(*object, message);
  if (!converted) return converted.status();
  return std::move(converted).value().Freeze();
}

Result<ObjectPtr> CopyAs(const Object& object, const MessageDesc& message) { return Convert(object, message); }

}  // namespace minikube::api
