#include <minikube/object.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

#include "model/access.h"

namespace minikube {
namespace internal {

void DestroyObject(const Object* object) {
  auto* dying = const_cast<Object*>(object);  // nobody else holds it
  model::DestroyMessage(dying->desc(), dying->mutable_data());
  dying->~Object();
  ::operator delete(dying);
}

void DieOnWrongType(const MessageDesc& is, const MessageDesc& wanted) {
  const std::string is_name(is.name);
  const std::string wanted_name(wanted.name);
  std::fprintf(stderr, "minikube: As<>() of an object that is %s, not %s\n", is_name.c_str(), wanted_name.c_str());
  std::abort();
}

}  // namespace internal

ObjectPtr ObjectPtr::New(const MessageDesc& desc) {
  ObjectPtr p;
  auto* object = new (::operator new(sizeof(Object) + desc.size)) Object(desc);
  std::memset(object->mutable_data(), 0, desc.size);
  p.p_ = Ref<Object>::Adopt(object);
  return p;
}

ObjectPtr ObjectPtr::Clone(const Object& object) {
  const MessageDesc& desc = object.desc();
  ObjectPtr p;
  auto* copy = new (::operator new(sizeof(Object) + desc.size)) Object(desc);
  model::CopyMessage(desc, object.data(), copy->mutable_data());
  p.p_ = Ref<Object>::Adopt(copy);
  return p;
}

const meta::v1::ObjectMeta& Object::meta() const {
  static const meta::v1::ObjectMeta empty;
  if (desc_->metadata_field < 0) return empty;
  const FieldDesc& field = desc_->fields[static_cast<std::size_t>(desc_->metadata_field)];
  return model::As<meta::v1::ObjectMeta>(model::SlotOf(field, data()));
}

meta::v1::ObjectMeta& Object::mutable_meta() {
  const FieldDesc& field = desc_->fields[static_cast<std::size_t>(desc_->metadata_field)];
  return model::As<meta::v1::ObjectMeta>(model::SlotOf(field, mutable_data()));
}

}  // namespace minikube
