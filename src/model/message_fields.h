// Messages seen as server-side apply sees them: which fields one sets, and what one changes against another. The same
// as typed_json.h says of JSON documents, without making any: a message that shares a part with another one is not
// looked at there.
//
// A field is there if JSON shows it. Paths are those of structured-merge-diff: members by name, elements of keyed lists
// by their keys, elements of sets by value; lists and maps that are atomic, and scalars, are single fields.
// Thread safety: pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <minikube/descriptor.h>
#include <minikube/types.h>

#include "model/field_set.h"

namespace minikube {

struct FieldChanges {
  FieldSet added;
  FieldSet modified;
  FieldSet removed;
  bool empty() const { return added.empty() && modified.empty() && removed.empty(); }
};

FieldChanges CompareMessages(const MessageDesc& desc, const void* before, const void* after);

// FieldsV1 JSON of what `message`, of a root type, sets against an empty one: what a manager owns that creates it.
// Without what is nobody's (NobodysNames) and without `ignored` (dotted paths of JSON names, at most two long). "{}" if
// nothing is left. Objects of one shape, told apart by nothing but the values of their fields, share one text while the
// calling thread remembers it.
Str FieldsOfNew(const MessageDesc& desc, const void* message, std::span<const std::string_view> ignored);

// The fields of metadata that nobody owns: the server sets them, or they identify the object.
std::span<const std::string_view> NobodysNames();

}  // namespace minikube
