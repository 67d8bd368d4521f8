// Owner references and finalizers. Pure functions.
// Semantics: https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/
#pragma once

#include <string_view>

#include <minikube/api/meta/v1.h>
#include <minikube/descriptor.h>

namespace minikube::kube {

// The reference with controller: true, or null.
const meta::v1::OwnerReference* ControllerOf(const meta::v1::ObjectMeta& meta);
bool IsControlledBy(const meta::v1::ObjectMeta& meta, std::string_view owner_uid);
// A reference that makes `owner`, of the kind that `desc` describes, the controller; foreground deletion of the owner
// waits for the object.
meta::v1::OwnerReference ControllerRefTo(const MessageDesc& desc, const meta::v1::ObjectMeta& owner);
template <typename Owner>
meta::v1::OwnerReference ControllerRefTo(const Owner& owner) {
  return ControllerRefTo(DescriptorOf<Owner>(), owner.metadata);
}
// The reference to `owner_uid`, or null.
const meta::v1::OwnerReference* FindOwner(const meta::v1::ObjectMeta& meta, std::string_view owner_uid);
// Removes the reference to `owner_uid`; false if there was none.
bool RemoveOwner(meta::v1::ObjectMeta& meta, std::string_view owner_uid);

bool HasFinalizer(const meta::v1::ObjectMeta& meta, std::string_view finalizer);
// False if it was not there.
bool RemoveFinalizer(meta::v1::ObjectMeta& meta, std::string_view finalizer);

// Created earlier; of those of one second, by name.
bool Older(const meta::v1::ObjectMeta& a, const meta::v1::ObjectMeta& b);

}  // namespace minikube::kube
