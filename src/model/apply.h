// Server-side apply, and keeping metadata.managedFields as other writes happen.
//
// Managers are tracked from the first apply on: an object that nobody has applied carries no managedFields and costs
// nothing; the first apply gives what it finds to the manager "before-first-apply", as Kubernetes does for objects
// that are older than field management.
// Thread safety: any thread; the current object is only read.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <minikube/codec.h>
#include <minikube/env.h>
#include <minikube/object.h>
#include <minikube/status.h>

namespace minikube {

struct FieldManager {
  std::string name;         // fieldManager of the request; required
  std::string subresource;  // "", "status", "scale"
  WallTime now;
  // Top-level fields that this write cannot change, and so cannot own: {"status"} for the main resource of a kind that
  // has the subresource.
  std::span<const std::string_view> ignored_fields;
};

enum class ApplyForce : std::uint8_t { kNo, kYes };

// The object that results from `manager` applying `config` (JSON of a `desc`) to `current` (null: it does not exist
// yet), with its managedFields brought up to date. If nothing changes, the result equals `current`. Errors: kBadRequest
// (config malformed, of another kind, with unknown fields, with managedFields), kConflict (fields that others manage;
// one cause each; never with kYes), kInvalid (the result is no valid object).
Result<ObjectPtr> ServerSideApply(const MessageDesc& desc, const Object* current, std::string_view config,
                                  ApplyForce force, const FieldManager& manager, const DecodeOptions& options = {});

// Brings the managedFields of `after`, which `manager` is about to write over `before` by any other means, up to date.
// What the caller sent as managedFields is taken if it is valid, as Kubernetes does; a single empty entry resets.
void TrackUpdate(const Object& before, Object& after, const FieldManager& manager);

}  // namespace minikube
