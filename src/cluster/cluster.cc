// Wires the parts of a cluster: store, API server, then the clients of it. Nothing else happens here.
#include <minikube/cluster.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <minikube/api/core/v1.h>

#include "base/machine_address.h"

namespace minikube {
namespace {

UserInfo Admin() { return {"kubernetes-admin", "", {"system:masters", "system:authenticated"}}; }

UserInfo SchedulerUser() { return {"system:kube-scheduler", "", {"system:authenticated"}}; }

UserInfo ControllerUser(std::string_view controller) {
  if (controller == kManagerName) return {"system:kube-controller-manager", "", {"system:authenticated"}};
  return {fmt::format("system:serviceaccount:kube-system:{}", controller),
          "",
          {"system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"}};
}

// The parts of a node's network.
UserInfo NetworkUser(std::string_view part) {
  if (part == Network::kPublisher) return Admin();
  if (part == Network::kProxy) return {"system:kube-proxy", "", {"system:authenticated"}};
  // The bootstrap policy is Kubernetes' own: what it has for a DNS server does not do for one that knows namespaces,
  // and for who holds pods to NetworkPolicies it has nothing.
  return {fmt::format("system:serviceaccount:kube-system:{}", part),
          "",
          {"system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated", "system:masters"}};
}

UserInfo NodeUser(std::string_view node) {
  return {fmt::format("system:node:{}", node), "", {"system:nodes", "system:authenticated"}};
}

// Readable by the owner alone: it holds a private key. The new file replaces the old one whole.
Status WritePrivateFile(const std::string& path, std::string_view text) {
  const std::string temporary = path + ".new";
  const auto failed = [&](const char* what) {
    return Status(Code::kUnavailable, fmt::format("{} {}: {}", what, temporary, std::strerror(errno)));
  };
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return failed("cannot create");
  std::size_t at = 0;
  while (at < text.size()) {
    const ssize_t n = write(fd, text.data() + at, text.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      Status status = failed("cannot write");
      close(fd);
      return status;
    }
    at += static_cast<std::size_t>(n);
  }
  if (close(fd) != 0) return failed("cannot write");
  if (rename(temporary.c_str(), path.c_str()) != 0) return failed("cannot rename");
  return {};
}

Status MakeDirectories(const std::string& path) {
  for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string part = path.substr(0, at);
    if (mkdir(part.c_str(), 0755) != 0 && errno != EEXIST) {
      return {Code::kUnavailable, fmt::format("cannot create {}: {}", part, std::strerror(errno))};
    }
    if (at == std::string::npos) return {};
  }
}

// The agents of this process, by node: what the API server asks for logs.
class LocalNodes {
 public:
  void Add(std::shared_ptr<NodeAgent> agent) {
    std::lock_guard lock(mu_);
    agents_[agent->node_name()] = agent;
  }
  std::shared_ptr<NodeApi> Find(std::string_view node) {
    std::lock_guard lock(mu_);
    const auto it = agents_.find(std::string(node));
    return it == agents_.end() ? nullptr : it->second.lock();
  }

 private:
  std::mutex mu_;
  std::map<std::string, std::weak_ptr<NodeAgent>> agents_;
};

// A machine that nobody built: its agent comes and goes with its power, what it stores goes with the Cluster.
class SimulatedNodeHost final : public SimulatedNodeControl {
 public:
  // Starts an agent on the machine.
  using StartAgent = std::function<Result<std::shared_ptr<NodeAgent>>()>;
  SimulatedNodeHost(std::shared_ptr<SimulatedMachine> machine, StartAgent start)
      : machine_(std::move(machine)), start_(std::move(start)) {}

  void Kill() override {
    std::lock_guard lock(mu_);
    StopAgent();
    RebootSimulated(*machine_);
  }
  Status Start() override {
    std::lock_guard lock(mu_);
    if (stopped_ || agent_ != nullptr) return {};
    Result<std::shared_ptr<NodeAgent>> started = start_();
    if (!started) return started.status();
    agent_ = std::move(started).value();
    return {};
  }
  void Stop() {
    std::lock_guard lock(mu_);
    stopped_ = true;
    StopAgent();
  }

 private:
  void StopAgent() {
    if (agent_ != nullptr) agent_->Stop();
    agent_.reset();
  }

  const std::shared_ptr<SimulatedMachine> machine_;
  const StartAgent start_;
  std::mutex mu_;  // guards what follows
  std::shared_ptr<NodeAgent> agent_;
  bool stopped_ = false;
};

// The same for the same directory, and for no other one that is likely: FNV-1a.
std::string ClusterId(std::string_view data_dir) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : data_dir) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fmt::format("{:016x}", hash);
}

class ClusterImpl final : public Cluster {
 public:
  explicit ClusterImpl(ClusterOptions options)
      : options_(std::move(options)), log_(options_.log != nullptr ? *options_.log : NullLogSink(), "cluster") {
    if (options_.env == nullptr) {
      own_env_ = NewRealEnv();
      options_.env = own_env_.get();
    }
  }
  ~ClusterImpl() override { Stop(); }

  Status Begin() {
    MINIKUBE_RETURN_IF_ERROR(OpenState());
    MINIKUBE_RETURN_IF_ERROR(StartApiServer());
    client_ = api_->NewClient(Admin());
    if (options_.controllers) MINIKUBE_RETURN_IF_ERROR(StartControllers());
    if (options_.scheduler) MINIKUBE_RETURN_IF_ERROR(StartScheduler());
    if (options_.node) MINIKUBE_RETURN_IF_ERROR(StartAgent());
    for (const SimulatedNode& node : options_.simulated_nodes) MINIKUBE_RETURN_IF_ERROR(StartSimulated(node));
    return {};
  }

  Client& client() override { return *client_; }
  std::unique_ptr<Client> NewClient(UserInfo user) override { return api_->NewClient(std::move(user)); }
  std::string kubeconfig() const override { return kubeconfig_; }
  std::string url() const override { return api_->url(); }
  Env& env() override { return *options_.env; }
  SimulatedNodeControl* simulated_node(std::string_view name) override {
    const auto it = simulated_.find(name);
    return it == simulated_.end() ? nullptr : it->second.get();
  }

  // The reverse of Begin: what calls goes before what is called.
  void Stop() override {
    for (const auto& [name, node] : simulated_) node->Stop();
    if (agent_) agent_->Stop();
    if (network_) network_->Stop();
    if (scheduler_) scheduler_->Stop();
    if (controllers_) controllers_->Stop();
    if (api_) api_->Stop();
    if (store_) store_->Stop();
  }

 private:
  Status OpenState() {
    StoreOptions store = options_.store;
    store.log = options_.log;
    if (options_.data_dir.empty()) {
      store_ = NewMemoryStore(env(), std::move(store));
      return {};
    }
    // Containers and their monitors work in directories of their own: no path may depend on ours.
    std::error_code error;
    options_.data_dir = std::filesystem::absolute(options_.data_dir, error).lexically_normal().string();
    if (error) return {Code::kUnavailable, fmt::format("no working directory: {}", error.message())};
    MINIKUBE_RETURN_IF_ERROR(MakeDirectories(options_.data_dir));
    store.path = options_.data_dir + "/store";
    Result<std::unique_ptr<Store>> opened = OpenStore(std::move(store), env());
    if (!opened) return opened.status();
    store_ = std::move(opened).value();
    return {};
  }

  Status StartApiServer() {
    ApiServerOptions api = options_.api_server;
    api.data_dir = options_.data_dir;
    api.nodes = [nodes = nodes_, others = api.nodes](std::string_view node) {
      std::shared_ptr<NodeApi> found = nodes->Find(node);
      return found == nullptr && others ? others(node) : found;
    };
    Result<std::unique_ptr<ApiServer>> started = ApiServer::Start(std::move(api), *store_, env(), log_.Named("api"));
    if (!started) return started.status();
    api_ = std::move(started).value();
    kubeconfig_ = api_->AdminKubeconfig();
    if (kubeconfig_.empty() || options_.data_dir.empty()) return {};
    const std::string path = options_.data_dir + "/kubeconfig";
    MINIKUBE_RETURN_IF_ERROR(WritePrivateFile(path, kubeconfig_));
    kubeconfig_ = path;
    return {};
  }

  Status StartScheduler() {
    Result<std::unique_ptr<Scheduler>> started =
        Scheduler::Start(*options_.scheduler, api_->NewClient(SchedulerUser()), env(), log_.Named("scheduler"));
    if (!started) return started.status();
    scheduler_ = std::move(started).value();
    return {};
  }

  Status StartControllers() {
    ControllerManagerOptions manager = *options_.controllers;
    const auto& extra = options_.extra_controllers;
    manager.new_client = [this, &extra](std::string_view name) {
      UserInfo user = ControllerUser(name);
      const auto own = std::find_if(extra.begin(), extra.end(), [&](const auto& entry) { return entry.name == name; });
      // The bootstrap policy knows the built-in controllers alone; what a host adds is as trusted as the host.
      if (own != extra.end()) user.groups.push_back("system:masters");
      if (own != extra.end() && own->user) user = *own->user;
      return api_->NewClient(std::move(user));
    };
    manager.extra.insert(manager.extra.end(), extra.begin(), extra.end());
    manager.root_ca = api_->ca();
    if (!manager.root_ca.empty()) {
      manager.sign = [this](std::string_view request, const std::vector<std::string>& usages, Duration lifetime) {
        return api_->SignCertificate(request, usages, lifetime);
      };
    }
    Result<std::unique_ptr<ControllerManager>> started =
        ControllerManager::Start(std::move(manager), env(), log_.Named("controllers"));
    if (!started) return started.status();
    controllers_ = std::move(started).value();
    return {};
  }

  Status StartAgent() {
    if (options_.data_dir.empty()) return {Code::kBadRequest, "a node agent needs a data directory"};
    NodeAgentOptions agent = options_.node->agent;
    if (agent.node_name.empty()) {
      char host[256] = {};
      if (gethostname(host, sizeof host - 1) != 0) return {Code::kInternal, "the machine has no hostname"};
      for (char* c = host; *c != '\0'; ++c) *c = static_cast<char>(std::tolower(static_cast<unsigned char>(*c)));
      agent.node_name = host;
    }
    agent.root = options_.data_dir + "/agent";
    MINIKUBE_RETURN_IF_ERROR(StartNetwork(agent.node_name));
    agent.cluster_dns = network_->cluster_dns();
    OciRuntimeOptions oci = options_.node->runtime;
    oci.root = options_.data_dir + "/runtime";
    oci.network_changed = [this](const PodNetworkState& state, Task done) {
      network_->PodNetworkChanged(state, std::move(done));
    };
    Result<std::shared_ptr<NodeAgent>> started =
        NewAgent(std::move(agent), [oci](Env& env, Strand& strand) { return NewOciRuntime(oci, env, strand); });
    if (!started) return started.status();
    agent_ = std::move(started).value();
    return {};
  }

  Status StartNetwork(const std::string& node_name) {
    NodeNetworkOptions network;
    static_cast<NetworkOptions&>(network) = options_.node->network;
    network.cluster_id = ClusterId(options_.data_dir);
    network.node_name = node_name;
    network.service_cluster_ip_range = options_.api_server.service_cluster_ip_range;
    network.machine_address = MachineAddress();
    LeadToServer(network);
    Result<std::unique_ptr<Network>> started = Network::Start(
        std::move(network), [this](std::string_view part) { return api_->NewClient(NetworkUser(part)); }, env(),
        log_.Named("network"));
    if (!started) return started.status();
    network_ = std::move(started).value();
    return {};
  }

  // How this machine and its pods reach the API server: by its Service, and by the address of the Service's endpoint,
  // which is another than the server's own where the server listens on a loopback address. Only IPv4, as pods have it.
  void LeadToServer(NodeNetworkOptions& network) {
    const std::string server = url().substr(std::min(url().size(), std::string_view("https://").size()));
    const std::size_t colon = server.rfind(':');
    if (colon == std::string::npos || server.front() == '[') return;
    const std::string host = server.substr(0, colon);
    int port = 0;
    std::from_chars(server.data() + colon + 1, server.data() + server.size(), port);
    network.local_services.push_back({"default", "kubernetes", host, port});
    const auto endpoints = client_->Get<core::v1::Endpoints>("default", "kubernetes");
    if (!endpoints) return;
    for (const core::v1::EndpointSubset& subset : endpoints->subsets) {
      for (const core::v1::EndpointAddress& address : subset.addresses) {
        if (!(address.ip == host)) network.forwards.push_back({address.ip.str(), port, host, port});
      }
    }
  }

  Status StartSimulated(const SimulatedNode& simulated) {
    const std::string& name = simulated.node.node_name;
    if (name.empty()) return {Code::kBadRequest, "a simulated node needs a name"};
    if (nodes_->Find(name) != nullptr)
      return {Code::kBadRequest, fmt::format("there are two nodes of the name {}", name)};
    auto machine = NewSimulatedMachine(simulated.behavior);
    auto node = std::make_unique<SimulatedNodeHost>(machine, [this, machine, options = simulated.node] {
      return NewAgent(options, [machine](Env& env, Strand& strand) {
        return Result<std::unique_ptr<Runtime>>(NewSimulatedRuntime(machine, env, strand));
      });
    });
    MINIKUBE_RETURN_IF_ERROR(node->Start());
    simulated_.emplace(name, std::move(node));
    return {};
  }

  Result<std::shared_ptr<NodeAgent>> NewAgent(NodeAgentOptions options, NodeAgent::RuntimeFactory make_runtime) {
    std::unique_ptr<Client> client = api_->NewClient(NodeUser(options.node_name));
    Result<std::shared_ptr<NodeAgent>> started =
        NodeAgent::Start(std::move(options), std::move(client), std::move(make_runtime), env(), log_.Named("agent"));
    if (started) nodes_->Add(*started);
    return started;
  }

  // In the order in which they are made; destroyed in reverse.
  ClusterOptions options_;
  Logger log_;
  std::unique_ptr<Env> own_env_;
  std::shared_ptr<LocalNodes> nodes_ = std::make_shared<LocalNodes>();
  std::unique_ptr<Store> store_;
  std::unique_ptr<ApiServer> api_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<ControllerManager> controllers_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<Network> network_;  // of this machine
  std::shared_ptr<NodeAgent> agent_;  // of this machine
  std::map<std::string, std::unique_ptr<SimulatedNodeHost>, std::less<>> simulated_;
  std::string kubeconfig_;
};

}  // namespace

Result<std::unique_ptr<Cluster>> Cluster::Start(ClusterOptions options) {
  auto cluster = std::make_unique<ClusterImpl>(std::move(options));
  MINIKUBE_RETURN_IF_ERROR(cluster->Begin());
  return std::unique_ptr<Cluster>(std::move(cluster));
}

}  // namespace minikube
