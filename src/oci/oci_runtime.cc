#include "oci/oci_runtime.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "oci/embedded_monitor.h"
#include "oci/files.h"
#include "oci/host_limits.h"
#include "oci/monitor/monitor.h"

namespace minikube::oci {
namespace {

constexpr std::chrono::seconds kStartTimeout(120);
constexpr std::chrono::seconds kDeleteTimeout(60);
constexpr const char* kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Ids become file names, cgroup names and arguments.
Status CheckId(const std::string& id) {
  const bool good = !id.empty() && id.size() <= 128 && std::isalnum(static_cast<unsigned char>(id.front())) != 0 &&
                    std::all_of(id.begin(), id.end(), [](unsigned char c) {
                      return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
                    });
  if (good) return {};
  return {Code::kBadRequest, fmt::format("\"{}\" is not an ID of a sandbox or container", id)};
}

}  // namespace

OciRuntime::OciRuntime(WorkspaceOptions options, Cgroups cgroups, std::unique_ptr<PodNetwork> network, UniqueFd lock,
                       Env& env, Strand& strand)
    : options_(std::move(options)),
      images_(options_.root + "/images"),
      workspace_(options_, std::move(cgroups), images_),
      network_(std::move(network)),
      lock_(std::move(lock)),
      env_(env),
      strand_(strand),
      network_queue_(strand.Poster()),
      alive_(std::make_shared<int>(0)),
      image_worker_(env.NewBlockingStrand("oci-images")),
      network_worker_(env.NewBlockingStrand("oci-network")) {
  for (std::size_t i = 0; i < workers_.size(); ++i) workers_[i] = env.NewBlockingStrand(fmt::format("oci-{}", i));
  version_.name = options_.runtime.substr(options_.runtime.rfind('/') + 1);
}

OciRuntime::~OciRuntime() {
  for (const auto& [id, sandbox] : sandboxes_) {
    if (sandbox.watch != 0) env_.processes().UnwatchExit(sandbox.watch);
  }
  for (const auto& [id, container] : containers_) {
    if (container.watch != 0) env_.processes().UnwatchExit(container.watch);
  }
}

// --- Plumbing -------------------------------------------------------------------------------------------------------

void OciRuntime::Run(std::vector<std::string> argv, Duration timeout, Ran then, std::string input) {
  ProcessSpec spec;
  spec.argv = std::move(argv);
  spec.env = {{"PATH", kPath}};
  spec.cwd = "/";
  spec.stdin_data = std::move(input);
  spec.timeout = timeout;
  env_.processes().Run(std::move(spec), strand_,
                       [alive = std::weak_ptr(alive_), then = std::move(then)](Result<ProcessResult> result) mutable {
                         if (!alive.expired()) then(std::move(result));
                       });
}

SerialQueue& OciRuntime::QueueOf(const std::string& sandbox_id) {
  return queues_.try_emplace(sandbox_id, strand_.Poster()).first->second;
}

Strand& OciRuntime::WorkerOf(const std::string& sandbox_id) {
  return *workers_[std::hash<std::string>()(sandbox_id) % workers_.size()];
}

// --- Recovery -------------------------------------------------------------------------------------------------------

void OciRuntime::WhenReady(Function<void(Status)> task) {
  if (phase_ == Phase::kReady) return task(Status());
  waiting_.push_back(std::move(task));
  if (std::exchange(phase_, Phase::kRecovering) == Phase::kNew) Recover();
}

void OciRuntime::Recover() {
  Run({options_.runtime, "--version"}, std::chrono::seconds(10), [this](Result<ProcessResult> result) {
    // "runc version 1.1.5+ds1", "crun version 1.8.1"
    constexpr std::string_view kVersion = " version ";
    if (result.ok()) {
      const std::string line = result->out.substr(0, result->out.find('\n'));
      const std::size_t at = line.find(kVersion);
      if (at != std::string::npos) version_ = {line.substr(0, at), line.substr(at + kVersion.size())};
    }
    Do<Result<Recovered>>(
        *workers_[0],
        [this, now = env_.clock().Now()]() -> Result<Recovered> {
          MINIKUBE_RETURN_IF_ERROR(images_.Open());
          MINIKUBE_RETURN_IF_ERROR(workspace_.Open());
          MINIKUBE_RETURN_IF_ERROR(RemoveTree(options_.root + "/pull"));
          return workspace_.Recover(now);
        },
        [this](Result<Recovered> recovered) {
          if (recovered.ok()) return Adopt(std::move(recovered).value());
          // Whoever asks next tries again.
          phase_ = Phase::kNew;
          for (auto& task : std::exchange(waiting_, {})) task(recovered.status());
        });
  });
}

void OciRuntime::Adopt(Recovered recovered) {
  for (Recovered::Sandbox& found : recovered.sandboxes) {
    const std::string id = found.record.config.id;
    Sandbox& sandbox = sandboxes_[id];
    sandbox.record = std::move(found.record);
    sandbox.pause = found.pause;
    sandbox.ready = found.ready;
    if (sandbox.record.ip && network_) {
      network_->Reserve(*sandbox.record.ip);
      const Status published = network_->Publish(id, *sandbox.record.ip, sandbox.record.config.port_mappings);
      (void)published;  // it was checked when the sandbox was made
    }
    if (sandbox.ready) WatchSandbox(sandbox);
  }
  for (Recovered::Container& found : recovered.containers) {
    Container& container = containers_[found.record.id];
    container.record = std::move(found.record);
    container.process = found.started.process;
    container.monitor = found.started.monitor;
    const ContainerRecord& record = container.record;
    ContainerState& state = container.state;
    state.id = record.id;
    state.sandbox_id = record.sandbox_id;
    state.name = record.name;
    state.attempt = record.attempt;
    state.image = record.image;
    state.image_id = record.image_id;
    state.log_path = record.log_path;
    state.created = record.created;
    state.started = found.started.at;
    state.pid = container.process.pid;
    state.phase = ContainerState::Phase::kRunning;
    if (found.exit) {
      SetExit(state, *found.exit);
    } else {
      WatchContainer(container);
    }
  }
  // The bridge is claimed again at once: another runtime must not give out the addresses that our pods have.
  JoinNetwork("", [] {});
  auto left = std::make_shared<std::size_t>(recovered.leftovers.size() + 1);
  const auto one_less = [this, left] {
    if (--*left != 0) return;
    phase_ = Phase::kReady;
    for (auto& task : std::exchange(waiting_, {})) task(Status());
  };
  for (const std::string& id : recovered.leftovers) {
    // What cannot be removed now is found again by the next recovery.
    DeleteContainer(id, WorkerOf(id), [one_less](Status) { one_less(); });
  }
  one_less();
}

void OciRuntime::List(Done<Inventory> done) {
  WhenReady([this, done = std::move(done)](Status ready) mutable {
    if (!ready.ok()) return done(ready);
    Inventory inventory;
    for (const auto& [id, sandbox] : sandboxes_) {
      if (sandbox.record.complete) inventory.sandboxes.push_back(StateOf(sandbox));
    }
    for (const auto& [id, container] : containers_) inventory.containers.push_back(container.state);
    done(std::move(inventory));
  });
}

// --- Images ---------------------------------------------------------------------------------------------------------

void OciRuntime::ListImages(Done<std::vector<ImageInfo>> done) {
  Do<std::vector<ImageInfo>>(
      *image_worker_,
      [this] {
        std::vector<ImageInfo> out;
        for (const StoredImage& image : images_.List()) {
          if (auto info = images_.Info(image)) out.push_back(std::move(info).value());
        }
        return out;
      },
      [done = std::move(done)](std::vector<ImageInfo> images) mutable { done(std::move(images)); });
}

void OciRuntime::EnsureImage(std::string reference, bool always_pull, Done<ImageInfo> done) {
  using Answer = std::optional<Result<ImageInfo>>;  // nothing: it is to be pulled
  Do<Answer>(
      *image_worker_,
      [this, reference, always_pull]() -> Answer {
        // A file of this machine instead of a registry: oci:DIR, oci-archive:FILE, docker-archive:FILE.
        for (const std::string_view transport : {"oci:/", "oci-archive:/", "docker-archive:/"}) {
          if (reference.substr(0, transport.size()) != transport) continue;
          auto imported = images_.Import(reference.substr(transport.size() - 1), "", Origin::kImported);
          if (!imported) return imported.status().WithContext(fmt::format("failed to pull image \"{}\"", reference));
          return imported->front();
        }
        auto image = images_.Find(reference);
        if (image && !(always_pull && image->origin == Origin::kPulled)) return images_.Info(*image);
        if (!image && image.status().code() != Code::kNotFound) return image.status();
        return std::nullopt;
      },
      [this, reference, done = std::move(done)](Answer answer) mutable {
        if (answer) return done(*std::move(answer));
        Pull(reference, std::move(done));
      });
}

// --- Sandboxes ------------------------------------------------------------------------------------------------------

SandboxState OciRuntime::StateOf(const Sandbox& sandbox) {
  SandboxState state;
  const SandboxRecord& record = sandbox.record;
  state.id = record.config.id;
  state.pod_uid = record.config.pod_uid;
  state.ns = record.config.ns;
  state.name = record.config.name;
  state.ready = sandbox.ready;
  if (record.ip) state.ips.push_back(FormatIpv4(*record.ip));
  state.message = record.message;
  state.created = record.created;
  return state;
}

void OciRuntime::RunSandbox(SandboxConfig config, Done<SandboxState> done) {
  if (const Status bad = CheckId(config.id); !bad.ok()) return done(bad);
  WhenReady([this, config = std::move(config), done = std::move(done)](Status ready) mutable {
    if (!ready.ok()) return done(ready);
    const std::string id = config.id;
    if (sandboxes_.contains(id)) return done(Status(Code::kAlreadyExists, fmt::format("sandbox {} exists", id)));
    Sandbox& sandbox = sandboxes_[id];
    sandbox.record.config = std::move(config);
    sandbox.record.created = env_.clock().Now();
    QueueOf(id).Push([this, id, done = std::move(done)](Task finished) mutable {
      Done<SandboxState> answer = [done = std::move(done),
                                   finished = std::move(finished)](Result<SandboxState> result) mutable {
        done(std::move(result));
        finished();
      };
      JoinNetwork(id, [this, id, answer = std::move(answer)]() mutable {
        Do<Status>(
            WorkerOf(id), [this, record = sandboxes_.at(id).record] { return workspace_.PrepareSandbox(record); },
            [this, id, answer = std::move(answer)](Status prepared) mutable {
              if (!prepared.ok()) return AbandonSandbox(id, prepared, std::move(answer));
              LaunchPause(id, std::move(answer));
            });
      });
    });
  });
}

void OciRuntime::LaunchPause(const std::string& id, Done<SandboxState> done) {
  Run(workspace_.PauseCommand(sandboxes_.at(id).record), kStartTimeout,
      [this, id, done = std::move(done)](Result<ProcessResult> result) mutable {
        if (!result) return AbandonSandbox(id, result.status(), std::move(done));
        const auto started = ParseStarted(result->out);
        if (result->exit_code != 0 || !started) {
          std::string why = result->out.substr(0, result->out.find('\n'));
          if (why.substr(0, 6) == "error ") why.erase(0, 6);
          return AbandonSandbox(id, Status(Code::kInternal, fmt::format("cannot start the sandbox: {}", why)),
                                std::move(done));
        }
        sandboxes_.at(id).pause = started->process;
        AttachNetwork(id, std::move(done));
      });
}

void OciRuntime::FinishSandbox(const std::string& id, Done<SandboxState> done) {
  Sandbox& sandbox = sandboxes_.at(id);
  sandbox.record.complete = true;
  Do<Status>(
      WorkerOf(id), [this, record = sandbox.record] { return workspace_.SaveSandbox(record); },
      [this, id, done = std::move(done)](Status saved) mutable {
        if (!saved.ok()) return AbandonSandbox(id, saved, std::move(done));
        Sandbox& sandbox = sandboxes_.at(id);
        sandbox.ready = true;
        WatchSandbox(sandbox);
        done(StateOf(sandbox));
      });
}

void OciRuntime::AbandonSandbox(const std::string& id, Status why, Done<SandboxState> done) {
  const SandboxRecord record = sandboxes_.at(id).record;
  TearDownSandbox(record.config, record.ip, [this, id, why, done = std::move(done)](Status) mutable {
    sandboxes_.erase(id);
    done(why);
  });
}

void OciRuntime::WatchSandbox(Sandbox& sandbox) {
  const std::string id = sandbox.record.config.id;
  sandbox.watch = env_.processes().WatchExit(sandbox.pause.pid, strand_, [this, alive = std::weak_ptr(alive_), id] {
    if (alive.expired()) return;
    const auto it = sandboxes_.find(id);
    if (it == sandboxes_.end() || !std::exchange(it->second.ready, false)) return;
    it->second.watch = 0;
    if (!changed_) return;
    ContainerState died;
    died.sandbox_id = id;
    changed_(std::move(died));
  });
}

void OciRuntime::RemoveSandbox(std::string id, Done<void> done) {
  if (const Status bad = CheckId(id); !bad.ok()) return done(bad);
  WhenReady([this, id = std::move(id), done = std::move(done)](Status ready) mutable {
    if (!ready.ok()) return done(ready);
    QueueOf(id).Push([this, id, done = std::move(done)](Task finished) mutable {
      Function<void(Status)> answer = [this, id, done = std::move(done),
                                       finished = std::move(finished)](Status status) mutable {
        done(status);
        finished();
        // The queue goes with the sandbox, unless somebody uses the ID again already.
        const auto queue = queues_.find(id);
        if (queue != queues_.end() && queue->second.idle() && !sandboxes_.contains(id)) queues_.erase(queue);
      };
      const auto it = sandboxes_.find(id);
      if (it == sandboxes_.end()) return answer(Status());
      Sandbox& sandbox = it->second;
      sandbox.ready = false;
      if (sandbox.watch != 0) env_.processes().UnwatchExit(std::exchange(sandbox.watch, 0));
      RemoveContainersOf(id, [this, id, answer = std::move(answer)](Status removed) mutable {
        if (!removed.ok()) return answer(removed);
        const SandboxRecord record = sandboxes_.at(id).record;
        TearDownSandbox(record.config, record.ip, [this, id, answer = std::move(answer)](Status torn_down) mutable {
          if (torn_down.ok()) sandboxes_.erase(id);
          answer(torn_down);
        });
      });
    });
  });
}

void OciRuntime::TearDownSandbox(const SandboxConfig& config, std::optional<Ipv4> ip, Function<void(Status)> then) {
  Do<Status>(
      WorkerOf(config.id), [this, config] { return workspace_.DestroySandbox(config); },
      [this, id = config.id, ip, then = std::move(then)](Status destroyed) mutable {
        if (!destroyed.ok() || !ip || !network_) return then(destroyed);
        LeaveNetwork(id, *ip, [then = std::move(then)]() mutable { then(Status()); });
      });
}

void OciRuntime::RemoveContainersOf(const std::string& id, Function<void(Status)> then) {
  std::vector<std::string> ids;
  for (const auto& [container_id, container] : containers_) {
    if (container.record.sandbox_id == id) ids.push_back(container_id);
  }
  struct Pending {
    std::size_t left;
    Status status;
    Function<void(Status)> then;
  };
  auto pending = std::make_shared<Pending>(Pending{ids.size() + 1, Status(), std::move(then)});
  const auto one_less = [pending](Status status) {
    if (!status.ok()) pending->status = status;
    if (--pending->left == 0) pending->then(pending->status);
  };
  for (const std::string& container_id : ids) {
    DeleteContainer(container_id, WorkerOf(id), [this, container_id, one_less](Status status) {
      if (status.ok()) containers_.erase(container_id);
      one_less(status);
    });
  }
  one_less(Status());
}

// --- Containers -----------------------------------------------------------------------------------------------------

void OciRuntime::SetExit(ContainerState& state, const ExitRecord& exit) {
  state.phase = ContainerState::Phase::kExited;
  state.exit_code = exit.exit_code;
  state.finished = exit.finished;
  state.reason = exit.reason;
  state.message = exit.message;
  if (!state.reason.empty()) return;
  state.reason = exit.oom_killed ? "OOMKilled" : exit.exit_code == 0 ? "Completed" : "Error";
}

void OciRuntime::StartContainer(ContainerConfig config, Done<ContainerState> done) {
  if (const Status bad = CheckId(config.id); !bad.ok()) return done(bad);
  WhenReady([this, config = std::move(config), done = std::move(done)](Status ready) mutable {
    if (!ready.ok()) return done(ready);
    const std::string sandbox_id = config.sandbox_id;
    if (!sandboxes_.contains(sandbox_id)) {
      return done(Status(Code::kNotFound, fmt::format("there is no sandbox {}", sandbox_id)));
    }
    QueueOf(sandbox_id).Push([this, config = std::move(config), done = std::move(done)](Task finished) mutable {
      Done<ContainerState> answer = [done = std::move(done),
                                     finished = std::move(finished)](Result<ContainerState> result) mutable {
        done(std::move(result));
        finished();
      };
      const auto it = sandboxes_.find(config.sandbox_id);
      if (it == sandboxes_.end() || !it->second.ready) {
        return answer(Status(Code::kNotFound, fmt::format("sandbox {} is not running", config.sandbox_id)));
      }
      if (containers_.contains(config.id)) {
        return answer(Status(Code::kAlreadyExists, fmt::format("container {} exists", config.id)));
      }
      int target_pid = 0;
      if (!config.target_container.empty()) {
        const auto target = containers_.find(config.target_container);
        if (target == containers_.end() || target->second.state.phase != ContainerState::Phase::kRunning) {
          return answer(Status(Code::kNotFound, fmt::format("container {} is not running", config.target_container)));
        }
        target_pid = target->second.process.pid;
      }
      const std::string id = config.id;
      const std::string sandbox_id = config.sandbox_id;
      Do<Result<PreparedContainer>>(
          WorkerOf(sandbox_id),
          [this, config = std::move(config), sandbox = it->second.record.config, pause = it->second.pause, target_pid,
           now = env_.clock().Now()] { return workspace_.PrepareContainer(config, sandbox, pause, target_pid, now); },
          [this, id, sandbox_id, answer = std::move(answer)](Result<PreparedContainer> prepared) mutable {
            if (prepared.ok()) return LaunchContainer(std::move(prepared).value(), std::move(answer));
            DeleteContainer(id, WorkerOf(sandbox_id),
                            [why = prepared.status(), answer = std::move(answer)](Status) mutable { answer(why); });
          });
    });
  });
}

void OciRuntime::LaunchContainer(PreparedContainer prepared, Done<ContainerState> done) {
  Run(std::move(prepared.argv), kStartTimeout,
      [this, record = std::move(prepared.record), lacking = std::move(prepared.lacking),
       done = std::move(done)](Result<ProcessResult> result) mutable {
        const auto started = result.ok() ? ParseStarted(result->out) : std::nullopt;
        if (!result.ok() || result->exit_code != 0 || !started) {
          const std::string output = result.ok() ? result->out : "error " + result.status().message();
          Strand& worker = WorkerOf(record.sandbox_id);
          return Do<Status>(
              worker, [this, id = record.id, output] { return workspace_.StartError(id, output); },
              [this, id = record.id, &worker, done = std::move(done)](Status why) mutable {
                DeleteContainer(id, worker, [why, done = std::move(done)](Status) mutable { done(why); });
              });
        }
        const std::string id = record.id;
        Container& container = containers_[id];
        container.record = std::move(record);
        container.process = started->process;
        container.monitor = started->monitor;
        ContainerState& state = container.state;
        state.id = id;
        state.sandbox_id = container.record.sandbox_id;
        state.name = container.record.name;
        state.attempt = container.record.attempt;
        state.image = container.record.image;
        state.image_id = container.record.image_id;
        state.log_path = container.record.log_path;
        state.created = container.record.created;
        state.started = started->at;
        state.pid = container.process.pid;
        state.phase = ContainerState::Phase::kRunning;
        WatchContainer(container);
        ContainerState answer = state;
        answer.lacking = std::move(lacking);
        done(std::move(answer));
      });
}

// The monitor ends right after the container did, when the exit file is written: its end is what is waited for.
void OciRuntime::WatchContainer(Container& container) {
  container.watch = env_.processes().WatchExit(container.monitor.pid, strand_,
                                               [this, alive = std::weak_ptr(alive_), id = container.record.id] {
                                                 if (!alive.expired()) ContainerEnded(id);
                                               });
}

void OciRuntime::ContainerEnded(const std::string& id) {
  const auto it = containers_.find(id);
  if (it == containers_.end()) return;
  it->second.watch = 0;
  const ContainerRecord& record = it->second.record;
  Do<ExitRecord>(
      WorkerOf(record.sandbox_id),
      [this, record, now = env_.clock().Now()] { return workspace_.CollectExit(record, now); },
      [this, id](ExitRecord exit) {
        const auto it = containers_.find(id);
        if (it == containers_.end() || it->second.state.phase == ContainerState::Phase::kExited) return;
        SetExit(it->second.state, exit);
        if (changed_) changed_(it->second.state);
      });
}

void OciRuntime::KillContainer(std::string id, int signal, Done<void> done) {
  const auto it = containers_.find(id);
  if (it == containers_.end() || it->second.state.phase != ContainerState::Phase::kRunning) {
    return done(Status(Code::kNotFound, fmt::format("container {} is not running", id)));
  }
  done(SendSignal(it->second.process, signal != 0 ? signal : it->second.record.stop_signal));
}

void OciRuntime::RemoveContainer(std::string id, Done<void> done) {
  if (const Status bad = CheckId(id); !bad.ok()) return done(bad);
  WhenReady([this, id = std::move(id), done = std::move(done)](Status ready) mutable {
    if (!ready.ok()) return done(ready);
    const auto it = containers_.find(id);
    if (it == containers_.end()) return done(Status());
    const std::string sandbox_id = it->second.record.sandbox_id;
    QueueOf(sandbox_id).Push([this, id, sandbox_id, done = std::move(done)](Task finished) mutable {
      if (!containers_.contains(id)) {
        done(Status());
        return finished();
      }
      DeleteContainer(id, WorkerOf(sandbox_id),
                      [this, id, done = std::move(done), finished = std::move(finished)](Status status) mutable {
                        if (status.ok()) containers_.erase(id);
                        done(status);
                        finished();
                      });
    });
  });
}

void OciRuntime::DeleteContainer(const std::string& id, Strand& worker, Function<void(Status)> then) {
  if (const auto it = containers_.find(id); it != containers_.end() && it->second.watch != 0) {
    env_.processes().UnwatchExit(std::exchange(it->second.watch, 0));
  }
  Do<Status>(
      worker, [this, id] { return workspace_.RetireContainer(id); },
      [this, id, &worker, then = std::move(then)](Status retired) mutable {
        if (!retired.ok()) return then(retired);
        // Its outcome does not matter: what it leaves (its state, the cgroup), Erase removes or fails on.
        Run(workspace_.DeleteCommand(id), kDeleteTimeout,
            [this, id, &worker, then = std::move(then)](Result<ProcessResult>) mutable {
              Do<Status>(
                  worker, [this, id] { return workspace_.EraseContainer(id); }, std::move(then));
            });
      });
}

// --- Commands in containers -----------------------------------------------------------------------------------------

Status OciRuntime::CheckRunning(const std::string& id) const {
  const auto it = containers_.find(id);
  if (it != containers_.end() && it->second.state.phase == ContainerState::Phase::kRunning) return {};
  return {Code::kNotFound, fmt::format("container {} is not running", id)};
}

Result<std::unique_ptr<ExecSession>> OciRuntime::StartExec(const std::string& id, const ExecSpec& spec,
                                                           ExecEvents events) {
  MINIKUBE_RETURN_IF_ERROR(CheckRunning(id));
  if (spec.command.empty()) return Status(Code::kBadRequest, "no command to run");
  ExecDescriptors descriptors;
  auto opened = ExecSession::Open(env_, strand_, spec, std::move(events), descriptors);
  if (!opened) return opened.status();
  const std::string tag = std::to_string(++last_tag_);
  ProcessSpec monitor;
  monitor.argv = workspace_.ExecCommand(id, tag, spec, descriptors);
  monitor.env = {{"PATH", kPath}};
  monitor.cwd = "/";
  for (const UniqueFd& fd : descriptors.fds) {
    if (fd) monitor.inherit_fds.push_back(fd.get());
  }
  ExecSession* const session = opened->get();
  env_.processes().Run(
      std::move(monitor), strand_,
      [this, alive = std::weak_ptr(alive_), id, tag, session, held = session->alive()](Result<ProcessResult> result) {
        if (alive.expired()) return;
        Do<Result<int>>(
            *image_worker_,  // short reads, apart from the containers' starts
            [this, id, tag, result = std::move(result)]() -> Result<int> {
              Result<int> exit_code = workspace_.CollectExec(id, tag, result ? result->out : std::string());
              return result ? std::move(exit_code) : result.status();
            },
            [session, held](Result<int> exit_code) {
              if (!held.expired()) session->Ended(std::move(exit_code));
            });
      });
  return opened;
}

Result<std::unique_ptr<ExecStreams>> OciRuntime::Exec(std::string id, ExecSpec spec, ExecEvents events) {
  MINIKUBE_RETURN_IF_ERROR(CheckRunning(id));
  auto session = spec.command.empty()
                     ? ExecSession::Attach(env_, strand_, spec, std::move(events), workspace_.AttachSocket(id))
                     : StartExec(id, spec, std::move(events));
  if (!session) return session.status();
  return std::unique_ptr<ExecStreams>(std::move(session).value());
}

Result<std::unique_ptr<ExecStreams>> OciRuntime::Connect(std::string sandbox_id, std::uint16_t port,
                                                         ExecEvents events) {
  const auto it = sandboxes_.find(sandbox_id);
  if (it == sandboxes_.end() || !it->second.ready) {
    return Status(Code::kNotFound, fmt::format("sandbox {} is not running", sandbox_id));
  }
  auto session = std::make_unique<PortSession>(env_, strand_, port, "sandbox " + sandbox_id, std::move(events));
  Do<Result<PodSockets>>(
      *network_worker_, [pid = it->second.pause.pid] { return OpenPodSockets(pid); },
      [session = session.get(), held = session->alive()](Result<PodSockets> sockets) {
        if (!held.expired()) session->Connect(std::move(sockets));
      });
  return std::unique_ptr<ExecStreams>(std::move(session));
}

void OciRuntime::ExecSync(std::string id, std::vector<std::string> argv, Duration timeout, Done<ProcessResult> done) {
  constexpr std::size_t kMaxOutput = 1 << 20;  // of each stream; the rest is dropped
  const std::uint64_t number = ++last_sync_;
  ExecSpec spec;
  spec.command = std::move(argv);
  spec.out = spec.err = true;
  ExecEvents events;
  events.on_output = [this, number](OutputStream stream, const std::string& data) {
    SyncExec& exec = syncs_.at(number);
    std::string& kept = stream == OutputStream::kOut ? exec.result.out : exec.result.err;
    kept.append(data, 0, kMaxOutput - kept.size());
    exec.session->ReadOn();
  };
  events.on_end = [this, number, timeout](Result<int> exit_code) {
    const auto node = syncs_.extract(number);
    SyncExec& exec = node.mapped();
    strand_.Cancel(exec.timer);
    if (exec.timed_out) {
      return exec.done(
          Status(Code::kTimeout, fmt::format("command timed out after {} ms",
                                             std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count())));
    }
    if (!exit_code) return exec.done(exit_code.status());
    exec.result.exit_code = *exit_code;
    exec.done(std::move(exec.result));
  };
  auto session = StartExec(id, spec, std::move(events));
  if (!session) return done(session.status());
  SyncExec& exec = syncs_[number];
  exec.session = std::move(session).value();
  exec.done = std::move(done);
  if (timeout <= Duration::zero()) return;
  exec.timer = strand_.After(timeout, [this, alive = std::weak_ptr(alive_), number] {
    if (alive.expired()) return;
    const auto it = syncs_.find(number);
    if (it == syncs_.end()) return;
    it->second.timed_out = true;
    it->second.session->Kill();
  });
}

}  // namespace minikube::oci

namespace minikube {

using oci::UniqueFd;

namespace {

// Where the OCI runtime is: a path, or found in the usual places.
Result<std::string> FindProgram(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    if (access(name.c_str(), X_OK) == 0) return name;
    return oci::ErrnoStatus(errno, "run", name);
  }
  std::string_view dirs = oci::kPath;
  while (!dirs.empty()) {
    const std::size_t colon = std::min(dirs.find(':'), dirs.size());
    const std::string path = fmt::format("{}/{}", dirs.substr(0, colon), name);
    if (access(path.c_str(), X_OK) == 0) return path;
    dirs.remove_prefix(std::min(colon + 1, dirs.size()));
  }
  return Status(Code::kNotFound, fmt::format("the OCI runtime {} is not installed", name));
}

}  // namespace

Result<std::unique_ptr<Runtime>> NewOciRuntime(OciRuntimeOptions options, Env& env, Strand& strand) {
  if (options.root.empty()) return Status(Code::kBadRequest, "the runtime needs a root directory");
  MINIKUBE_RETURN_IF_ERROR(oci::MakeDirs(options.root));
  const std::unique_ptr<char, void (*)(void*)> root(realpath(options.root.c_str(), nullptr), std::free);
  if (root == nullptr) return oci::ErrnoStatus(errno, "open", options.root);
  oci::WorkspaceOptions workspace;
  workspace.root = root.get();
  // overlayfs separates the directories in its options with these.
  if (workspace.root.find_first_of(":,\\") != std::string::npos) {
    return Status(Code::kBadRequest,
                  fmt::format("the root directory {} has a colon, comma or backslash", workspace.root));
  }
  workspace.run_root = options.run_root.empty() ? workspace.root + "/run" : options.run_root;
  workspace.cgroup_root = options.cgroup_root;
  if (workspace.cgroup_root.empty() || workspace.cgroup_root.front() != '/') workspace.cgroup_root.insert(0, "/");
  // Where it cannot be told or written at all, the OCI runtime says so.
  if (const auto lowest = oci::LowestOomScoreAdj()) workspace.lowest_oom_score_adj = *lowest;
  auto runtime = FindProgram(options.runtime);
  if (!runtime) return runtime.status();
  workspace.runtime = *runtime;
  if (options.monitor.empty()) {
    auto monitor = oci::InstallMonitor(workspace.root + "/bin");
    if (!monitor) return monitor.status();
    workspace.monitor = *monitor;
  } else {
    auto monitor = FindProgram(options.monitor);
    if (!monitor) return monitor.status();
    workspace.monitor = *monitor;
  }
  std::unique_ptr<oci::PodNetwork> network;
  if (!options.pod_cidr.empty()) {
    auto subnet = oci::ParseSubnet(options.pod_cidr);
    if (!subnet) return subnet.status();
    if (options.bridge.size() > 15 || !std::all_of(options.bridge.begin(), options.bridge.end(),
                                                   [](unsigned char c) { return std::isalnum(c) != 0; })) {
      return Status(Code::kBadRequest, fmt::format("\"{}\" cannot name a bridge", options.bridge));
    }
    network = std::make_unique<oci::PodNetwork>(*subnet, options.bridge, workspace.root);
  }
  auto cgroups = oci::Cgroups::Detect();
  if (!cgroups) return cgroups.status();

  const std::string lock_path = workspace.root + "/lock";
  UniqueFd lock(open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return oci::ErrnoStatus(errno, "open", lock_path);
  if (!oci::RetryForASecond([&lock] { return flock(lock.get(), LOCK_EX | LOCK_NB) == 0; })) {
    return Status(Code::kUnavailable, fmt::format("another runtime uses {}", workspace.root));
  }
  auto made = std::make_unique<oci::OciRuntime>(std::move(workspace), std::move(cgroups).value(), std::move(network),
                                                std::move(lock), env, strand);
  made->OnNetworkChange(std::move(options.network_changed));
  return std::unique_ptr<Runtime>(std::move(made));
}

int ContainerMonitorMain(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "pause") return oci::PauseMain(argc, argv);
  return oci::MonitorMain(argc, argv);
}

}  // namespace minikube
