// What is served below an object. A view shows a part of the stored object and takes it back changed (status, scale,
// finalize, ...); an action is a POST that means something (binding, eviction, ...). Virtual resources are not stored
// at all: the reviews, and bindings.
#pragma once

#include <string_view>

#include "api/registry/attempt.h"

namespace minikube::api {

struct SubresourceAction {
  // As a verb's handler: sets effect, before, expected, next; or answers, if it is a question.
  Status (*derive)(Attempt& attempt) = nullptr;
  bool question = false;
};

struct VirtualResource {
  std::string_view group;
  std::string_view plural;
  Status (*handle)(Attempt& attempt) = nullptr;
};

// Null if it is not served.
const SubresourceView* FindView(const StoredKind& kind, std::string_view name);
const SubresourceAction* FindAction(const StoredKind& kind, std::string_view name);

// scale.cc
Result<ObjectPtr> ShowScale(const Attempt& attempt, const Object& stored);
Status MergeScale(Attempt& attempt, const Object& incoming, Object& next);
// binding.cc
Status DeriveBinding(Attempt& attempt);        // pods/<name>/binding
Status DeriveBindingByName(Attempt& attempt);  // bindings
// eviction.cc
Status DeriveEviction(Attempt& attempt);
// token.cc
Status DeriveToken(Attempt& attempt);

}  // namespace minikube::api
