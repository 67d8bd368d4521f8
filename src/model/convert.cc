#include "model/convert.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "model/access.h"
#include "model/convert_internal.h"

namespace minikube {
namespace {

// The same field under two names, in two messages.
struct Rename {
  std::string_view a_message;
  std::string_view a_field;
  std::string_view b_message;
  std::string_view b_field;
};
constexpr std::string_view kCoreEvent = "io.k8s.api.core.v1.Event";
constexpr std::string_view kEvent = "io.k8s.api.events.v1.Event";
constexpr std::array kRenames = {
    Rename{kCoreEvent, "involvedObject", kEvent, "regarding"},
    Rename{kCoreEvent, "message", kEvent, "note"},
    Rename{kCoreEvent, "reportingComponent", kEvent, "reportingController"},
    Rename{kCoreEvent, "source", kEvent, "deprecatedSource"},
    Rename{kCoreEvent, "firstTimestamp", kEvent, "deprecatedFirstTimestamp"},
    Rename{kCoreEvent, "lastTimestamp", kEvent, "deprecatedLastTimestamp"},
    Rename{kCoreEvent, "count", kEvent, "deprecatedCount"},
};

// Fields that lie directly in one message and in the message `field` of the other.
struct Nesting {
  std::string_view flat;
  std::string_view nested;
  std::string_view field;
  bool always;  // `field` is there even if it would be empty
};
constexpr std::array kNestings = {
    Nesting{"io.k8s.api.resource.v1beta1.DeviceRequest", "io.k8s.api.resource.v1beta2.DeviceRequest", "exactly", false},
    Nesting{"io.k8s.api.resource.v1beta1.DeviceRequest", "io.k8s.api.resource.v1.DeviceRequest", "exactly", false},
    Nesting{"io.k8s.api.resource.v1beta2.Device", "io.k8s.api.resource.v1beta1.Device", "basic", true},
    Nesting{"io.k8s.api.resource.v1.Device", "io.k8s.api.resource.v1beta1.Device", "basic", true},
};

struct Finisher {
  std::string_view from;
  std::string_view to;
  void (*finish)(const void* from, void* to);
};
constexpr std::string_view kHpaV1 = "io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler";
constexpr std::string_view kHpaV2 = "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler";
constexpr std::array kFinishers = {
    Finisher{kHpaV1, kHpaV2, internal::FinishHpaV1ToV2},
    Finisher{kHpaV2, kHpaV1, internal::FinishHpaV2ToV1},
};

// The field of `from` that corresponds to `field` of `to`, or null.
const FieldDesc* Counterpart(const MessageDesc& from, const MessageDesc& to, const FieldDesc& field) {
  for (const Rename& r : kRenames) {
    if (r.b_message == to.name && r.b_field == field.name && r.a_message == from.name) return from.Find(r.a_field);
    if (r.a_message == to.name && r.a_field == field.name && r.b_message == from.name) return from.Find(r.b_field);
  }
  return from.Find(field.name);
}

bool SameMemory(const FieldDesc& a, const FieldDesc& b) {
  return a.type == b.type && a.shape == b.shape && a.message == b.message;
}

void ConvertValue(const FieldDesc& from_field, const void* from, const FieldDesc& to_field, void* to) {
  if (from_field.type == FieldType::kMessage && from_field.message != to_field.message) {
    internal::ConvertMessage(*from_field.message, from, *to_field.message, to);
    return;
  }
  model::ResetValue(model::TypeOf(to_field), to);
  model::CopyValue(model::TypeOf(from_field), from, to);
}

bool IsSingle(Shape shape) { return shape != Shape::kList && shape != Shape::kMap; }

void ConvertField(const FieldDesc& from_field, const void* from, const FieldDesc& to_field, void* to) {
  if (from_field.type != to_field.type || !model::IsSet(from_field, from)) return;
  if (SameMemory(from_field, to_field)) {
    model::Clear(to_field, to);
    model::CopySlot(from_field, model::SlotOf(from_field, from), model::SlotOf(to_field, to));
  } else if (IsSingle(from_field.shape) && IsSingle(to_field.shape)) {
    ConvertValue(from_field, model::Get(from_field, from), to_field, model::Mutable(to_field, to));
  } else if (from_field.shape != to_field.shape) {
    return;
  } else if (to_field.shape == Shape::kList) {
    for (std::size_t i = 0, n = model::ListSize(from_field, from); i < n; ++i) {
      ConvertValue(from_field, model::ListAt(from_field, from, i), to_field, model::ListAppend(to_field, to));
    }
  } else {
    for (std::size_t i = 0, n = model::MapSize(from_field, from); i < n; ++i) {
      ConvertValue(from_field, model::MapValueAt(from_field, from, i), to_field,
                   model::MapMutable(to_field, to, model::MapKeyAt(from_field, from, i)));
    }
  }
}

bool AnyCounterpartSet(const MessageDesc& from_desc, const void* from, const MessageDesc& to_desc) {
  return std::any_of(to_desc.fields.begin(), to_desc.fields.end(), [&](const FieldDesc& field) {
    const FieldDesc* source = from_desc.Find(field.name);
    return source != nullptr && model::IsSet(*source, from);
  });
}

bool SameKind(const MessageDesc& a, const MessageDesc& b) {
  const bool events = (a.name == kCoreEvent && b.name == kEvent) || (a.name == kEvent && b.name == kCoreEvent);
  return events || (!a.gvk.kind.empty() && a.gvk.kind == b.gvk.kind && a.gvk.group == b.gvk.group);
}

}  // namespace

namespace internal {

void ConvertMessage(const MessageDesc& from_desc, const void* from, const MessageDesc& to_desc, void* to) {
  for (const FieldDesc& field : to_desc.fields) {
    if (const FieldDesc* source = Counterpart(from_desc, to_desc, field)) ConvertField(*source, from, field, to);
  }
  for (const Nesting& n : kNestings) {
    if (from_desc.name == n.flat && to_desc.name == n.nested) {
      const FieldDesc* field = to_desc.Find(n.field);
      if (field == nullptr || !(n.always || AnyCounterpartSet(from_desc, from, *field->message))) continue;
      ConvertMessage(from_desc, from, *field->message, model::Mutable(*field, to));
    } else if (from_desc.name == n.nested && to_desc.name == n.flat) {
      const FieldDesc* field = from_desc.Find(n.field);
      const void* inner = field != nullptr ? model::Get(*field, from) : nullptr;
      if (inner != nullptr) ConvertMessage(*field->message, inner, to_desc, to);
    }
  }
  for (const Finisher& code : kFinishers) {
    if (from_desc.name == code.from && to_desc.name == code.to) code.finish(from, to);
  }
}

}  // namespace internal

Result<ObjectPtr> Convert(const Object& object, const MessageDesc& to) {
  const MessageDesc& from = object.desc();
  if (&from == &to) return ObjectPtr::Clone(object);
  if (!SameKind(from, to)) {
    return Status(Code::kBadRequest, fmt::format("{} cannot be converted to {}", from.name, to.name));
  }
  ObjectPtr out = ObjectPtr::New(to);
  internal::ConvertMessage(from, object.data(), to, out->mutable_data());
  return out;
}

const ResourceDesc& StorageResource(const ResourceDesc& resource) {
  if (resource.storage_message == nullptr || resource.storage_message == resource.message) return resource;
  for (const ResourceDesc& candidate : AllResources()) {
    if (candidate.message == resource.storage_message && candidate.storage_message == candidate.message) {
      return candidate;
    }
  }
  return resource;
}

}  // namespace minikube
