// scale: the number of replicas of anything that has spec.replicas, as autoscaling/v1 Scale. Found through the
// descriptors, so it is the same code for Deployments, ReplicaSets, StatefulSets and ReplicationControllers.
#include <fmt/format.h>

#include <minikube/api/autoscaling/v1.h>
#include <minikube/selector.h>

#include "api/subresources/subresources.h"
#include "api/wire/errors.h"
#include "model/access.h"

namespace minikube::api {

namespace {

// A field of a field: spec.replicas, status.selector.
struct Inner {
  const FieldDesc* outer = nullptr;
  const FieldDesc* field = nullptr;
  explicit operator bool() const { return field != nullptr; }
};

Inner Find(const MessageDesc& desc, std::string_view outer, std::string_view name) {
  Inner inner;
  inner.outer = desc.Find(outer);
  if (inner.outer != nullptr && inner.outer->message != nullptr) inner.field = inner.outer->message->Find(name);
  return inner;
}

const void* Read(const Inner& inner, const Object& object) {
  const void* outer = model::Get(*inner.outer, object.data());
  return outer != nullptr ? model::Get(*inner.field, outer) : nullptr;
}

std::int32_t ReadInt(const Inner& inner, const Object& object) {
  if (!inner) return 0;
  const void* value = Read(inner, object);
  return value != nullptr ? model::As<std::int32_t>(value) : 0;
}

}  // namespace

Result<ObjectPtr> ShowScale(const Object& stored) {
  const MessageDesc& desc = stored.desc();
  const Inner replicas = Find(desc, "spec", "replicas");
  const Inner selector = Find(desc, "spec", "selector");
  if (!replicas || !selector) return Status(Code::kNotImplemented, "this kind has no number of replicas");

  autoscaling::v1::Scale scale;
  const meta::v1::ObjectMeta& meta = stored.meta();
  scale.metadata.name = meta.name;
  scale.metadata.namespace_ = meta.namespace_;
  scale.metadata.uid = meta.uid;
  scale.metadata.resourceVersion = meta.resourceVersion;
  scale.metadata.creationTimestamp = meta.creationTimestamp;
  scale.spec.replicas = ReadInt(replicas, stored);
  scale.status.replicas = ReadInt(Find(desc, "status", "replicas"), stored);
  if (selector.field->shape == Shape::kMap) {
    const void* spec = model::Get(*selector.outer, stored.data());
    scale.status.selector =
        LabelSelector::FromMap(model::As<Map<Str>>(model::SlotOf(*selector.field, spec))).ToString();
  } else if (const void* value = Read(selector, stored)) {
    Result<LabelSelector> parsed = LabelSelector::From(&model::As<meta::v1::LabelSelector>(value));
    if (!parsed) return parsed.status();
    scale.status.selector = parsed->ToString();
  }
  return ObjectPtr::Of(std::move(scale));
}

Status MergeScale(Operation& op, const Object& incoming, Object& next) {
  const auto& scale = incoming.As<autoscaling::v1::Scale>();
  if (scale.spec.replicas < 0) {
    ErrorList errors;
    errors.Invalid(FieldPath("spec.replicas"), scale.spec.replicas, "must be greater than or equal to 0");
    return errors.ToStatus("autoscaling", "Scale", op.request().name);
  }
  const Inner replicas = Find(next.desc(), "spec", "replicas");
  if (!replicas) return {Code::kNotImplemented, "this kind has no number of replicas"};
  void* spec = model::Mutable(*replicas.outer, next.mutable_data());
  model::As<std::int32_t>(model::Mutable(*replicas.field, spec)) = scale.spec.replicas;
  return {};
}

}  // namespace minikube::api
