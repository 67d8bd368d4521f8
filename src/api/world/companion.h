// ObjectCompanion: the object that a writer built, on its way through the store to everybody who will share it.
//
// Thread safety: the writer fills it in before the commit, the committer stamps it in OnCommitted, and it is immutable
// from then on; the store's publication orders these.
#pragma once

#include <string>

#include <minikube/store.h>

#include "api/world/stored_kind.h"

namespace minikube::api {

class ObjectCompanion final : public Companion {
 public:
  // For a deletion, `object` is the last state.
  ObjectCompanion(const StoredKind& kind, ObjectPtr object) : kind_(kind), draft_(std::move(object)) {}

  void OnCommitted(Revision revision) override {
    draft_->mutable_meta().resourceVersion = std::to_string(revision);
    object_ = std::move(draft_).Freeze();
  }
  const StoredKind& kind() const { return kind_; }
  // Null before the commit.
  const ObjectRef& object() const { return object_; }

 private:
  const StoredKind& kind_;
  ObjectPtr draft_;
  ObjectRef object_;
};

}  // namespace minikube::api
