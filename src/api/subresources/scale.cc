// scale: the number of replicas of anything that has one, as autoscaling/v1 Scale. Found through the descriptors, so it
// is the same code for Deployments, ReplicaSets, StatefulSets and ReplicationControllers; of a custom kind through the
// paths that its definition gives.
#include <limits>

#include <fmt/format.h>

#include <minikube/api/autoscaling/v1.h>
#include <minikube/custom_object.h>
#include <minikube/selector.h>

#include "api/registry/field_managers.h"
#include "api/subresources/subresources.h"
#include "api/wire/errors.h"
#include "api/world/custom_scale.h"
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

// Where the versions of a resource have the number, for managedFields.
class ReplicasPaths {
 public:
  explicit ReplicasPaths(const ResourceDesc& resource) : resource_(resource), custom_(AsCustomResource(resource)) {}

  // Empty if that version ("apps/v1") has none.
  FieldSet In(std::string_view api_version) const {
    const std::size_t slash = api_version.find('/');
    const std::string_view group = slash == std::string_view::npos ? std::string_view() : api_version.substr(0, slash);
    FieldSet out;
    if (group != resource_.group) return out;
    std::string_view path = "spec.replicas";
    if (custom_ != nullptr) {
      const auto found = custom_->scales->find(api_version.substr(slash + 1));
      if (found == custom_->scales->end()) return out;
      path = found->second.spec_replicas;
    }
    FieldSet* at = &out;
    for (const std::string_view member : SplitPath(path)) at = &at->At(fmt::format("f:{}", member));
    at->set_member();
    return out;
  }

 private:
  const ResourceDesc& resource_;
  const CustomResourceDesc* const custom_;
};

// Of a Scale itself.
FieldSet ScaleReplicas() {
  FieldSet out;
  out.At("f:spec").At("f:replicas").set_member();
  return out;
}

// Whether `path`, if it leads anywhere, is in the set.
bool Has(const FieldSet& fields, const FieldSet& path) {
  if (path.empty()) return false;
  const FieldSet* at = &fields;
  for (const FieldSet* step = &path; at != nullptr && !step->member(); step = &step->children().begin()->second) {
    at = at->Find(step->children().begin()->first);
  }
  return at != nullptr && at->member();
}

// An updater is told apart by the version it writes in: here that of a Scale, there that of the object.
ManagerId InScale(ManagerId id) {
  if (id.operation == ManagerOperation::kUpdate) id.api_version = kScaleVersion;
  return id;
}

// The managers of an object that have set its replicas, in terms of its Scale.
List<meta::v1::ManagedFieldsEntry> ScaleManagers(const List<meta::v1::ManagedFieldsEntry>& parent,
                                                 const ReplicasPaths& paths) {
  const Result<ManagedFields> read = ReadManagedFields(parent);
  ManagedFields out;
  if (!read) return {};
  for (const auto& [id, set] : *read) {
    if (!Has(*set.fields, paths.In(set.api_version))) continue;
    out[InScale(id)] = {SharedFields(ScaleReplicas()), std::string(kScaleVersion), set.time};
  }
  return WriteManagedFields(out);
}

// The managers of an object after a write to its Scale in `version`: whoever has lost the replicas there loses them
// here, and who has come to own them is told by the subresource. As with kube-apiserver the time of that is not said.
List<meta::v1::ManagedFieldsEntry> ParentManagers(const List<meta::v1::ManagedFieldsEntry>& parent,
                                                  const List<meta::v1::ManagedFieldsEntry>& scale,
                                                  const ReplicasPaths& paths, const std::string& version) {
  Result<ManagedFields> out = ReadManagedFields(parent);
  Result<ManagedFields> left = ReadManagedFields(scale);
  if (!out || !left) return parent;
  for (auto it = out->begin(); it != out->end();) {
    const FieldSet replicas = paths.In(it->second.api_version);
    if (Has(*it->second.fields, replicas) && left->erase(InScale(it->first)) == 0) {
      it->second.fields.Mutable().Subtract(replicas);
    }
    it = it->second.fields->empty() ? out->erase(it) : std::next(it);
  }
  for (const auto& [id, set] : *left) {
    if (!Has(*set.fields, ScaleReplicas())) continue;
    ManagerId owner = id;
    if (owner.operation == ManagerOperation::kUpdate) owner.api_version = version;
    ManagedSet& owned = (*out)[owner];
    owned.fields.Mutable().Union(paths.In(version));
    owned.api_version = version;
  }
  return WriteManagedFields(*out);
}

// What a patch sees where there is no number yet, as in kube-apiserver: it has to bring one.
constexpr std::int32_t kNoReplicas = std::numeric_limits<std::int32_t>::min();

// Of a custom object, into `scale`.
Status ReadCustom(const Attempt& attempt, const CustomObject& object, autoscaling::v1::Scale& scale) {
  const CustomScale* paths = AsCustomResource(attempt.resource())->Scale();
  const Result<std::optional<std::int64_t>> wanted = ReadReplicas(object.rest, paths->spec_replicas);
  if (!wanted) return wanted.status();
  const Result<std::optional<std::int64_t>> is = ReadReplicas(object.rest, paths->status_replicas);
  if (!is) return is.status();
  Result<std::string> selector = ReadSelector(object.rest, paths->selector);
  if (!selector) return selector.status();
  if (!*wanted && attempt.request().verb == Verb::kGet) {
    const std::string why = fmt::format("the spec replicas field \".{}\" does not exist", paths->spec_replicas);
    StatusDetails details;
    details.causes.push_back({"", why, ""});
    return {Code::kInternal, "Internal error occurred: " + why, std::move(details)};
  }
  scale.spec.replicas = static_cast<std::int32_t>(wanted->value_or(kNoReplicas));
  scale.status.replicas = static_cast<std::int32_t>(is->value_or(0));
  scale.status.selector = *selector;
  return {};
}

Status WriteCustom(const Attempt& attempt, const autoscaling::v1::Scale& scale, CustomObject& object) {
  const CustomScale* paths = AsCustomResource(attempt.resource())->Scale();
  if (scale.spec.replicas == kNoReplicas) {
    return {Code::kBadRequest, fmt::format("the spec replicas field \".{}\" cannot be empty", paths->spec_replicas)};
  }
  return WriteReplicas(object.rest, paths->spec_replicas, scale.spec.replicas);
}

// Of a kind of the schema.
Status ReadBuiltIn(const Object& stored, autoscaling::v1::Scale& scale) {
  const MessageDesc& desc = stored.desc();
  const Inner replicas = Find(desc, "spec", "replicas");
  const Inner selector = Find(desc, "spec", "selector");
  if (!replicas || !selector) return {Code::kNotImplemented, "this kind has no number of replicas"};
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
  return {};
}

Status WriteBuiltIn(const Attempt& attempt, const autoscaling::v1::Scale& scale, Object& next) {
  if (scale.spec.replicas < 0) {
    ErrorList errors;
    errors.Invalid(FieldPath("spec.replicas"), scale.spec.replicas, "must be greater than or equal to 0");
    return errors.ToStatus("autoscaling", "Scale", attempt.request().name);
  }
  const Inner replicas = Find(next.desc(), "spec", "replicas");
  if (!replicas) return {Code::kNotImplemented, "this kind has no number of replicas"};
  void* spec = model::Mutable(*replicas.outer, next.mutable_data());
  model::As<std::int32_t>(model::Mutable(*replicas.field, spec)) = scale.spec.replicas;
  return {};
}

}  // namespace

Result<ObjectPtr> ShowScale(const Attempt& attempt, const Object& stored) {
  autoscaling::v1::Scale scale;
  const meta::v1::ObjectMeta& meta = stored.meta();
  scale.metadata.name = meta.name;
  scale.metadata.namespace_ = meta.namespace_;
  scale.metadata.uid = meta.uid;
  scale.metadata.resourceVersion = meta.resourceVersion;
  scale.metadata.creationTimestamp = meta.creationTimestamp;
  const CustomObject* custom = AsCustomObject(stored);
  // As kube-apiserver has it, what a writer builds upon has the managers of a custom object's Scale, no answer has.
  const bool answers = attempt.request().verb == Verb::kGet || attempt.effect != Attempt::Effect::kAnswer;
  if (custom == nullptr || !answers) {
    scale.metadata.managedFields = ScaleManagers(meta.managedFields, ReplicasPaths(attempt.resource()));
  }
  MINIKUBE_RETURN_IF_ERROR(custom != nullptr ? ReadCustom(attempt, *custom, scale) : ReadBuiltIn(stored, scale));
  return ObjectPtr::Of(std::move(scale));
}

Status MergeScale(Attempt& attempt, const Object& incoming, Object& next) {
  const auto& scale = incoming.As<autoscaling::v1::Scale>();
  CustomObject* custom = AsCustomObject(next);
  MINIKUBE_RETURN_IF_ERROR(custom != nullptr ? WriteCustom(attempt, scale, *custom)
                                             : WriteBuiltIn(attempt, scale, next));
  ObjectPtr tracked = ObjectPtr::Clone(incoming);
  if (!Applies(attempt)) {
    Result<ObjectPtr> shown = ShowScale(attempt, *attempt.before);
    if (!shown) return shown.status();
    FieldManager manager = ManagerOf(attempt);
    manager.type = nullptr;
    TrackUpdate(**shown, *tracked, manager);
  }
  // Managers are named in the version of the request's resource.
  next.mutable_meta().managedFields =
      ParentManagers(attempt.before->meta().managedFields, tracked->meta().managedFields,
                     ReplicasPaths(attempt.resource()), VersionName(attempt.resource().message->gvk));
  return {};
}

}  // namespace minikube::api
