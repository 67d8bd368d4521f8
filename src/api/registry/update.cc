// update and patch, of whole objects and of subresources that show a part of them.
#include <fmt/format.h>

#include "api/registry/field_managers.h"
#include "api/registry/read.h"
#include "api/registry/verbs.h"
#include "api/wire/errors.h"
#include "api/world/served.h"
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
  if (kind.HasStatus()) kind.CopyStatus(next, *rest);
  return !Equal(*rest, next);
}

Status CheckTarget(Attempt& attempt, const Object& incoming) {
  const ApiRequest& request = attempt.request();
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
Status CheckPreconditions(Attempt& attempt, const Object& incoming, const Object& before) {
  const meta::v1::ObjectMeta& meta = incoming.meta();
  const std::string& name = attempt.request().name;
  if (!meta.uid.empty() && !(meta.uid == before.meta().uid)) {
    return ConflictError(attempt.resource(), name,
                         fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}",
                                     meta.uid.view(), before.meta().uid.view()));
  }
  Result<Revision> revision = ParseRevision(meta.resourceVersion.view());
  if (!revision) return revision.status();
  if (*revision == 0) {
    // What is no whole object (a Scale) may always be written without.
    const bool part = attempt.view != nullptr && attempt.view->show != nullptr;
    if (part || attempt.kind->strategy.unconditional_update || attempt.request().verb == Verb::kPatch) return {};
    ErrorList errors;
    errors.Invalid(FieldPath("metadata.resourceVersion"), 0, "must be specified for an update");
    return errors.ToStatus(attempt.resource().group, attempt.resource().kind, name);
  }
  if (*revision != attempt.expected) return ModifiedError(attempt.resource(), name);
  // The caller's view is the state to build on, so nobody else's may come between. (A patch carries the revision of the
  // very object it was applied to, unless it says one itself.)
  if (attempt.request().verb == Verb::kUpdate) attempt.retry = false;
  return {};
}

// `shown` (null: there is none yet) with the request's patch applied.
Result<ObjectPtr> Patched(Attempt& attempt, const Object* shown) {
  const ApiRequest& request = attempt.request();
  Result<FieldValidation> validation = FieldValidationOf(request);
  if (!validation) return validation.status();
  DecodeOptions options;
  options.validation = *validation;
  options.warnings = &attempt.warnings;
  if (!Applies(attempt)) return ApplyPatch(*shown, request.patch_type, request.patch, options);
  return ServerSideApply(attempt.message(), shown, request.patch, request.force ? ApplyForce::kYes : ApplyForce::kNo,
                         ManagerOf(attempt), options);
}

Status CreateInstead(Attempt& attempt, ObjectPtr object) {
  if (!object->meta().resourceVersion.empty() && !(object->meta().resourceVersion == "0")) {
    return NotFoundError(attempt.resource(), attempt.request().name);
  }
  attempt.next = std::move(object);
  attempt.next->mutable_meta().resourceVersion = {};
  if (attempt.next->meta().name.empty()) attempt.next->mutable_meta().name = attempt.request().name;
  MINIKUBE_RETURN_IF_ERROR(StampNew(attempt, *attempt.next));
  attempt.effect = Attempt::Effect::kCreate;
  return {};
}

}  // namespace

Status Update(Attempt& attempt) {
  const ApiRequest& request = attempt.request();
  const StoredKind& kind = *attempt.kind;
  const SubresourceView* view = attempt.view;
  if (attempt.subresource != nullptr && view == nullptr) {
    return {Code::kNotImplemented, "the subresource " + std::string(attempt.subresource->name) + " is not served"};
  }
  if (request.verb == Verb::kUpdate) MINIKUBE_RETURN_IF_ERROR(CheckTarget(attempt, *request.object));
  const Entry* current = attempt.world->Find(kind.index, request.ns, request.name);

  if (current == nullptr) {
    const bool puts = request.verb == Verb::kUpdate && kind.strategy.create_on_update;
    if (attempt.subresource != nullptr || !(Applies(attempt) || puts))
      return NotFoundError(attempt.resource(), request.name);
    Result<ObjectPtr> incoming = [&]() -> Result<ObjectPtr> {
      if (puts) return CopyAs(*request.object, *kind.message);
      Result<ObjectPtr> patched = Patched(attempt, nullptr);
      if (!patched) return patched.status();
      return CopyAs(**patched, *kind.message);
    }();
    if (!incoming) return incoming.status();
    if (!puts) {
      MINIKUBE_RETURN_IF_ERROR(CheckTarget(attempt, **incoming));
      // Who names an identity means an object that is there.
      if (const Str& uid = (*incoming)->meta().uid; !uid.empty()) {
        return ConflictError(
            attempt.resource(), request.name,
            fmt::format("uid mismatch: the provided object specified uid {}, and no existing object was found",
                        uid.view()));
      }
    }
    return CreateInstead(attempt, std::move(incoming).value());
  }

  attempt.before = current->object;
  attempt.expected = current->revision;
  ObjectRef incoming = request.object;
  if (request.verb == Verb::kPatch) {
    Result<ObjectRef> shown = attempt.Present(attempt.before);
    if (!shown) return shown.status();
    Result<ObjectPtr> patched = Patched(attempt, shown->get());
    if (!patched) return patched.status();
    incoming = std::move(patched).value().Freeze();
    MINIKUBE_RETURN_IF_ERROR(CheckTarget(attempt, *incoming));
  }
  MINIKUBE_RETURN_IF_ERROR(CheckPreconditions(attempt, *incoming, *attempt.before));

  if (view != nullptr) {
    attempt.next = ObjectPtr::Clone(*attempt.before);
    MINIKUBE_RETURN_IF_ERROR(view->merge(attempt, *incoming, *attempt.next));
    // A view that shows the whole object shows its managedFields too.
    if (Applies(attempt) && &incoming->desc() == attempt.resource().message) {
      attempt.next->mutable_meta().managedFields = incoming->meta().managedFields;
    }
  } else {
    Result<ObjectPtr> next = CopyAs(*incoming, *kind.message);
    if (!next) return next.status();
    attempt.next = std::move(next).value();
    if (attempt.next->meta().name.empty()) attempt.next->mutable_meta().name = attempt.before->meta().name;
    if (kind.has_status_subresource) kind.CopyStatus(*attempt.before, *attempt.next);
    KeepServerFields(attempt.next->mutable_meta(), attempt.before->meta());
  }
  attempt.next->mutable_meta().resourceVersion = attempt.before->meta().resourceVersion;
  attempt.effect = Attempt::Effect::kUpdate;
  return {};
}

void FinishUpdate(Attempt& attempt) {
  if (attempt.effect != Attempt::Effect::kUpdate) return;
  const StoredKind& kind = *attempt.kind;
  // An action, such as binding a pod, is nobody's wish for another object.
  const bool action = attempt.request().verb == Verb::kCreate;
  if (kind.strategy.generation && !action && WantsOther(kind, *attempt.next, *attempt.before))
    ++attempt.next->mutable_meta().generation;
  if (MayGo(kind, *attempt.next)) attempt.effect = Attempt::Effect::kDelete;
}

}  // namespace minikube::api
