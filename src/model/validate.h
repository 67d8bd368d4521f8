// Structural validation by the tables: required fields, enumerations, bounds, uniqueness in sets and maps.
// What depends on the meaning of a kind is code in src/api, which reports through the same ErrorList.
//
// Thread safety: any thread; the message is only read.
#pragma once

#include <minikube/descriptor.h>
#include <minikube/object.h>

#include "model/field_errors.h"

namespace minikube {

// How literally the tables are taken.
enum class Strictness : std::uint8_t {
  // Built-in kinds, as Kubernetes validates them: merge keys say how lists merge, not that they are unique (two
  // environment variables of one name are legal), and `status` is believed, since components write it.
  kBuiltIn,
  // Custom resources: everything the schema says holds, status included.
  kCustom,
};

// Appends what is wrong with the message at `path` to `errors`. Bounded by the message: at most one error per value.
void ValidateMessage(const MessageDesc& desc, const void* message, const FieldPath& path, Strictness strictness,
                     ErrorList& errors);
// The whole object. Object metadata is validated elsewhere.
ErrorList ValidateStructure(const Object& object, Strictness strictness = Strictness::kBuiltIn);

}  // namespace minikube
