#include "api/world/served.h"

#include <minikube/custom_object.h>

#include "model/convert.h"

namespace minikube::api {

Result<ObjectRef> InServedType(const ObjectRef& object, const MessageDesc& message) {
  if (&object->desc() == &message) return object;
  Result<ObjectPtr> converted = CopyAs(*object, message);
  if (!converted) return converted.status();
  return std::move(converted).value().Freeze();
}

Result<ObjectPtr> CopyAs(const Object& object, const MessageDesc& message) {
  const CustomObject* custom = AsCustomObject(object);
  if (custom == nullptr || !IsCustom(message)) return Convert(object, message);
  // Versions of a custom kind differ in nothing but their name, unless a webhook converts between them.
  ObjectPtr copy = ObjectPtr::New(message);
  *AsCustomObject(*copy) = *custom;
  return copy;
}

}  // namespace minikube::api
