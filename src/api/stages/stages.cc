#include "api/stages/stages.h"

#include <algorithm>

#include <fmt/format.h>

#include "api/admission/admission.h"
#include "api/kinds/metadata.h"
#include "api/registry/field_managers.h"
#include "api/registry/verbs.h"
#include "api/subresources/subresources.h"
#include "api/wire/errors.h"
#include "model/defaulting.h"
#include "model/type_meta.h"
#include "model/validate.h"

namespace minikube::api {

namespace {

bool Contains(std::span<const std::string_view> list, std::string_view value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// ---- authorise ----------------------------------------------------------------------------------------------------

Status Authorise(Operation& op) { return AuthoriseRequest(op.core, op.context); }

// ---- decode -------------------------------------------------------------------------------------------------------

Status FindTarget(Operation& op) {
  const ApiRequest& request = op.request();
  const ResourceDesc& resource = op.resource();
  const std::string_view verb = VerbName(request.verb);
  op.kind = op.core.registry.Find(resource);
  if (request.subresource.empty()) {
    if (!Contains(resource.verbs, verb)) return MethodNotAllowedError(resource, verb);
  } else {
    for (const SubresourceDesc& sub : resource.subresources) {
      if (sub.name == request.subresource) op.subresource = &sub;
    }
    if (op.subresource == nullptr) return {Code::kNotFound, "the server could not find the requested resource"};
    if (!Contains(op.subresource->verbs, verb)) return MethodNotAllowedError(resource, verb);
    if (op.kind != nullptr) op.view = FindView(*op.kind, op.subresource->name);
  }
  const bool one = request.verb == Verb::kGet || request.verb == Verb::kUpdate || request.verb == Verb::kPatch ||
                   request.verb == Verb::kDelete;
  if ((one || op.subresource != nullptr) && request.name.empty()) {
    return {Code::kBadRequest, "resource name may not be empty"};
  }
  if (!resource.namespaced && !request.ns.empty()) {
    return {Code::kBadRequest, fmt::format("{} are not namespaced", QualifiedResource(resource))};
  }
  if (resource.namespaced && (one || request.verb == Verb::kCreate) && request.ns.empty()) {
    return {Code::kBadRequest, "an empty namespace may not be set during creation"};
  }
  return {};
}

Status DecodeBody(Operation& op) {
  MINIKUBE_RETURN_IF_ERROR(FindTarget(op));
  ApiRequest& request = op.context.request;
  if (request.verb == Verb::kCreate || request.verb == Verb::kUpdate || request.verb == Verb::kPatch) {
    MINIKUBE_RETURN_IF_ERROR(CheckFieldManager(request));
  }
  if (request.verb == Verb::kPatch) {
    if (!op.context.body) return {};
    request.patch = std::move(op.context.body->bytes);
    if (op.context.body->type == MediaType::kYaml) {
      Result<std::string> json = YamlToJson(request.patch);
      if (!json) return json.status();
      request.patch = std::move(json).value();
    }
    return {};
  }
  if (request.verb != Verb::kCreate && request.verb != Verb::kUpdate) return {};
  const MessageDesc& message = op.message();
  if (op.context.body) {
    DecodeOptions options;
    Result<FieldValidation> validation = FieldValidationOf(request);
    if (!validation) return validation.status();
    options.validation = *validation;
    options.warnings = &op.context.warnings;
    Result<ObjectPtr> object = Decode(op.context.body->type, op.context.body->bytes, &message, options);
    if (!object) {
      return model::ExplainDecodeError(object.status(), op.context.body->type, op.context.body->bytes, message);
    }
    request.object = std::move(object).value().Freeze();
    op.context.body.reset();
  }
  if (!request.object) return {Code::kBadRequest, "the request has no body"};
  if (&request.object->desc() != &message) {
    return {Code::kBadRequest,
            fmt::format("the object provided is a {}, expected {}", request.object->kind(), message.gvk.kind)};
  }
  return {};
}

// ---- default, validate --------------------------------------------------------------------------------------------

Status Default(Operation& op) {
  if (op.effect == Operation::Effect::kDelete) return {};
  const Strategy& strategy = op.kind->strategy;
  if (strategy.defaults != nullptr) strategy.defaults(*op.next, op.before.get());
  ApplyDefaults(*op.kind->message, op.next->mutable_data());
  return {};
}

// What users do not set, and what there is one of only, for the object as it is going to be stored.
Status Prepare(Operation& op) {
  if (op.effect == Operation::Effect::kDelete) return {};
  const Strategy& strategy = op.kind->strategy;
  const Verb verb = op.request().verb;
  const bool writes = op.effect == Operation::Effect::kCreate || verb == Verb::kUpdate || verb == Verb::kPatch;
  if (strategy.prepare != nullptr && writes && op.subresource == nullptr) {
    const HookContext hooks = op.Hooks();
    strategy.prepare(*op.next, op.before.get(), hooks);
  }
  if (strategy.allocate == nullptr) return {};
  HookContext hooks = op.Hooks();
  return strategy.allocate(op.next.get(), op.before.get(), hooks);
}

Status ValidateNext(Operation& op) {
  // Actions (binding, eviction) set single fields of an object that was valid before.
  const bool action = op.subresource != nullptr && op.request().verb == Verb::kCreate;
  if (op.effect == Operation::Effect::kDelete || action || op.core.registry.Find(op.resource()) == nullptr) return {};
  const StoredKind& kind = *op.kind;
  ErrorList errors = ValidateStructure(*op.next);
  ValidateMetadata(kind, op.next->meta(), op.before ? &op.before->meta() : nullptr, errors);
  if (kind.strategy.validate != nullptr) {
    kind.strategy.validate(*op.next, op.before.get(), op.request().subresource, errors);
  }
  return errors.ToStatus(op.resource().group, op.resource().kind, op.next->meta().name.view());
}

// ---- store --------------------------------------------------------------------------------------------------------

Status StoreNext(Operation& op) {
  FinishUpdate(op);
  const Strategy& strategy = op.kind->strategy;
  if (op.effect == Operation::Effect::kDelete && strategy.allocate != nullptr) {
    HookContext hooks = op.Hooks();
    MINIKUBE_RETURN_IF_ERROR(strategy.allocate(nullptr, op.before.get(), hooks));
  }
  op.Commit();
  return {};
}

constexpr Stage kStages[] = {
    {"authorise", Authorise, /*repeated=*/false},
    {"decode", DecodeBody, /*repeated=*/false},
    {"resolve", Resolve},
    {"default", Default},
    {"manage fields", ManageFields},
    {"admit (mutate)", AdmitMutate},
    {"prepare", Prepare},
    {"validate", ValidateNext},
    {"admit (validate)", AdmitValidate},
    {"store", StoreNext},
};

}  // namespace

std::span<const Stage> Stages() { return kStages; }

Status AuthoriseRequest(const Core& core, const RequestContext& context) {
  const ApiRequest& request = context.request;
  const ResourceDesc& resource = *request.resource;
  Access access{
      VerbName(request.verb), resource.group, resource.plural, request.subresource, request.ns, request.name, {}};
  // A namespace is within itself: rights in it extend to the object.
  if (resource.group.empty() && resource.plural == "namespaces") access.ns = request.name;
  // What is to be created has no name in the request's path, so no rule about names can let it through.
  if (request.verb == Verb::kCreate && request.subresource.empty()) access.name = {};
  Rbac::Decision decision = core.rbac.Decide(*core.cache.snapshot(), context.user, access);
  if (decision.allowed) return {};
  return Rbac::Forbidden(context.user, access, decision.reason);
}

}  // namespace minikube::api
