#include "kube/owners.h"

#include <algorithm>

#include "kube/names.h"

namespace minikube::kube {

using meta::v1::ObjectMeta;
using meta::v1::OwnerReference;

const OwnerReference* ControllerOf(const ObjectMeta& meta) {
  for (const OwnerReference& owner : meta.ownerReferences) {
    if (owner.controller.value_or(false)) return &owner;
  }
  return nullptr;
}

bool IsControlledBy(const ObjectMeta& meta, std::string_view owner_uid) {
  const OwnerReference* owner = ControllerOf(meta);
  return owner != nullptr && owner->uid == owner_uid;
}

OwnerReference ControllerRefTo(const MessageDesc& desc, const ObjectMeta& owner) {
  OwnerReference reference;
  reference.apiVersion = ApiVersionOf(desc.gvk);
  reference.kind = desc.gvk.kind;
  reference.name = owner.name;
  reference.uid = owner.uid;
  reference.controller = true;
  reference.blockOwnerDeletion = true;
  return reference;
}

const OwnerReference* FindOwner(const ObjectMeta& meta, std::string_view owner_uid) {
  for (const OwnerReference& owner : meta.ownerReferences) {
    if (owner.uid == owner_uid) return &owner;
  }
  return nullptr;
}

bool RemoveOwner(ObjectMeta& meta, std::string_view owner_uid) {
  for (std::size_t i = 0; i < meta.ownerReferences.size(); ++i) {
    if (!(meta.ownerReferences[i].uid == owner_uid)) continue;
    meta.ownerReferences.Erase(i);
    return true;
  }
  return false;
}

bool HasFinalizer(const ObjectMeta& meta, std::string_view finalizer) {
  return std::any_of(meta.finalizers.begin(), meta.finalizers.end(), [&](const Str& f) { return f == finalizer; });
}

bool RemoveFinalizer(ObjectMeta& meta, std::string_view finalizer) {
  const std::size_t before = meta.finalizers.size();
  for (std::size_t i = before; i-- > 0;) {
    if (meta.finalizers[i] == finalizer) meta.finalizers.Erase(i);
  }
  return meta.finalizers.size() != before;
}

bool Older(const ObjectMeta& a, const ObjectMeta& b) {
  if (a.creationTimestamp != b.creationTimestamp) return a.creationTimestamp < b.creationTimestamp;
  return a.name < b.name;
}

}  // namespace minikube::kube
