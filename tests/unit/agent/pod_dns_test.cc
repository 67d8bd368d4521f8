// Which servers and domains a pod's resolv.conf names, by its dnsPolicy.
#include <catch2/catch.hpp>

#include <functional>

#include "agent/pod_dns.h"

namespace minikube::agent {
namespace {

std::string ConfOf(const std::function<void(minikube::core::v1::Pod&)>& change,
                   std::string_view cluster_dns = "10.96.0.10",
                   std::string_view host = "# mine\nnameserver 9.9.9.9\nsearch corp.example\noptions edns0 ndots:1\n") {
  minikube::core::v1::Pod pod;
  pod.metadata.namespace_ = "shop";
  pod.spec.dnsPolicy = "ClusterFirst";
  if (change) change(pod);
  return FormatResolvConf(ResolvConfFor(pod, cluster_dns, ParseResolvConf(host)));
}

const std::string kHost = "nameserver 9.9.9.9\nsearch corp.example\noptions edns0 ndots:1\n";
const std::string kCluster =
    "nameserver 10.96.0.10\nsearch shop.svc.cluster.local svc.cluster.local cluster.local corp.example\n"
    "options ndots:5\n";

}  // namespace

TEST_CASE("resolv.conf: by policy", "[agent]") {
  CHECK(ConfOf({}) == kCluster);
  CHECK(ConfOf([](auto& pod) { pod.spec.hostNetwork = true; }) == kHost);
  CHECK(ConfOf([](auto& pod) {
          pod.spec.hostNetwork = true;
          pod.spec.dnsPolicy = "ClusterFirstWithHostNet";
        }) == kCluster);
  CHECK(ConfOf([](auto& pod) { pod.spec.dnsPolicy = "Default"; }) == kHost);
  CHECK(ConfOf([](auto& pod) { pod.spec.dnsPolicy = "None"; }).empty());
  CHECK(ConfOf({}, "") == kHost);
}

TEST_CASE("resolv.conf: a pod's own settings come on top, within what a resolver takes", "[agent]") {
  const auto own = [](minikube::core::v1::Pod& pod) {
    minikube::core::v1::PodDNSConfig& dns = pod.spec.dnsConfig.Mutable();
    dns.nameservers = {"10.96.0.10", "1.1.1.1", "1.0.0.1", "8.8.8.8"};
    dns.searches = {"cluster.local", "own.example"};
    dns.options = {{.name = "ndots", .value = Str("2")}, {.name = "use-vc"}};
  };
  CHECK(ConfOf(own) ==
        "nameserver 10.96.0.10\nnameserver 1.1.1.1\nnameserver 1.0.0.1\n"
        "search shop.svc.cluster.local svc.cluster.local cluster.local corp.example own.example\n"
        "options ndots:2 use-vc\n");
  CHECK(ConfOf([&](auto& pod) {
          own(pod);
          pod.spec.dnsPolicy = "None";
        }) ==
        "nameserver 10.96.0.10\nnameserver 1.1.1.1\nnameserver 1.0.0.1\nsearch cluster.local own.example\n"
        "options ndots:2 use-vc\n");
  const std::string many = ConfOf([](minikube::core::v1::Pod& pod) {
    pod.spec.dnsPolicy = "None";
    for (int i = 0; i < 40; ++i) pod.spec.dnsConfig.Mutable().searches.push_back(Str("d" + std::to_string(i)));
  });
  CHECK(many.find("d31") != std::string::npos);
  CHECK(many.find("d32") == std::string::npos);
}

}  // namespace minikube::agent
