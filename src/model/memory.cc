#include "model/memory.h"

#include <cstring>
#include <new>
#include <optional>

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

}  // namespace

std::size_t SizeOf(ValueType type) {
  switch (type.type) {
    case FieldType::kBool:
      return 1;
    case FieldType::kInt32:
      return 4;
    case FieldType::kIntOrString:
      return 16;
    case FieldType::kMessage:
      return type.message->size;
    default:
      return 8;
  }
}

std::size_t OptionalFlagOffset(FieldType type) { return SizeOf({type, nullptr}); }

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
  } else if (HoldsStr(type.type)) {
    As<Str>(value).~Str();
  }
}

void CopyValue(ValueType type, const void* from, void* to) {
  if (type.type == FieldType::kMessage) {
    CopyMessage(*type.message, from, to);
    return;
  }
  std::memcpy(to, from, SizeOf(type));
  if (HoldsStr(type.type)) new (to) Str(As<Str>(from));
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

void CopySlot(const FieldDesc& field, const void* from, void* to) {
  switch (field.shape) {
    case Shape::kPlain:
      CopyValue(TypeOf(field), from, to);
      return;
    case Shape::kOptional:
      std::memcpy(to, from, SlotSize(field));
      if (OptionalEngaged(field, from)) CopyValue(TypeOf(field), from, to);
      return;
    case Shape::kBox: {
      auto* rep = static_cast<BoxHeader*>(As<void*>(from));
      if (rep != nullptr) rep->refs.fetch_add(1, std::memory_order_relaxed);
      As<void*>(to) = rep;
      return;
    }
    case Shape::kList:
    case Shape::kMap: {
      auto* rep = As<internal::ArrayRep*>(from);
      if (rep != nullptr) rep->refs.fetch_add(1, std::memory_order_relaxed);
      As<internal::ArrayRep*>(to) = rep;
      return;
    }
  }
}

void DestroyMessage(const MessageDesc& desc, void* message) {
  for (const FieldDesc& field : desc.fields) DestroySlot(field, SlotOf(field, message));
}

void CopyMessage(const MessageDesc& desc, const void* from, void* to) {
  std::memcpy(to, from, desc.size);
  for (const FieldDesc& field : desc.fields) CopySlot(field, SlotOf(field, from), SlotOf(field, to));
}

}  // namespace minikube::model
