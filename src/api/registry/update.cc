// update and patch, of whole objects and of subresources that show a part of them.
#include <fmt/format.h>

#include "api/registry/field_managers.h"
#include "api/registry/read.h"
#include "api/registry/verbs.h"
#include "api/wire/errors.h"
#include "api/world/served.h"
#include "model/access.h"
#include "model/apply.h"
#include "model/patch.h"

namespace minikube::api {

namespace {

// What the server owns of an existing object's metadata, whatever the request says about it.
void KeepServerFields(meta::v1::ObjectMeta& meta, const meta::v1::ObjectMeta& before) {
  if (meta.uid.empty()) meta.uid = before.uid;
  if (meta.creationTimestamp.empty()) meta.creationTimestamp = before.creationTimestamp;
  if (meta.namespace_.empty()) meta.namespace_ = before.namespace_;
  if (meta.generateName.empty()) meta.generateName = before.generateName;
  meta.generation = before.generation;
  meta.selfLink = before.selfLink;
  // Deleting has its own verb.
  meta.deletionTimestamp = before.deletionTimestamp;
  meta.deletionGracePeriodSeconds = before.deletionGracePeriodSeconds;
}

// True if what the user wants differs: the spec, or for kinds without one, anything but metadata and status.
bool WantsOther(const StoredKind& kind, const Object& next, const Object& before) {
  ObjectPtr rest = ObjectPtr::Clone(before);
  rest->mutable_meta() = next.meta();
  if (kind.status != nullptr) model::Assign(*kind.status, next.data(), rest->mutable_data());
  return !Equal(*rest, next);
}

Status CheckTarget(Operation& op, const Object& incoming) {
  const ApiRequest& request = op.request();
  const meta::v1::ObjectMeta& meta = incoming.meta();
  if (!(meta.name == request.name) && !(meta.name.empty() && request.verb == Verb::kPatch)) {
    if (meta.name.empty()) return {Code::kBadRequest, "name must be provided"};
    return {Code::kBadRequest, fmt::format("the name of the object ({}) does not match the name on the URL ({})",
                                           meta.name.view(), request.name)};
  }
  if (!meta.namespace_.empty() && !(meta.namespace_ == request.ns)) {
    return {Code::kBadRequest, "the namespace of the provided object does not match the namespace sent on the request"};
  }
  return {};
}

// The optimistic lock and the identity that the incoming object asserts.
Status CheckPreconditions(Operation& op, const Object& incoming, const Object& before) {
  const meta::v1::ObjectMeta& meta = incoming.meta();
  const std::string& name = op.request().name;
  if (!meta.uid.empty() && !(meta.uid == before.meta().uid)) {
    return ConflictError(op.resource(), name,
                         fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}",
                                     meta.uid.view(), before.meta().uid.view()));
  }
  Result<Revision> revision = ParseRevision(meta.resourceVersion.view());
  if (!revision) return revision.status();
  if (*revision == 0) {
    if (op.kind->strategy.unconditional_update || op.request().verb == Verb::kPatch) return {};
    ErrorList errors;
    errors.Invalid(FieldPath("metadata.resourceVersion"), 0, "must be specified for an update");
    return errors.ToStatus(op.resource().group, op.resource().kind, name);
  }
  if (*revision != op.expected) return ModifiedError(op.resource(), name);
  // The caller's view is the state to build on, so nobody else's may come between. (A patch carries the revision of the
  // very object it was applied to, unless it says one itself.)
  if (op.request().verb == Verb::kUpdate) op.retry = false;
  return {};
}

// `shown` (null: there is none yet) with the request's patch applied.
Result<ObjectPtr> Patched(Operation& op, const Object* shown) {
  const ApiRequest& request = op.request();
  Result<FieldValidation> validation = FieldValidationOf(request);
  if (!validation) return validation.status();
  DecodeOptions options;
  options.validation = *validation;
  options.warnings = &op.context.warnings;
  if (!Applies(op)) return ApplyPatch(*shown, request.patch_type, request.patch, options);
  return ServerSideApply(op.message(), shown, request.patch, request.force ? ApplyForce::kYes : ApplyForce::kNo,
                         ManagerOf(op), options);
}

Status CreateInstead(Operation& op, ObjectPtr object) {
  if (!object->meta().resourceVersion.empty() && !(object->meta().resourceVersion == "0")) {
    return NotFoundError(op.resource(), op.request().name);
  }
  op.next = std::move(object);
  op.next->mutable_meta().resourceVersion = {};
  if (op.next->meta().name.empty()) op.next->mutable_meta().name = op.request().name;
  MINIKUBE_RETURN_IF_ERROR(StampNew(op, *op.next));
  op.effect = Operation::Effect::kCreate;
  return {};
}

}  // namespace

Status Update(Operation& op) {
  const ApiRequest& request = op.request();
  const StoredKind& kind = *op.kind;
  const SubresourceView* view = op.view;
  if (op.subresource != nullptr && view == nullptr) {
    return {Code::kNotImplemented, "the subresource " + std::string(op.subresource->name) + " is not served"};
  }
  if (request.verb == Verb::kUpdate) MINIKUBE_RETURN_IF_ERROR(CheckTarget(op, *request.object));
  const Entry* current = op.world->Find(kind.index, request.ns, request.name);

  if (current == nullptr) {
    const bool puts = request.verb == Verb::kUpdate && kind.strategy.create_on_update;
    if (op.subresource != nullptr || !(Applies(op) || puts)) return NotFoundError(op.resource(), request.name);
    Result<ObjectPtr> incoming = [&]() -> Result<ObjectPtr> {
      if (puts) return CopyAs(*request.object, *kind.message);
      Result<ObjectPtr> patched = Patched(op, nullptr);
      if (!patched) return patched.status();
      return CopyAs(**patched, *kind.message);
    }();
    if (!incoming) return incoming.status();
    if (!puts) MINIKUBE_RETURN_IF_ERROR(CheckTarget(op, **incoming));
    return CreateInstead(op, std::move(incoming).value());
  }

  op.before = current->object;
  op.expected = current->revision;
  ObjectRef incoming = request.object;
  if (request.verb == Verb::kPatch) {
    Result<ObjectRef> shown = op.Present(op.before);
    if (!shown) return shown.status();
    Result<ObjectPtr> patched = Patched(op, shown->get());
    if (!patched) return patched.status();
    incoming = std::move(patched).value().Freeze();
    MINIKUBE_RETURN_IF_ERROR(CheckTarget(op, *incoming));
  }
  MINIKUBE_RETURN_IF_ERROR(CheckPreconditions(op, *incoming, *op.before));

  if (view != nullptr) {
    op.next = ObjectPtr::Clone(*op.before);
    MINIKUBE_RETURN_IF_ERROR(view->merge(op, *incoming, *op.next));
    // A view that shows the whole object shows its managedFields too.
    if (Applies(op) && &incoming->desc() == op.resource().message) {
      op.next->mutable_meta().managedFields = incoming->meta().managedFields;
    }
  } else {
    Result<ObjectPtr> next = CopyAs(*incoming, *kind.message);
    if (!next) return next.status();
    op.next = std::move(next).value();
    if (op.next->meta().name.empty()) op.next->mutable_meta().name = op.before->meta().name;
    if (kind.has_status_subresource && kind.status != nullptr) {
      model::Assign(*kind.status, op.before->data(), op.next->mutable_data());
    }
    KeepServerFields(op.next->mutable_meta(), op.before->meta());
  }
  op.next->mutable_meta().resourceVersion = op.before->meta().resourceVersion;
  op.effect = Operation::Effect::kUpdate;
  return {};
}

void FinishUpdate(Operation& op) {
  if (op.effect != Operation::Effect::kUpdate) return;
  const StoredKind& kind = *op.kind;
  if (kind.strategy.generation && WantsOther(kind, *op.next, *op.before)) ++op.next->mutable_meta().generation;
  if (MayGo(kind, *op.next)) op.effect = Operation::Effect::kDelete;
}

}  // namespace minikube::api
