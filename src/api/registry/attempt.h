// Attempt: one try to carry out a request, on one immutable snapshot of the world. It decides purely and commits with
// compare-and-set; what it gathered on the way (side writes, warnings) goes with it if it fails.
//
// Thread safety: as Operation. Lifetime: its operation's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/registry/operation.h"

namespace minikube::api {

// What a stage keeps of an attempt between the times that it waits.
struct AttemptPart {
  virtual ~AttemptPart() = default;
};

class Attempt {
 public:
  enum class Effect : std::uint8_t { kAnswer, kCreate, kUpdate, kDelete };

  explicit Attempt(Operation& operation);
  ~Attempt();

  const ApiRequest& request() const { return operation.request(); }
  const ResourceDesc& resource() const { return operation.resource(); }
  const MessageDesc& message() const { return operation.message(); }
  const UserInfo& user() const { return operation.context.user; }
  HookContext Hooks() {
    return {*world,      user(), core.env.clock().Now(), core.env.random(), core.options.service_cluster_ip_range,
            side_writes, claims};
  }
  // The CustomResourceDefinition of a custom kind, in this attempt's world; null if it is gone.
  const Entry* FindDefinition() const;
  // The write's answer in the request's type; `stored` is of the kind's.
  Result<ObjectRef> Present(const ObjectRef& stored) const;
  void Answer(ApiResponse response) { answer = std::move(response); }
  // With what the request made of the object it brought, as a review does; nothing is stored.
  void AnswerMade(ObjectPtr made);
  // The end of an attempt: answers at once if nothing changes or nothing may (dry run), else hands the transaction to
  // the store, and the operation is answered, or makes another attempt, when it is committed.
  void Commit();

  Operation& operation;
  Core& core;
  const StoredKind* kind;  // of what is written
  const SubresourceDesc* const subresource;
  const SubresourceView* const view;

  const Snapshot world;
  Effect effect = Effect::kAnswer;
  ObjectRef before;       // null: does not exist
  Revision expected = 0;  // its revision
  ObjectPtr next;         // the new state, in the stored type; for a deletion the last one
  std::vector<SideWrite> side_writes;
  std::vector<Claim> claims;
  bool retry = true;                                       // make another attempt if the optimistic lock fails
  ObjectRef said;                                          // answer with this instead of with the object written
  std::optional<ApiResponse> answer;                       // set: the request is answered, nothing is written
  std::vector<std::string> warnings;                       // for the caller, if it is this attempt that answers
  std::vector<std::pair<std::string, std::string>> audit;  // annotations, likewise
  std::unique_ptr<AttemptPart> admission;                  // of the admission stages

 private:
  friend class Operation;
  Transaction MakeTransaction(LeaseId lease);
  // Whether Present gives the stored object itself.
  bool ShownAsStored() const;
  void AnswerWith(const ObjectRef& object, Revision revision, bool created);
  void OnCommitted(Result<CommitResult> result);
  std::shared_ptr<ObjectCompanion> written_;
};

}  // namespace minikube::api
