// scale: the number of replicas of anything that has spec.replicas, as autoscaling/v1 Scale. Found through the
// descriptors, so it is the same code for Deployments, ReplicaSets, StatefulSets and ReplicationControllers.
#include <fmt/format.h>

#include <minikube/api/autoscaling/v1.h>
#include <minikube/selector.h>

#include "api/registry/field_managers.h"
#include "api/subresources/subresources.h"
#include "api/wire/errors.h"
#include "model/access.h"
#include "model/managed_fields.h"

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

constexpr std::string_view kScaleVersion = "autoscaling/v1";

std::string VersionName(const GroupVersionKind& gvk) {
  return gvk.group.empty() ? std::string(gvk.version) : fmt::format("{}/{}", gvk.group, gvk.version);
}

FieldSet Replicas() {
  FieldSet out;
  out.At("f:spec").At("f:replicas").set_member();
  return out;
}

bool HasReplicas(const FieldSet& fields) {
  const FieldSet* spec = fields.Find("f:spec");
  const FieldSet* replicas = spec != nullptr ? spec->Find("f:replicas") : nullptr;
  return replicas != nullptr && replicas->member();
}

// An updater is told apart by the version it writes in: here that of a Scale, there that of the object.
ManagerId InScale(ManagerId id) {
  if (id.operation == ManagerOperation::kUpdate) id.api_version = kScaleVersion;
  return id;
}

// The managers of an object that have set its replicas, in terms of its Scale.
List<meta::v1::ManagedFieldsEntry> ScaleManagers(const List<meta::v1::ManagedFieldsEntry>& parent,
                                                 const GroupVersionKind& gvk) {
  const Result<ManagedFields> read = ReadManagedFields(parent);
  ManagedFields out;
  if (!read) return {};
  for (const auto& [id, set] : *read) {
    const std::size_t slash = set.api_version.find('/');
    const std::string group = slash == std::string::npos ? std::string() : set.api_version.substr(0, slash);
    if (group != gvk.group || !HasReplicas(*set.fields)) continue;
    out[InScale(id)] = {SharedFields(Replicas()), std::string(kScaleVersion), set.time};
  }
  return WriteManagedFields(out);
}

// The managers of an object after a write to its Scale: whoever has lost the replicas there loses them here, and who
// has come to own them is told by the subresource. As with kube-apiserver the time of that is not said.
List<meta::v1::ManagedFieldsEntry> ParentManagers(const List<meta::v1::ManagedFieldsEntry>& parent,
                                                  const List<meta::v1::ManagedFieldsEntry>& scale,
                                                  const GroupVersionKind& gvk) {
  Result<ManagedFields> out = ReadManagedFields(parent);
  Result<ManagedFields> left = ReadManagedFields(scale);
  if (!out || !left) return parent;
  const FieldSet replicas = Replicas();
  for (auto it = out->begin(); it != out->end();) {
    if (HasReplicas(*it->second.fields) && left->erase(InScale(it->first)) == 0) {
      it->second.fields.Mutable().Subtract(replicas);
    }
    it = it->second.fields->empty() ? out->erase(it) : std::next(it);
  }
  for (const auto& [id, set] : *left) {
    if (!HasReplicas(*set.fields)) continue;
    ManagerId owner = id;
    if (owner.operation == ManagerOperation::kUpdate) owner.api_version = VersionName(gvk);
    ManagedSet& owned = (*out)[owner];
    owned.fields.Mutable().Union(replicas);
    owned.api_version = VersionName(gvk);
  }
  return WriteManagedFields(*out);
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
  scale.metadata.managedFields = ScaleManagers(meta.managedFields, desc.gvk);
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

Status MergeScale(Attempt& attempt, const Object& incoming, Object& next) {
  const auto& scale = incoming.As<autoscaling::v1::Scale>();
  if (scale.spec.replicas < 0) {
    ErrorList errors;
    errors.Invalid(FieldPath("spec.replicas"), scale.spec.replicas, "must be greater than or equal to 0");
    return errors.ToStatus("autoscaling", "Scale", attempt.request().name);
  }
  const Inner replicas = Find(next.desc(), "spec", "replicas");
  if (!replicas) return {Code::kNotImplemented, "this kind has no number of replicas"};
  void* spec = model::Mutable(*replicas.outer, next.mutable_data());
  model::As<std::int32_t>(model::Mutable(*replicas.field, spec)) = scale.spec.replicas;

  ObjectPtr tracked = ObjectPtr::Clone(incoming);
  if (!Applies(attempt)) {
    Result<ObjectPtr> shown = ShowScale(*attempt.before);
    if (!shown) return shown.status();
    FieldManager manager = ManagerOf(attempt);
    manager.type = nullptr;
    TrackUpdate(**shown, *tracked, manager);
  }
  // Managers are named in the version of the request's resource.
  next.mutable_meta().managedFields = ParentManagers(attempt.before->meta().managedFields,
                                                     tracked->meta().managedFields, attempt.resource().message->gvk);
  return {};
}

}  // namespace minikube::api
