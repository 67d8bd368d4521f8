// What several controllers need: owner references, pod readiness, conditions, request building. Pure functions over API
// structs.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <minikube/api/core/v1.h>
#include <minikube/client.h>
#include <minikube/env.h>
#include <minikube/informer.h>
#include <minikube/reconciler.h>

namespace minikube::controllers {

// The reference with controller: true, or null.
const meta::v1::OwnerReference* ControllerOf(const meta::v1::ObjectMeta& meta);
// A reference that makes `owner` the controller; foreground deletion of the owner waits for the object.
meta::v1::OwnerReference ControllerRefTo(const MessageDesc& desc, const meta::v1::ObjectMeta& owner);
// "apps/v1", or "v1" for the core group.
std::string ApiVersionOf(const GroupVersionKind& gvk);
// Removes the reference to `uid`; false if there was none.
bool RemoveOwner(meta::v1::ObjectMeta& meta, std::string_view uid);

Time ToTime(WallTime time);
inline Duration Since(Instant from, Instant now) { return std::chrono::microseconds(now.micros - from.micros); }

// Neither finished nor on its way out: counts towards replicas.
bool IsPodActive(const core::v1::Pod& pod);
bool IsPodFinished(const core::v1::Pod& pod);
const core::v1::PodCondition* FindCondition(const core::v1::Pod& pod, std::string_view type);
bool IsPodReady(const core::v1::Pod& pod);
// When a ready pod has been (or will have been) ready for `min_ready_seconds`; nullopt if it is not ready.
std::optional<Instant> AvailableAt(const core::v1::Pod& pod, std::int32_t min_ready_seconds);

// An absolute number, or a percentage of `total` rounded as told. Negative and malformed values are 0.
enum class Round { kUp, kDown };
std::int32_t ScaledValue(const IntOrString& value, std::int32_t total, Round round);

// The condition of that type, or null. Works for every list of structs with a `type`.
template <typename C>
const C* FindCondition(const List<C>& conditions, std::string_view type) {
  for (const C& condition : conditions) {
    if (condition.type == type) return &condition;
  }
  return nullptr;
}
template <typename C>
void RemoveCondition(List<C>& conditions, std::string_view type) {
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    if (conditions[i].type == type) return conditions.Erase(i);
  }
}

// Whether an error says that the namespace is going: nothing can be made in it, and retrying is in vain.
bool IsNamespaceTerminating(const Status& status);

// A write of this very version: fails with kConflict if the object has changed since.
template <typename T>
ApiRequest UpdateRequest(const T& object, std::string_view subresource = {}) {
  ApiRequest request = Client::RequestFor(Verb::kUpdate, object);
  request.subresource = std::string(subresource);
  return request;
}
// Replaces the owner references of this very version of an object.
ApiRequest PatchOwnersRequest(const ResourceDesc& resource, const meta::v1::ObjectMeta& meta,
                              const List<meta::v1::OwnerReference>& owners);
// Deletes this object and no later one of the same name.
ApiRequest DeleteRequest(const ResourceDesc& resource, const meta::v1::ObjectMeta& meta);
// Writes nothing, but fails with kConflict if the object is no longer as we see it. Put first in an ordered plan it
// keeps an owner that is being deleted from adopting what was just released.
template <typename T>
ApiRequest GuardUnchanged(const T& object) {
  ApiRequest request = UpdateRequest(object);
  request.dry_run = true;
  return request;
}

}  // namespace minikube::controllers
