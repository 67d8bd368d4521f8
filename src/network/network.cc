// Wires the parts of a node's network.
#include <minikube/network.h>

#include <mutex>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <minikube/latch.h>

#include "network/dns/cluster_dns.h"
#include "network/policy/network_policy.h"
#include "network/proxy/service_proxy.h"

namespace minikube {
namespace network {
namespace {

constexpr std::chrono::seconds kPatienceAtStop(10);
constexpr const char* kClusterDomain = "cluster.local";
constexpr const char* kLoopback = "127.0.0.1";

class NetworkImpl final : public Network {
 public:
  NetworkImpl(NodeNetworkOptions options, Env& env, const Logger& log)
      : options_(std::move(options)),
        env_(env),
        log_(log),
        strand_(env.NewStrand("network")),
        dns_strand_(env.NewStrand("dns")) {}
  ~NetworkImpl() override { Stop(); }

  Status Begin(const NewClient& new_client) {
    if (options_.services && options_.dns) MINIKUBE_RETURN_IF_ERROR(BeginDns(new_client));
    if (options_.services) {
      proxy_client_ = new_client(kProxy);
      proxy_.emplace(ProxyOptions(), *proxy_client_, env_, *strand_, log_.Named("proxy"));
    }
    if (options_.policies) {
      policy_client_ = new_client(kPolicy);
      policies_.emplace(NodePoliciesOptions{TableOf("policies"), options_.node_name}, *policy_client_, env_, *strand_,
                        log_.Named("policies"));
    }
    strand_->Post([this] {
      if (proxy_) proxy_->Start();
      if (policies_) policies_->Start();
    });
    return {};
  }

  std::string cluster_dns() const override { return cluster_dns_; }

  void PodNetworkChanged(const PodNetworkState& state, Task done) override {
    strand_->Post([this, state, done = std::move(done)]() mutable {
      pods_ = state;
      if (!proxy_) return done();
      proxy_->SetPodLinks(Links(), std::move(done));
    });
  }

  void Stop() override {
    std::lock_guard lock(stop_mu_);
    if (std::exchange(stopped_, true)) return;
    Latch done;
    strand_->Post([this, &done] {
      if (!pods_.bridge.empty()) return done.Open();
      RemovePolicies([this, &done] { RemoveServices([&done] { done.Open(); }); });
    });
    (void)env_.Await(done, kPatienceAtStop);
    // After this nothing of it runs any more, and what it has can be taken apart here.
    dns_strand_->Stop();
    strand_->Stop();
    dns_.reset();
    policies_.reset();
    proxy_.reset();
    policy_client_.reset();
    dns_client_.reset();
    proxy_client_.reset();
  }

 private:
  // The server listens on a loopback address, where nobody but this machine and, by the Service, its pods reach it.
  Status BeginDns(const NewClient& new_client) {
    Result<dns::Listeners> listeners = dns::ListenAt(kLoopback);
    if (!listeners) return listeners.status();
    const int port = listeners->port;
    Result<std::string> address = dns::PublishDnsService(*new_client(kPublisher), options_.service_cluster_ip_range,
                                                         options_.machine_address, port);
    if (!address) {
      dns::CloseSocket(listeners->datagram);
      dns::CloseSocket(listeners->stream);
      return address.status().WithContext("cannot publish the cluster's DNS");
    }
    // Pods have IPv4 alone: what they cannot reach they are not told to ask.
    if (address->find(':') == std::string::npos) cluster_dns_ = *address;
    options_.local_services.push_back(
        {std::string(dns::kServiceNamespace), std::string(dns::kServiceName), kLoopback, port});
    if (!options_.machine_address.empty()) {
      options_.forwards.push_back({options_.machine_address, port, kLoopback, port});
    }
    dns_client_ = new_client(kDns);
    dns_.emplace(dns::ClusterDnsOptions{kClusterDomain, *address}, *listeners, *dns_client_, env_, *dns_strand_);
    dns_strand_->Post([this] { dns_->Start(); });
    return {};
  }

  void RemovePolicies(Task then) {
    if (!policies_) return then();
    policies_->Remove(std::move(then));
  }
  void RemoveServices(Task then) {
    if (!proxy_) return then();
    proxy_->Remove(std::move(then));
  }

  std::string TableOf(std::string_view part) const { return fmt::format("minikube_{}_{}", options_.cluster_id, part); }
  ServiceProxyOptions ProxyOptions() const {
    ServiceProxyOptions out;
    out.table = TableOf("services");
    out.node_name = options_.node_name;
    out.service_range = options_.service_cluster_ip_range;
    for (const LocalService& service : options_.local_services) {
      out.here[{service.ns, service.name}] = {service.address, service.port};
    }
    for (const LocalForward& forward : options_.forwards) {
      out.forwards.emplace_back(Destination{forward.address, forward.port},
                                Destination{forward.to_address, forward.to_port});
    }
    return out;
  }
  std::vector<std::string> Links() const {
    if (pods_.bridge.empty()) return {};
    return {pods_.bridge};
  }

  NodeNetworkOptions options_;
  Env& env_;
  const Logger log_;
  std::unique_ptr<Strand> strand_;
  std::unique_ptr<Strand> dns_strand_;  // so that questions do not wait for tables
  std::unique_ptr<Client> proxy_client_;
  std::unique_ptr<Client> dns_client_;
  std::unique_ptr<Client> policy_client_;
  std::string cluster_dns_;
  std::optional<ServiceProxy> proxy_;
  std::optional<dns::ClusterDns> dns_;
  std::optional<NodePolicies> policies_;
  PodNetworkState pods_;
  std::mutex stop_mu_;
  bool stopped_ = false;
};

}  // namespace
}  // namespace network

Result<std::unique_ptr<Network>> Network::Start(NodeNetworkOptions options, const NewClient& new_client, Env& env,
                                                Logger log) {
  if (options.node_name.empty()) return Status(Code::kBadRequest, "the network needs the name of its node");
  auto network = std::make_unique<network::NetworkImpl>(std::move(options), env, log);
  MINIKUBE_RETURN_IF_ERROR(network->Begin(new_client));
  return std::unique_ptr<Network>(std::move(network));
}

}  // namespace minikube
