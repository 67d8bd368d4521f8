// The walk over a value and its schema, for validation.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "model/field_errors.h"
#include "structural/structural_schema.h"

namespace minikube {

// Finds the old value of an element of a list whose items are followed by their keys. Borrows all it is given.
class OldItems {
 public:
  OldItems(const SchemaNode& list, const Json* old_list);
  // Null if there is none, it cannot be told which, or the list is of another type.
  const Json* Find(const Json& item) const;

 private:
  const SchemaNode& list_;
  std::unordered_map<std::string, const Json*> by_keys_;
};
// The old value of a member; null if there is none.
const Json* OldMember(const SchemaNode& object, const Json* old_object, std::string_view name);

// A number that is the same however it is spelled; anything else as it is.
bool SameValue(const Json& a, const Json& b);

// Sets without repetition, maps without repeated keys (x-kubernetes-list-type).
void ValidateListTypes(const SchemaNode& schema, const Json& value, const FieldPath& path, ErrorList& errors);

// What every object embedded in another needs: apiVersion, kind, a well-formed metadata.
void ValidateEmbedded(const SchemaNode& schema, const Json& value, bool root, const FieldPath& path, ErrorList& errors);

}  // namespace minikube
