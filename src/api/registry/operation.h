// Operation: one request on its way through the stages.
//
// The first stages run once, on the Operation; the others are an Attempt (attempt.h), made anew on a newer world each
// time its commit was refused because another writer was faster and the caller did not ask for a particular state.
// A stage may wait (Later): the operation then goes on where it was when it is told to. While it waits it can be
// withdrawn, and it is answered when its deadline has passed; between stages both are noticed too. What was handed to
// the committer is answered with what has become of it.
// Thread safety: one thread at a time, not always the same; Withdraw, and a Resume: any thread.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "api/registry/core.h"
#include "api/registry/request_context.h"

namespace minikube::api {

class Attempt;
class ObjectCompanion;
class Operation;

// What a stage says when it found no error.
enum class Flow : std::uint8_t {
  kNext,      // on to the next stage
  kAnswered,  // the attempt's answer is set, or somebody else answers
  kLater,     // somebody holds a Resume
  kAgain,     // the same stage once more; only what a stage that waited is resumed with
};

// A stage that runs once per request.
struct RequestStage {
  std::string_view name;
  Result<Flow> (*run)(Operation& operation);
};
// A stage that runs once per attempt.
struct AttemptStage {
  std::string_view name;
  Result<Flow> (*run)(Attempt& attempt);
};
// What was done outside the request's own transaction, for it.
struct Aftermath {
  virtual ~Aftermath() = default;
  // The request is answered: with success, or not.
  virtual void Ended(bool success) = 0;
};
// How a part of a stored object is shown and taken back (status, scale, ...).
struct SubresourceView {
  // What GET answers and a patch applies to; null: the whole object, in the version asked for.
  Result<ObjectPtr> (*show)(const Attempt& attempt, const Object& stored) = nullptr;
  // Takes from `incoming` (of the request's type) into `next` (a copy of the stored object) what this view may change.
  Status (*merge)(Attempt& attempt, const Object& incoming, Object& next) = nullptr;
};

class Operation : public std::enable_shared_from_this<Operation> {
 public:
  using Done = Function<void(Result<ApiResponse>)>;

  Operation(std::shared_ptr<Core> core, RequestContext context, Done done);
  // A request is answered even if what carried it was dropped (a strand that stopped, a Resume).
  ~Operation();

  // Runs all stages; answers through `done`.
  void Start();
  // The same for a part of a request that was authorised as a whole.
  void StartAuthorised();
  // Nobody waits for the answer any more: nothing further is begun for it.
  void Withdraw();

  const ApiRequest& request() const { return context.request; }
  const ResourceDesc& resource() const { return *context.request.resource; }
  // The type that the request's body and answer have.
  const MessageDesc& message() const { return subresource != nullptr ? *subresource->message : *resource().message; }

  // For a stage that is going to say kLater: call the result once, with kNext, kAgain, kAnswered or an error, on any
  // thread, even before the stage has returned. A second call does nothing.
  Function<void(Result<Flow>)> Later();
  // Hands on the duty to answer: the stages end (kAnswered), and the result is to be called once.
  Done TakeOver();

  const std::shared_ptr<Core> core_holder;
  Core& core;
  RequestContext context;

  // Set by the first stages.
  const StoredKind* kind = nullptr;  // null: the resource is not stored
  const SubresourceDesc* subresource = nullptr;
  const SubresourceView* view = nullptr;  // of `subresource`, if it shows a part of the object

  // What an attempt leaves behind that another one, or the end, has to take back.
  std::unique_ptr<Aftermath> aftermath;

 private:
  friend class Attempt;

  enum class Progress : std::uint8_t { kRunning, kAsked, kWaiting, kResumed, kEnded };

  void Begin(std::size_t stage);
  // Runs stages from `stage` on, counted through both lists.
  void Run(std::size_t stage);
  Result<Flow> RunStage(std::size_t stage);
  // True if there is no point in going on; has answered then.
  bool GivenUp();
  // Finishes, or true if somebody else does; false if `flow` is kNext.
  bool Ends(Result<Flow> flow);
  // True if `flow` is kLater and there is nothing to do but to wait; else `flow` is what it was resumed with.
  bool Waits(Result<Flow>& flow, std::size_t next);
  void Resume(std::uint64_t wait, Result<Flow> flow);
  void EndWait(Status why);
  void Finish(Result<ApiResponse> result);
  void Audit(const Result<ApiResponse>& result) const;
  void Retry();
  void Log(const Result<ApiResponse>& result) const;
  void Leave();

  Done done_;
  std::unique_ptr<Attempt> attempt_;
  bool inside_ = false;  // of core.gate
  int attempts_ = 0;
  bool again_ = false;  // the stage that runs goes on
  WallTime received_{};
  MonoTime begun_{};
  std::optional<MonoTime> deadline_;
  std::atomic<bool> withdrawn_ = false;

  std::mutex mu_;  // guards what is below
  Progress progress_ = Progress::kRunning;
  std::uint64_t waits_ = 0;
  std::size_t next_ = 0;  // where to go on
  std::optional<Result<Flow>> resumed_;
  TimerId timer_ = 0;
};

}  // namespace minikube::api
