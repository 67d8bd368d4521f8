#include "model/access.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include <minikube/json.h>

namespace minikube::model {
namespace {

using internal::ArrayRep;

char* Items(ArrayRep* rep) { return reinterpret_cast<char*>(rep + 1); }
const char* Items(const ArrayRep* rep) { return reinterpret_cast<const char*>(rep + 1); }

ArrayRep* NewArray(const ArrayLayout& layout, std::size_t size, std::size_t capacity) {
  auto* rep = static_cast<ArrayRep*>(::operator new(sizeof(ArrayRep) + capacity * layout.stride));
  return new (rep) ArrayRep{1, static_cast<std::uint32_t>(size), static_cast<std::uint32_t>(capacity), 0};
}

void DestroyItem(const ArrayLayout& layout, char* item) {
  if (layout.keyed) {
    As<Str>(item).~Str();
    item += kMapValueOffset;
  }
  DestroyValue(layout.value, item);
}

void CopyItem(const ArrayLayout& layout, const char* from, char* to) {
  if (layout.keyed) {
    new (to) Str(As<Str>(from));
    from += kMapValueOffset;
    to += kMapValueOffset;
  }
  CopyValue(layout.value, from, to);
}

// Makes `rep` ours alone with room for `capacity` elements.
void Detach(const ArrayLayout& layout, ArrayRep*& rep, std::size_t capacity) {
  if (rep == nullptr) {
    if (capacity != 0) rep = NewArray(layout, 0, capacity);
    return;
  }
  const bool sole = rep->refs.load(std::memory_order_acquire) == 1;
  if (sole && rep->capacity >= capacity) return;
  const std::size_t n = rep->size;
  if (capacity > n && capacity < 2 * n) capacity = 2 * n;
  ArrayRep* fresh = NewArray(layout, n, std::max(capacity, n));
  if (sole) {
    std::memcpy(Items(fresh), Items(rep), n * layout.stride);
    ::operator delete(rep);
  } else {
    for (std::size_t i = 0; i < n; ++i) {
      CopyItem(layout, Items(rep) + i * layout.stride, Items(fresh) + i * layout.stride);
    }
    ArrayUnref(layout, rep);
  }
  rep = fresh;
}

ArrayRep*& RepOf(const FieldDesc& field, void* message) { return As<ArrayRep*>(SlotOf(field, message)); }
const ArrayRep* RepOf(const FieldDesc& field, const void* message) { return As<ArrayRep*>(SlotOf(field, message)); }

void* InsertItem(const ArrayLayout& layout, ArrayRep*& rep, std::size_t index) {
  const std::size_t n = rep != nullptr ? rep->size : 0;
  Detach(layout, rep, n + 1);
  char* at = Items(rep) + index * layout.stride;
  std::memmove(at + layout.stride, at, (n - index) * layout.stride);
  std::memset(at, 0, layout.stride);
  ++rep->size;
  return at;
}

void EraseItem(const ArrayLayout& layout, ArrayRep*& rep, std::size_t index) {
  Detach(layout, rep, rep->size);
  char* at = Items(rep) + index * layout.stride;
  DestroyItem(layout, at);
  std::memmove(at, at + layout.stride, (rep->size - index - 1) * layout.stride);
  --rep->size;
}

std::string_view KeyAt(const ArrayLayout& layout, const ArrayRep* rep, std::size_t index) {
  return As<Str>(Items(rep) + index * layout.stride).view();
}

std::size_t LowerBound(const ArrayLayout& layout, const ArrayRep* rep, std::string_view key) {
  std::size_t low = 0;
  std::size_t high = rep != nullptr ? rep->size : 0;
  while (low < high) {
    const std::size_t mid = (low + high) / 2;
    if (KeyAt(layout, rep, mid) < key) {
      low = mid + 1;
    } else {
      high = mid;
    }
  }
  return low;
}

// Boxes are made and freed with the size that the typed `new Rep` and `delete rep` use.
std::size_t BoxSize(const MessageDesc& desc) { return (sizeof(BoxHeader) + desc.size + 3) / 4 * 4; }

}  // namespace

bool IsZeroValue(ValueType type, const void* value) {
  switch (type.type) {
    case FieldType::kBool:
      return !As<bool>(value);
    case FieldType::kInt32:
      return As<std::int32_t>(value) == 0;
    case FieldType::kDouble:
      return As<double>(value) == 0;
    case FieldType::kInt64:
    case FieldType::kTime:
    case FieldType::kMicroTime:
    case FieldType::kDuration:
      return As<std::int64_t>(value) == 0;
    case FieldType::kString:
    case FieldType::kBytes:
    case FieldType::kQuantity:
    case FieldType::kRawJson:
      return As<Str>(value).empty();
    case FieldType::kJson:
      return As<Json>(value).absent();
    case FieldType::kIntOrString:
      return As<IntOrString>(value) == IntOrString();
    case FieldType::kMessage:
      for (const FieldDesc& field : type.message->fields) {
        if (IsSet(field, value)) return false;
      }
      return true;
  }
  return true;
}

void Clear(const FieldDesc& field, void* message) {
  void* slot = SlotOf(field, message);
  DestroySlot(field, slot);
  std::memset(slot, 0, SlotSize(field));
}

void Assign(const FieldDesc& field, const void* from, void* to) {
  if (from == to) return;
  // The destination may own what the source is part of: copy first, destroy last.
  void* slot = SlotOf(field, to);
  const std::size_t size = SlotSize(field);
  alignas(8) char small[64];
  std::vector<std::int64_t> large(size > sizeof small ? (size + 7) / 8 : 0);
  void* old = large.empty() ? static_cast<void*>(small) : large.data();
  std::memcpy(old, slot, size);
  CopySlot(field, SlotOf(field, from), slot);
  DestroySlot(field, old);
}

void ResetValue(ValueType type, void* value) {
  DestroyValue(type, value);
  std::memset(value, 0, SizeOf(type));
}

void* Mutable(const FieldDesc& field, void* message) {
  void* slot = SlotOf(field, message);
  switch (field.shape) {
    case Shape::kPlain:
      return slot;
    case Shape::kOptional: {
      bool& engaged = static_cast<bool*>(slot)[OptionalFlagOffset(field.type)];
      if (!engaged) {
        std::memset(slot, 0, SizeOf(TypeOf(field)));
        engaged = true;
      }
      return slot;
    }
    case Shape::kBox: {
      auto* rep = static_cast<BoxHeader*>(As<void*>(slot));
      if (rep == nullptr || rep->refs.load(std::memory_order_acquire) != 1) {
        auto* fresh = new (::operator new(BoxSize(*field.message))) BoxHeader{1, 0};
        if (rep == nullptr) {
          std::memset(static_cast<void*>(fresh + 1), 0, field.message->size);
        } else {
          CopyMessage(*field.message, rep + 1, fresh + 1);
          DestroySlot(field, slot);
        }
        As<void*>(slot) = rep = fresh;
      }
      return rep + 1;
    }
    default:
      return nullptr;
  }
}

const void* ListAt(const FieldDesc& field, const void* message, std::size_t index) {
  return Items(RepOf(field, message)) + index * LayoutOf(field).stride;
}

void* MutableListAt(const FieldDesc& field, void* message, std::size_t index) {
  const ArrayLayout layout = LayoutOf(field);
  ArrayRep*& rep = RepOf(field, message);
  Detach(layout, rep, rep->size);
  return Items(rep) + index * layout.stride;
}

void* ListAppend(const FieldDesc& field, void* message) {
  return InsertItem(LayoutOf(field), RepOf(field, message), ListSize(field, message));
}

void* ListInsert(const FieldDesc& field, void* message, std::size_t index) {
  return InsertItem(LayoutOf(field), RepOf(field, message), index);
}

void ListErase(const FieldDesc& field, void* message, std::size_t index) {
  EraseItem(LayoutOf(field), RepOf(field, message), index);
}

void ListTruncate(const FieldDesc& field, void* message, std::size_t size) {
  if (ListSize(field, message) <= size) return;
  if (size == 0) return Clear(field, message);
  const ArrayLayout layout = LayoutOf(field);
  ArrayRep*& rep = RepOf(field, message);
  Detach(layout, rep, rep->size);
  while (rep->size > size) DestroyItem(layout, Items(rep) + --rep->size * layout.stride);
}

const Str& MapKeyAt(const FieldDesc& field, const void* message, std::size_t index) {
  return As<Str>(Items(RepOf(field, message)) + index * LayoutOf(field).stride);
}

const void* MapValueAt(const FieldDesc& field, const void* message, std::size_t index) {
  return Items(RepOf(field, message)) + index * LayoutOf(field).stride + kMapValueOffset;
}

const void* MapFind(const FieldDesc& field, const void* message, std::string_view key) {
  const ArrayLayout layout = LayoutOf(field);
  const ArrayRep* rep = RepOf(field, message);
  const std::size_t i = LowerBound(layout, rep, key);
  if (rep == nullptr || i == rep->size || KeyAt(layout, rep, i) != key) return nullptr;
  return Items(rep) + i * layout.stride + kMapValueOffset;
}

void* MapMutable(const FieldDesc& field, void* message, const Str& key) {
  const ArrayLayout layout = LayoutOf(field);
  ArrayRep*& rep = RepOf(field, message);
  const std::size_t i = LowerBound(layout, rep, key);
  if (rep != nullptr && i < rep->size && KeyAt(layout, rep, i) == key.view()) {
    Detach(layout, rep, rep->size);
    return Items(rep) + i * layout.stride + kMapValueOffset;
  }
  Str own = key;  // `key` may lie in the representation that the insertion moves
  void* item = InsertItem(layout, rep, i);
  As<Str>(item) = std::move(own);
  return static_cast<char*>(item) + kMapValueOffset;
}

bool MapErase(const FieldDesc& field, void* message, std::string_view key) {
  const ArrayLayout layout = LayoutOf(field);
  ArrayRep*& rep = RepOf(field, message);
  const std::size_t i = LowerBound(layout, rep, key);
  if (rep == nullptr || i == rep->size || KeyAt(layout, rep, i) != key) return false;
  EraseItem(layout, rep, i);
  return true;
}

void* ArrayAppend(const ArrayLayout& layout, ArrayRep*& rep) {
  return InsertItem(layout, rep, rep != nullptr ? rep->size : 0);
}

void ArrayShrink(const ArrayLayout& layout, ArrayRep*& rep) {
  if (rep == nullptr || rep->capacity == rep->size) return;
  ArrayRep* fresh = NewArray(layout, rep->size, rep->size);
  std::memcpy(Items(fresh), Items(rep), rep->size * layout.stride);
  ::operator delete(rep);
  rep = fresh;
}

void MapFinish(const ArrayLayout& layout, ArrayRep*& rep, void* context,
               void (*duplicate)(void* context, std::string_view key)) {
  if (rep == nullptr) return;
  bool sorted = true;
  for (std::uint32_t i = 1; i < rep->size && sorted; ++i) sorted = KeyAt(layout, rep, i - 1) < KeyAt(layout, rep, i);
  if (sorted) return ArrayShrink(layout, rep);

  std::vector<std::uint32_t> order(rep->size);
  for (std::uint32_t i = 0; i < rep->size; ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return KeyAt(layout, rep, a) < KeyAt(layout, rep, b); });
  ArrayRep* fresh = NewArray(layout, 0, rep->size);
  for (std::size_t i = 0; i < order.size(); ++i) {
    char* item = Items(rep) + order[i] * layout.stride;
    if (i + 1 < order.size() && KeyAt(layout, rep, order[i]) == KeyAt(layout, rep, order[i + 1])) {
      if (duplicate != nullptr) duplicate(context, As<Str>(item).view());
      // The next entry's key is compared with this one's only here, so it may go now.
      DestroyItem(layout, item);
      continue;
    }
    std::memcpy(Items(fresh) + fresh->size++ * layout.stride, item, layout.stride);
  }
  ::operator delete(rep);
  rep = fresh;
  ArrayShrink(layout, rep);
}

void ArrayUnref(const ArrayLayout& layout, ArrayRep* rep) {
  if (rep == nullptr || rep->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  for (std::uint32_t i = 0; i < rep->size; ++i) DestroyItem(layout, Items(rep) + i * layout.stride);
  ::operator delete(rep);
}

}  // namespace minikube::model
