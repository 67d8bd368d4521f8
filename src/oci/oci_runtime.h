// Runtime over an OCI command line (runc, crun): the asynchronous half. See workspace.h for the blocking one.
//
// Runs on the agent's strand. Operations on one sandbox and its containers queue up (start, remove); different
// sandboxes go in parallel on a few blocking strands. Signals and listings do not queue.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <minikube/runtime.h>

#include "oci/exec_session.h"
#include "oci/image_store.h"
#include "oci/pod_network.h"
#include "oci/port_session.h"
#include "oci/serial_queue.h"
#include "oci/workspace.h"

namespace minikube::oci {

class OciRuntime final : public Runtime {
 public:
  OciRuntime(WorkspaceOptions options, Cgroups cgroups, std::unique_ptr<PodNetwork> network, UniqueFd lock, Env& env,
             Strand& strand);
  ~OciRuntime() override;

  void List(Done<Inventory> done) override;
  void OnContainerExit(Function<void(ContainerState)> changed) override { changed_ = std::move(changed); }
  void EnsureImage(std::string reference, bool always_pull, Done<ImageInfo> done) override;
  void ListImages(Done<std::vector<ImageInfo>> done) override;
  void RunSandbox(SandboxConfig config, Done<SandboxState> done) override;
  void RemoveSandbox(std::string id, Done<void> done) override;
  void StartContainer(ContainerConfig config, Done<ContainerState> done) override;
  void KillContainer(std::string id, int signal, Done<void> done) override;
  void RemoveContainer(std::string id, Done<void> done) override;
  void ExecSync(std::string id, std::vector<std::string> argv, Duration timeout, Done<ProcessResult> done) override;
  Result<std::unique_ptr<ExecStreams>> Exec(std::string id, ExecSpec spec, ExecEvents events) override;
  Result<std::unique_ptr<ExecStreams>> Connect(std::string sandbox_id, std::uint16_t port, ExecEvents events) override;
  RuntimeVersion version() const override { return version_; }

  // See OciRuntimeOptions::network_changed; before anything else is called.
  void OnNetworkChange(std::function<void(const PodNetworkState&, Task)> changed) {
    network_changed_ = std::move(changed);
  }

 private:
  struct Sandbox {
    SandboxRecord record;
    ProcessRef pause;
    std::uint64_t watch = 0;
    bool ready = false;
  };
  struct Container {
    ContainerRecord record;
    ContainerState state;
    ProcessRef process;
    ProcessRef monitor;
    std::uint64_t watch = 0;
  };
  struct SyncExec {
    std::unique_ptr<ExecSession> session;
    ProcessResult result;
    Done<ProcessResult> done;
    TimerId timer = 0;
    bool timed_out = false;
  };
  using Ran = Function<void(Result<ProcessResult>)>;

  // `work` runs on `worker`, `then` here with its result, unless this object is gone.
  template <typename R>
  void Do(Strand& worker, Function<R()> work, Function<void(R)> then);
  void Run(std::vector<std::string> argv, Duration timeout, Ran then, std::string input = "");
  Strand& WorkerOf(const std::string& sandbox_id);
  SerialQueue& QueueOf(const std::string& sandbox_id);
  // Runs `task` once recovery is done; the first call starts it.
  void WhenReady(Function<void(Status)> task);
  void Recover();
  void Adopt(Recovered recovered);

  void JoinNetwork(const std::string& id, Task then);
  void TellNetwork(Task then);
  void EnterNetwork(const std::string& id, const Status& up, Task then);
  std::string TakeAddress(SandboxRecord& record);
  void LoadRules(const std::string& id, Task then);
  void LaunchPause(const std::string& id, Done<SandboxState> done);
  void AttachNetwork(const std::string& id, Done<SandboxState> done);
  void FinishSandbox(const std::string& id, Done<SandboxState> done);
  void AbandonSandbox(const std::string& id, Status why, Done<SandboxState> done);
  // Kills, removes files and address. `then` gets the error of the first step that failed.
  void TearDownSandbox(const SandboxConfig& config, std::optional<Ipv4> ip, Function<void(Status)> then);
  void LeaveNetwork(const std::string& id, Ipv4 ip, Task then);
  void RemoveContainersOf(const std::string& id, Function<void(Status)> then);
  void WatchSandbox(Sandbox& sandbox);

  void LaunchContainer(PreparedContainer prepared, Done<ContainerState> done);
  void WatchContainer(Container& container);
  void ContainerEnded(const std::string& id);
  // Retire, `runtime delete`, erase.
  void DeleteContainer(const std::string& id, Strand& worker, Function<void(Status)> then);

  Status CheckRunning(const std::string& id) const;
  Result<std::unique_ptr<ExecSession>> StartExec(const std::string& id, const ExecSpec& spec, ExecEvents events);

  void Pull(const std::string& reference, Done<ImageInfo> done);

  static SandboxState StateOf(const Sandbox& sandbox);
  static void SetExit(ContainerState& state, const ExitRecord& exit);

  const WorkspaceOptions options_;
  const ImageStore images_;
  const Workspace workspace_;
  const std::unique_ptr<PodNetwork> network_;  // null: pods have only a loopback interface
  const UniqueFd lock_;
  Env& env_;
  Strand& strand_;
  RuntimeVersion version_;
  Function<void(ContainerState)> changed_;
  std::function<void(const PodNetworkState&, Task)> network_changed_;
  std::string told_bridge_;  // what it was last told

  enum class Phase { kNew, kRecovering, kReady } phase_ = Phase::kNew;
  std::vector<Function<void(Status)>> waiting_;
  std::map<std::string, Sandbox> sandboxes_;
  std::map<std::string, Container> containers_;
  std::map<std::string, SerialQueue> queues_;  // by sandbox; entries of idle ones are dropped with the sandbox
  SerialQueue network_queue_;
  std::uint64_t last_tag_ = 0;
  std::map<std::uint64_t, SyncExec> syncs_;
  std::uint64_t last_sync_ = 0;

  std::shared_ptr<int> alive_;  // answers that come back later hold it weakly
  // Last: destroyed first, which waits for what runs on them.
  std::array<std::unique_ptr<Strand>, 4> workers_;
  std::unique_ptr<Strand> image_worker_;
  std::unique_ptr<Strand> network_worker_;
};

template <typename R>
void OciRuntime::Do(Strand& worker, Function<R()> work, Function<void(R)> then) {
  worker.Post([this, alive = std::weak_ptr(alive_), work = std::move(work), then = std::move(then)]() mutable {
    R result = work();
    strand_.Post([alive, result = std::move(result), then = std::move(then)]() mutable {
      if (!alive.expired()) then(std::move(result));
    });
  });
}

}  // namespace minikube::oci
