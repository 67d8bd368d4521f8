#include <fmt/format.h>

#include "api/admission/plugins.h"
#include "api/wire/errors.h"

namespace minikube::api {

namespace {

bool IsImmortal(std::string_view ns) { return ns == "default" || ns == "kube-system" || ns == "kube-public"; }

// Objects live in namespaces that exist and are not about to go; some namespaces never go.
Status AdmitNamespaceLifecycle(Attempt& attempt) {
  const StoredKind& namespaces = attempt.world->catalogue->Get("", "namespaces");
  if (attempt.kind == &namespaces && attempt.request().verb == Verb::kDelete && IsImmortal(attempt.request().name)) {
    return ForbiddenError(attempt.resource(), attempt.request().name, "this namespace may not be deleted");
  }
  if (!attempt.kind->resource->namespaced || attempt.effect != Attempt::Effect::kCreate) return {};
  const std::string_view ns = attempt.next->meta().namespace_.view();
  const Entry* entry = attempt.world->Find(namespaces.index, {}, ns);
  if (entry == nullptr) return NotFoundError(*namespaces.resource, ns);
  if (!entry->object->meta().deletionTimestamp) return {};
  const std::string_view name = attempt.next->meta().name.view();
  Status status =
      ForbiddenError(attempt.resource(), name,
                     fmt::format("unable to create new content in namespace {} because it is being terminated", ns));
  StatusDetails details = status.details();
  details.causes.push_back(
      {"NamespaceTerminating", fmt::format("namespace {} is being terminated", ns), "metadata.namespace"});
  return {status.code(), status.message(), std::move(details)};
}

bool Handles(const AdmissionTarget& target) {
  if (target.operation == AdmissionOperation::kDelete) return IsResource(target, "", "namespaces");
  return target.operation == AdmissionOperation::kCreate && target.resource.namespaced;
}

}  // namespace

const PlainPlugin kNamespaceLifecycle{"NamespaceLifecycle", Handles, AdmitNamespaceLifecycle};

}  // namespace minikube::api
