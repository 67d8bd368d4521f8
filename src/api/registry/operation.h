// Operation: one request on its way through the stages.
//
// The first stages run once; from `resolve` on an attempt works on one immutable snapshot of the world, decides purely,
// and commits with compare-and-set. If another writer was faster and the caller did not ask for a particular state, the
// attempt is made again on the newer world.
// Thread safety: one thread at a time, not always the same.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "api/registry/core.h"
#include "api/registry/request_context.h"

namespace minikube::api {

class Operation;

struct Stage {
  std::string_view name;
  // May set operation.answer, which ends the journey early.
  Status (*run)(Operation& operation);
  bool repeated = true;  // part of an attempt: run again when the optimistic lock failed
};

// How a part of a stored object is shown and taken back (status, scale, ...).
struct SubresourceView {
  // What GET answers and a patch applies to; null: the whole object, in the version asked for.
  Result<ObjectPtr> (*show)(const Object& stored) = nullptr;
  // Takes from `incoming` (of the request's type) into `next` (a copy of the stored object) what this view may change.
  Status (*merge)(Operation& op, const Object& incoming, Object& next) = nullptr;
};

class Operation : public std::enable_shared_from_this<Operation> {
 public:
  using Done = Function<void(Result<ApiResponse>)>;
  enum class Effect : std::uint8_t { kAnswer, kCreate, kUpdate, kDelete };

  Operation(std::shared_ptr<Core> core, RequestContext context, Done done)
      : core_holder(std::move(core)), core(*core_holder), context(std::move(context)), done(std::move(done)) {}
  // A request is answered even if what carried it was dropped (a strand that stopped).
  ~Operation();

  // Runs all stages; answers through `done`.
  void Start();
  // The same for a part of a request that was authorised as a whole.
  void StartAuthorised();

  const ApiRequest& request() const { return context.request; }
  const ResourceDesc& resource() const { return *context.request.resource; }
  // The type that the request's body and answer have.
  const MessageDesc& message() const { return subresource != nullptr ? *subresource->message : *resource().message; }
  HookContext Hooks() {
    return {core.registry,     *world,
            context.user,      core.env.clock().Now(),
            core.env.random(), core.options.service_cluster_ip_range,
            side_writes,       claims};
  }
  // The write's answer in the request's type; `stored` is of the kind's.
  Result<ObjectRef> Present(const ObjectRef& stored) const;
  void Answer(ApiResponse response) { answer = std::move(response); }
  // With what the request made of the object it brought, as a review does; nothing is stored.
  void AnswerMade(ObjectPtr made);
  void Finish(Result<ApiResponse> result);
  void Commit();

  const std::shared_ptr<Core> core_holder;
  Core& core;
  RequestContext context;
  Done done;

  // Set by the first stages.
  const StoredKind* kind = nullptr;  // null: the resource is not stored
  const SubresourceDesc* subresource = nullptr;
  const SubresourceView* view = nullptr;  // of `subresource`, if it shows a part of the object

  // Set by an attempt's resolve stage.
  Snapshot world;
  Effect effect = Effect::kAnswer;
  ObjectRef before;       // null: does not exist
  Revision expected = 0;  // its revision
  ObjectPtr next;         // the new state, in the stored type; for a deletion the last one
  std::vector<SideWrite> side_writes;
  std::vector<Claim> claims;
  bool retry = true;                  // make another attempt if the optimistic lock fails
  ObjectRef said;                     // answer with this instead of with the object written
  std::optional<ApiResponse> answer;  // set: the request is answered, nothing is written

 private:
  void Begin(std::size_t stage);
  void Run(std::size_t stage);
  void Log(const Result<ApiResponse>& result) const;
  void OnCommitted(Result<CommitResult> result);
  void Leave();
  bool inside_ = false;  // of core.gate
  int attempts_ = 0;
  MonoTime begun_{};
  std::shared_ptr<class ObjectCompanion> written_;
};

}  // namespace minikube::api
