#include "api/stages/stages.h"

#include <algorithm>

#include <fmt/format.h>

#include <minikube/custom_object.h>

#include "api/admission/admission.h"
#include "api/kinds/metadata.h"
#include "api/registry/field_managers.h"
#include "api/registry/verbs.h"
#include "api/stages/custom_objects.h"
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

Status Authorise(Operation& op) { return AuthoriseRequest(op.core, op.context, &op.context.allowed_because); }

// ---- decode -------------------------------------------------------------------------------------------------------

Status FindTarget(Operation& op) {
  const ApiRequest& request = op.request();
  const ResourceDesc& resource = op.resource();
  const std::string_view verb = VerbName(request.verb);
  op.kind = op.core.cache.snapshot()->catalogue->Find(resource);
  if (op.kind == nullptr && IsCustom(*resource.message)) return NoSuchResource();  // its definition has gone
  if (op.kind != nullptr && !op.kind->strategy.deprecated.empty()) {
    op.context.warnings.emplace_back(op.kind->strategy.deprecated);
  }
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

bool IsQuestion(const Attempt& attempt) {
  if (attempt.kind == nullptr) return attempt.resource().plural != "bindings";
  if (attempt.subresource == nullptr) return false;
  const SubresourceAction* action = FindAction(*attempt.kind, attempt.subresource->name);
  return action != nullptr && action->question;
}

// What is answered without anything being stored is admitted as it came.
Result<Flow> AdmitQuestions(Attempt& attempt) {
  if (attempt.request().verb != Verb::kCreate || !IsQuestion(attempt)) return Flow::kNext;
  return AdmitQuestion(attempt);
}

// ---- default, validate --------------------------------------------------------------------------------------------

// An owner counts once, however often it is named.
void DropRepeatedOwners(Attempt& attempt) {
  if (attempt.next->meta().ownerReferences.size() < 2) return;
  List<meta::v1::OwnerReference> once;
  std::string repeated;
  for (const meta::v1::OwnerReference& owner : attempt.next->meta().ownerReferences) {
    if (std::none_of(once.begin(), once.end(), [&](const auto& known) { return DeepEqual(known, owner); })) {
      once.push_back(owner);
    } else {
      repeated += fmt::format("{}{}", repeated.empty() ? "" : ", ", owner.uid.view());
    }
  }
  if (repeated.empty()) return;
  attempt.next->mutable_meta().ownerReferences = std::move(once);
  attempt.warnings.push_back(
      fmt::format(".metadata.ownerReferences contains duplicate entries{}; API server dedups owner references in "
                  "1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) "
                  "observed: {}",
                  attempt.request().verb == Verb::kPatch ? " after mutating admission happens" : "", repeated));
}

Status Default(Attempt& attempt) {
  if (attempt.effect == Attempt::Effect::kDelete) return {};
  DropRepeatedOwners(attempt);
  const Strategy& strategy = attempt.kind->strategy;
  if (strategy.defaults != nullptr) strategy.defaults(*attempt.next, attempt.before.get());
  ApplyDefaults(*attempt.kind->message, attempt.next->mutable_data());
  if (attempt.kind->custom) MINIKUBE_RETURN_IF_ERROR(ShapeCustomObject(attempt));
  return {};
}

// What users do not set, and what there is one of only, for the object as it is going to be stored.
Status Prepare(Attempt& attempt) {
  if (attempt.effect == Attempt::Effect::kDelete) return {};
  const Strategy& strategy = attempt.kind->strategy;
  const Verb verb = attempt.request().verb;
  const bool writes = attempt.effect == Attempt::Effect::kCreate || verb == Verb::kUpdate || verb == Verb::kPatch;
  if (strategy.prepare != nullptr && writes && attempt.subresource == nullptr) {
    const HookContext hooks = attempt.Hooks();
    strategy.prepare(*attempt.next, attempt.before.get(), hooks);
  }
  const bool part = attempt.subresource != nullptr && attempt.effect == Attempt::Effect::kUpdate;
  if (strategy.prepare_part != nullptr && part) {
    const HookContext hooks = attempt.Hooks();
    strategy.prepare_part(*attempt.next, *attempt.before, attempt.subresource->name, hooks);
  }
  if (strategy.allocate == nullptr) return {};
  HookContext hooks = attempt.Hooks();
  return strategy.allocate(attempt.next.get(), attempt.before.get(), hooks);
}

Status ValidateNext(Attempt& attempt) {
  // Actions (binding, eviction) set single fields of an object that was valid before.
  const bool action = attempt.subresource != nullptr && attempt.request().verb == Verb::kCreate;
  if (attempt.effect == Attempt::Effect::kDelete || action || attempt.kind == nullptr) return {};
  const StoredKind& kind = *attempt.kind;
  ErrorList errors = ValidateStructure(*attempt.next);
  ValidateMetadata(kind, attempt.next->meta(), attempt.before ? &attempt.before->meta() : nullptr, errors);
  if (kind.strategy.validate != nullptr) {
    kind.strategy.validate(*attempt.next, attempt.before.get(), attempt.request().subresource, errors);
  }
  if (kind.strategy.validate_as != nullptr) {
    kind.strategy.validate_as(attempt.resource(), *attempt.next, attempt.before.get(), errors);
  }
  if (kind.custom) ValidateCustomObject(attempt, errors);
  if (errors.empty() && kind.strategy.warn != nullptr && attempt.subresource == nullptr) {
    kind.strategy.warn(*attempt.next, attempt.before.get(), attempt.warnings);
  }
  return errors.ToStatus(attempt.resource().group, attempt.resource().kind, attempt.next->meta().name.view());
}

// ---- store --------------------------------------------------------------------------------------------------------

Status StoreNext(Attempt& attempt) {
  FinishUpdate(attempt);
  const Strategy& strategy = attempt.kind->strategy;
  if (attempt.effect == Attempt::Effect::kDelete && strategy.allocate != nullptr) {
    HookContext hooks = attempt.Hooks();
    MINIKUBE_RETURN_IF_ERROR(strategy.allocate(nullptr, attempt.before.get(), hooks));
  }
  attempt.Commit();
  return {};
}

// A stage of a function that goes on unless there is an error.
template <Status (*run)(Operation&)>
Result<Flow> Once(Operation& op) {
  MINIKUBE_RETURN_IF_ERROR(run(op));
  return Flow::kNext;
}
template <Status (*run)(Attempt&)>
Result<Flow> Each(Attempt& attempt) {
  MINIKUBE_RETURN_IF_ERROR(run(attempt));
  return Flow::kNext;
}

constexpr RequestStage kOnce[] = {
    {"authorise", Once<Authorise>},
    {"decode", Once<DecodeBody>},
};
constexpr AttemptStage kRepeated[] = {
    {"admit (question)", AdmitQuestions}, {"resolve", Resolve},
    {"default", Each<Default>},           {"manage fields", Each<ManageFields>},
    {"admit (mutate)", AdmitMutate},      {"prepare", Each<Prepare>},
    {"validate", Each<ValidateNext>},     {"admit (validate)", AdmitValidate},
    {"store", Each<StoreNext>},
};

}  // namespace

StageList Stages() { return {kOnce, kRepeated}; }

Status AuthoriseRequest(const Core& core, const RequestContext& context, std::string* because) {
  const ApiRequest& request = context.request;
  const ResourceDesc& resource = *request.resource;
  Access access{
      VerbName(request.verb), resource.group, resource.plural, request.subresource, request.ns, request.name, {}};
  // A namespace is within itself: rights in it extend to the object.
  if (resource.group.empty() && resource.plural == "namespaces") access.ns = request.name;
  // What is to be created has no name in the request's path, so no rule about names can let it through.
  if (request.verb == Verb::kCreate && request.subresource.empty()) access.name = {};
  const bool many =
      request.verb == Verb::kList || request.verb == Verb::kWatch || request.verb == Verb::kDeleteCollection;
  if (many) {
    access.field_selector = request.field_selector;
    // A list of the objects of one name is about that object.
    constexpr std::string_view kName = "metadata.name=";
    const std::string_view selector = request.field_selector;
    if (selector.starts_with(kName) && selector.find(',') == std::string_view::npos) {
      access.name = selector.substr(kName.size() + (selector.substr(kName.size()).starts_with('=') ? 1 : 0));
    }
  }
  return core.authorization.Check(*core.cache.snapshot(), context.user, access, because);
}

}  // namespace minikube::api
