#include "agent/pod_worker.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/pod_support.h"
#include "kube/numbers.h"
#include "kube/pods.h"
#include "kube/times.h"

namespace minikube::agent {
namespace {

constexpr std::int64_t kDefaultGraceSeconds = 30;
constexpr std::int64_t kMinGraceSeconds = 1;
constexpr Duration kFirstRetry = std::chrono::milliseconds(500);
constexpr Duration kLastRetry = std::chrono::seconds(60);
constexpr Duration kConflictWait = std::chrono::seconds(1);
// How long a pod waits for the room of pods that are ending. Ones that take longer are stuck, or have a grace period
// that no one should wait for unseen.
constexpr Duration kMaxRoomWait = std::chrono::minutes(2);
constexpr std::uint32_t kMaxSandboxAttempts = 1000;  // looked through to recognise an adopted one

const core::ContainerStatus* FindStatus(const List<core::ContainerStatus>& statuses, std::string_view name) {
  for (const core::ContainerStatus& status : statuses) {
    if (status.name == name) return &status;
  }
  return nullptr;
}

ContainerState Died(std::string_view id, std::uint32_t attempt, WallTime now) {
  ContainerState state;
  state.id = id;
  state.attempt = attempt;
  state.phase = ContainerState::Phase::kExited;
  state.exit_code = 137;
  state.reason = "Error";
  state.finished = now;
  return state;
}

}  // namespace

PodWorker::PodWorker(AgentContext& context, Owner& owner, ObjectRef pod)
    : context_(context), owner_(owner), pod_(std::move(pod)) {
  const core::PodSpec& spec = this->pod().spec;
  for (std::size_t i = 0; i < spec.initContainers.size(); ++i) {
    init_.push_back(std::make_shared<ContainerWorker>(context_, *this, i, ContainerKind::kInit));
  }
  for (std::size_t i = 0; i < spec.containers.size(); ++i) {
    containers_.push_back(std::make_shared<ContainerWorker>(context_, *this, i, ContainerKind::kApp));
  }
  AddEphemeral();
}

void PodWorker::AddEphemeral() {
  for (std::size_t i = ephemeral_.size(); i < pod().spec.ephemeralContainers.size(); ++i) {
    ephemeral_.push_back(std::make_shared<ContainerWorker>(context_, *this, i, ContainerKind::kEphemeral));
  }
}

PodWorker::~PodWorker() {
  for (const TimerId timer : {retry_timer_, deadline_timer_, status_timer_}) {
    if (timer != 0) context_.strand.Cancel(timer);
  }
}

void PodWorker::Adopt(std::vector<SandboxState> sandboxes, std::vector<ContainerState> runs) {
  std::sort(sandboxes.begin(), sandboxes.end(), [](const auto& a, const auto& b) { return a.created < b.created; });
  for (std::size_t i = 0; i + 1 < sandboxes.size(); ++i) {
    context_.runtime.RemoveSandbox(sandboxes[i].id, [](Result<void>) {});
  }
  if (!sandboxes.empty()) {
    const SandboxState& newest = sandboxes.back();
    sandbox_ = newest.ready ? Sandbox::kReady : Sandbox::kLost;
    sandbox_id_ = newest.id;
    pod_ips_ = newest.ips;
    for (std::uint32_t n = 0; n < kMaxSandboxAttempts; ++n) {
      if (SandboxId(pod(), n) == sandbox_id_) sandbox_attempt_ = n;
    }
  }
  // It was admitted by this agent's predecessor, or it would have no sandbox and no reported containers.
  admitted_ = !sandboxes.empty() || pod().status.startTime.has_value();
  std::sort(runs.begin(), runs.end(), [](const auto& a, const auto& b) { return a.attempt < b.attempt; });
  const auto adopt = [&](ContainerWorker& worker, const List<core::ContainerStatus>& reported) {
    std::vector<ContainerState> own;
    for (const ContainerState& run : runs) {
      if (run.sandbox_id == sandbox_id_ && run.name == worker.spec().name.view()) own.push_back(run);
    }
    worker.Adopt(std::move(own), FindStatus(reported, worker.spec().name));
  };
  for (const auto& worker : init_) adopt(*worker, pod().status.initContainerStatuses);
  for (const auto& worker : containers_) adopt(*worker, pod().status.containerStatuses);
  for (const auto& worker : ephemeral_) adopt(*worker, pod().status.ephemeralContainerStatuses);
  // Without a sandbox nothing of the former runs counts for the order of starting: init containers run again.
  if (sandboxes.empty() && !kube::IsPodFinished(pod())) {
    RenewAll();
  }
}

void PodWorker::RenewAll() {
  for (const auto* list : {&init_, &containers_}) {
    for (const auto& worker : *list) worker->Renew();
  }
}

void PodWorker::Start() {
  started_ = true;
  reported_end_ = kube::IsPodFinished(pod());
  start_time_ = pod().status.startTime ? *pod().status.startTime : kube::ToTime(context_.Now());
  Poke();
}

void PodWorker::Update(ObjectRef object) {
  if (pod_ && kube::RevisionOf(object->meta().resourceVersion) <= kube::RevisionOf(pod_->meta().resourceVersion))
    return;  // our own write told us already
  const core::Pod& old = pod();
  const core::Pod& now = object->As<core::Pod>();
  if (volumes_ != nullptr &&
      !(old.metadata.labels == now.metadata.labels && old.metadata.annotations == now.metadata.annotations)) {
    volumes_->MarkDirty();
  }
  pod_ = std::move(object);
  Poke();
}

// Once each.
void PodWorker::WarnOf(std::string ignored) {
  if (!warned_of_.insert(ignored).second) return;
  context_.events.Warning(*pod_, "NotSupported", std::move(ignored));
}

void PodWorker::Gone() {
  gone_ = true;
  Poke();
}

void PodWorker::Exited(const ContainerState& state) {
  if (state.sandbox_id != sandbox_id_ && state.id != sandbox_id_) return;
  if (state.name.empty() || state.id == sandbox_id_) {
    if (sandbox_ == Sandbox::kReady) sandbox_ = Sandbox::kLost;
    return Poke();
  }
  for (const auto* list : Workers()) {
    for (const auto& worker : *list) {
      if (worker->spec().name == state.name) worker->Exited(state);
    }
  }
}

PodFacts PodWorker::facts() const {
  PodFacts out;
  out.pod = &pod();
  out.host_ips = context_.host_ips;
  out.pod_ips = pod().spec.hostNetwork ? context_.host_ips : pod_ips_;
  if (const ObjectRef node = context_.node()) {
    out.allocatable = node->As<core::Node>().status.allocatable;
    out.node_labels = node->meta().labels;
  }
  return out;
}

const std::vector<PlannedVolume>& PodWorker::volumes() const {
  static const std::vector<PlannedVolume> kNone;
  return volumes_ != nullptr ? volumes_->planned() : kNone;
}

void PodWorker::Poke() {
  if (!started_ || std::exchange(poked_, true)) return;
  context_.strand.Post([done = Bind([](PodWorker& self) {
                          self.poked_ = false;
                          self.Sync();
                        })]() mutable { done(); });
}

void PodWorker::Sync() {
  if (stage_ == Stage::kRunning && MustEnd()) BeginEnd();
  if (stage_ == Stage::kRunning) Advance();
  if (stage_ == Stage::kEnding) Wind();
  if (stage_ == Stage::kParked && (gone_ || IsDeleted(pod()))) {
    stage_ = Stage::kEnding;
    cleanup_ = Cleanup::kFiles;
    RemoveFiles();
  }
  // Nothing is said of a pod that is not admitted yet: it is Pending, as it was.
  if (stage_ == Stage::kDone || (stage_ == Stage::kRunning && !admitted_)) return;
  PublishStatus();
  NotifyLogs();
}

bool PodWorker::MustEnd() const { return gone_ || IsDeleted(pod()) || failed_reason_ || kube::IsPodFinished(pod()); }

void PodWorker::Advance() {
  if (!AdmitOnce()) return;
  WatchDeadline();
  if (stage_ != Stage::kRunning) return;
  if (volumes_ != nullptr) volumes_->Sync();
  if (volumes_ != nullptr && !volumes_->ready()) return;
  if (!HasSandbox()) return;
  RunEphemeral();
  if (RunInit()) RunContainers();
}

bool PodWorker::AdmitOnce() {
  if (!admitted_) {
    Unsupported unsupported = UnsupportedBy(pod());
    std::optional<Rejection> rejection = std::move(unsupported.rejection);
    if (!rejection) {
      Admission admission = owner_.admit(pod());
      if (admission.later && WaitForRoom()) return false;
      rejection = std::move(admission.rejection);
    }
    if (rejection) {
      context_.events.Warning(*pod_, rejection->reason, rejection->message);
      Fail(rejection->reason, fmt::format("Pod was rejected: {}", rejection->message));
      return false;
    }
    admitted_ = true;
    if (room_deadline_ && retry_timer_ != 0) context_.strand.Cancel(std::exchange(retry_timer_, 0));
    for (std::string& ignored : unsupported.ignored) WarnOf(std::move(ignored));
  }
  if (volumes_ == nullptr && PodVolumes::Needed(context_, pod())) {
    volumes_ = std::make_shared<PodVolumes>(context_, *this);
    volumes_->Start();
  }
  return true;
}

// False once it has waited long enough.
bool PodWorker::WaitForRoom() {
  const MonoTime now = context_.env.clock().MonoNow();
  if (!room_deadline_) {
    room_deadline_ = now + kMaxRoomWait;
    context_.log.Debug("a pod waits for the room of pods that are ending", {{"pod", pod().metadata.name.str()}});
    After(kMaxRoomWait);
  }
  return now < *room_deadline_;
}

// The scheduler gives the room of a pod away when its end is reported, which is a little sooner: who is bound then
// waits.
void PodWorker::LetGo() {
  if (!std::exchange(let_go_, true)) owner_.room_freed();
}

void PodWorker::WatchDeadline() {
  if (!pod().spec.activeDeadlineSeconds || deadline_timer_ != 0) return;
  const WallTime end = kube::ToWallTime(start_time_) + std::chrono::seconds(*pod().spec.activeDeadlineSeconds);
  const Duration left = end - context_.Now();
  if (left <= Duration::zero()) {
    const std::string message = "Pod was active on the node longer than the specified deadline";
    context_.events.Normal(*pod_, "DeadlineExceeded", message);
    return Fail("DeadlineExceeded", message);
  }
  deadline_timer_ = context_.strand.After(left, [this] {
    deadline_timer_ = 0;
    Poke();
  });
}

void PodWorker::Fail(std::string_view reason, std::string message) {
  failed_reason_ = Str(reason);
  failed_message_ = message;
  BeginEnd();
}

bool PodWorker::HasSandbox() {
  switch (sandbox_) {
    case Sandbox::kReady:
      return true;
    case Sandbox::kStarting:
      return false;
    case Sandbox::kLost:
      RemoveLostSandbox();
      return false;
    case Sandbox::kNone:
      break;
  }
  if (retry_timer_ == 0) StartSandbox();
  return false;
}

void PodWorker::StartSandbox() {
  // What has had its only run does not get another sandbox.
  const auto runs_again = [&](const std::shared_ptr<ContainerWorker>& worker) {
    const ContainerView view = worker->View();
    const Instance* run = view.current ? &*view.current : view.last ? &*view.last : nullptr;
    return run == nullptr || RestartsAfter(pod(), worker->spec(), false, run->exit_code);
  };
  if (std::none_of(containers_.begin(), containers_.end(), runs_again)) return BeginEnd();
  sandbox_ = Sandbox::kStarting;
  sandbox_id_ = SandboxId(pod(), sandbox_attempt_);
  if (const std::string name = KernelHostnameOf(pod()); name.size() > kMaxKernelHostname) {
    return SandboxStarted(
        Status(Code::kBadRequest, fmt::format("failed to construct FQDN from pod hostname and cluster domain, FQDN {} "
                                              "is too long ({} characters is the max, {} characters requested)",
                                              name, kMaxKernelHostname, name.size())));
  }
  context_.runtime.RunSandbox(
      MakeSandboxConfig(pod(), paths().log_dir(), sandbox_attempt_),
      Bind([](PodWorker& self, Result<SandboxState> state) { self.SandboxStarted(std::move(state)); }));
}

void PodWorker::SandboxStarted(Result<SandboxState> state) {
  if (!state) {
    context_.events.Warning(*pod_, "FailedCreatePodSandBox",
                            fmt::format("Failed to create pod sandbox: {}", state.status().message()));
    context_.runtime.RemoveSandbox(sandbox_id_, [](Result<void>) {});
    sandbox_ = Sandbox::kNone;
    ++sandbox_attempt_;
    retry_ = std::clamp(retry_ * 2, kFirstRetry, kLastRetry);
    After(retry_);
    return Poke();
  }
  retry_ = {};
  pod_ips_ = std::move(state->ips);
  if (!state->message.empty()) context_.events.Warning(*pod_, "NetworkNotReady", state->message);
  if (context_.simulated()) return SandboxReady();
  context_.files.get().Post([&strand = context_.strand, paths = paths(), pod = pod_, ips = facts().pod_ips,
                             cluster_dns = context_.options.cluster_dns,
                             done = Bind([](PodWorker& self, const Status& status) {
                               if (!status.ok())
                                 self.context_.log.Error("cannot write a pod's files", {{"error", status.message()}});
                               self.SandboxReady();
                             })]() mutable {
    const Status status = WriteEtcFiles(paths, pod->As<core::Pod>(), ips, cluster_dns);
    strand.Post([done = std::move(done), status]() mutable { done(status); });
  });
}

void PodWorker::SandboxReady() {
  sandbox_ = Sandbox::kReady;
  Poke();
}

void PodWorker::RemoveLostSandbox() {
  context_.events.Normal(*pod_, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
  sandbox_ = Sandbox::kStarting;
  context_.runtime.RemoveSandbox(
      sandbox_id_, Bind([](PodWorker& self, Result<void> removed) {
        if (!removed) {
          self.sandbox_ = Sandbox::kLost;
          self.context_.log.Warning("cannot remove a dead sandbox", {{"error", removed.status().message()}});
          return self.After(kFirstRetry);
        }
        for (const auto* list : self.Workers()) {
          for (const auto& worker : *list) {
            if (const ContainerView view = worker->View(); view.current) {
              worker->Exited(Died(view.current->id, view.current->attempt, self.context_.Now()));
            }
          }
        }
        self.sandbox_ = Sandbox::kNone;
        self.pod_ips_.clear();
        ++self.sandbox_attempt_;
        self.RenewAll();
        self.Poke();
      }));
}

// True once the app containers may run.
bool PodWorker::RunInit() {
  const bool apps_began = std::any_of(containers_.begin(), containers_.end(), [&](const auto& worker) {
    return !worker->idle() || (worker->ended() != nullptr && !worker->former());
  });
  for (const auto& worker : init_) {
    if (IsSidecar(worker->spec())) {
      worker->Run();
      if (!apps_began && !worker->View().started) return false;
      continue;
    }
    if (apps_began) continue;
    const Instance* run = worker->ended();
    if (run != nullptr && run->exit_code == 0) continue;
    if (run != nullptr && !RestartsAfter(pod(), worker->spec(), true, run->exit_code)) {
      BeginEnd();
    } else {
      worker->Run();
    }
    return false;
  }
  return true;
}

void PodWorker::RunContainers() {
  bool all_ended = true;
  for (const auto& worker : containers_) {
    const Instance* run = worker->ended();
    if (run != nullptr && !RestartsAfter(pod(), worker->spec(), false, run->exit_code)) continue;
    all_ended = false;
    worker->Run();
  }
  if (all_ended) BeginEnd();
}

// Each runs once, from when the sandbox is there: also beside init containers, which may be what is to be looked into.
void PodWorker::RunEphemeral() {
  AddEphemeral();
  for (const auto& worker : ephemeral_) {
    if (worker->ended() != nullptr) continue;
    if (const auto rejection = UnsupportedBy(worker->spec())) {
      WarnOf(fmt::format("container {} does not run: {}", worker->spec().name.view(), rejection->message));
    } else {
      worker->Run();
    }
  }
}

void PodWorker::BeginEnd() {
  if (stage_ != Stage::kRunning) return;
  stage_ = Stage::kEnding;
  ending_since_ = context_.env.clock().MonoNow();
  if (volumes_ != nullptr) volumes_->Stop();
  if (retry_timer_ != 0) context_.strand.Cancel(std::exchange(retry_timer_, 0));
  Poke();
}

MonoTime PodWorker::StopDeadline() {
  std::int64_t grace = pod().metadata.deletionGracePeriodSeconds.value_or(
      pod().spec.terminationGracePeriodSeconds.value_or(kDefaultGraceSeconds));
  // A grace of nothing still lets the signal arrive.
  grace = std::max(grace, kMinGraceSeconds);
  return *ending_since_ + std::chrono::seconds(grace);
}

// True once nothing runs any more.
bool PodWorker::StopAll() {
  if (sandbox_ == Sandbox::kStarting) return false;
  const MonoTime deadline = StopDeadline();
  bool idle = true;
  for (const auto& worker : containers_) {
    worker->Stop(deadline);
    idle = idle && worker->idle();
  }
  for (const auto& worker : ephemeral_) {
    worker->Stop(deadline);
    idle = idle && worker->idle();
  }
  for (const auto& worker : init_) {
    if (IsSidecar(worker->spec())) continue;
    worker->Stop(deadline);
    idle = idle && worker->idle();
  }
  // Sidecars serve the others to their end, and one another in the order they were declared.
  for (auto it = init_.rbegin(); it != init_.rend() && idle; ++it) {
    if (!IsSidecar((*it)->spec())) continue;
    (*it)->Stop(deadline);
    idle = (*it)->idle();
  }
  return idle;
}

void PodWorker::Wind() {
  if (!over_) {
    if (!StopAll()) return;
    over_ = true;
    NotifyLogs();
  }
  // The API knows how it ended before the evidence goes.
  PublishStatus();
  if ((settled_ || gone_ || reported_end_) && cleanup_ == Cleanup::kNone) CleanUp();
}

void PodWorker::CleanUp() {
  if (volumes_ != nullptr && volumes_->busy()) return;
  cleanup_ = Cleanup::kSandbox;
  for (const auto* list : Workers()) {
    for (const auto& worker : *list) worker->Clean();
  }
  if (sandbox_id_.empty()) return CleanedSandbox({});
  context_.runtime.RemoveSandbox(
      sandbox_id_, Bind([](PodWorker& self, Result<void> removed) { self.CleanedSandbox(removed.status()); }));
}

void PodWorker::CleanedSandbox(const Status& status) {
  if (!status.ok()) {
    context_.log.Warning("cannot remove a pod's sandbox",
                         {{"pod", pod().metadata.name.str()}, {"error", status.message()}});
    cleanup_ = Cleanup::kNone;
    retry_ = std::clamp(retry_ * 2, kFirstRetry, kLastRetry);
    return After(retry_);
  }
  retry_ = {};
  sandbox_ = Sandbox::kNone;
  sandbox_id_.clear();
  LetGo();
  cleanup_ = Cleanup::kFiles;
  RemoveFiles();
}

void PodWorker::RemoveFiles() {
  volumes_.reset();
  const bool parks = !gone_ && !IsDeleted(pod());
  const auto then = [parks](PodWorker& self, const Status& status) {
    if (!status.ok()) {
      self.context_.log.Warning("cannot remove a pod's files", {{"error", status.message()}});
      self.retry_ = std::clamp(self.retry_ * 2, kFirstRetry, kLastRetry);
      return self.After(self.retry_, &PodWorker::RemoveFiles);
    }
    if (!parks) return self.DeleteObject();
    self.stage_ = Stage::kParked;
    self.Poke();
  };
  if (context_.simulated()) return then(*this, {});
  context_.files.get().Post([&strand = context_.strand, paths = paths(), parks, done = Bind(then)]() mutable {
    Status status = RemovePodDir(paths.dir());
    if (status.ok() && !parks) status = RemoveTree(paths.log_dir());
    strand.Post([done = std::move(done), status]() mutable { done(status); });
  });
}

void PodWorker::DeleteObject() {
  if (gone_) return Finish();
  cleanup_ = Cleanup::kObject;
  ApiRequest request = Client::NamedRequest<core::Pod>(Verb::kDelete, pod().metadata.namespace_, pod().metadata.name);
  request.grace_period_seconds = 0;
  request.precondition_uid = pod().metadata.uid.str();
  context_.client
      .Do(std::move(request), context_.strand, Bind([](PodWorker& self, Result<ApiResponse> response) {
            const Code code = response.status().code();
            if (code == Code::kOk || code == Code::kNotFound) return self.Finish();
            // Also on a conflict: if another pod has the name by now, the informer will say that ours is
            // gone.
            self.retry_ = std::clamp(self.retry_ * 2, kFirstRetry, kLastRetry);
            self.After(self.retry_, &PodWorker::DeleteObject);
          }))
      .Detach();
}

void PodWorker::Finish() {
  if (std::exchange(stage_, Stage::kDone) == Stage::kDone) return;
  context_.strand.Post([done = Bind([](PodWorker& self) {
                          const Str uid = self.pod().metadata.uid;
                          self.owner_.finished(uid);
                        })]() mutable { done(); });
}

PodView PodWorker::View() const {
  PodView out;
  out.sandbox_ready = sandbox_ == Sandbox::kReady && !over_;
  out.host_ips = context_.host_ips;
  out.pod_ips = pod_ips_;
  out.start_time = start_time_;
  out.over = over_;
  out.failed_reason = failed_reason_;
  out.failed_message = failed_message_;
  if (!admitted_ && failed_reason_) return out;  // rejected: its containers never came to be
  for (const auto& worker : init_) out.init.push_back(worker->View());
  for (const auto& worker : containers_) out.containers.push_back(worker->View());
  for (const auto& worker : ephemeral_) out.ephemeral.push_back(worker->View());
  return out;
}

void PodWorker::PublishStatus() {
  // What has ended and was reported stays as it was reported.
  if (gone_ || reported_end_ || stage_ == Stage::kParked || cleanup_ != Cleanup::kNone) return;
  if (writing_ || status_timer_ != 0) return;
  core::PodStatus status = MakePodStatus(pod(), View(), kube::ToTime(context_.Now()));
  settled_ = DeepEqual(status, pod().status);
  if (settled_) return;
  ObjectPtr fresh = ObjectPtr::Clone(*pod_);
  fresh->As<core::Pod>().status = std::move(status);
  ApiRequest request = Client::NamedRequest<core::Pod>(Verb::kUpdate, pod().metadata.namespace_, pod().metadata.name);
  request.subresource = "status";
  request.object = std::move(fresh).Freeze();
  writing_ = true;
  context_.client
      .Do(std::move(request), context_.strand, Bind([sent = pod_](PodWorker& self, Result<ApiResponse> response) {
            self.Published(*sent, std::move(response));
          }))
      .Detach();
}

void PodWorker::Published(const Object& sent, Result<ApiResponse> response) {
  writing_ = false;
  if (response) {
    if (response->object &&
        kube::RevisionOf(response->object->meta().resourceVersion) > kube::RevisionOf(pod_->meta().resourceVersion))
      pod_ = std::move(response->object);
    return Poke();
  }
  Duration wait = kFirstRetry;
  switch (response.status().code()) {
    case Code::kNotFound:
      return Gone();
    case Code::kConflict:
      // Somebody else wrote the pod. Often the newer version is here already; otherwise it is on its way.
      if (kube::RevisionOf(pod_->meta().resourceVersion) > kube::RevisionOf(sent.meta().resourceVersion)) return Poke();
      wait = kConflictWait;
      break;
    default:
      context_.log.Warning("cannot write a pod's status",
                           {{"pod", pod().metadata.name.str()}, {"error", response.status().message()}});
      break;
  }
  status_timer_ = context_.strand.After(wait, [this] {
    status_timer_ = 0;
    Poke();
  });
}

Result<LogSource> PodWorker::FindLog(std::string_view container, bool previous) {
  for (const auto* list : Workers()) {
    for (const auto& worker : *list) {
      if (!(worker->spec().name == container)) continue;
      const ContainerView view = worker->View();
      const bool ran = view.current.has_value();
      if (previous) {
        // While a container waits to run again its last run is both the current and the previous one.
        if (view.restarts == 0 || !ran) {
          return Status(Code::kBadRequest, fmt::format("previous terminated container \"{}\" in pod \"{}\" not found",
                                                       container, pod().metadata.name.view()));
        }
        return LogSource{paths().Log(container, view.restarts - 1), false};
      }
      if (!ran && view.last) return LogSource{paths().Log(container, view.restarts), false};
      if (!ran) {
        std::string_view reason =
            view.waiting_reason.empty() ? std::string_view("ContainerCreating") : view.waiting_reason.view();
        if (reason == "ErrImagePull") reason = "image can't be pulled";
        if (reason == "ImagePullBackOff") reason = "trying and failing to pull image";
        return Status(Code::kBadRequest, fmt::format("container \"{}\" in pod \"{}\" is waiting to start: {}",
                                                     container, pod().metadata.name.view(), reason));
      }
      return LogSource{paths().Log(container, view.restarts), view.current->running()};
    }
  }
  return Status(Code::kBadRequest,
                fmt::format("container {} is not valid for pod {}", container, pod().metadata.name.view()));
}

Result<std::string> PodWorker::FindRunning(std::string_view container) const {
  for (const auto* list : Workers()) {
    for (const auto& worker : *list) {
      const std::optional<Instance> current = worker->View().current;
      if (worker->spec().name == container && current && current->running()) return current->id.str();
    }
  }
  return Status(Code::kInternal, fmt::format("container not found (\"{}\")", container));
}

const core::Container* PodWorker::SpecOf(std::string_view container) const {
  for (const auto* list : Workers()) {
    for (const auto& worker : *list) {
      if (worker->spec().name == container) return &worker->spec();
    }
  }
  return nullptr;
}

std::string PodWorker::RunningId(std::string_view container) const {
  Result<std::string> id = FindRunning(container);
  return id ? *std::move(id) : std::string();
}

void PodWorker::FollowUntilOver(std::string_view container, const std::shared_ptr<LogFollower>& follower) {
  std::erase_if(followers_, [](const auto& entry) { return entry.second.expired(); });
  followers_.emplace_back(container, follower);
}

void PodWorker::NotifyLogs() {
  if (followers_.empty()) return;
  std::erase_if(followers_, [&](const auto& entry) {
    const auto follower = entry.second.lock();
    if (follower == nullptr) return true;
    for (const auto* list : Workers()) {
      for (const auto& worker : *list) {
        if (worker->spec().name == entry.first && worker->running()) return false;
      }
    }
    follower->ContainerOver();
    return true;
  });
}

void PodWorker::After(Duration delay, void (PodWorker::*step)()) {
  if (retry_timer_ != 0) context_.strand.Cancel(retry_timer_);
  retry_timer_ = context_.strand.After(delay, [this, step] {
    retry_timer_ = 0;
    (this->*step)();
  });
}

}  // namespace minikube::agent
