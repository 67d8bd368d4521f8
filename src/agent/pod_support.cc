#include "agent/pod_support.h"

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

  void Probe(const core::Container& container, const Box<core::Probe>& probe, std::string_view kind) {
    if (!probe || !probe->grpc) return;
    Ignore(fmt::format("the {} probe of container {} cannot be made: gRPC probes are not supported by this node", kind,
                       container.name.view()));
  }

  void Container(const core::Container& container) {
    if (container.securityContext) Security(*container.securityContext);
    Probe(container, container.startupProbe, "startup");
    Probe(container, container.readinessProbe, "readiness");
    Probe(container, container.livenessProbe, "liveness");
    if (!container.volumeDevices.empty()) {
      Reject("VolumeDevices", "Raw block volumes are not supported by this node");
    }
  }
};

}  // namespace

Unsupported UnsupportedBy(const core::Pod& pod) {
  Finder finder;
  const core::PodSpec& spec = pod.spec;
  if (spec.hostUsers == false) finder.Reject("UserNamespaces", "User namespaces are not supported by this node");
  if (spec.runtimeClassName && !spec.runtimeClassName->empty()) {
    finder.Reject("RuntimeClass",
                  fmt::format("RuntimeClass \"{}\" is not supported by this node", spec.runtimeClassName->view()));
  }
  if (spec.securityContext) finder.Security(*spec.securityContext);
  for (const auto* list : {&spec.initContainers, &spec.containers}) {
    for (const core::Container& container : *list) finder.Container(container);
  }
  if (!spec.imagePullSecrets.empty()) {
    finder.Ignore("images are pulled without credentials: image pull secrets are not supported by this node");
  }
  for (const core::EphemeralContainer& container : spec.ephemeralContainers) {
    finder.Ignore(fmt::format("container {} will not run: ephemeral containers are not supported by this node",
                              container.name.view()));
  }
  return std::move(finder.out);
}

}  // namespace minikube::agent
