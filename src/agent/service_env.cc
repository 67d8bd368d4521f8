#include "agent/service_env.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

namespace minikube::agent {
namespace {

constexpr std::string_view kServerNamespace = "default";
constexpr std::string_view kServerName = "kubernetes";

std::string VariableName(std::string_view name) {
  std::string out(name);
  for (char& c : out) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

bool HasAddress(const core::Service& service) {
  return !service.spec.clusterIP.empty() && !(service.spec.clusterIP == "None") && !service.spec.ports.empty();
}

void Add(const core::Service& service, EnvList& env) {
  const std::string name = VariableName(service.metadata.name);
  const std::string address = service.spec.clusterIP.str();
  env.emplace_back(name + "_SERVICE_HOST", address);
  env.emplace_back(name + "_SERVICE_PORT", std::to_string(service.spec.ports.front().port));
  for (const core::ServicePort& port : service.spec.ports) {
    if (port.name.empty()) continue;
    env.emplace_back(fmt::format("{}_SERVICE_PORT_{}", name, VariableName(port.name)), std::to_string(port.port));
  }
  const std::string host = address.find(':') == std::string::npos ? address : fmt::format("[{}]", address);
  bool first = true;
  for (const core::ServicePort& port : service.spec.ports) {
    std::string protocol(port.protocol.empty() ? std::string_view("TCP") : port.protocol.view());
    const std::string prefix = fmt::format("{}_PORT_{}_{}", name, port.port, protocol);
    std::transform(protocol.begin(), protocol.end(), protocol.begin(), [](unsigned char c) { return std::tolower(c); });
    const std::string url = fmt::format("{}://{}:{}", protocol, host, port.port);
    if (std::exchange(first, false)) env.emplace_back(name + "_PORT", url);
    env.emplace_back(prefix, url);
    env.emplace_back(prefix + "_PROTO", protocol);
    env.emplace_back(prefix + "_PORT", std::to_string(port.port));
    env.emplace_back(prefix + "_ADDR", address);
  }
}

}  // namespace

EnvList ServiceEnv(const core::Pod& pod, const std::vector<const core::Service*>& services) {
  EnvList env;
  const bool links = pod.spec.enableServiceLinks.value_or(true);
  const core::Service* server = nullptr;
  for (const core::Service* service : services) {
    if (!HasAddress(*service)) continue;
    const bool is_server = service->metadata.namespace_ == kServerNamespace && service->metadata.name == kServerName;
    if (is_server && server == nullptr) server = service;
    if (!links || is_server || !(service->metadata.namespace_ == pod.metadata.namespace_)) continue;
    if (service->metadata.name == kServerName) {
      server = service;  // a pod's own namespace goes before
    } else {
      Add(*service, env);
    }
  }
  if (server != nullptr) Add(*server, env);
  return env;
}

}  // namespace minikube::agent
