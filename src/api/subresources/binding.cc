// binding: the scheduler's decision. Sets a pod's node once; a second decision is a conflict.
#include <fmt/format.h>

#include <minikube/api/core/v1.h>

#include "api/subresources/subresources.h"
#include "api/wire/errors.h"

namespace minikube::api {

namespace {

ObjectRef Success() {
  meta::v1::Status status;
  status.status = "Success";
  return Share(std::move(status));
}

Status Bind(Attempt& attempt, const StoredKind& pods, std::string_view name) {
  const auto& binding = attempt.request().object->As<core::v1::Binding>();
  if (!binding.metadata.name.empty() && !(binding.metadata.name == name)) {
    return {Code::kBadRequest, "name in URL does not match name in Binding object"};
  }
  ErrorList errors;
  if (!binding.target.kind.empty() && !(binding.target.kind == "Node")) {
    errors.NotSupported(FieldPath("target.kind"), binding.target.kind, {"Node", "<empty>"});
  }
  if (binding.target.name.empty()) errors.Required(FieldPath("target.name"), "");
  MINIKUBE_RETURN_IF_ERROR(errors.ToStatus("", "Binding", name));

  const ResourceDesc& resource = *pods.resource;
  const Entry* current = attempt.world->Find(pods.index, attempt.request().ns, name);
  if (current == nullptr) return NotFoundError(resource, name);
  const auto& pod = current->object->As<core::v1::Pod>();
  const auto conflict = [&](std::string_view why) {
    Status status = ConflictError(resource, name, why);
    // The message names the subresource, as the resource of the request.
    return Status(status.code(), fmt::format("Operation cannot be fulfilled on pods/binding \"{}\": {}", name, why),
                  status.details());
  };
  if (!binding.metadata.uid.empty() && !(binding.metadata.uid == pod.metadata.uid)) {
    return conflict(fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}",
                                binding.metadata.uid.view(), pod.metadata.uid.view()));
  }
  if (!binding.metadata.resourceVersion.empty() &&
      !(binding.metadata.resourceVersion == std::to_string(current->revision))) {
    return conflict("the object has been modified");
  }
  if (pod.metadata.deletionTimestamp) {
    return conflict(fmt::format("pod {} is being deleted, cannot be assigned to a host", name));
  }
  if (!pod.spec.nodeName.empty()) {
    return conflict(fmt::format("pod {} is already assigned to node \"{}\"", name, pod.spec.nodeName.view()));
  }
  if (!pod.spec.schedulingGates.empty()) {
    return conflict(fmt::format("pod {} has non-empty .spec.schedulingGates", name));
  }

  attempt.kind = &pods;
  attempt.before = current->object;
  attempt.expected = current->revision;
  attempt.next = ObjectPtr::Clone(*current->object);
  auto& next = attempt.next->As<core::v1::Pod>();
  next.spec.nodeName = binding.target.name;
  next.status.nominatedNodeName = {};  // a promise that is kept, or not, is none any more
  for (const auto& [key, value] : binding.metadata.annotations) next.metadata.annotations[key] = value;
  const Time now{Instant::FromUnixMicros(
      std::chrono::duration_cast<std::chrono::seconds>(attempt.core.env.clock().Now().time_since_epoch()).count() *
      1'000'000)};
  core::v1::PodCondition scheduled;
  scheduled.type = "PodScheduled";
  scheduled.status = "True";
  scheduled.lastTransitionTime = now;
  bool found = false;
  for (core::v1::PodCondition& condition : next.status.conditions.Mutable()) {
    if (!(condition.type == scheduled.type)) continue;
    condition = scheduled;
    found = true;
  }
  if (!found) next.status.conditions.push_back(scheduled);
  attempt.effect = Attempt::Effect::kUpdate;
  attempt.said = Success();
  return {};
}

}  // namespace

Status DeriveBinding(Attempt& attempt) { return Bind(attempt, *attempt.kind, attempt.request().name); }

Status DeriveBindingByName(Attempt& attempt) {
  return Bind(attempt, attempt.world->catalogue->Get("", "pods"), attempt.request().object->meta().name.view());
}

}  // namespace minikube::api
