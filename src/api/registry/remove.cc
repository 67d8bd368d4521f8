// delete: at once, gracefully, or as far as finalizers allow.
#include <algorithm>

#include <fmt/format.h>

#include <minikube/api/core/v1.h>

#include "api/registry/verbs.h"
#include "api/wire/errors.h"

namespace minikube::api {

namespace {

constexpr std::string_view kOrphan = "orphan";
constexpr std::string_view kForeground = "foregroundDeletion";

Status CheckPreconditions(const Attempt& attempt, const Entry& current) {
  const ApiRequest& request = attempt.request();
  const meta::v1::ObjectMeta& meta = current.object->meta();
  const std::string_view name = meta.name.view();
  if (!request.precondition_uid.empty() && !(meta.uid == request.precondition_uid)) {
    return ConflictError(attempt.resource(), name,
                         fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}",
                                     request.precondition_uid, meta.uid.view()));
  }
  if (!request.precondition_resource_version.empty() &&
      request.precondition_resource_version != std::to_string(current.revision)) {
    return ConflictError(
        attempt.resource(), name,
        fmt::format("the ResourceVersion in the precondition ({}) does not match the ResourceVersion in "
                    "record ({}). The object might have been modified",
                    request.precondition_resource_version, current.revision));
  }
  return {};
}

// How dependents are to be treated is written down as a finalizer, for the garbage collector.
void SetPropagation(meta::v1::ObjectMeta& meta, Propagation propagation) {
  if (propagation == Propagation::kDefault) return;  // as the finalizers say
  List<Str> finalizers;
  for (const Str& finalizer : meta.finalizers) {
    if (!(finalizer == kOrphan) && !(finalizer == kForeground)) finalizers.push_back(finalizer);
  }
  if (propagation == Propagation::kOrphan) finalizers.push_back(kOrphan);
  if (propagation == Propagation::kForeground) finalizers.push_back(kForeground);
  if (!(finalizers == meta.finalizers)) meta.finalizers = std::move(finalizers);
}

// Whoever deletes an object that returns no body is told so.
ObjectRef DeletedStatus(const ResourceDesc& resource, const Object& object) {
  meta::v1::Status status;
  status.status = "Success";
  meta::v1::StatusDetails details;
  details.name = object.meta().name;
  details.group = resource.group;
  details.kind = resource.plural;
  details.uid = object.meta().uid;
  status.details = details;
  return Share(std::move(status));
}

}  // namespace

bool MayGo(const StoredKind& kind, const Object& object) {
  const meta::v1::ObjectMeta& meta = object.meta();
  if (!meta.deletionTimestamp || !meta.finalizers.empty()) return false;
  if (meta.deletionGracePeriodSeconds.value_or(0) > 0) return false;
  if (const auto* ns = object.TryAs<core::v1::Namespace>()) return ns->spec.finalizers.empty();
  (void)kind;
  return true;
}

Status DeriveDeletion(Attempt& attempt, const Entry& current) {
  MINIKUBE_RETURN_IF_ERROR(CheckPreconditions(attempt, current));
  const StoredKind& kind = *attempt.kind;
  const ApiRequest& request = attempt.request();
  attempt.before = current.object;
  attempt.expected = current.revision;
  attempt.next = ObjectPtr::Clone(*current.object);
  meta::v1::ObjectMeta& meta = attempt.next->mutable_meta();
  SetPropagation(meta, request.propagation);

  std::int64_t grace = 0;
  if (kind.strategy.grace_period != nullptr) {
    grace = std::max<std::int64_t>(
        kind.strategy.grace_period(*current.object, request.grace_period_seconds).value_or(0), 0);
  }
  const WallTime now = attempt.core.env.clock().Now();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  const bool deleting = current.object->meta().deletionTimestamp.has_value();
  // A deletion that has begun can only be made shorter.
  const bool shorter = deleting && grace < meta.deletionGracePeriodSeconds.value_or(0);
  if (!deleting || shorter) {
    meta.deletionTimestamp = Time{Instant::FromUnixMicros((seconds + grace) * 1'000'000)};
    meta.deletionGracePeriodSeconds = grace;
    if (!deleting && meta.generation > 0) ++meta.generation;
    if (!deleting && kind.strategy.begin_deletion != nullptr) kind.strategy.begin_deletion(*attempt.next, now);
  }
  if (auto* ns = attempt.next.get()->desc().gvk.kind == "Namespace" && attempt.next->desc().gvk.group.empty()
                     ? &attempt.next->As<core::v1::Namespace>()
                     : nullptr) {
    ns->status.phase = "Terminating";
    if (deleting && !ns->spec.finalizers.empty()) {
      return ConflictError(attempt.resource(), meta.name.view(),
                           "The system is ensuring all content is removed from this namespace.  Upon completion, this "
                           "namespace will automatically be purged by the system.");
    }
  }
  if (MayGo(kind, *attempt.next)) {
    attempt.effect = Attempt::Effect::kDelete;
    if (!kind.strategy.returns_deleted) attempt.said = DeletedStatus(attempt.resource(), *current.object);
  } else {
    attempt.effect = Attempt::Effect::kUpdate;
  }
  attempt.retry = true;
  return {};
}

Status Delete(Attempt& attempt) {
  const Entry* current = attempt.world->Find(attempt.kind->index, attempt.request().ns, attempt.request().name);
  if (current == nullptr) return NotFoundError(attempt.resource(), attempt.request().name);
  return DeriveDeletion(attempt, *current);
}

}  // namespace minikube::api
