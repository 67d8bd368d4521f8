// NodeAgent: wires the parts of one node, and hands the pods of the API to their workers.
#include <minikube/node_agent.h>

#include <sys/utsname.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include <fmt/format.h>

#include <minikube/informer.h>

#include "agent/exec_relay.h"
#include "agent/local_volumes.h"
#include "agent/node_registrar.h"
#include "agent/pod_worker.h"
#include "agent/service_env.h"
#include "model/validation_names.h"

namespace minikube {
namespace agent {
namespace {

std::string LowerHostname() {
  utsname names{};
  uname(&names);
  std::string out = names.nodename;
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

// What a consumer of a log holds. The agent finds the log on its own strand and attaches the follower here.
class LogStream final : public LogHandle {
 public:
  struct Shared {
    std::mutex mu;
    bool cancelled = false;
    std::shared_ptr<LogFollower> follower;

    bool Cancelled() {
      std::lock_guard lock(mu);
      return cancelled;
    }
  };
  LogStream(std::shared_ptr<Shared> shared, std::shared_ptr<NodeAgent> keep)
      : shared_(std::move(shared)), keep_(std::move(keep)) {}
  ~LogStream() override {
    std::shared_ptr<LogFollower> follower;
    {
      std::lock_guard lock(shared_->mu);
      shared_->cancelled = true;
      follower = std::move(shared_->follower);
    }
    if (follower != nullptr) follower->Cancel();
  }

 private:
  std::shared_ptr<Shared> shared_;
  std::shared_ptr<NodeAgent> keep_;  // the reader's strand is the agent's
};

class NodeAgentImpl final : public NodeAgent, public std::enable_shared_from_this<NodeAgentImpl> {
 public:
  NodeAgentImpl(NodeAgentOptions options, std::unique_ptr<Client> client, Env& env, Logger log)
      : options_(std::move(options)),
        env_(env),
        log_(std::move(log)),
        client_(std::move(client)),
        strand_(env.NewStrand("agent/" + options_.node_name)),
        files_(env, "agent-files/" + options_.node_name),
        logs_(env, "agent-logs/" + options_.node_name) {}
  ~NodeAgentImpl() override { Stop(); }

  Status Begin(RuntimeFactory make_runtime) {
    Result<std::unique_ptr<Runtime>> runtime = make_runtime(env_, *strand_);
    if (!runtime) return runtime.status().WithContext("cannot start the container runtime");
    runtime_ = std::move(runtime).value();
    const bool simulated = runtime_->simulated();
    if (!simulated && options_.root.empty()) return {Code::kBadRequest, "a node agent needs a root directory"};
    if (!simulated) {
      for (const char* dir : {"/pods", "/logs/pods"}) MINIKUBE_RETURN_IF_ERROR(MakeDirectories(options_.root + dir));
    }
    MachineFacts facts = simulated ? PretendedFacts(options_.node_name) : ReadMachineFacts(options_.root);
    if (!options_.internal_ip.empty()) facts.internal_ip = options_.internal_ip;
    if (!simulated) facts.local_path_root = options_.root + "/local-path";
    net_ = simulated ? NewPretendingProber(*strand_) : NewNetProber(env_, *strand_);
    events_ = std::make_unique<EventRecorder>(*client_, *strand_, env_, "kubelet", options_.node_name);
    objects_ = std::make_unique<ObjectCache>(*client_, *strand_, env_);
    context_ = std::unique_ptr<AgentContext>(
        new AgentContext{*client_,
                         *strand_,
                         env_,
                         *runtime_,
                         *events_,
                         *objects_,
                         *net_,
                         files_,
                         options_,
                         log_,
                         {facts.internal_ip},
                         facts.memory_bytes,
                         [this] { return registrar_ != nullptr ? registrar_->node() : ObjectRef(); },
                         [this] { registrar_->ImagesChanged(); },
                         {}});
    if (!simulated) context_->service_env = [this](const core::Pod& pod) { return ServiceEnvOf(pod); };
    owner_.admit = [this](const core::Pod& pod) { return AdmitPod(pod); };
    owner_.room_freed = [this] {
      for (const auto& [uid, worker] : workers_) {
        if (worker->waits_for_room()) worker->Poke();
      }
    };
    owner_.finished = [this](const Str& uid) { Finished(uid); };
    registrar_ = std::make_shared<NodeRegistrar>(*context_, std::move(facts), [this] {
      registered_ = true;
      BeginWork();
    });
    strand_->Post([this] { OnStrand(); });
    return {};
  }

  const std::string& node_name() const override { return options_.node_name; }

  void Stop() override {
    std::lock_guard lock(stop_mu_);
    if (std::exchange(stopped_, true)) return;
    // After this nothing of the agent runs any more, and what it has can be taken apart here.
    strand_->Stop();
    files_.Stop();
    logs_.Stop();
    EndExecs();
    workers_.clear();
    local_volumes_.reset();
    pods_.reset();
    services_.reset();
    registrar_.reset();
    objects_.reset();
    events_.reset();
    net_.reset();
    runtime_.reset();
    client_.reset();  // before the strand, to which it posts the answers to calls in flight
  }

  std::unique_ptr<LogHandle> StreamLog(LogRequest request, Strand& strand, Function<void(std::string)> on_data,
                                       Function<void(Status)> on_end) override {
    auto shared = std::make_shared<LogStream::Shared>();
    LogConsumer consumer{&strand, std::move(on_data), std::move(on_end)};
    strand_->Post([this, shared, request = std::move(request), consumer = std::move(consumer)]() mutable {
      if (!shared->Cancelled()) OpenLog(shared, request, std::move(consumer));
    });
    return std::make_unique<LogStream>(std::move(shared), shared_from_this());
  }

  std::unique_ptr<ExecStreams> Exec(ExecRequest request, Strand& strand, Function<void(Status)> accepted,
                                    ExecEvents events) override {
    return Relay(strand, std::move(accepted), std::move(events),
                 [this, request = std::move(request)](ExecEvents told) mutable {
                   return OpenExec(std::move(request), std::move(told));
                 });
  }

  std::unique_ptr<ExecStreams> Connect(PodPortRequest request, Strand& strand, Function<void(Status)> accepted,
                                       ExecEvents events) override {
    return Relay(strand, std::move(accepted), std::move(events),
                 [this, request = std::move(request)](ExecEvents told) -> Result<std::unique_ptr<ExecStreams>> {
                   auto worker = FindWorker(request.ns, request.pod, request.pod_uid);
                   if (!worker) return worker.status();
                   return runtime_->Connect((*worker)->sandbox_id(), request.port, std::move(told));
                 });
  }

 private:
  // Streams whose near end is on `strand` and whose far end `open` makes, on the agent's.
  template <typename Open>
  std::unique_ptr<ExecStreams> Relay(Strand& strand, Function<void(Status)> accepted, ExecEvents events, Open open) {
    auto relay = std::make_shared<ExecRelay>(*strand_, strand, std::move(accepted), std::move(events));
    {
      std::lock_guard lock(execs_mu_);
      std::erase_if(execs_, [](const auto& exec) { return exec.expired(); });
      if (execs_closed_) {
        relay->AgentStopped();
      } else {
        execs_.push_back(relay);
      }
    }
    strand_->Post([relay, open = std::move(open)]() mutable {
      if (!relay->abandoned()) relay->Answer(open(relay->RuntimeEvents()));
    });
    return relay->Holder(shared_from_this());
  }

  void OnStrand() {
    runtime_->OnContainerExit([this](ContainerState state) { Exited(std::move(state)); });
    ListRuntime();
    registrar_->Start();
    Informer::Options options;
    options.field_selector = fmt::format("spec.nodeName={}", options_.node_name);
    pods_ = std::make_unique<Informer>(*client_, Client::ResourceOf<core::Pod>(), *strand_, env_, std::move(options));
    pods_->AddHandler([this](const ObjectRef& before, const ObjectRef& after) {
      if (working_) PodChanged(before, after);
    });
    pods_->OnSynced([this] { BeginWork(); });
    pods_->Start();
    if (runtime_->simulated()) return;
    services_ = std::make_unique<Informer>(*client_, Client::ResourceOf<core::Service>(), *strand_, env_);
    services_->OnSynced([this] { BeginWork(); });
    services_->Start();
  }

  EnvList ServiceEnvOf(const core::Pod& pod) const {
    std::vector<const core::Service*> services;
    services_->ForEach([&](const ObjectRef& service) { services.push_back(&service->As<core::Service>()); });
    return ServiceEnv(pod, services);
  }

  void ListRuntime() {
    runtime_->List([this](Result<Runtime::Inventory> inventory) {
      if (!inventory) {
        // Without knowing what runs nothing may be started: it would run twice.
        log_.Error("cannot list what the runtime runs", {{"error", inventory.status().message()}});
        strand_->After(std::chrono::seconds(1), [this] { ListRuntime(); });
        return;
      }
      inventory_ = std::make_unique<Runtime::Inventory>(*std::move(inventory));
      BeginWork();
    });
  }

  // Once all is known: the Node, the API's pods, and what the runtime runs already.
  void BeginWork() {
    if (working_ || !registered_ || inventory_ == nullptr || !pods_->HasSynced()) return;
    if (services_ != nullptr && !services_->HasSynced()) return;
    working_ = true;
    std::vector<std::string> known;
    pods_->ForEach([&](const ObjectRef& pod) {
      known.push_back(pod->meta().uid.str());
      Adopt(pod);
    });
    // Pods that were deleted while no agent looked. Their files go after their containers, which use them.
    keep_files_ = std::move(known);
    strays_ = 1;  // this look itself
    for (const SandboxState& sandbox : inventory_->sandboxes) {
      if (workers_.contains(Str(sandbox.pod_uid))) continue;
      log_.Info("removing a pod that is gone from the API", {{"pod", sandbox.name}, {"uid", sandbox.pod_uid}});
      ++strays_;
      runtime_->RemoveSandbox(sandbox.id, [this, uid = sandbox.pod_uid](const Result<void>& removed) {
        if (!removed) {
          log_.Warning("cannot remove a pod that is gone", {{"uid", uid}, {"error", removed.status().message()}});
          keep_files_.push_back(uid);  // until the next start
        }
        StrayGone();
      });
    }
    inventory_.reset();
    StrayGone();
    for (auto& [uid, worker] : workers_) worker->Start();
    for (const ContainerState& state : std::exchange(early_exits_, {})) Exited(state);
  }

  // When all have gone, the files that are left tell which volumes are used.
  void StrayGone() {
    if (--strays_ > 0 || runtime_->simulated()) return;
    files_.get().Post([root = options_.root, known = std::move(keep_files_)] { RemoveStrayPods(root, known); });
    local_volumes_ = std::make_shared<LocalVolumes>(*context_);
    local_volumes_->Start();
  }

  void Adopt(const ObjectRef& pod) {
    const Str& uid = pod->meta().uid;
    auto worker = std::make_shared<PodWorker>(*context_, owner_, pod);
    std::vector<SandboxState> sandboxes;
    std::set<std::string> ids;
    for (const SandboxState& sandbox : inventory_->sandboxes) {
      if (!(uid == sandbox.pod_uid)) continue;
      sandboxes.push_back(sandbox);
      ids.insert(sandbox.id);
    }
    std::vector<ContainerState> containers;
    for (const ContainerState& container : inventory_->containers) {
      if (ids.contains(container.sandbox_id)) containers.push_back(container);
    }
    worker->Adopt(std::move(sandboxes), std::move(containers));
    workers_[uid] = std::move(worker);
  }

  void PodChanged(const ObjectRef& before, const ObjectRef& after) {
    if (before && (!after || !(before->meta().uid == after->meta().uid))) {
      finished_.erase(before->meta().uid);
      const auto it = workers_.find(before->meta().uid);
      if (it != workers_.end()) it->second->Gone();
    }
    if (!after || finished_.contains(after->meta().uid)) return;
    std::shared_ptr<PodWorker>& worker = workers_[after->meta().uid];
    if (worker != nullptr) return worker->Update(after);
    worker = std::make_shared<PodWorker>(*context_, owner_, after);
    worker->Start();
  }

  void Finished(const Str& uid) {
    // Finalizers may keep the object for a while: it is not to be run again.
    pods_->ForEach([&](const ObjectRef& pod) {
      if (pod->meta().uid == uid) finished_.insert(uid);
    });
    workers_.erase(uid);
  }

  Admission AdmitPod(const core::Pod& pod) {
    std::vector<Neighbour> neighbours;
    for (const auto& [uid, worker] : workers_) {
      if (!(uid == pod.metadata.uid) && worker->occupies()) neighbours.push_back({&worker->pod(), worker->ending()});
    }
    const ObjectRef node = registrar_->node();
    return node ? AdmitBeside(pod, node->As<core::Node>(), neighbours) : Admission{};
  }

  void Exited(ContainerState state) {
    if (!working_) return early_exits_.push_back(std::move(state));
    for (auto& [uid, worker] : workers_) {
      if (worker->sandbox_id() == state.sandbox_id) return worker->Exited(state);
    }
  }

  Result<std::shared_ptr<PodWorker>> FindWorker(std::string_view ns, std::string_view pod, std::string_view wanted) {
    for (const auto& [uid, worker] : workers_) {
      const meta::v1::ObjectMeta& meta = worker->pod().metadata;
      if (meta.namespace_ == ns && meta.name == pod && (wanted.empty() || uid == wanted)) return worker;
    }
    return Status(Code::kNotFound, fmt::format("pod \"{}\" is not on this node", pod));
  }

  Result<std::unique_ptr<ExecStreams>> OpenExec(ExecRequest request, ExecEvents events) {
    Result<std::shared_ptr<PodWorker>> worker = FindWorker(request.ns, request.pod, request.pod_uid);
    if (!worker) return worker.status();
    Result<std::string> id = (*worker)->FindRunning(request.container);
    if (!id) return id.status();
    ExecSpec& spec = request.spec;
    if (const core::Container* const container = (*worker)->SpecOf(request.container);
        spec.command.empty() && container != nullptr) {
      // Attached to what is there: whoever asks for a terminal that is none gets none.
      spec.tty = container->tty;
      spec.err = spec.err && !spec.tty;
      spec.in = spec.in && container->stdin;
    }
    return runtime_->Exec(*std::move(id), std::move(request.spec), std::move(events));
  }

  void EndExecs() {
    std::lock_guard lock(execs_mu_);
    execs_closed_ = true;
    for (const auto& exec : std::exchange(execs_, {})) {
      if (const auto relay = exec.lock()) relay->AgentStopped();
    }
  }

  void OpenLog(const std::shared_ptr<LogStream::Shared>& shared, const LogRequest& request, LogConsumer consumer) {
    const auto fail = [&](Status status) {
      consumer.strand->Post([shared, on_end = std::move(consumer.on_end), status = std::move(status)]() mutable {
        if (!shared->Cancelled()) on_end(std::move(status));
      });
    };
    Result<std::shared_ptr<PodWorker>> found = FindWorker(request.ns, request.pod, request.pod_uid);
    if (!found) return fail(found.status());
    PodWorker* const worker = found->get();
    Result<LogSource> source = worker->FindLog(request.container, request.previous);
    if (!source) return fail(source.status());
    if (runtime_->simulated()) return fail({});  // what pretends to run says nothing
    LogJob job;
    job.source = *source;
    job.follow = request.follow;
    job.tail_lines = request.tail_lines;
    job.options.timestamps = request.timestamps;
    job.options.limit_bytes = request.limit_bytes;
    if (request.since_seconds) job.options.since = context_->Now() - std::chrono::seconds(*request.since_seconds);
    if (!request.since_time.empty()) {
      Result<WallTime> since = ParseTime(request.since_time);
      if (!since) return fail(since.status());
      job.options.since = *since;
    }
    std::shared_ptr<LogFollower> follower = FollowLog(env_, logs_.get(), std::move(job), std::move(consumer));
    if (request.follow && source->live) worker->FollowUntilOver(request.container, follower);
    std::lock_guard lock(shared->mu);
    if (shared->cancelled) {
      follower->Cancel();
    } else {
      shared->follower = std::move(follower);
    }
  }

  // In the order in which they are made; destroyed in reverse.
  NodeAgentOptions options_;
  Env& env_;
  Logger log_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<Strand> strand_;
  LazyStrand files_;
  LazyStrand logs_;
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<NetProber> net_;
  std::unique_ptr<EventRecorder> events_;
  std::unique_ptr<ObjectCache> objects_;
  std::unique_ptr<AgentContext> context_;
  PodWorker::Owner owner_;
  std::shared_ptr<NodeRegistrar> registrar_;
  std::unique_ptr<Informer> pods_;
  std::shared_ptr<LocalVolumes> local_volumes_;        // null on a node that only pretends
  std::unique_ptr<Informer> services_;                 // of the whole cluster; null on a node that only pretends
  std::unique_ptr<Runtime::Inventory> inventory_;      // until the work begins
  std::vector<ContainerState> early_exits_;            // likewise
  std::size_t strays_ = 0;                             // pods that are gone from the API and still to be removed
  std::vector<std::string> keep_files_;                // UIDs of pods whose files stay
  std::map<Str, std::shared_ptr<PodWorker>> workers_;  // by UID
  std::set<Str> finished_;                             // UIDs that are done with, while the API still has them
  bool registered_ = false;
  bool working_ = false;
  std::mutex stop_mu_;
  bool stopped_ = false;
  std::mutex execs_mu_;  // guards what follows
  std::vector<std::weak_ptr<ExecRelay>> execs_;
  bool execs_closed_ = false;
};

}  // namespace
}  // namespace agent

Result<std::shared_ptr<NodeAgent>> NodeAgent::Start(NodeAgentOptions options, std::unique_ptr<Client> client,
                                                    RuntimeFactory make_runtime, Env& env, Logger log) {
  if (options.node_name.empty()) options.node_name = agent::LowerHostname();
  if (const Messages wrong = NameIsDnsSubdomain(options.node_name); !wrong.empty()) {
    return Status(Code::kBadRequest,
                  fmt::format("\"{}\" cannot be the name of a node: {}", options.node_name, wrong[0]));
  }
  auto agent = std::make_shared<agent::NodeAgentImpl>(std::move(options), std::move(client), env, std::move(log));
  MINIKUBE_RETURN_IF_ERROR(agent->Begin(std::move(make_runtime)));
  return std::shared_ptr<NodeAgent>(std::move(agent));
}

}  // namespace minikube
