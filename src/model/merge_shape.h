// How the values of a custom object merge, where no table says it: what server-side apply asks of a schema.
//
// Thread safety: immutable. Lifetime: whoever applies keeps the shape alive meanwhile.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <minikube/types.h>

namespace minikube {

class MergeShape {
 public:
  enum class Kind : std::uint8_t {
    kLeaf,       // as a whole: scalars, atomic lists and maps
    kObject,     // by member
    kSet,        // a list without repetition
    kKeyedList,  // a list of objects, by their keys
    kUnknown,    // nothing is declared: objects by member, anything else as a whole
  };
  virtual Kind MergeKind() const = 0;
  // kObject: of the member of that name, declared or not; null for one of which nothing is known.
  virtual const MergeShape* MergeMember(std::string_view name) const = 0;
  // kObject: whether it is declared by name.
  virtual bool MergeDeclares(std::string_view name) const = 0;
  // kKeyedList: of the items, and the members that are their keys.
  virtual const MergeShape* MergeItem() const = 0;
  virtual std::span<const Str> MergeKeys() const = 0;
  // The JSON of the default of a member; "" if it has none.
  virtual std::string MergeDefault(std::string_view name) const = 0;

 protected:
  ~MergeShape() = default;
};

}  // namespace minikube
