// Server-side apply, and keeping metadata.managedFields as other writes happen.
//
// Every object knows from its creation on who has set which of its fields. One that is older than that (its
// managedFields empty) is left so until somebody applies it; then what is there goes to the manager
// "before-first-apply". Thread safety: any thread; the current object is only read.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <minikube/codec.h>
#include <minikube/env.h>
#include <minikube/object.h>
#include <minikube/status.h>

namespace minikube {

class MergeShape;

struct FieldManager {
  std::string name;         // fieldManager of the request; required
  std::string subresource;  // "", "status", "scale"
  WallTime now;
  // Fields that this write cannot change, and so can neither own nor take from others: {"status"} for the main resource
  // of a kind that has the subresource, {"spec", "metadata.labels"} for the status of a Deployment. Dotted paths of
  // JSON names, at most two long.
  std::span<const std::string_view> ignored_fields;
  // The type that the request speaks, in whose terms its manager's fields are kept; null: that of the object.
  const MessageDesc* type = nullptr;
  // Of a custom object: how what is in it merges. Null: maps by key, lists as a whole.
  const MergeShape* shape = nullptr;
};

enum class ApplyForce : std::uint8_t { kNo, kYes };

// The object that results from `manager` applying `config` (JSON of a `desc`) to `current` (null: it does not exist
// yet), with its managedFields brought up to date. If nothing changes, the result equals `current`. Errors: kBadRequest
// (config malformed, of another kind, with unknown fields, with managedFields), kConflict (fields that others manage;
// one cause each; never with kYes), kInvalid (the result is no valid object).
Result<ObjectPtr> ServerSideApply(const MessageDesc& desc, const Object* current, std::string_view config,
                                  ApplyForce force, const FieldManager& manager, const DecodeOptions& options = {});

// `live` with every field that `config` (JSON of a `desc`) sets, whoever manages it, and nobody managing it because of
// that: what a MutatingAdmissionPolicy does. Errors: kBadRequest (config has unknown fields, an element without its
// key, or a list, map or struct that would be replaced as a whole).
Result<ObjectPtr> MergeConfiguration(const MessageDesc& desc, const Object& live, std::string_view config,
                                     const MergeShape* shape);

// Gives `created`, which `manager` is about to create, its managedFields. Those that the caller sent are kept if they
// are valid, for the fields that the object does not have.
void TrackCreate(Object& created, const FieldManager& manager);

// Brings the managedFields of `after`, which `manager` is about to write over `before` by any other means, up to date.
// What the caller sent as managedFields is taken if it is valid, as Kubernetes does; a single empty entry resets.
void TrackUpdate(const Object& before, Object& after, const FieldManager& manager);

}  // namespace minikube
