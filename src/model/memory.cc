#include "model/memory.h"

#include <atomic>
#include <cstddef>
#include <cstring>
#include <new>
#include <optional>

#include <minikube/json.h>
#include <minikube/types.h>

#include "model/access.h"

namespace minikube::model {
namespace {

// The engine relies on these layouts; a library that differs must fail here and not at run time.
static_assert(sizeof(std::optional<bool>) == 2 && sizeof(std::optional<std::int32_t>) == 8);
static_assert(sizeof(std::optional<std::int64_t>) == 16 && sizeof(std::optional<double>) == 16);
static_assert(sizeof(std::optional<Str>) == 16 && sizeof(std::optional<IntOrString>) == 24);
static_assert(sizeof(Bytes) == 8 && sizeof(Quantity) == 8 && sizeof(RawJson) == 8 && sizeof(Time) == 8);
static_assert(sizeof(MicroTime) == 8 && sizeof(Span) == 8 && sizeof(List<Str>) == 8 && sizeof(Map<Str>) == 8);
static_assert(sizeof(Box<Str>) == 8 && sizeof(MapEntry<bool>) == 16 && sizeof(MapEntry<IntOrString>) == 24);

// True if the value is a Str or begins with one and has no other part to release.
bool HoldsStr(FieldType type) {
  switch (type) {
    case FieldType::kString:
    case FieldType::kBytes:
    case FieldType::kQuantity:
    case FieldType::kIntOrString:
    case FieldType::kRawJson:
      return true;
    default:
      return false;
  }
}

std::size_t RoundUp(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

// The bytes of a value have been copied: the copy becomes a holder of its own of what they refer to.
void RetainSlot(const FieldDesc& field, const void* slot);

void RetainStr(const Str& copied) {
  alignas(Str) char holder[sizeof(Str)];
  new (holder) Str(copied);  // takes the reference, and is never destroyed
}

void RetainJson(const Json& copied) {
  alignas(Json) char holder[sizeof(Json)];
  new (holder) Json(copied);  // likewise
}

void RetainValue(ValueType type, const void* value) {
  if (type.type == FieldType::kMessage) {
    for (const FieldDesc& field : type.message->fields) RetainSlot(field, SlotOf(field, value));
  } else if (type.type == FieldType::kJson) {
    RetainJson(As<Json>(value));
  } else if (HoldsStr(type.type)) {
    RetainStr(As<Str>(value));
  }
}

void RetainSlot(const FieldDesc& field, const void* slot) {
  switch (field.shape) {
    case Shape::kPlain:
      return RetainValue(TypeOf(field), slot);
    case Shape::kOptional:
      if (OptionalEngaged(field, slot)) RetainValue(TypeOf(field), slot);
      return;
    case Shape::kBox:
    case Shape::kList:
    case Shape::kMap:
      // Both representations begin with their count.
      static_assert(offsetof(BoxHeader, refs) == 0 && offsetof(internal::ArrayRep, refs) == 0);
      if (void* rep = As<void*>(slot))
        static_cast<std::atomic<std::uint32_t>*>(rep)->fetch_add(1, std::memory_order_relaxed);
      return;
  }
}

}  // namespace

std::size_t SlotSize(const FieldDesc& field) {
  switch (field.shape) {
    case Shape::kPlain:
      return SizeOf(TypeOf(field));
    case Shape::kOptional: {
      const std::size_t flag = OptionalFlagOffset(field.type);
      return RoundUp(flag + 1, flag < 8 ? flag : 8);
    }
    case Shape::kBox:
    case Shape::kList:
    case Shape::kMap:
      return 8;
  }
  return 0;
}

void DestroyValue(ValueType type, void* value) {
  if (type.type == FieldType::kMessage) {
    DestroyMessage(*type.message, value);
  } else if (type.type == FieldType::kJson) {
    As<Json>(value).~Json();
  } else if (HoldsStr(type.type)) {
    As<Str>(value).~Str();
  }
}

void DestroySlot(const FieldDesc& field, void* slot) {
  switch (field.shape) {
    case Shape::kPlain:
      DestroyValue(TypeOf(field), slot);
      return;
    case Shape::kOptional:
      // A disengaged optional has nothing to release: whoever disengaged it destroyed the value.
      if (OptionalEngaged(field, slot)) DestroyValue(TypeOf(field), slot);
      return;
    case Shape::kBox: {
      auto* rep = static_cast<BoxHeader*>(As<void*>(slot));
      if (rep == nullptr || rep->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
      DestroyMessage(*field.message, rep + 1);
      ::operator delete(rep);
      return;
    }
    case Shape::kList:
    case Shape::kMap:
      ArrayUnref(LayoutOf(field), As<internal::ArrayRep*>(slot));
      return;
  }
}

void DestroyMessage(const MessageDesc& desc, void* message) {
  for (const FieldDesc& field : desc.fields) DestroySlot(field, SlotOf(field, message));
}

void CopyValue(ValueType type, const void* from, void* to) {
  std::memcpy(to, from, SizeOf(type));
  RetainValue(type, to);
}

void CopySlot(const FieldDesc& field, const void* from, void* to) {
  std::memcpy(to, from, SlotSize(field));
  RetainSlot(field, to);
}

void CopyMessage(const MessageDesc& desc, const void* from, void* to) {
  std::memcpy(to, from, desc.size);
  for (const FieldDesc& field : desc.fields) RetainSlot(field, SlotOf(field, to));
}

}  // namespace minikube::model
