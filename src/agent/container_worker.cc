#include "agent/container_worker.h"
#include "kube/times.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include <fmt/format.h>

namespace minikube::agent {
namespace {

// How long an error of a pull is shown before the back-off is.
constexpr Duration kShowPullError = std::chrono::seconds(2);
constexpr Duration kKillAgain = std::chrono::seconds(10);
constexpr std::int64_t kDefaultGraceSeconds = 30;
constexpr std::string_view kScheme = "runc://";

std::string_view PullPolicy(const core::Container& spec) {
  if (!spec.imagePullPolicy.empty()) return spec.imagePullPolicy;
  const std::string name = NormalizeImage(spec.image);
  return name.ends_with(":latest") ? "Always" : "IfNotPresent";
}

Instance FromReported(const core::ContainerStateTerminated& state, const core::ContainerStatus& status) {
  Instance out;
  std::string_view id = state.containerID;
  if (id.starts_with(kScheme)) id.remove_prefix(kScheme.size());
  out.id = id;
  out.image = status.image;
  out.image_id = status.imageID;
  out.reason = state.reason;
  out.message = state.message;
  out.started = state.startedAt;
  out.finished = state.finishedAt;
  out.exit_code = state.exitCode;
  out.phase = ContainerState::Phase::kExited;
  return out;
}

// A container that was reported as running and of which there is no trace: the machine must have gone down.
Instance Lost(const core::ContainerStatus& status, Time now) {
  core::ContainerStateTerminated state;
  state.containerID = status.containerID;
  state.startedAt = status.state.running->startedAt;
  state.finishedAt = now;
  state.exitCode = 137;
  state.reason = "ContainerStatusUnknown";
  state.message = "The container could not be located when the node came back";
  return FromReported(state, status);
}

}  // namespace

ContainerWorker::ContainerWorker(AgentContext& context, PodScope& scope, std::size_t index, ContainerKind kind)
    : context_(context), scope_(scope), index_(static_cast<std::uint32_t>(index)), kind_(kind) {
  if (kind != ContainerKind::kEphemeral) return;
  const core::EphemeralContainer& ephemeral = scope.pod().spec.ephemeralContainers[index];
  ephemeral_ = std::make_unique<const Ephemeral>(Ephemeral{AsContainer(ephemeral), ephemeral.targetContainerName});
}

ContainerWorker::~ContainerWorker() { CancelTimers(); }

const core::Container& ContainerWorker::spec() const {
  const core::PodSpec& pod = scope_.pod().spec;
  if (ephemeral_ != nullptr) return ephemeral_->spec;
  return kind_ == ContainerKind::kInit ? pod.initContainers[index_] : pod.containers[index_];
}

ContainerView ContainerWorker::View() const {
  ContainerView out;
  out.current = current_;
  out.last = last_;
  out.waiting_reason = waiting_reason_;
  out.waiting_message = waiting_message_;
  out.restarts = restarts_;
  // A container that is being stopped stays as ready as it is until it has stopped: it still serves those who know it.
  if (step_ == Step::kRunning && serving_) {
    out.started = probes_ == nullptr || probes_->started();
    out.ready = (probes_ == nullptr || probes_->ready()) && (kind_ != ContainerKind::kInit || IsSidecar(spec()));
  }
  return out;
}

void ContainerWorker::Adopt(std::vector<ContainerState> runs, const core::ContainerStatus* reported) {
  // A container that was created but never ran is made anew.
  while (!runs.empty() && runs.back().phase == ContainerState::Phase::kCreated) {
    context_.runtime.RemoveContainer(runs.back().id, [](Result<void>) {});
    next_attempt_ = std::max(next_attempt_, runs.back().attempt);
    runs.pop_back();
  }
  if (reported != nullptr) {
    restarts_ = static_cast<std::uint32_t>(std::max(reported->restartCount, 0));
    if (reported->lastState.terminated) last_ = FromReported(*reported->lastState.terminated, *reported);
  }
  if (!runs.empty()) {
    const ContainerState& newest = runs.back();
    // The report may be older than the newest run; then the run before is the one that was reported.
    if (newest.attempt > restarts_ && reported != nullptr && reported->state.terminated) {
      last_ = FromReported(*reported->state.terminated, *reported);
    }
    restarts_ = std::max(restarts_, newest.attempt);
    if (runs.size() > 1) last_ = ToInstance(runs[runs.size() - 2]);
    for (std::size_t i = 0; i + 1 < runs.size(); ++i) {
      context_.runtime.RemoveContainer(runs[i].id, [](Result<void>) {});
    }
    current_ = ToInstance(newest);
    ended_ = newest.finished;
  } else if (reported != nullptr) {
    if (reported->state.terminated) {
      current_ = FromReported(*reported->state.terminated, *reported);
    } else if (reported->state.running) {
      current_ = Lost(*reported, kube::ToTime(context_.Now()));
    } else if (last_) {
      current_ = std::exchange(last_, std::nullopt);
    }
    if (current_) ended_ = kube::ToWallTime(current_->finished);
  }
  if (!current_) {
    next_attempt_ = std::max(next_attempt_, restarts_);
    return;
  }
  next_attempt_ = restarts_ + 1;
  restart_backoff_ = RestartBackoff::Recall(restarts_, kube::ToWallTime(current_->started));
  if (current_->running()) BeginRunning(reported != nullptr && reported->ready);
}

void ContainerWorker::Run() {
  if (stopping_ != nullptr) return;
  if (step_ == Step::kIdle) RunIdle();
  if (step_ == Step::kRunning) CheckRunning();
}

void ContainerWorker::RunIdle() {
  if (pull_failed_ != WallTime{} && !(failed_image_ == spec().image)) {
    // Another image was asked for: the failures of the old one say nothing about it.
    pull_failed_ = {};
    pull_backoff_.Reset();
    if (wake_ != 0) context_.strand.Cancel(std::exchange(wake_, 0));
  }
  if (wake_ != 0) return;
  const WallTime now = context_.Now();
  if (current_ && current_->exited() && !turn_taken_) {
    if (const Duration wait = restart_backoff_.Remaining(ended_, now); wait > Duration::zero()) {
      SetWaiting("CrashLoopBackOff",
                 fmt::format("back-off {} restarting failed container={} pod={}",
                             FormatDuration(restart_backoff_.delay()), spec().name.view(), PodText()));
      Event("Warning", "BackOff",
            fmt::format("Back-off restarting failed container {} in pod {}", spec().name.view(), PodText()));
      return WakeAfter(wait);
    }
    restart_backoff_.Next(ended_, now);
  }
  turn_taken_ = true;
  if (pull_failed_ != WallTime{}) {
    if (const Duration wait = pull_backoff_.Remaining(pull_failed_, now); wait > Duration::zero()) {
      // Only what a registry was asked for backs off; the other errors stay what they are until the next look.
      if (!(waiting_reason_ == "ErrImagePull")) return WakeAfter(wait);
      const std::string cause = waiting_message_.str();
      SetWaiting("ImagePullBackOff", fmt::format("Back-off pulling image \"{}\": {}: {}", spec().image.view(),
                                                 waiting_reason_.view(), cause));
      Event("Normal", "BackOff", fmt::format("Back-off pulling image \"{}\"", spec().image.view()));
      Event("Warning", "Failed", "Error: ImagePullBackOff");
      return WakeAfter(wait);
    }
  }
  ++turn_;
  if (transient_ == nullptr) transient_ = std::make_unique<Transient>();
  if (transient_->have_image && NormalizeImage(spec().image) == NormalizeImage(transient_->image.reference)) {
    return Prepare();
  }
  FindImage();
}

void ContainerWorker::FindImage() {
  step_ = Step::kPulling;
  if (PullPolicy(spec()) == "Always") return Pull(true);
  context_.runtime.ListImages(OnTurn([](ContainerWorker& self, Result<std::vector<ImageInfo>> images) {
    if (!images) return self.PullFailed("ImageInspectError", images.status().message());
    const std::string name = NormalizeImage(self.spec().image);
    const bool present = std::any_of(images->begin(), images->end(),
                                     [&](const ImageInfo& image) { return NormalizeImage(image.reference) == name; });
    if (present) {
      self.Event("Normal", "Pulled",
                 fmt::format("Container image \"{}\" already present on machine and can be accessed by the pod",
                             self.spec().image.view()));
      self.context_.runtime.EnsureImage(self.spec().image.str(), false,
                                        self.OnTurn([](ContainerWorker& worker, Result<ImageInfo> image) {
                                          worker.Pulled(false, std::move(image));
                                        }));
    } else if (PullPolicy(self.spec()) == "Never") {
      const std::string message =
          fmt::format("Container image \"{}\" is not present with pull policy of Never", self.spec().image.view());
      self.Event("Warning", "ErrImageNeverPull", message);
      self.PullFailed("ErrImageNeverPull", message);
    } else {
      self.Pull(false);
    }
  }));
}

void ContainerWorker::Pull(bool always) {
  Event("Normal", "Pulling", fmt::format("Pulling image \"{}\"", spec().image.view()));
  transient_->pull_began = context_.env.clock().MonoNow();
  context_.runtime.EnsureImage(spec().image.str(), always, OnTurn([](ContainerWorker& self, Result<ImageInfo> image) {
                                 self.Pulled(true, std::move(image));
                               }));
}

void ContainerWorker::Pulled(bool pulling, Result<ImageInfo> image) {
  if (!image) {
    if (image.status().code() == Code::kBadRequest) {
      const std::string message =
          fmt::format("Failed to apply default image tag \"{}\": {}", spec().image.view(), image.status().message());
      Event("Warning", "InspectFailed", message);
      return PullFailed("InvalidImageName", message);
    }
    const std::string& message = image.status().message();
    Event("Warning", "Failed", fmt::format("Failed to pull image \"{}\": {}", spec().image.view(), message));
    return PullFailed("ErrImagePull", message);
  }
  if (pulling) {
    const std::string took = FormatDuration(context_.env.clock().MonoNow() - transient_->pull_began);
    Event("Normal", "Pulled",
          fmt::format("Successfully pulled image \"{}\" in {} ({} including waiting). Image size: {} bytes.",
                      spec().image.view(), took, took, image->size));
    context_.images_changed();
  }
  pull_failed_ = {};
  pull_backoff_.Reset();
  transient_->image = *std::move(image);
  transient_->have_image = true;
  Prepare();
}

void ContainerWorker::PullFailed(std::string reason, std::string message) {
  step_ = Step::kIdle;
  Event("Warning", "Failed", fmt::format("Error: {}", reason));
  SetWaiting(reason, std::move(message));
  const WallTime now = context_.Now();
  pull_backoff_.Next(now, now);
  pull_failed_ = now;
  failed_image_ = spec().image;
  WakeAfter(kShowPullError);
}

void ContainerWorker::Prepare() {
  step_ = Step::kPreparing;
  const PodFacts facts = scope_.facts();
  const PodPaths paths = scope_.paths();
  ContainerInputs inputs;
  inputs.facts = &facts;
  inputs.container = &spec();
  inputs.image = &transient_->image;
  inputs.volumes = &scope_.volumes();
  inputs.paths = &paths;
  inputs.objects = &context_.objects;
  if (context_.service_env) inputs.services = context_.service_env(scope_.pod());
  if (ephemeral_ != nullptr && !ephemeral_->target.empty()) {
    inputs.target_container = scope_.RunningId(ephemeral_->target);
    if (inputs.target_container.empty()) {
      step_ = Step::kIdle;
      return SetWaiting("CreateContainerConfigError",
                        fmt::format("unable to find target container \"{}\"", ephemeral_->target.view()));
    }
  }
  inputs.sandbox_id = scope_.sandbox_id();
  inputs.attempt = next_attempt_;
  inputs.memory_capacity = context_.memory_capacity;
  inputs.files = !context_.simulated();
  Result<PreparedContainer> prepared = PrepareContainer(inputs);
  if (!prepared) {
    step_ = Step::kIdle;
    // What is not known yet comes without being asked for again; a missing object may be created any time.
    if (prepared.status().code() == Code::kUnavailable) return;
    if (!(waiting_message_ == prepared.status().message())) {
      Event("Warning", "Failed", fmt::format("Error: {}", prepared.status().message()));
    }
    SetWaiting("CreateContainerConfigError", prepared.status().message());
    return;
  }
  transient_->prepared = *std::move(prepared);
  if (context_.simulated()) return StartPrepared();
  const PreparedContainer& ready = transient_->prepared;
  // Until this run has started, the one before the last is still the previous one that may be asked for.
  std::string stale_log = next_attempt_ >= 3 ? paths.Log(spec().name, next_attempt_ - 3) : std::string();
  context_.files.get().Post([&strand = context_.strand, binds = ready.binds, termination = ready.termination_path,
                             log = ready.config.log_path, stale_log = std::move(stale_log),
                             done = OnTurn([](ContainerWorker& self, const Status& status) {
                               if (status.ok()) return self.StartPrepared();
                               self.step_ = Step::kIdle;
                               self.Event("Warning", "Failed", fmt::format("Error: {}", status.message()));
                               self.SetWaiting("CreateContainerConfigError", status.message());
                               self.WakeAfter(RestartBackoff::kInitial);
                             })]() mutable {
    Status status = MakeDirectories(log.substr(0, log.rfind('/')));
    if (status.ok() && !termination.empty()) {
      status = MakeDirectories(termination.substr(0, termination.rfind('/')));
      // Whoever the container runs as may write it.
      if (status.ok()) status = WriteTextFile(termination, "", 0666);
    }
    for (const SubPathBind& bind : binds) {
      if (status.ok()) status = BindSubPath(bind.volume, bind.sub_path, bind.target);
    }
    if (!stale_log.empty()) (void)RemoveTree(stale_log);
    strand.Post([done = std::move(done), status]() mutable { done(status); });
  });
}

void ContainerWorker::StartPrepared() {
  step_ = Step::kStarting;
  context_.runtime.StartContainer(
      std::move(transient_->prepared.config),
      OnTurn([](ContainerWorker& self, Result<ContainerState> state) { self.Started(std::move(state)); }));
}

void ContainerWorker::Started(Result<ContainerState> state) {
  if (!state) return StartFailed(state.status());
  if (current_ && current_->exited()) {
    last_ = std::move(current_);
    context_.runtime.RemoveContainer(last_->id.str(), [](Result<void>) {});
  }
  current_ = ToInstance(*state);
  restarts_ = std::exchange(next_attempt_, next_attempt_ + 1);
  running_image_ = spec().image;
  turn_taken_ = false;
  former_ = false;
  const std::optional<ContainerState> early_exit = std::move(transient_->early_exit);
  transient_.reset();
  SetWaiting({}, {});
  Event("Normal", "Created", "Container created");
  Event("Normal", "Started", "Container started");
  if (!state->lacking.empty()) Event("Warning", "NotSupported", state->lacking);
  if (current_->exited() || early_exit) {
    step_ = Step::kRunning;
    return Exited(early_exit ? *early_exit : *state);
  }
  current_->phase = ContainerState::Phase::kRunning;
  const bool has_hook = spec().lifecycle && spec().lifecycle->postStart;
  if (stopping_ != nullptr || !has_hook) return BeginRunning(false);
  step_ = Step::kRunning;
  hook_ = RunHandler(context_, HandlerSpec::Of(*spec().lifecycle->postStart), spec(), current_->id.str(), pod_ip(),
                     std::chrono::minutes(2), OnTurn([](ContainerWorker& self, const Status& status) {
                       const std::unique_ptr<RunningHandler> done = std::move(self.hook_);
                       if (self.step_ != Step::kRunning || self.stopping_ != nullptr) return;
                       if (status.ok()) return self.BeginRunning(false);
                       self.HookFailed("PostStartHook", status);
                       self.Restart("FailedPostStartHook", std::nullopt);
                     }));
  scope_.Poke();
}

// What a hook said may be secret: it goes to the node's log, and not into an event that many may read.
void ContainerWorker::HookFailed(std::string_view hook, const Status& status) {
  context_.log.Warning(
      "a lifecycle hook failed",
      {{"hook", std::string(hook)}, {"pod", PodText()}, {"container", spec().name.str()}, {"error", status.message()}});
  Event("Warning", fmt::format("Failed{}", hook), fmt::format("{} failed", hook));
}

void ContainerWorker::StartFailed(const Status& status) {
  step_ = Step::kIdle;
  transient_.reset();
  const std::string id = ContainerId(scope_.sandbox_id(), spec().name, next_attempt_);
  context_.runtime.RemoveContainer(id, [](Result<void>) {});
  Event("Warning", "Failed", fmt::format("Error: {}", status.message()));
  const WallTime now = context_.Now();
  if (status.code() == Code::kBadRequest) {
    // The container was made but its program could not be run: that counts as a run.
    Instance run;
    run.id = id;
    run.image = spec().image;
    run.attempt = next_attempt_;
    run.exit_code = 128;
    run.reason = "StartError";
    run.message = status.message();
    run.started = kube::ToTime(WallTime{});
    run.finished = kube::ToTime(now);
    run.phase = ContainerState::Phase::kExited;
    if (current_ && current_->exited()) last_ = std::move(current_);
    current_ = std::move(run);
    ended_ = now;
    restarts_ = std::exchange(next_attempt_, next_attempt_ + 1);
    turn_taken_ = false;
    former_ = false;
    SetWaiting("RunContainerError", status.message());
  } else {
    SetWaiting("CreateContainerError", status.message());
    WakeAfter(RestartBackoff::kInitial);
  }
  scope_.Poke();
}

void ContainerWorker::BeginRunning(bool was_ready) {
  step_ = Step::kRunning;
  if (stopping_ != nullptr) {
    BeginStop();
  } else {
    serving_ = true;
    if (ContainerProbes::Wanted(spec())) BeginProbes(was_ready);
  }
  scope_.Poke();
}

void ContainerWorker::BeginProbes(bool was_ready) {
  ContainerProbes::Owner owner;
  owner.changed = [this] { scope_.Poke(); };
  owner.event = [this](std::string_view reason, std::string message) { Event("Warning", reason, std::move(message)); };
  // Posted, because stopping destroys the probes that ask for it.
  owner.kill = [this](std::string why) {
    context_.strand.Post([done = OnTurn([why = std::move(why)](ContainerWorker& self) mutable {
                            const core::Container& spec = self.spec();
                            std::optional<std::int64_t> grace;
                            if (spec.livenessProbe) grace = spec.livenessProbe->terminationGracePeriodSeconds;
                            if (!grace && spec.startupProbe) grace = spec.startupProbe->terminationGracePeriodSeconds;
                            self.Restart(std::move(why), grace);
                          })]() mutable { done(); });
  };
  ContainerProbes::Target target{spec(), current_->id.str(), pod_ip(), kube::ToWallTime(current_->started)};
  probes_ = std::make_unique<ContainerProbes>(context_, std::move(target), std::move(owner), was_ready);
}

void ContainerWorker::CheckRunning() {
  if (running_image_.empty() || running_image_ == spec().image) return;
  Restart(fmt::format("Container {} definition changed, will be restarted", spec().name.view()), std::nullopt);
}

void ContainerWorker::Restart(std::string why, std::optional<std::int64_t> grace_seconds) {
  if (step_ != Step::kRunning || stopping_ != nullptr) return;
  const std::int64_t grace =
      grace_seconds.value_or(scope_.pod().spec.terminationGracePeriodSeconds.value_or(kDefaultGraceSeconds));
  stopping_ = std::make_unique<Stopping>(
      Stopping{context_.env.clock().MonoNow() + std::chrono::seconds(grace), std::move(why), true, false});
  BeginStop();
}

void ContainerWorker::Stop(MonoTime deadline) {
  const bool first = stopping_ == nullptr;
  if (first) {
    stopping_ = std::make_unique<Stopping>(
        Stopping{deadline, fmt::format("Stopping container {}", spec().name.view()), false, false});
  } else {
    stopping_->restart = false;
    const bool sooner = deadline < stopping_->deadline;
    stopping_->deadline = std::min(deadline, stopping_->deadline);
    if (sooner && kill_timer_ != 0) {
      context_.strand.Cancel(std::exchange(kill_timer_, 0));
      const Duration left = stopping_->deadline - context_.env.clock().MonoNow();
      kill_timer_ = context_.strand.After(std::max(left, Duration::zero()), [this] { Kill(); });
    }
    return;
  }
  switch (step_) {
    case Step::kIdle:
      if (wake_ != 0) context_.strand.Cancel(std::exchange(wake_, 0));
      transient_.reset();
      break;
    case Step::kPulling:
    case Step::kPreparing:
      ++turn_;
      step_ = Step::kIdle;
      transient_.reset();
      break;
    case Step::kStarting:  // Started will see to it
    case Step::kReaping:
      break;
    case Step::kRunning:
      BeginStop();
      break;
  }
}

void ContainerWorker::BeginStop() {
  if (probes_ != nullptr) probes_->KeepReadinessOnly();
  hook_.reset();
  Event("Normal", "Killing", stopping_->why);
  const Duration left = std::max(stopping_->deadline - context_.env.clock().MonoNow(), Duration::zero());
  kill_timer_ = context_.strand.After(left, [this] { Kill(); });
  scope_.Poke();
  if (left > Duration::zero() && spec().lifecycle && spec().lifecycle->preStop) {
    hook_ = RunHandler(context_, HandlerSpec::Of(*spec().lifecycle->preStop), spec(), current_->id.str(), pod_ip(),
                       left, OnTurn([](ContainerWorker& self, const Status& status) {
                         const std::unique_ptr<RunningHandler> done = std::move(self.hook_);
                         if (!status.ok()) self.HookFailed("PreStopHook", status);
                         self.SignalStop();
                       }));
    return;
  }
  SignalStop();
}

void ContainerWorker::SignalStop() {
  if (step_ != Step::kRunning || std::exchange(stopping_->signalled, true)) return;
  int signal = 0;  // the image's
  if (spec().lifecycle && spec().lifecycle->stopSignal) signal = SignalNumber(*spec().lifecycle->stopSignal);
  context_.runtime.KillContainer(current_->id.str(), signal, [](Result<void>) {});
}

void ContainerWorker::Kill() {
  kill_timer_ = 0;
  if (step_ != Step::kRunning) return;
  hook_.reset();
  stopping_->signalled = true;
  context_.runtime.KillContainer(current_->id.str(), SIGKILL, [](Result<void>) {});
  kill_timer_ = context_.strand.After(kKillAgain, [this] { Kill(); });
}

void ContainerWorker::Exited(const ContainerState& state) {
  if (step_ == Step::kStarting && state.attempt == next_attempt_) transient_->early_exit = state;
  if (step_ != Step::kRunning || !(current_->id == state.id)) return;
  CancelTimers();
  probes_.reset();
  hook_.reset();
  serving_ = false;
  ended_ = state.finished;
  Instance run = ToInstance(state);
  run.phase = ContainerState::Phase::kExited;
  if (run.image.empty()) run.image = current_->image;
  if (run.image_id.empty()) run.image_id = current_->image_id;
  if (run.started.empty()) run.started = current_->started;
  if (context_.simulated()) return FinishExit(std::move(run));
  step_ = Step::kReaping;
  const bool from_log = spec().terminationMessagePolicy == "FallbackToLogsOnError" && run.exit_code != 0;
  const PodPaths paths = scope_.paths();
  std::string termination = paths.Termination(spec().name, run.attempt);
  std::string log = from_log ? paths.Log(spec().name, run.attempt) : "";
  context_.files.get().Post(
      [&strand = context_.strand, termination = std::move(termination), log = std::move(log),
       done = OnTurn([run = std::move(run)](ContainerWorker& self, const std::string& message) mutable {
         if (!message.empty()) run.message = message;
         self.FinishExit(std::move(run));
       })]() mutable {
        std::string message = ReadTerminationMessage(termination);
        if (message.empty() && !log.empty()) message = ReadLogTail(log);
        strand.Post([done = std::move(done), message = std::move(message)]() mutable { done(message); });
      });
}

void ContainerWorker::FinishExit(Instance run) {
  step_ = Step::kIdle;
  current_ = std::move(run);
  turn_taken_ = false;
  if (stopping_ != nullptr && stopping_->restart) stopping_.reset();
  scope_.Poke();
}

void ContainerWorker::Renew() {
  former_ = true;
  if (kind_ == ContainerKind::kInit && idle() && current_) last_ = std::exchange(current_, std::nullopt);
}

void ContainerWorker::Clean() {
  if (idle() && current_ && !current_->id.empty())
    context_.runtime.RemoveContainer(current_->id.str(), [](Result<void>) {});
}

void ContainerWorker::SetWaiting(std::string_view reason, std::string message) {
  // Only a change is news: what leads here may itself be the answer to a Poke.
  if (waiting_reason_ == reason && waiting_message_ == message) return;
  waiting_reason_ = reason;
  waiting_message_ = message;
  scope_.Poke();
}

void ContainerWorker::WakeAfter(Duration delay) {
  if (wake_ != 0) context_.strand.Cancel(wake_);
  wake_ = context_.strand.After(delay, [this] {
    wake_ = 0;
    scope_.Poke();
  });
}

void ContainerWorker::CancelTimers() {
  if (wake_ != 0) context_.strand.Cancel(std::exchange(wake_, 0));
  if (kill_timer_ != 0) context_.strand.Cancel(std::exchange(kill_timer_, 0));
}

void ContainerWorker::Event(std::string_view type, std::string_view reason, std::string message) {
  static constexpr const char* kLists[] = {"initContainers", "containers", "ephemeralContainers"};
  context_.events.Record(scope_.pod_object(), type, reason, std::move(message),
                         fmt::format("spec.{}{{{}}}", kLists[static_cast<int>(kind_)], spec().name.view()));
}

std::string ContainerWorker::PodText() const {
  const core::Pod& pod = scope_.pod();
  return fmt::format("{}_{}({})", pod.metadata.name.view(), pod.metadata.namespace_.view(), pod.metadata.uid.view());
}

std::string ContainerWorker::pod_ip() const {
  const PodFacts facts = scope_.facts();
  return facts.pod_ips.empty() ? std::string() : facts.pod_ips.front();
}

}  // namespace minikube::agent
