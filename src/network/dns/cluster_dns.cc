#include "network/dns/cluster_dns.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#include <minikube/api/core/v1.h>
#include <minikube/api/discovery/v1.h>

#include "base/resolv_conf.h"

namespace minikube::network::dns {
namespace {

using core::v1::Namespace;
using core::v1::Service;
using discovery::v1::EndpointSlice;

constexpr const char* kByAddress = "address";
constexpr const char* kByService = "service";
constexpr std::string_view kServiceLabel = "kubernetes.io/service-name";
constexpr Duration kLookAgain = std::chrono::seconds(5);

std::vector<std::string> AddressesOfService(const Object& object) {
  const auto& spec = object.As<Service>().spec;
  std::vector<std::string> out;
  for (const Str& address : spec.clusterIPs) out.push_back(address.str());
  if (out.empty() && !spec.clusterIP.empty()) out.push_back(spec.clusterIP.str());
  std::erase(out, "None");
  return out;
}

std::vector<std::string> AddressesOfSlice(const Object& object) {
  std::vector<std::string> out;
  for (const discovery::v1::Endpoint& endpoint : object.As<EndpointSlice>().endpoints) {
    for (const Str& address : endpoint.addresses) out.push_back(address.str());
  }
  return out;
}

std::vector<std::string> ServiceOfSlice(const Object& object) {
  const Str* service = object.meta().labels.Find(kServiceLabel);
  if (service == nullptr) return {};
  return {ObjectKey{object.meta().namespace_, *service}.ToString()};
}

// The machine's own resolvers, looked up anew now and then.
class MachineServers {
 public:
  MachineServers(Env& env, std::string not_this_one) : env_(env), own_(std::move(not_this_one)) {}
  std::vector<std::string> operator()() {
    const MonoTime now = env_.clock().MonoNow();
    if (!looked_ || now - looked_at_ > kLookAgain) {
      looked_ = true;
      looked_at_ = now;
      std::ifstream file("/etc/resolv.conf");
      const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
      servers_ = ParseResolvConf(text).servers;
      // Else a question would go round for ever.
      std::erase(servers_, own_);
    }
    return servers_;
  }

 private:
  Env& env_;
  const std::string own_;
  bool looked_ = false;
  MonoTime looked_at_{};
  std::vector<std::string> servers_;
};

UpstreamOptions OptionsFor(Env& env, const std::string& address) {
  UpstreamOptions out;
  out.servers = MachineServers(env, address);
  return out;
}

}  // namespace

// By informers and their indexes.
class ClusterDns::Names final : public ClusterNames {
 public:
  Names(Client& client, Env& env, Strand& strand)
      : namespaces_(client, Client::ResourceOf<Namespace>(), strand, env),
        services_(client, Client::ResourceOf<Service>(), strand, env),
        slices_(client, Client::ResourceOf<EndpointSlice>(), strand, env) {
    services_.AddIndex(kByAddress, &AddressesOfService);
    slices_.AddIndex(kByAddress, &AddressesOfSlice);
    slices_.AddIndex(kByService, &ServiceOfSlice);
  }
  void Start() {
    namespaces_.Start();
    services_.Start();
    slices_.Start();
  }
  bool ready() const { return namespaces_.HasSynced() && services_.HasSynced() && slices_.HasSynced(); }

  bool HasNamespace(std::string_view ns) const override { return static_cast<bool>(namespaces_.Get("", ns)); }
  ObjectRef FindService(std::string_view ns, std::string_view name) const override { return services_.Get(ns, name); }
  std::vector<ObjectRef> SlicesOf(std::string_view ns, std::string_view service) const override {
    return slices_.ByIndex(kByService, ObjectKey{Str(ns), Str(service)}.ToString());
  }
  std::vector<ObjectRef> ServicesAt(std::string_view address) const override {
    return services_.ByIndex(kByAddress, address);
  }
  std::vector<ObjectRef> SlicesAt(std::string_view address) const override {
    return slices_.ByIndex(kByAddress, address);
  }

 private:
  Informer namespaces_;
  Informer services_;
  Informer slices_;
};

ClusterDns::ClusterDns(ClusterDnsOptions options, Listeners listeners, Client& client, Env& env, Strand& strand)
    : names_(std::make_unique<Names>(client, env, strand)),
      zone_(options.domain, options.address, *names_),
      upstream_(OptionsFor(env, options.address), env, strand),
      responder_(zone_, upstream_, env),
      server_(
          {}, listeners, responder_, [this] { return names_->ready(); }, env, strand) {}

ClusterDns::~ClusterDns() = default;

void ClusterDns::Start() {
  names_->Start();
  server_.Start();
}

}  // namespace minikube::network::dns
