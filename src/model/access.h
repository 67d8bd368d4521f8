// Reading and writing the fields of a message through its descriptor. This is the only place that casts message memory;
// the codecs, defaulting, validation, equality and patches all go through it.
//
// Reading functions never change the message. Writing functions make what is absent and detach what is shared (copy on
// write), so a pointer got from one is valid until the next write to the same field. Pointers are untyped: use As<T>()
// with the type that FieldDesc::type names, or descend with FieldDesc::message.
// Thread safety: as for the typed values (memory.h).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <minikube/descriptor.h>
#include <minikube/types.h>

#include "model/memory.h"

namespace minikube::model {

template <typename T>
const T& As(const void* value) {
  return *static_cast<const T*>(value);
}
template <typename T>
T& As(void* value) {
  return *static_cast<T*>(value);
}

// The header of a Box representation; the message follows it. The pointer to it is read and written as a void*, which
// may alias the Box<T>::Rep* that typed code uses.
struct BoxHeader {
  std::atomic<std::uint32_t> refs;
  std::uint32_t unused;
};
static_assert(sizeof(BoxHeader) == 8);

// Where the field lies in the message.
inline const void* SlotOf(const FieldDesc& field, const void* message) {
  return static_cast<const char*>(message) + field.offset;
}
inline void* SlotOf(const FieldDesc& field, void* message) { return static_cast<char*>(message) + field.offset; }

// ---- Single values: kPlain, kOptional, kBox -----------------------------------------------------------------------

inline bool OptionalEngaged(const FieldDesc& field, const void* slot) {
  return static_cast<const bool*>(slot)[OptionalFlagOffset(field.type)];
}
// The value, or null if an optional is disengaged or a box null. A plain value is always there.
inline const void* Get(const FieldDesc& field, const void* message) {
  const void* slot = SlotOf(field, message);
  switch (field.shape) {
    case Shape::kPlain:
      return slot;
    case Shape::kOptional:
      return OptionalEngaged(field, slot) ? slot : nullptr;
    case Shape::kBox: {
      const auto* rep = static_cast<const BoxHeader*>(As<void*>(slot));
      return rep != nullptr ? rep + 1 : nullptr;
    }
    default:
      return nullptr;
  }
}
// The value for writing; made empty if it was absent.
void* Mutable(const FieldDesc& field, void* message);

// ---- Lists --------------------------------------------------------------------------------------------------------

// How the elements of a list or the entries of a map lie in their representation.
struct ArrayLayout {
  ValueType value;
  std::uint32_t stride;
  bool keyed;  // a map: an entry is a Str key, then the value at kMapValueOffset
};
inline constexpr std::size_t kMapValueOffset = sizeof(Str);
inline ArrayLayout LayoutOf(const FieldDesc& field) {
  const std::size_t size = SizeOf(TypeOf(field));
  const bool keyed = field.shape == Shape::kMap;
  const std::size_t stride = keyed ? (kMapValueOffset + size + 7) / 8 * 8 : size;
  return {TypeOf(field), static_cast<std::uint32_t>(stride), keyed};
}

inline std::size_t ListSize(const FieldDesc& field, const void* message) {
  const auto* rep = As<internal::ArrayRep*>(SlotOf(field, message));
  return rep != nullptr ? rep->size : 0;
}
const void* ListAt(const FieldDesc& field, const void* message, std::size_t index);
void* MutableListAt(const FieldDesc& field, void* message, std::size_t index);
// A new empty element at the end.
void* ListAppend(const FieldDesc& field, void* message);
// A new empty element before `index` (at most the size).
void* ListInsert(const FieldDesc& field, void* message, std::size_t index);
void ListErase(const FieldDesc& field, void* message, std::size_t index);
// Removes all elements from `size` on.
void ListTruncate(const FieldDesc& field, void* message, std::size_t size);

// ---- Maps: sorted by key ------------------------------------------------------------------------------------------

inline std::size_t MapSize(const FieldDesc& field, const void* message) { return ListSize(field, message); }
const Str& MapKeyAt(const FieldDesc& field, const void* message, std::size_t index);
const void* MapValueAt(const FieldDesc& field, const void* message, std::size_t index);
// Null if the key is not there.
const void* MapFind(const FieldDesc& field, const void* message, std::string_view key);
// The value under `key` for writing, inserted empty if it was not there.
void* MapMutable(const FieldDesc& field, void* message, const Str& key);
// Returns whether it was there.
bool MapErase(const FieldDesc& field, void* message, std::string_view key);

// ---- Whole fields -------------------------------------------------------------------------------------------------

// True if a plain value has contents or differs from zero. For messages: if any of its fields is set.
bool IsZeroValue(ValueType type, const void* value);
// True if the field is present in the sense of Kubernetes: a plain value that is not zero, an engaged optional, a box
// that is not null, a list or map with elements. A plain message is present if any of its fields is.
inline bool IsSet(const FieldDesc& field, const void* message) {
  switch (field.shape) {
    case Shape::kPlain:
      return !IsZeroValue(TypeOf(field), SlotOf(field, message));
    case Shape::kOptional:
      return OptionalEngaged(field, SlotOf(field, message));
    case Shape::kBox:
      return As<void*>(SlotOf(field, message)) != nullptr;
    case Shape::kList:
    case Shape::kMap:
      return ListSize(field, message) != 0;
  }
  return false;
}
// Makes the field absent.
void Clear(const FieldDesc& field, void* message);
// Makes the field of `to` equal to that of `from`, sharing what can be shared.
void Assign(const FieldDesc& field, const void* from, void* to);
// Destroys what `value` holds and leaves it empty.
void ResetValue(ValueType type, void* value);

// ---- For decoders: bulk filling of a list or map that nobody shares ----------------------------------------------

// A new empty element (for a map: entry with empty key) at the end, out of order if need be.
void* ArrayAppend(const ArrayLayout& layout, internal::ArrayRep*& rep);
// Gives back the capacity that is not used.
void ArrayShrink(const ArrayLayout& layout, internal::ArrayRep*& rep);
// Sorts a map's appended entries and keeps the last of those with the same key; calls `duplicate` with a key for each
// entry dropped (may be null).
void MapFinish(const ArrayLayout& layout, internal::ArrayRep*& rep, void* context,
               void (*duplicate)(void* context, std::string_view key));
void ArrayUnref(const ArrayLayout& layout, internal::ArrayRep* rep);

}  // namespace minikube::model
