// The Service by which pods reach the cluster's DNS, as Kubernetes' own installations make it.
#include <optional>
#include <utility>

#include <minikube/api/core/v1.h>
#include <minikube/api/discovery/v1.h>

#include "model/validation_names.h"
#include "network/dns/cluster_dns.h"

namespace minikube::network::dns {
namespace {

using core::v1::Service;
using core::v1::ServicePort;
using discovery::v1::EndpointSlice;

constexpr int kPlace = 10;  // of its address in the range

std::optional<std::string> TenthOf(std::string_view range) {
  const auto prefix = ParseCidr(range);
  if (!prefix) return std::nullopt;
  IpAddress address = prefix->Masked();
  std::uint8_t& last = address.bytes[address.v4 ? 3 : 15];
  if (last > 255 - kPlace) return std::nullopt;
  last = static_cast<std::uint8_t>(last + kPlace);
  return prefix->Contains(address) ? std::optional(address.ToString()) : std::nullopt;
}

Service MakeService() {
  Service service;
  service.metadata.namespace_ = kServiceNamespace;
  service.metadata.name = kServiceName;
  service.metadata.labels["k8s-app"] = "kube-dns";
  service.metadata.labels["kubernetes.io/cluster-service"] = "true";
  service.metadata.labels["kubernetes.io/name"] = "CoreDNS";
  for (const auto& [name, protocol] : {std::pair("dns", "UDP"), std::pair("dns-tcp", "TCP")}) {
    ServicePort& port = service.spec.ports.push_back({});
    port.name = name;
    port.protocol = protocol;
    port.port = 53;
  }
  return service;
}

EndpointSlice MakeSlice(const std::string& address, int port) {
  EndpointSlice slice;
  slice.metadata.namespace_ = kServiceNamespace;
  slice.metadata.name = kServiceName;
  slice.metadata.labels[std::string("kubernetes.io/service-name")] = Str(kServiceName);
  slice.addressType = "IPv4";
  discovery::v1::Endpoint& endpoint = slice.endpoints.push_back({});
  endpoint.addresses = {Str(address)};
  endpoint.conditions.ready = true;
  for (const auto& [name, protocol] : {std::pair("dns", "UDP"), std::pair("dns-tcp", "TCP")}) {
    discovery::v1::EndpointPort& own = slice.ports.push_back({});
    own.name = Str(name);
    own.protocol = Str(protocol);
    own.port = port;
  }
  return slice;
}

}  // namespace

Result<std::string> PublishDnsService(Client& client, std::string_view service_range,
                                      const std::string& endpoint_address, int port) {
  Result<Service> service = client.Get<Service>(kServiceNamespace, kServiceName);
  if (!service && service.status().code() == Code::kNotFound) {
    Service wanted = MakeService();
    if (const auto tenth = TenthOf(service_range)) wanted.spec.clusterIP = Str(*tenth);
    service = client.Create(wanted);
    // Somebody else has the address: then any.
    if (!service && service.status().code() == Code::kInvalid) service = client.Create(MakeService());
  }
  if (!service) return service.status();
  if (!endpoint_address.empty()) {
    EndpointSlice slice = MakeSlice(endpoint_address, port);
    Result<EndpointSlice> there = client.Get<EndpointSlice>(kServiceNamespace, kServiceName);
    if (there) {
      slice.metadata = there->metadata;
      there = client.Update(slice);
    } else {
      there = client.Create(slice);
    }
    if (!there) return there.status();
  }
  return service->spec.clusterIP.str();
}

}  // namespace minikube::network::dns
