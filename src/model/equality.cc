// Deep equality by value: what Kubernetes' Semantic.DeepEqual says of two objects of one type.
#include <cstring>

#include <minikube/json.h>
#include <minikube/object.h>
#include <minikube/types.h>

#include "model/access.h"
#include "model/equality.h"

namespace minikube {
namespace model {
namespace {

bool EqualValues(ValueType type, const void* a, const void* b) {
  switch (type.type) {
    case FieldType::kBool:
      return As<bool>(a) == As<bool>(b);
    case FieldType::kInt32:
      return As<std::int32_t>(a) == As<std::int32_t>(b);
    case FieldType::kDouble:
      return As<double>(a) == As<double>(b);
    case FieldType::kTime:
      // No encoding has more than whole seconds, so a fraction that a host left in makes no difference.
      return As<std::int64_t>(a) / 1'000'000 == As<std::int64_t>(b) / 1'000'000;
    case FieldType::kInt64:
    case FieldType::kMicroTime:
    case FieldType::kDuration:
      return As<std::int64_t>(a) == As<std::int64_t>(b);
    case FieldType::kString:
    case FieldType::kBytes:
    case FieldType::kRawJson:
      return As<Str>(a) == As<Str>(b);
    case FieldType::kJson:
      return As<Json>(a) == As<Json>(b);
    case FieldType::kQuantity:
      return As<Quantity>(a) == As<Quantity>(b);
    case FieldType::kIntOrString:
      return As<IntOrString>(a) == As<IntOrString>(b);
    case FieldType::kMessage:
      return EqualMessages(*type.message, a, b);
  }
  return false;
}

}  // namespace

bool EqualFields(const FieldDesc& field, const void* a, const void* b) {
  const void* slot_a = SlotOf(field, a);
  const void* slot_b = SlotOf(field, b);
  switch (field.shape) {
    case Shape::kPlain:
      // A plain quantity that is absent is written, and read back, as 0.
      if (field.type == FieldType::kQuantity) return As<Quantity>(slot_a).Compare(As<Quantity>(slot_b)) == 0;
      return EqualValues(TypeOf(field), slot_a, slot_b);
    case Shape::kOptional:
    case Shape::kBox: {
      const void* value_a = Get(field, a);
      const void* value_b = Get(field, b);
      if (value_a == value_b) return true;  // one representation, or both absent
      return value_a != nullptr && value_b != nullptr && EqualValues(TypeOf(field), value_a, value_b);
    }
    case Shape::kList:
    case Shape::kMap: {
      const std::size_t n = ListSize(field, a);
      if (n != ListSize(field, b)) return false;
      if (n == 0) return true;
      const ArrayLayout layout = LayoutOf(field);
      const char* item_a = static_cast<const char*>(ListAt(field, a, 0));
      const char* item_b = static_cast<const char*>(ListAt(field, b, 0));
      if (item_a == item_b) return true;
      const std::size_t offset = layout.keyed ? kMapValueOffset : 0;
      for (std::size_t i = 0; i < n; ++i, item_a += layout.stride, item_b += layout.stride) {
        if (layout.keyed && !(As<Str>(item_a) == As<Str>(item_b))) return false;
        if (!EqualValues(layout.value, item_a + offset, item_b + offset)) return false;
      }
      return true;
    }
  }
  return false;
}

}  // namespace model

bool EqualMessages(const MessageDesc& desc, const void* a, const void* b) {
  if (a == b) return true;
  for (const FieldDesc& field : desc.fields) {
    if (!model::EqualFields(field, a, b)) return false;
  }
  return true;
}

bool Equal(const Object& a, const Object& b) {
  return &a == &b || (&a.desc() == &b.desc() && EqualMessages(a.desc(), a.data(), b.data()));
}

}  // namespace minikube
