#include "agent/service_env.h"

#include <catch2/catch.hpp>

namespace minikube::agent {
namespace {

struct Port {
  const char* name;
  int port;
  const char* protocol = "TCP";
};

core::Service Service(const char* ns, const char* name, const char* address, const std::vector<Port>& ports) {
  core::Service service;
  service.metadata.namespace_ = ns;
  service.metadata.name = name;
  service.spec.clusterIP = address;
  for (const Port& port : ports) {
    core::ServicePort out;
    out.name = port.name;
    out.port = port.port;
    out.protocol = port.protocol;
    service.spec.ports.push_back(std::move(out));
  }
  return service;
}

core::Pod PodIn(const char* ns) {
  core::Pod pod;
  pod.metadata.namespace_ = ns;
  return pod;
}

const EnvList kServer = {{"KUBERNETES_SERVICE_HOST", "10.96.0.1"},
                         {"KUBERNETES_SERVICE_PORT", "443"},
                         {"KUBERNETES_SERVICE_PORT_HTTPS", "443"},
                         {"KUBERNETES_PORT", "tcp://10.96.0.1:443"},
                         {"KUBERNETES_PORT_443_TCP", "tcp://10.96.0.1:443"},
                         {"KUBERNETES_PORT_443_TCP_PROTO", "tcp"},
                         {"KUBERNETES_PORT_443_TCP_PORT", "443"},
                         {"KUBERNETES_PORT_443_TCP_ADDR", "10.96.0.1"}};

TEST_CASE("a pod finds the API server and the services of its namespace", "[agent]") {
  const core::Service server = Service("default", "kubernetes", "10.96.0.1", {{"https", 443}});
  const core::Service dns = Service("shop", "my-dns", "fd00::1", {{"", 53, "UDP"}, {"web-ui", 80}});
  const core::Service headless = Service("shop", "peers", "None", {{"", 1}});
  const core::Service unborn = Service("shop", "unborn", "", {{"", 1}});
  const core::Service foreign = Service("bank", "vault", "10.96.0.9", {{"", 1}});
  const std::vector<const core::Service*> all = {&foreign, &server, &headless, &dns, &unborn};

  CHECK(ServiceEnv(PodIn("default"), all) == kServer);
  CHECK(ServiceEnv(PodIn("elsewhere"), all) == kServer);
  CHECK(ServiceEnv(PodIn("elsewhere"), {}).empty());

  EnvList shop = {{"MY_DNS_SERVICE_HOST", "fd00::1"},
                  {"MY_DNS_SERVICE_PORT", "53"},
                  {"MY_DNS_SERVICE_PORT_WEB_UI", "80"},
                  {"MY_DNS_PORT", "udp://[fd00::1]:53"},
                  {"MY_DNS_PORT_53_UDP", "udp://[fd00::1]:53"},
                  {"MY_DNS_PORT_53_UDP_PROTO", "udp"},
                  {"MY_DNS_PORT_53_UDP_PORT", "53"},
                  {"MY_DNS_PORT_53_UDP_ADDR", "fd00::1"},
                  {"MY_DNS_PORT_80_TCP", "tcp://[fd00::1]:80"},
                  {"MY_DNS_PORT_80_TCP_PROTO", "tcp"},
                  {"MY_DNS_PORT_80_TCP_PORT", "80"},
                  {"MY_DNS_PORT_80_TCP_ADDR", "fd00::1"}};
  shop.insert(shop.end(), kServer.begin(), kServer.end());
  core::Pod pod = PodIn("shop");
  CHECK(ServiceEnv(pod, all) == shop);
  pod.spec.enableServiceLinks = false;
  CHECK(ServiceEnv(pod, all) == kServer);
}

TEST_CASE("a service named kubernetes of a pod's own namespace hides that of the API server", "[agent]") {
  const core::Service server = Service("default", "kubernetes", "10.96.0.1", {{"https", 443}});
  const core::Service early = Service("a", "kubernetes", "10.96.0.2", {{"", 1}});
  const core::Service late = Service("z", "kubernetes", "10.96.0.3", {{"", 1}});
  const std::vector<const core::Service*> all = {&early, &server, &late};
  for (const auto& [ns, host] : {std::pair("a", "10.96.0.2"), {"m", "10.96.0.1"}, {"z", "10.96.0.3"}}) {
    CAPTURE(ns);
    CHECK(ServiceEnv(PodIn(ns), all).front() == std::pair<std::string, std::string>("KUBERNETES_SERVICE_HOST", host));
  }
}

}  // namespace
}  // namespace minikube::agent
