#include "api/registry/operation.h"

#include <chrono>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <minikube/codec.h>

#include "api/registry/verbs.h"
#include "api/wire/errors.h"
#include "api/world/companion.h"
#include "api/world/served.h"

namespace minikube::api {

namespace {

// An attempt fails only because another writer succeeded, so this many failures mean that something else is wrong.
constexpr int kMaxAttempts = 64;

// Keys that stand for no object, so the cache passes over them.
constexpr std::string_view kClaims = "/registry/minikube/claims/";

std::string Encoded(ObjectPtr& object) {
  object->mutable_meta().resourceVersion = {};  // the revision is the store's to give
  std::string value;
  Encode(MediaType::kProtobuf, *object, value);
  return value;
}

}  // namespace

Operation::~Operation() {
  if (done) Finish(Status(Code::kUnavailable, "the API server is stopping"));
  Leave();
}

void Operation::Leave() {
  if (std::exchange(inside_, false)) core.gate.Leave();
}

void Operation::Start() { Begin(0); }

void Operation::StartAuthorised() { Begin(1); }

void Operation::Begin(std::size_t stage) {
  if (core.log.enabled(LogLevel::kDebug)) begun_ = core.env.clock().MonoNow();
  inside_ = core.gate.Enter();
  if (!inside_) return Finish(Status(Code::kUnavailable, "the API server is stopping"));
  Run(stage);
}

void Operation::Run(std::size_t stage) {
  const std::span<const Stage> stages = core.stages;
  while (true) {
    if (Status status = stages[stage].run(*this); !status.ok()) return Finish(std::move(status));
    // The last stage handed this operation to the committer, whose thread may be finishing it by now.
    if (++stage == stages.size()) return;
    if (!done) return;  // a stage took over (delete collection)
    if (answer) return Finish(std::move(*answer));
  }
}

void Operation::AnswerMade(ObjectPtr made) {
  ApiResponse response;
  response.object = std::move(made).Freeze();
  response.revision = world->revision;
  response.created = true;
  Answer(std::move(response));
}

void Operation::Finish(Result<ApiResponse> result) {
  if (result && result->created && kind != nullptr && kind->strategy.inert) {
    context.warnings.push_back(
        fmt::format("{} are stored, but this server does not act on them yet", resource().plural));
  }
  if (result) result->warnings = std::move(context.warnings);
  if (core.log.enabled(LogLevel::kDebug) && request().verb != Verb::kGet && request().verb != Verb::kList) Log(result);
  Done finish = std::move(done);
  done = nullptr;
  if (finish) finish(std::move(result));
  Leave();  // nothing of the server is touched any more
}

// Who wrote what, with which outcome: the record from which one follows a change through the cluster.
void Operation::Log(const Result<ApiResponse>& result) const {
  const auto micros =
      std::chrono::duration_cast<std::chrono::microseconds>(core.env.clock().MonoNow() - begun_).count();
  std::string resource_name(resource().plural);
  if (!request().subresource.empty()) resource_name += "/" + request().subresource;
  const bool has_object = result && result->object;
  std::string name = has_object && request().name.empty() ? result->object->meta().name.str() : request().name;
  core.log.Debug("write", {{"user", context.user.name},
                           {"verb", std::string(VerbName(request().verb))},
                           {"resource", std::move(resource_name)},
                           {"namespace", request().ns},
                           {"name", std::move(name)},
                           {"outcome", result ? "ok" : result.status().ToString()},
                           {"revision", std::to_string(result ? result->revision : 0)},
                           {"micros", std::to_string(micros)}});
}

Result<ObjectRef> Operation::Present(const ObjectRef& stored) const {
  if (view != nullptr && view->show != nullptr) {
    Result<ObjectPtr> shown = view->show(*stored);
    if (!shown) return shown.status();
    return std::move(shown).value().Freeze();
  }
  return InServedType(stored, *resource().message);
}

void Operation::Commit() {
  if (effect == Effect::kUpdate && Equal(*next, *before)) {
    // Nothing changes: no write, no event, the same revision.
    Result<ObjectRef> object = said ? Result<ObjectRef>(said) : Present(before);
    if (!object) return Finish(object.status());
    ApiResponse response;
    response.object = std::move(object).value();
    response.revision = world->revision;
    return Finish(std::move(response));
  }
  if (context.request.dry_run) {
    if (effect == Effect::kCreate) next->mutable_meta().resourceVersion = {};
    Result<ObjectRef> object = said ? Result<ObjectRef>(said) : Present(std::move(next).Freeze());
    if (!object) return Finish(object.status());
    ApiResponse response;
    response.object = std::move(object).value();
    response.revision = world->revision;
    response.created = effect == Effect::kCreate;
    return Finish(std::move(response));
  }

  const auto add = [](Transaction& txn, const StoredKind& in, std::string_view ns, std::string_view name,
                      Revision expected, ObjectPtr object, bool remove) {
    std::string key = in.Key(ns, name);
    Write write;
    write.key = key;
    if (!remove) write.value = Encoded(object);
    auto companion = object ? std::make_shared<ObjectCompanion>(in, std::move(object)) : nullptr;
    write.companion = companion;
    txn.compares.push_back({std::move(key), expected});
    txn.writes.push_back(std::move(write));
    return companion;
  };
  LeaseId lease = 0;
  if (kind->strategy.expires && effect != Effect::kDelete) {
    Result<LeaseId> granted = core.event_lease.For(core.store, core.env.clock().MonoNow());
    if (!granted) return Finish(granted.status());
    lease = *granted;
  }
  Transaction txn;
  const std::string ns = next->meta().namespace_.str();
  const std::string name = next->meta().name.str();
  written_ = add(txn, *kind, ns, name, expected, std::move(next), effect == Effect::kDelete);
  txn.writes.front().lease = lease;
  for (SideWrite& side : side_writes) {
    const bool remove = !side.object;
    add(txn, *side.kind, side.ns, side.name, side.expected, std::move(side.object), remove);
  }
  side_writes.clear();
  for (const Claim& claim : claims) {
    Write write;
    write.key = std::string(kClaims) + claim.name;
    if (claim.taken) {
      txn.compares.push_back({write.key, 0});
      write.value = fmt::format("{}/{}/{}", resource().plural, ns, name);  // for people who look
    }
    txn.writes.push_back(std::move(write));
  }
  core.store.Commit(std::move(txn),
                    [self = shared_from_this()](Result<CommitResult> result) { self->OnCommitted(std::move(result)); });
}

void Operation::OnCommitted(Result<CommitResult> result) {
  if (!result) return Finish(result.status());
  if (result->succeeded) {
    Result<ObjectRef> object = said ? Result<ObjectRef>(said) : Present(written_->object());
    if (!object) return Finish(object.status());
    ApiResponse response;
    response.object = std::move(object).value();
    response.revision = result->revision;
    response.created = effect == Effect::kCreate || (subresource != nullptr && context.request.verb == Verb::kCreate);
    return Finish(std::move(response));
  }
  written_.reset();
  if (!retry || ++attempts_ == kMaxAttempts) return Finish(ModifiedError(resource(), context.request.name));
  // The cache has seen the write that was faster, so the next attempt works on a newer world. Not on the committer.
  std::size_t first = 0;
  while (!core.stages[first].repeated) ++first;
  core.strand->Post([self = shared_from_this(), first] { self->Run(first); });
}

}  // namespace minikube::api
