// Type-erased life and death of message memory: what a generated struct's constructors, copies and destructors do, done
// from its descriptor. The layouts are those of include/minikube/types.h; all-zero memory is the empty value, so a
// message is made by zeroing. Every value type is relocatable: moving one is a memcpy.
//
// Thread safety: as for the typed values: distinct memory may be used from different threads, even if it shares parts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <minikube/descriptor.h>

namespace minikube::model {

// The type of one value, whatever the shape of the field that holds it.
struct ValueType {
  FieldType type;
  const MessageDesc* message;  // kMessage, else null
};
inline ValueType TypeOf(const FieldDesc& field) { return {field.type, field.message}; }

// Bytes of a value of each FieldType but kMessage.
inline constexpr std::array<std::uint8_t, 14> kScalarSizes = {1, 4, 8, 8, 8, 8, 8, 16, 8, 8, 8, 8, 8, 0};
static_assert(static_cast<std::size_t>(FieldType::kIntOrString) == 7 &&
              static_cast<std::size_t>(FieldType::kMessage) + 1 == kScalarSizes.size());

// Bytes of one value of that type.
inline std::size_t SizeOf(ValueType type) {
  return type.type == FieldType::kMessage ? type.message->size : kScalarSizes[static_cast<std::size_t>(type.type)];
}
// Where the `engaged` flag of a std::optional<T> lies (and so its size, rounded up to the alignment of T).
inline std::size_t OptionalFlagOffset(FieldType type) { return kScalarSizes[static_cast<std::size_t>(type)]; }
// Bytes of the field in its struct.
std::size_t SlotSize(const FieldDesc& field);

// Messages. `to` is raw memory; after Destroy the memory is raw again. Copies share lists, maps, boxes and strings.
void DestroyMessage(const MessageDesc& desc, void* message);
void CopyMessage(const MessageDesc& desc, const void* from, void* to);

// Values of any type, under the same rules.
void DestroyValue(ValueType type, void* value);
void CopyValue(ValueType type, const void* from, void* to);

// Fields, given the address of the field itself (its slot).
void DestroySlot(const FieldDesc& field, void* slot);
void CopySlot(const FieldDesc& field, const void* from, void* to);

}  // namespace minikube::model
