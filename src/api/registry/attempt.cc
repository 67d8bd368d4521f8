#include "api/registry/attempt.h"

#include <string>
#include <utility>

#include <fmt/format.h>

#include <minikube/codec.h>

#include "api/wire/errors.h"
#include "api/world/companion.h"
#include "api/world/served.h"

namespace minikube::api {

namespace {

// Keys that stand for no object, so the cache passes over them.
constexpr std::string_view kClaims = "/registry/minikube/claims/";

std::string Encoded(const StoredKind& kind, ObjectPtr& object) {
  object->mutable_meta().resourceVersion = {};  // the revision is the store's to give
  std::string value;
  Encode(kind.media(), *object, value);
  return value;
}

}  // namespace

Attempt::Attempt(Operation& of)
    : operation(of),
      core(of.core),
      kind(of.kind),
      subresource(of.subresource),
      view(of.view),
      world(of.core.cache.snapshot()) {}

Attempt::~Attempt() = default;

void Attempt::AnswerMade(ObjectPtr made) {
  ApiResponse response;
  response.object = std::move(made).Freeze();
  response.revision = world->revision;
  response.created = true;
  Answer(std::move(response));
}

bool Attempt::ShownAsStored() const {
  return (view == nullptr || view->show == nullptr) && kind->message == resource().message;
}

Result<ObjectRef> Attempt::Present(const ObjectRef& stored) const {
  if (view != nullptr && view->show != nullptr) {
    Result<ObjectPtr> shown = view->show(*this, *stored);
    if (!shown) return shown.status();
    return std::move(shown).value().Freeze();
  }
  return InServedType(stored, *resource().message);
}

const Entry* Attempt::FindDefinition() const {
  const StoredKind& definitions = core.built_in->Get("apiextensions.k8s.io", "customresourcedefinitions");
  return world->Find(definitions.index, {}, fmt::format("{}.{}", kind->strategy.plural, kind->strategy.group));
}

void Attempt::Commit() {
  if (effect == Effect::kUpdate && Equal(*next, *before)) {
    // Nothing changes: no write, no event, the same revision.
    return AnswerWith(before, world->revision, false);
  }
  if (request().dry_run) {
    if (effect == Effect::kCreate) next->mutable_meta().resourceVersion = {};
    return AnswerWith(std::move(next).Freeze(), world->revision, effect == Effect::kCreate);
  }
  LeaseId lease = 0;
  if (kind->strategy.expires && effect != Effect::kDelete) {
    Result<LeaseId> granted = core.event_lease.For(core.store, core.env.clock().MonoNow());
    if (!granted) return operation.Finish(granted.status());
    lease = *granted;
  }
  core.store.Commit(MakeTransaction(lease), [self = operation.shared_from_this()](Result<CommitResult> result) {
    self->attempt_->OnCommitted(std::move(result));
  });
}

Transaction Attempt::MakeTransaction(LeaseId lease) {
  Transaction txn;
  const auto add = [&txn](const StoredKind& in, std::string_view ns, std::string_view name, Revision at,
                          ObjectPtr object, bool remove) {
    std::string key = in.Key(ns, name);
    Write write;
    write.key = key;
    if (!remove) write.value = Encoded(in, object);
    auto companion = object ? std::make_shared<ObjectCompanion>(in, std::move(object)) : nullptr;
    write.companion = companion;
    txn.compares.push_back({std::move(key), at});
    txn.writes.push_back(std::move(write));
    return companion;
  };
  const std::string ns = next->meta().namespace_.str();
  const std::string name = next->meta().name.str();
  written_ = add(*kind, ns, name, expected, std::move(next), effect == Effect::kDelete);
  txn.writes.front().lease = lease;
  for (SideWrite& side : side_writes) {
    const bool remove = !side.object;
    add(*side.kind, side.ns, side.name, side.expected, std::move(side.object), remove);
  }
  if (kind->custom && effect == Effect::kCreate) {
    // A definition goes once its last object has gone: none may be created that it has not seen.
    const Entry* definition = FindDefinition();
    const StoredKind& definitions = core.built_in->Get("apiextensions.k8s.io", "customresourcedefinitions");
    txn.compares.push_back({definitions.Key({}, definition->object->meta().name.view()), definition->revision});
  }
  for (const Claim& claim : claims) {
    Write write;
    write.key = std::string(kClaims) + claim.name;
    if (claim.taken) {
      txn.compares.push_back({write.key, 0});
      write.value = fmt::format("{}/{}/{}", resource().plural, ns, name);  // for people who look
    }
    txn.writes.push_back(std::move(write));
  }
  return txn;
}

void Attempt::AnswerWith(const ObjectRef& object, Revision revision, bool created) {
  Result<ObjectRef> shown = said ? Result<ObjectRef>(said) : Present(object);
  if (!shown) return operation.Finish(shown.status());
  ApiResponse response;
  response.object = std::move(shown).value();
  response.revision = revision;
  response.created = created;
  operation.Finish(std::move(response));
}

void Attempt::OnCommitted(Result<CommitResult> result) {
  if (!result) return operation.Finish(result.status());
  if (result->succeeded) {
    const bool made = effect == Effect::kCreate || (subresource != nullptr && request().verb == Verb::kCreate);
    // In another form than it is stored in, it is shown by somebody else than the committer.
    if (!said && !ShownAsStored()) {
      core.strand->Post([self = operation.shared_from_this(), revision = result->revision, made] {
        self->attempt_->AnswerWith(self->attempt_->written_->object(), revision, made);
      });
      return;
    }
    return AnswerWith(written_->object(), result->revision, made);
  }
  if (!retry) return operation.Finish(ModifiedError(resource(), request().name));
  operation.Retry();
}

}  // namespace minikube::api
