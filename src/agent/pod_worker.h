// PodWorker: one pod on this node, from binding to the last trace.
//
//   running:  admit -> volumes -> sandbox -> init containers -> containers, and around as they end
//   ending:   containers stop (sidecars last) -> final status -> sandbox and files go -> the API object goes
//   parked:   ended by itself; its logs and its API object wait for someone to delete it
//
// Level-triggered and crash-only: every event (an API change, an answer of the runtime, an exit, a timer) only asks for
// another look (Poke), and Sync takes what steps are possible. A worker made anew from the API's pod and the runtime's
// inventory continues where the old one was. Thread safety: the agent's strand. Lifetime: context and owner outlive it.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/container_worker.h"
#include "agent/log_reader.h"
#include "agent/pod_admission.h"
#include "agent/pod_volumes.h"

namespace minikube::agent {

class PodWorker final : public PodScope, public std::enable_shared_from_this<PodWorker> {
 public:
  struct Owner {
    // Whether the node takes the pod.
    std::function<Admission(const core::Pod&)> admit;
    // A pod has let go of its room on the node: those who wait for room may look again.
    std::function<void()> room_freed;
    // Nothing is left of it: the worker may be destroyed. Called in a task of its own.
    std::function<void(const Str& uid)> finished;
  };
  PodWorker(AgentContext& context, Owner& owner, ObjectRef pod);
  ~PodWorker();

  // Before Start: what the runtime has of this pod.
  void Adopt(std::vector<SandboxState> sandboxes, std::vector<ContainerState> containers);
  void Start();
  // The API has a newer version of the pod.
  void Update(ObjectRef pod);
  // The API does not have the pod any more.
  void Gone();
  void Exited(const ContainerState& state);

  // Whether it has room on the node, or waits for it before those who come later. It lets go when its containers have
  // ended and its sandbox, which holds its ports, is gone.
  bool occupies() const { return (admitted_ || room_deadline_) && !let_go_; }
  bool ending() const { return stage_ != Stage::kRunning || MustEnd(); }
  // Waits for the room that ending pods still have.
  bool waits_for_room() const { return room_deadline_ && !admitted_; }

  // The log of a container's current or previous run. Errors: kBadRequest, with what kubectl logs shows.
  Result<LogSource> FindLog(std::string_view container, bool previous);

  // The ID of a container that runs, in the words of kubelet if it does not. Errors: kInternal.
  Result<std::string> FindRunning(std::string_view container) const;
  // Null if the pod has none of that name.
  const core::Container* SpecOf(std::string_view container) const;

  // `follower` is told when the container's current run is over.
  void FollowUntilOver(std::string_view container, const std::shared_ptr<LogFollower>& follower);

  const core::Pod& pod() const override { return pod_->As<core::Pod>(); }
  const Object& pod_object() const override { return *pod_; }
  PodFacts facts() const override;
  const std::string& sandbox_id() const override { return sandbox_id_; }
  const std::vector<PlannedVolume>& volumes() const override;
  std::string RunningId(std::string_view container) const override;
  PodPaths paths() const override { return {context_.options.root, pod()}; }
  void Poke() override;

 private:
  enum class Stage : std::uint8_t { kRunning, kEnding, kParked, kDone };
  enum class Sandbox : std::uint8_t { kNone, kStarting, kReady, kLost };
  enum class Cleanup : std::uint8_t { kNone, kSandbox, kFiles, kObject };

  void Sync();
  bool MustEnd() const;
  void Advance();
  bool AdmitOnce();
  bool WaitForRoom();
  void LetGo();
  void WarnOf(std::string ignored);
  void WatchDeadline();
  bool HasSandbox();
  void StartSandbox();
  void SandboxStarted(Result<SandboxState> state);
  void SandboxReady();
  void RemoveLostSandbox();
  void RenewAll();
  bool RunInit();
  void RunContainers();
  void AddEphemeral();
  void RunEphemeral();
  std::array<const std::vector<std::shared_ptr<ContainerWorker>>*, 3> Workers() const {
    return {&init_, &containers_, &ephemeral_};
  }
  void BeginEnd();
  void Wind();
  bool StopAll();
  void CleanUp();
  void CleanedSandbox(const Status& status);
  void RemoveFiles();
  void DeleteObject();
  void Finish();
  MonoTime StopDeadline();

  PodView View() const;
  void PublishStatus();
  void Published(const Object& sent, Result<ApiResponse> response);
  void NotifyLogs();
  void Fail(std::string_view reason, std::string message);
  void After(Duration delay, void (PodWorker::*step)() = &PodWorker::Poke);  // in place of what was to come
  template <typename F>
  auto Bind(F f) {
    return [weak = weak_from_this(), f = std::move(f)](auto&&... answer) mutable {
      if (const auto self = weak.lock()) f(*self, std::forward<decltype(answer)>(answer)...);
    };
  }

  AgentContext& context_;
  Owner& owner_;
  ObjectRef pod_;  // the newest version known
  Stage stage_ = Stage::kRunning;
  Sandbox sandbox_ = Sandbox::kNone;
  Cleanup cleanup_ = Cleanup::kNone;
  bool started_ = false;
  bool admitted_ = false;
  bool let_go_ = false;
  bool gone_ = false;
  bool over_ = false;  // nothing runs and nothing will
  bool poked_ = false;
  bool settled_ = false;  // the API has the status as it is
  bool writing_ = false;
  bool reported_end_ = false;  // it had ended, and been reported so, before this worker was made
  std::uint32_t sandbox_attempt_ = 0;
  std::string sandbox_id_;
  std::vector<std::string> pod_ips_;
  std::vector<std::shared_ptr<ContainerWorker>> init_;
  std::vector<std::shared_ptr<ContainerWorker>> containers_;
  std::vector<std::shared_ptr<ContainerWorker>> ephemeral_;                    // grows while the pod runs
  std::shared_ptr<PodVolumes> volumes_;                                        // null if the pod has none
  std::vector<std::pair<std::string, std::weak_ptr<LogFollower>>> followers_;  // by container
  std::set<std::string> warned_of_;                                            // what the pod asked for in vain
  std::optional<Str> failed_reason_;
  Str failed_message_;
  Time start_time_;
  std::optional<MonoTime> ending_since_;
  std::optional<MonoTime> room_deadline_;  // until when it waits to be admitted
  Duration retry_{};
  TimerId retry_timer_ = 0;
  TimerId deadline_timer_ = 0;
  TimerId status_timer_ = 0;
};

}  // namespace minikube::agent
