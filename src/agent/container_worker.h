// ContainerWorker: one container of a pod, from image to exit and round again.
//
//   idle -> pulling -> preparing -> starting -> running -> reaping -> idle
//
// Level-triggered: its pod calls Run or Stop whenever something has changed, and the worker takes the next step towards
// that, or waits (back-off, an image, an object that does not exist yet). It tells the pod to look again with Poke.
// Thread safety: the agent's strand. Lifetime: context and pod outlive it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/agent_context.h"
#include "agent/container_config.h"
#include "agent/container_probes.h"
#include "agent/pod_status.h"
#include "agent/restart_backoff.h"

namespace minikube::agent {

// What a container sees of its pod.
class PodScope {
 public:
  virtual const core::Pod& pod() const = 0;
  virtual const Object& pod_object() const = 0;
  virtual PodFacts facts() const = 0;
  virtual const std::string& sandbox_id() const = 0;
  virtual const std::vector<PlannedVolume>& volumes() const = 0;
  virtual PodPaths paths() const = 0;
  // The ID of a container of the pod that runs; "" if there is none of that name.
  virtual std::string RunningId(std::string_view container) const = 0;
  // Something has changed: the pod looks at everything again, soon, in a task of its own.
  virtual void Poke() = 0;

 protected:
  ~PodScope() = default;
};

// In which list of the spec a container is.
enum class ContainerKind : std::uint8_t { kInit, kApp, kEphemeral };

class ContainerWorker : public std::enable_shared_from_this<ContainerWorker> {
 public:
  ContainerWorker(AgentContext& context, PodScope& scope, std::size_t index, ContainerKind kind);
  ~ContainerWorker();

  // After a restart of the agent: what the runtime has of this container, oldest first, and what was reported last.
  void Adopt(std::vector<ContainerState> runs, const core::ContainerStatus* reported);

  // Sees to it that it runs (again). The pod has decided that it may.
  void Run();
  // Sees to it that it does not run: the stop signal, then SIGKILL at `deadline`. A second call may only hasten it.
  void Stop(MonoTime deadline);
  // The runtime says that a run has ended.
  void Exited(const ContainerState& state);
  // The sandbox is a new one: what ran in the old one is a former run, and an init container has yet to run.
  void Renew();
  bool former() const { return former_; }
  // Removes what the runtime still keeps of it. Only when idle.
  void Clean();

  const core::Container& spec() const;
  ContainerView View() const;
  bool idle() const { return step_ == Step::kIdle; }
  bool running() const { return step_ == Step::kRunning; }
  // The run that ended last, if none is under way.
  const Instance* ended() const { return idle() && current_ && current_->exited() ? &*current_ : nullptr; }
  std::uint32_t restarts() const { return restarts_; }

 private:
  enum class Step : std::uint8_t { kIdle, kPulling, kPreparing, kStarting, kRunning, kReaping };
  struct Stopping {
    MonoTime deadline;
    std::string why;       // of the Killing event
    bool restart = false;  // it may run again afterwards
    bool signalled = false;
  };
  struct Ephemeral {  // as it was added to the pod: it does not change
    core::Container spec;
    Str target;  // the container whose processes it shares; empty = none
  };
  struct Transient {  // what is needed only between idle and running
    ImageInfo image;
    bool have_image = false;
    MonoTime pull_began{};
    PreparedContainer prepared;
    std::optional<ContainerState> early_exit;  // told before the answer to the start
  };

  void RunIdle();
  void FindImage();
  void Pull(bool always);
  void Pulled(bool pulling, Result<ImageInfo> image);
  void PullFailed(std::string reason, std::string message);
  void Prepare();
  void StartPrepared();
  void Started(Result<ContainerState> state);
  void HookFailed(std::string_view hook, const Status& status);
  void StartFailed(const Status& status);
  void BeginRunning(bool was_ready);
  void BeginProbes(bool was_ready);
  void CheckRunning();
  void Restart(std::string why, std::optional<std::int64_t> grace_seconds);
  void BeginStop();
  void SignalStop();
  void Kill();
  void FinishExit(Instance run);
  void SetWaiting(std::string_view reason, std::string message);
  void WakeAfter(Duration delay);
  void CancelTimers();
  void Event(std::string_view type, std::string_view reason, std::string message);
  std::string PodText() const;
  std::string pod_ip() const;
  // A callback for an answer of this turn: not called when the worker is gone or has turned to something else.
  template <typename F>
  auto OnTurn(F f) {
    return [weak = weak_from_this(), turn = turn_, f = std::move(f)](auto&&... answer) mutable {
      const auto self = weak.lock();
      if (self != nullptr && self->turn_ == turn) f(*self, std::forward<decltype(answer)>(answer)...);
    };
  }

  AgentContext& context_;
  PodScope& scope_;
  const std::uint32_t index_;
  const ContainerKind kind_;
  std::unique_ptr<const Ephemeral> ephemeral_;  // null if it is no ephemeral container
  Step step_ = Step::kIdle;
  bool serving_ = false;     // it runs and its postStart hook is through
  bool former_ = false;      // current_ was in a sandbox that is no more
  bool turn_taken_ = false;  // the back-off knows of the run that is being prepared
  std::uint32_t turn_ = 0;
  std::uint32_t restarts_ = 0;  // attempt number of the newest run
  std::uint32_t next_attempt_ = 0;
  std::optional<Instance> current_;
  std::optional<Instance> last_;
  WallTime ended_{};  // of current_, exactly
  Str waiting_reason_;
  Str waiting_message_;
  Str running_image_;  // as spelled in the spec that it was started from; empty if adopted
  RestartBackoff restart_backoff_;
  RestartBackoff pull_backoff_;
  WallTime pull_failed_{};
  Str failed_image_;
  std::unique_ptr<Transient> transient_;
  std::unique_ptr<Stopping> stopping_;
  std::unique_ptr<ContainerProbes> probes_;
  std::unique_ptr<RunningHandler> hook_;
  TimerId wake_ = 0;
  TimerId kill_timer_ = 0;
};

}  // namespace minikube::agent
