// Equality of parts of messages, by value: what Semantic.DeepEqual says of them (equality.cc).
//
// Thread safety: pure functions.
#pragma once

#include <minikube/descriptor.h>

namespace minikube::model {

// Whether the field has the same value in two messages of its type; absent and empty are alike.
bool EqualFields(const FieldDesc& field, const void* a, const void* b);

}  // namespace minikube::model
