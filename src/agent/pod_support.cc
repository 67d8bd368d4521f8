#include "agent/pod_support.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include <fmt/format.h>

namespace minikube::agent {
namespace {

struct Finder {
  Unsupported out;

  void Reject(std::string_view reason, std::string message) {
    if (!out.rejection) out.rejection = Rejection{std::string(reason), std::move(message)};
  }
  void Ignore(std::string what) { out.ignored.push_back(std::move(what)); }

  // `context`: of the pod or of one of its containers.
  template <typename Context>
  void Security(const Context& context) {
    if (context.appArmorProfile && !(context.appArmorProfile->type == "Unconfined")) {
      Reject("AppArmor", "Cannot enforce AppArmor: AppArmor is not supported by this node");
    }
    if (context.seccompProfile && context.seccompProfile->type == "Localhost") {
      Reject("Seccomp", "Cannot enforce seccomp: profiles of type Localhost are not supported by this node");
    }
    if (context.seLinuxOptions) Ignore("SELinux options are not applied by this node");
  }

  void Container(const core::Container& container) {
    if (container.securityContext) Security(*container.securityContext);
    if (!container.volumeDevices.empty()) {
      Reject("VolumeDevices", "Raw block volumes are not supported by this node");
    }
  }
};

// Those that the kernel keeps apart per namespace and that cannot harm other pods (kubelet's list).
constexpr std::string_view kSafeSysctls[] = {"kernel.shm_rmid_forced",
                                             "net.ipv4.ip_local_port_range",
                                             "net.ipv4.tcp_syncookies",
                                             "net.ipv4.ping_group_range",
                                             "net.ipv4.ip_unprivileged_port_start",
                                             "net.ipv4.ip_local_reserved_ports",
                                             "net.ipv4.tcp_keepalive_time",
                                             "net.ipv4.tcp_fin_timeout",
                                             "net.ipv4.tcp_keepalive_intvl",
                                             "net.ipv4.tcp_keepalive_probes",
                                             "net.ipv4.tcp_rmem",
                                             "net.ipv4.tcp_wmem"};

// Why the node does not set it; "" = it does.
std::string WhyForbidden(const core::PodSpec& spec, const Str& sysctl) {
  // net/ipv4/x is net.ipv4.x; sysctl.d(5) decides by the first separator.
  std::string name = sysctl.str();
  const std::size_t separator = name.find_first_of("./");
  if (separator != std::string::npos && name[separator] == '/') {
    for (char& c : name) c = c == '/' ? '.' : c == '.' ? '/' : c;
  }
  if (std::find(std::begin(kSafeSysctls), std::end(kSafeSysctls), name) == std::end(kSafeSysctls)) {
    return fmt::format("\"{}\" not allowlisted", name);
  }
  const bool net = name.starts_with("net.");
  if (!(net ? spec.hostNetwork : spec.hostIPC)) return {};
  return fmt::format("\"{}\" not allowed with host {} enabled", name, net ? "Net" : "IPC");
}

}  // namespace

Unsupported UnsupportedBy(const core::Pod& pod) {
  Finder finder;
  const core::PodSpec& spec = pod.spec;
  if (spec.hostUsers == false) finder.Reject("UserNamespaces", "User namespaces are not supported by this node");
  if (spec.runtimeClassName && !spec.runtimeClassName->empty()) {
    finder.Reject("RuntimeClass",
                  fmt::format("RuntimeClass \"{}\" is not supported by this node", spec.runtimeClassName->view()));
  }
  if (spec.securityContext) {
    finder.Security(*spec.securityContext);
    for (const core::Sysctl& sysctl : spec.securityContext->sysctls) {
      const std::string why = WhyForbidden(spec, sysctl.name);
      if (!why.empty()) finder.Reject("SysctlForbidden", fmt::format("forbidden sysctl: {}", why));
    }
  }
  for (const auto* list : {&spec.initContainers, &spec.containers}) {
    for (const core::Container& container : *list) finder.Container(container);
  }
  if (!spec.imagePullSecrets.empty()) {
    finder.Ignore("images are pulled without credentials: image pull secrets are not supported by this node");
  }
  return std::move(finder.out);
}

std::optional<Rejection> UnsupportedBy(const core::Container& container) {
  Finder finder;
  finder.Container(container);
  return std::move(finder.out.rejection);
}

}  // namespace minikube::agent
