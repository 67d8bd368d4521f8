// create.
#include <fmt/format.h>

#include "api/registry/verbs.h"
#include "api/wire/errors.h"
#include "api/world/served.h"

namespace minikube::api {

namespace {

// No vowels, so that no words appear; no digits that look like letters.
constexpr std::string_view kNameAlphabet = "bcdfghjklmnpqrstvwxz2456789";
constexpr std::size_t kNameSuffix = 5;
constexpr std::size_t kMaxGeneratedBase = 63 - kNameSuffix;
constexpr int kNameTries = 8;

std::string GenerateName(std::string_view base, Random& random) {
  std::string name(base.substr(0, kMaxGeneratedBase));
  for (std::size_t i = 0; i < kNameSuffix; ++i) name += kNameAlphabet[random.Next() % kNameAlphabet.size()];
  return name;
}

}  // namespace

Status StampNew(Attempt& attempt, Object& object) {
  const StoredKind& kind = *attempt.kind;
  const ApiRequest& request = attempt.request();
  meta::v1::ObjectMeta& meta = object.mutable_meta();
  if (kind.custom) {
    const Entry* definition = attempt.FindDefinition();
    if (definition == nullptr || definition->object->meta().deletionTimestamp) {
      return {Code::kMethodNotAllowed, "create not allowed while custom resource definition is terminating"};
    }
  }
  if (kind.resource->namespaced) {
    if (meta.namespace_.empty()) meta.namespace_ = request.ns;
    if (!(meta.namespace_ == request.ns)) {
      return {Code::kBadRequest,
              "the namespace of the provided object does not match the namespace sent on the request"};
    }
  } else if (!meta.namespace_.empty()) {
    return {Code::kBadRequest, fmt::format("{} are not namespaced", QualifiedResource(*kind.resource))};
  }
  if (!meta.resourceVersion.empty()) {
    return {Code::kBadRequest, "resourceVersion should not be set on objects to be created"};
  }
  if (meta.name.empty() && !meta.generateName.empty()) {
    // The generator is asked again where its name is taken, as often as kube-apiserver does.
    for (int tries = 0; tries < kNameTries; ++tries) {
      meta.name = GenerateName(meta.generateName.view(), attempt.core.env.random());
      if (attempt.world->Find(kind.index, meta.namespace_.view(), meta.name.view()) == nullptr) break;
    }
  }
  meta.uid = NewUid(attempt.core.env.random());
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(attempt.core.env.clock().Now().time_since_epoch());
  meta.creationTimestamp = {Instant::FromUnixMicros(now.count() * 1'000'000)};
  meta.deletionTimestamp.reset();
  meta.deletionGracePeriodSeconds.reset();
  meta.selfLink = {};
  meta.generation = kind.strategy.generation ? 1 : 0;
  // Status belongs to whoever carries the object out.
  if (kind.has_status_subresource && !kind.strategy.status_on_create) kind.ClearStatus(object);
  return {};
}

Status Create(Attempt& attempt) {
  const ApiRequest& request = attempt.request();
  Result<ObjectPtr> object = CopyAs(*request.object, *attempt.kind->message);
  if (!object) return object.status();
  attempt.next = std::move(object).value();
  if (!request.name.empty()) {
    meta::v1::ObjectMeta& meta = attempt.next->mutable_meta();
    if (meta.name.empty()) meta.name = request.name;
    if (!(meta.name == request.name)) {
      return {Code::kBadRequest, fmt::format("the name of the object ({}) does not match the name on the URL ({})",
                                             meta.name.view(), request.name)};
    }
  }
  MINIKUBE_RETURN_IF_ERROR(StampNew(attempt, *attempt.next));
  const meta::v1::ObjectMeta& meta = attempt.next->meta();
  const Entry* current = attempt.world->Find(attempt.kind->index, meta.namespace_.view(), meta.name.view());
  if (current != nullptr) {
    const bool generated = request.name.empty() && request.object->meta().name.empty();
    if (generated) return NameConflictError(attempt.resource(), meta.name.view());
    Status exists = AlreadyExistsError(attempt.resource(), meta.name.view());
    return current->object->meta().deletionTimestamp ? exists.WithContext("object is being deleted") : exists;
  }
  attempt.effect = Attempt::Effect::kCreate;
  attempt.expected = 0;
  attempt.before = nullptr;
  attempt.retry = true;  // the next attempt finds the other object, or generates another name
  return {};
}

}  // namespace minikube::api
