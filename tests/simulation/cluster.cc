#include "simulation/cluster.h"

#include <map>
#include <utility>

#include "store/revision_store.h"

namespace minikube::simulation {

// --- Component ---------------------------------------------------------------------------------------------------

Component::Component(SimulatedEnv& env, History& history, std::string name)
    : env_(env), history_(history), undertaker_(env.NewStrand("undertaker of " + name)) {
  endpoint_.name = std::move(name);
}

Component::~Component() = default;

void Component::Start() {
  if (running()) return;
  ++lives_;
  process_ = env_.NewProcess(name());
  process_->SetSkew(skew_);
  process_->SetDrift(drift_);
  endpoint_.process = process_.get();
  const Status status = Begin(*process_);
  history_.Add(name(), "starts{}", status.ok() ? "" : ": " + status.ToString());
  if (!status.ok() && alive()) Kill();
}

void Component::Kill() {
  if (!alive()) return;
  history_.Add("fault", "{} dies", name());
  process_->Kill();
  Died();
  undertaker_->Post([this] {
    Stop();
    if (on_buried) on_buried();
  });
}

void Component::Stop() {
  if (!running()) return;
  Destroy(process_->killed());
  process_.reset();
}

void Component::SetSkew(Duration skew) {
  skew_ = skew;
  if (process_ != nullptr) process_->SetSkew(skew);
}

// --- API server and store ----------------------------------------------------------------------------------------

class SimulatedCluster::Api final : public Component, public ServerEnd {
 public:
  explicit Api(SimulatedCluster& cluster) : Component(cluster.env_, cluster.history_, "api"), cluster_(cluster) {}

  Store* store() { return alive() ? store_.get() : nullptr; }
  Client& ClientOf(const std::string& user) override {
    std::unique_ptr<Client>& client = clients_[user];
    if (client == nullptr) {
      UserInfo info{user, "", {"system:authenticated"}};
      if (user == "admin") info.groups.push_back("system:masters");
      if (user.starts_with("system:node:")) info.groups.push_back("system:nodes");
      client = server_->NewClient(std::move(info));
    }
    return *client;
  }
  SimulatedProcess& process() override { return *process_; }
  Strand& strand() override { return *strand_; }

 private:
  Status Begin(SimulatedProcess& process) override {
    process_ = &process;
    Result<store::OpenedEngine> opened = cluster_.disk_.Open(
        [this](bool append) { return cluster_.disk_fault ? cluster_.disk_fault(append) : DiskFault::kNone; });
    if (!opened) return opened.status();
    StoreOptions options;
    options.quota_bytes = 0;
    store_ =
        std::make_unique<store::RevisionStore>(std::move(opened->engine), std::move(opened->state), options, process);
    cluster_.truth_.Attach(*store_);
    ApiServerOptions api;
    api.listen = "";
    api.max_watch_queue = cluster_.options_.max_watch_queue;
    Result<std::unique_ptr<ApiServer>> server =
        ApiServer::Start(std::move(api), *store_, process, Logger(cluster_.log_, "api"));
    if (!server) return server.status();
    server_ = *std::move(server);
    strand_ = process.NewStrand("answers");
    if (!process.killed()) cluster_.network_.SetServer(this);
    return {};
  }
  void Died() override { cluster_.disk_.Crash(); }
  void Destroy(bool dead) override {
    cluster_.network_.SetServer(nullptr);
    clients_.clear();
    if (server_ != nullptr) server_->Stop();
    server_.reset();
    strand_.reset();
    cluster_.truth_.Detach();
    if (store_ != nullptr && !dead) cluster_.subscribers_left_ = store_->bus().subscribers();
    if (store_ != nullptr) store_->Stop();
    store_.reset();
    if (dead) cluster_.disk_.Recover();
  }

  SimulatedCluster& cluster_;
  SimulatedProcess* process_ = nullptr;
  std::unique_ptr<Store> store_;
  std::unique_ptr<ApiServer> server_;
  std::unique_ptr<Strand> strand_;
  std::map<std::string, std::unique_ptr<Client>> clients_;
};

// --- Scheduler, controller manager -------------------------------------------------------------------------------

class SimulatedCluster::SchedulerProcess final : public Component {
 public:
  explicit SchedulerProcess(SimulatedCluster& cluster)
      : Component(cluster.env_, cluster.history_, "scheduler"), cluster_(cluster) {}

 private:
  Status Begin(SimulatedProcess& process) override {
    Result<std::unique_ptr<Scheduler>> started =
        Scheduler::Start({}, cluster_.network_.NewClient(endpoint(), "system:kube-scheduler"), process,
                         Logger(cluster_.log_, "scheduler"));
    if (!started) return started.status();
    scheduler_ = *std::move(started);
    return {};
  }
  void Destroy(bool) override { scheduler_.reset(); }

  SimulatedCluster& cluster_;
  std::unique_ptr<Scheduler> scheduler_;
};

class SimulatedCluster::ControllerProcess final : public Component {
 public:
  explicit ControllerProcess(SimulatedCluster& cluster)
      : Component(cluster.env_, cluster.history_, "controllers"), cluster_(cluster) {}

 private:
  Status Begin(SimulatedProcess& process) override {
    ControllerManagerOptions options;
    options.new_client = [this](std::string_view controller) {
      return cluster_.network_.NewClient(
          endpoint(), controller == kManagerName ? "system:kube-controller-manager"
                                                 : fmt::format("system:serviceaccount:kube-system:{}", controller));
    };
    options.node_monitor_grace_period = cluster_.options_.node_monitor_grace_period;
    Result<std::unique_ptr<ControllerManager>> started =
        ControllerManager::Start(std::move(options), process, Logger(cluster_.log_, "controllers"));
    if (!started) return started.status();
    manager_ = *std::move(started);
    return {};
  }
  void Destroy(bool) override { manager_.reset(); }

  SimulatedCluster& cluster_;
  std::unique_ptr<ControllerManager> manager_;
};

// --- Node agents -------------------------------------------------------------------------------------------------

// Passes everything on, and tells the history what was done.
class SimulatedCluster::SpyRuntime final : public Runtime {
 public:
  SpyRuntime(SimulatedCluster& cluster, std::size_t node, std::unique_ptr<Runtime> inner)
      : cluster_(cluster), node_(node), inner_(std::move(inner)) {}

  void List(Done<Inventory> done) override { inner_->List(std::move(done)); }
  void OnContainerExit(Function<void(ContainerState)> changed) override {
    inner_->OnContainerExit([this, changed = std::move(changed)](ContainerState state) {
      Say("exit of", state.name, state.sandbox_id, {});
      changed(std::move(state));
    });
  }
  void EnsureImage(std::string reference, bool always_pull, Done<ImageInfo> done) override {
    inner_->EnsureImage(std::move(reference), always_pull, std::move(done));
  }
  void ListImages(Done<std::vector<ImageInfo>> done) override { inner_->ListImages(std::move(done)); }
  void RunSandbox(SandboxConfig config, Done<SandboxState> done) override {
    std::string name = config.ns + "/" + config.name;
    inner_->RunSandbox(std::move(config), Told<SandboxState>("sandbox of", std::move(name), std::move(done)));
  }
  void RemoveSandbox(std::string id, Done<void> done) override {
    if (cluster_.runtime_hooks.forgets_sandboxes) return done({});
    inner_->RemoveSandbox(id, Told<void>("removal of sandbox", id.substr(0, 8), std::move(done)));
  }
  void StartContainer(ContainerConfig config, Done<ContainerState> done) override {
    std::string name = config.sandbox_id.substr(0, 8) + "/" + config.name;
    inner_->StartContainer(std::move(config), Told<ContainerState>("start of", std::move(name), std::move(done)));
  }
  void KillContainer(std::string id, int signal, Done<void> done) override {
    inner_->KillContainer(id, signal, Told<void>("signal to", id.substr(0, 8), std::move(done)));
  }
  void RemoveContainer(std::string id, Done<void> done) override {
    inner_->RemoveContainer(id, Told<void>("removal of", id.substr(0, 8), std::move(done)));
  }
  void ExecSync(std::string id, std::vector<std::string> argv, Duration timeout, Done<ProcessResult> done) override {
    inner_->ExecSync(std::move(id), std::move(argv), timeout, std::move(done));
  }
  RuntimeVersion version() const override { return inner_->version(); }
  bool simulated() const override { return inner_->simulated(); }

 private:
  void Say(std::string_view what, std::string_view which, std::string_view where, const Status& status) {
    cluster_.history_.Add(cluster_.agents_[node_]->name(), "{} {} {}{}", what, which, where.substr(0, 8),
                          status.ok() ? "" : ": " + status.ToString());
  }
  template <typename T>
  Done<T> Told(std::string_view what, std::string which, Done<T> done) {
    return [this, what, which = std::move(which), done = std::move(done)](Result<T> result) {
      Say(what, which, "", result.status());
      const auto& dies = cluster_.runtime_hooks.dies;
      if (dies && dies(cluster_.node(node_).name)) return cluster_.agents_[node_]->Kill();
      done(std::move(result));
    };
  }

  SimulatedCluster& cluster_;
  const std::size_t node_;
  const std::unique_ptr<Runtime> inner_;
};

class SimulatedCluster::AgentProcess final : public Component {
 public:
  AgentProcess(SimulatedCluster& cluster, std::size_t node)
      : Component(cluster.env_, cluster.history_, cluster.options_.nodes[node].name), cluster_(cluster), node_(node) {}

 private:
  Status Begin(SimulatedProcess& process) override {
    const NodeSpec& spec = cluster_.options_.nodes[node_];
    NodeAgentOptions options;
    options.node_name = spec.name;
    options.capacity = {{"cpu", spec.cpu}};
    options.max_pods = spec.max_pods;
    Result<std::shared_ptr<NodeAgent>> started = NodeAgent::Start(
        std::move(options), cluster_.network_.NewClient(endpoint(), "system:node:" + spec.name),
        [this](Env& env, Strand& strand) -> Result<std::unique_ptr<Runtime>> {
          return std::unique_ptr<Runtime>(std::make_unique<SpyRuntime>(
              cluster_, node_, NewSimulatedRuntime(cluster_.machines_[node_], env, strand)));
        },
        process, Logger(cluster_.log_, spec.name));
    if (!started) return started.status();
    agent_ = *std::move(started);
    return {};
  }
  void Destroy(bool) override {
    if (agent_ != nullptr) agent_->Stop();
    agent_.reset();
  }

  SimulatedCluster& cluster_;
  const std::size_t node_;
  std::shared_ptr<NodeAgent> agent_;
};

// --- Cluster -----------------------------------------------------------------------------------------------------

SimulatedCluster::SimulatedCluster(SimulatedEnv& env, History& history, Truth& truth, Network& network, Disk& disk,
                                   ClusterOptions options, LogSink& log)
    : env_(env),
      history_(history),
      truth_(truth),
      network_(network),
      disk_(disk),
      options_(std::move(options)),
      log_(log),
      api_(std::make_unique<Api>(*this)),
      scheduler_(std::make_unique<SchedulerProcess>(*this)),
      controllers_(std::make_unique<ControllerProcess>(*this)) {
  components_ = {api_.get(), scheduler_.get(), controllers_.get()};
  for (std::size_t node = 0; node < options_.nodes.size(); ++node) {
    machines_.push_back(NewSimulatedMachine(options_.machine));
    agents_.push_back(std::make_unique<AgentProcess>(*this, node));
    components_.push_back(agents_.back().get());
  }
}

SimulatedCluster::~SimulatedCluster() {
  for (auto it = components_.rbegin(); it != components_.rend(); ++it) (*it)->Stop();  // the API server last
}

Component& SimulatedCluster::api() { return *api_; }
Store* SimulatedCluster::store() { return api_->store(); }

Runtime::Inventory SimulatedCluster::InventoryOf(std::size_t node) {
  const std::unique_ptr<Strand> strand = env_.NewStrand("inventory");
  SimulatedProcess* process = agents_[node]->endpoint().process;
  Env& env = agents_[node]->alive() ? static_cast<Env&>(*process) : env_;
  const std::unique_ptr<Runtime> runtime = NewSimulatedRuntime(machines_[node], env, *strand);
  std::optional<Runtime::Inventory> out;
  runtime->List([&out](Result<Runtime::Inventory> inventory) { out = std::move(inventory).value(); });
  env_.RunUntil([&out] { return out.has_value(); });
  return *std::move(out);
}

}  // namespace minikube::simulation
