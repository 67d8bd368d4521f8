#include "api/registry/operation.h"

#include <chrono>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "api/registry/attempt.h"
#include "api/registry/audit_trail.h"
#include "api/registry/verbs.h"
#include "api/wire/errors.h"

namespace minikube::api {

namespace {

// An attempt fails only because another writer succeeded, so this many failures mean that something else is wrong.
constexpr int kMaxAttempts = 64;

Status Withdrawn() { return {Code::kCancelled, "the request was withdrawn"}; }
Status TimedOut() { return {Code::kTimeout, "request did not complete within the allotted timeout"}; }

}  // namespace

Operation::Operation(std::shared_ptr<Core> core_of, RequestContext of, Done done)
    : core_holder(std::move(core_of)), core(*core_holder), context(std::move(of)), done_(std::move(done)) {}

Operation::~Operation() {
  if (done_) Finish(Status(Code::kUnavailable, "the API server is stopping"));
  Leave();
}

void Operation::Leave() {
  if (std::exchange(inside_, false)) core.gate.Leave();
}

void Operation::Start() { Begin(0); }

void Operation::StartAuthorised() { Begin(1); }

void Operation::Begin(std::size_t stage) {
  if (core.log.enabled(LogLevel::kDebug)) begun_ = core.env.clock().MonoNow();
  if (!core.options.extensions.audit_sinks.empty()) received_ = core.env.clock().Now();
  if (const std::int64_t seconds = request().timeout_seconds; seconds > 0) {
    deadline_ = core.env.clock().MonoNow() + std::chrono::seconds(seconds);
  }
  inside_ = core.gate.Enter();
  if (!inside_) return Finish(Status(Code::kUnavailable, "the API server is stopping"));
  Run(stage);
}

void Operation::Run(std::size_t stage) {
  const std::size_t first_repeated = core.stages.once.size();
  const std::size_t end = first_repeated + core.stages.repeated.size();
  while (true) {
    if (GivenUp()) return;
    if (stage == first_repeated && !std::exchange(again_, false)) attempt_ = std::make_unique<Attempt>(*this);
    Result<Flow> flow = RunStage(stage);
    // The last stage handed this operation to the committer, whose thread may be finishing it by now.
    if (++stage == end && flow) return;
    if (Waits(flow, stage)) return;
    again_ = flow && *flow == Flow::kAgain;
    if (again_) {
      --stage;
    } else if (Ends(std::move(flow))) {
      return;
    }
  }
}

Result<Flow> Operation::RunStage(std::size_t stage) {
  const std::span<const RequestStage> once = core.stages.once;
  return stage < once.size() ? once[stage].run(*this) : core.stages.repeated[stage - once.size()].run(*attempt_);
}

bool Operation::Ends(Result<Flow> flow) {
  if (!flow) {
    Finish(flow.status());
    return true;
  }
  if (*flow == Flow::kNext || *flow == Flow::kAgain) return false;
  // Somebody else answers if the duty to was taken over.
  if (done_) Finish(std::move(*attempt_->answer));
  return true;
}

bool Operation::GivenUp() {
  const bool late = deadline_ && core.env.clock().MonoNow() >= *deadline_;
  if (!withdrawn_ && !late) return false;
  Finish(withdrawn_ ? Withdrawn() : TimedOut());
  return true;
}

// ---- Waiting ------------------------------------------------------------------------------------------------------

Function<void(Result<Flow>)> Operation::Later() {
  std::lock_guard lock(mu_);
  progress_ = Progress::kAsked;
  return [self = shared_from_this(), wait = ++waits_](Result<Flow> flow) { self->Resume(wait, std::move(flow)); };
}

Operation::Done Operation::TakeOver() { return std::exchange(done_, nullptr); }

bool Operation::Waits(Result<Flow>& flow, std::size_t next) {
  if (!flow || *flow != Flow::kLater) return false;
  {
    std::lock_guard lock(mu_);
    if (progress_ == Progress::kResumed) {
      flow = std::move(*resumed_);
      progress_ = Progress::kRunning;
      return false;
    }
    next_ = next;
    progress_ = Progress::kWaiting;
    if (deadline_) {
      timer_ = core.strand->After(*deadline_ - core.env.clock().MonoNow(), [weak = weak_from_this()] {
        if (auto self = weak.lock()) self->EndWait(TimedOut());
      });
    }
  }
  if (withdrawn_) EndWait(Withdrawn());
  return true;
}

void Operation::Resume(std::uint64_t wait, Result<Flow> flow) {
  std::lock_guard lock(mu_);
  if (wait != waits_) return;
  if (progress_ == Progress::kAsked) {
    resumed_ = std::move(flow);
    progress_ = Progress::kResumed;
  } else if (progress_ == Progress::kWaiting) {
    progress_ = Progress::kRunning;
    if (const TimerId timer = std::exchange(timer_, 0); timer != 0) core.strand->Cancel(timer);
    // Not on the caller's thread, which may be that of anything.
    core.strand->Post([self = shared_from_this(), next = next_, flow = std::move(flow)]() mutable {
      self->again_ = flow && *flow == Flow::kAgain;
      const std::size_t stage = self->again_ ? next - 1 : next;
      if (!self->Ends(std::move(flow))) self->Run(stage);
    });
  }
}

void Operation::EndWait(Status why) {
  {
    std::lock_guard lock(mu_);
    if (progress_ != Progress::kWaiting) return;
    progress_ = Progress::kEnded;
    if (const TimerId timer = std::exchange(timer_, 0); timer != 0) core.strand->Cancel(timer);
  }
  Finish(std::move(why));
}

void Operation::Withdraw() {
  withdrawn_ = true;
  EndWait(Withdrawn());
}

// ---- The end ------------------------------------------------------------------------------------------------------

void Operation::Retry() {
  if (++attempts_ == kMaxAttempts) return Finish(ModifiedError(resource(), context.request.name));
  // The cache has seen the write that was faster, so the next attempt works on a newer world. Not on the committer.
  core.strand->Post([self = shared_from_this()] { self->Run(self->core.stages.once.size()); });
}

void Operation::Finish(Result<ApiResponse> result) {
  if (result) {
    result->warnings = std::move(context.warnings);
    if (attempt_ != nullptr) {
      result->warnings.insert(result->warnings.end(), attempt_->warnings.begin(), attempt_->warnings.end());
    }
    if (result->created && kind != nullptr && kind->strategy.inert) {
      result->warnings.push_back(
          fmt::format("{} are stored, but this server does not act on them yet", resource().plural));
    }
  }
  if (core.log.enabled(LogLevel::kDebug) && request().verb != Verb::kGet && request().verb != Verb::kList) Log(result);
  if (!core.options.extensions.audit_sinks.empty()) Audit(result);
  if (aftermath != nullptr) aftermath->Ended(result.ok());
  Done finish = std::exchange(done_, nullptr);
  if (finish) finish(std::move(result));
  Leave();  // nothing of the server is touched any more
}

void Operation::Audit(const Result<ApiResponse>& result) const {
  AuditEvent event = AuditEventOf(core, context, AuditEvent::Stage::kResponseComplete, result.status(), received_);
  if (result) {
    if (result->created) event.http_status = 201;
    if (result->object && event.resource_version.empty() && kind != nullptr) {
      const meta::v1::ObjectMeta& meta = result->object->meta();
      if (event.name.empty()) event.name = meta.name.str();
      event.uid = meta.uid.str();
      event.resource_version = meta.resourceVersion.str();
    }
  }
  // Where a plugin has been waited for in vain, it may still be writing.
  const Code code = result.status().code();
  if (attempt_ != nullptr && code != Code::kTimeout && code != Code::kCancelled) {
    for (const auto& [key, value] : attempt_->audit) event.annotations[key] = value;
  }
  Tell(core, event);
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

}  // namespace minikube::api
