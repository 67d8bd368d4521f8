#include "api/kinds/pod_spec.h"

#include <algorithm>
#include <set>

#include "api/kinds/metadata.h"
#include "api/kinds/pod_rules.h"
#include "api/kinds/resources.h"

namespace minikube::api {

namespace {

using core::v1::Container;
using core::v1::PodSpec;

// "latest", spelled or by omission, is pulled every time.
std::string_view PullPolicyOf(std::string_view image) {
  if (image.find('@') != std::string_view::npos) return "IfNotPresent";
  const std::size_t slash = image.rfind('/');
  const std::size_t colon = image.find(':', slash == std::string_view::npos ? 0 : slash);
  return colon == std::string_view::npos || image.substr(colon + 1) == "latest" ? "Always" : "IfNotPresent";
}

bool MissesRequests(const core::v1::ResourceRequirements& resources) {
  return std::any_of(resources.limits.begin(), resources.limits.end(),
                     [&](const auto& limit) { return !resources.requests.Contains(limit.key.view()); });
}

template <typename AnyContainer>
void DefaultContainers(List<AnyContainer>& containers, PodSpecUse use, bool host_network) {
  for (std::size_t i = 0; i < containers.size(); ++i) {
    if (containers[i].imagePullPolicy.empty()) {
      containers.Mutable(i).imagePullPolicy = PullPolicyOf(containers[i].image.view());
    }
    if (use == PodSpecUse::kPod && MissesRequests(containers[i].resources)) {
      core::v1::ResourceRequirements& resources = containers.Mutable(i).resources;
      for (const auto& [name, limit] : Map<Quantity>(resources.limits)) {
        if (!resources.requests.Contains(name.view())) resources.requests[name.view()] = limit;
      }
    }
    if (!host_network) continue;
    for (std::size_t k = 0; k < containers[i].ports.size(); ++k) {
      if (containers[i].ports[k].hostPort != 0) continue;
      core::v1::ContainerPort& port = containers.Mutable(i).ports.Mutable(k);
      port.hostPort = port.containerPort;
    }
  }
}

}  // namespace

void DefaultPodSpec(PodSpec& spec, PodSpecUse use) {
  if (use == PodSpecUse::kPod && !spec.enableServiceLinks) spec.enableServiceLinks = true;
  // A pod cannot end before it was told to.
  if (spec.terminationGracePeriodSeconds && *spec.terminationGracePeriodSeconds < 0) {
    spec.terminationGracePeriodSeconds = 1;
  }
  if (spec.serviceAccountName.empty()) spec.serviceAccountName = spec.serviceAccount;
  if (spec.serviceAccount.empty()) spec.serviceAccount = spec.serviceAccountName;
  DefaultContainers(spec.initContainers, use, spec.hostNetwork);
  DefaultContainers(spec.containers, use, spec.hostNetwork);
  for (std::size_t i = 0; i < spec.ephemeralContainers.size(); ++i) {
    if (!spec.ephemeralContainers[i].imagePullPolicy.empty()) continue;
    core::v1::EphemeralContainer& container = spec.ephemeralContainers.Mutable(i);
    container.imagePullPolicy = PullPolicyOf(container.image.view());
  }
  for (std::size_t i = 0; i < spec.volumes.size(); ++i) {
    if (SourcesOf(spec.volumes[i]) == 0) spec.volumes.Mutable(i).emptyDir = core::v1::EmptyDirVolumeSource{};
  }
}

void ValidatePodSpec(const PodSpec& spec, const FieldPath& path, ErrorList& errors) {
  std::set<std::string_view> volumes;
  ValidateVolumes(spec.volumes, volumes, path.Child("volumes"), errors);
  ValidateContainers(spec, volumes, path, errors);
  if (spec.resources) ValidateContainerResources(*spec.resources, path.Child("resources"), errors);
  const FieldPath containers = path.Child("containers");
  if (spec.hostNetwork) {
    for (std::size_t i = 0; i < spec.containers.size(); ++i) {
      const FieldPath container = containers.Index(i);
      const FieldPath ports = container.Child("ports");
      for (std::size_t k = 0; k < spec.containers[i].ports.size(); ++k) {
        const core::v1::ContainerPort& port = spec.containers[i].ports[k];
        if (port.hostPort == port.containerPort) continue;
        errors.Invalid(ports.Index(k, "containerPort"), port.containerPort,
                       "must match `hostPort` when `hostNetwork` is true");
      }
    }
  }
  ValidateLabels(spec.nodeSelector, path.Child("nodeSelector"), errors);
  ValidatePodSecurity(spec, path, errors);
  if (spec.affinity) ValidateAffinity(*spec.affinity, path.Child("affinity"), errors);
  ValidatePodDns(spec, path, errors);
  ValidateGates(spec, path, errors);
  ValidateSpreadConstraints(spec.topologySpreadConstraints, path.Child("topologySpreadConstraints"), errors);
  ValidateTolerations(spec.tolerations, path.Child("tolerations"), errors);
  const auto check_name = [&](std::string_view field, const Str& value, Messages (*rule)(std::string_view)) {
    if (!value.empty()) errors.InvalidEach(path.Child(field), value, rule(value.view()));
  };
  check_name("serviceAccountName", spec.serviceAccountName, IsDns1123Subdomain);
  check_name("nodeName", spec.nodeName, IsDns1123Subdomain);
  check_name("hostname", spec.hostname, IsDns1123Label);
  check_name("subdomain", spec.subdomain, IsDns1123Label);
  check_name("priorityClassName", spec.priorityClassName, IsDns1123Subdomain);
  if (spec.runtimeClassName) {
    errors.InvalidEach(path.Child("runtimeClassName"), *spec.runtimeClassName,
                       IsDns1123Subdomain(spec.runtimeClassName->view()));
  }
  const FieldPath overhead = path.Child("overhead");
  for (const auto& [name, quantity] : spec.overhead) {
    ValidateAmount(name.view(), quantity, overhead.Key(name.view()), errors);
  }
  ValidatePodOs(spec, path, errors);
}

void ValidatePodTemplate(const core::v1::PodTemplateSpec& pod_template, const FieldPath& path, ErrorList& errors) {
  const FieldPath metadata = path.Child("metadata");
  ValidateLabels(pod_template.metadata.labels, metadata.Child("labels"), errors);
  ValidateAnnotations(pod_template.metadata.annotations, metadata.Child("annotations"), errors);
  const FieldPath spec = path.Child("spec");
  ValidatePodSpec(pod_template.spec, spec, errors);
  if (!pod_template.spec.ephemeralContainers.empty()) {
    errors.Forbidden(spec.Child("ephemeralContainers"), "ephemeral containers not allowed in pod template");
  }
}

std::string_view QosClassOf(const PodSpec& spec) {
  bool any = false;
  bool guaranteed = true;
  const auto look = [&](const List<Container>& containers) {
    for (const Container& container : containers) {
      for (const std::string_view resource : {"cpu", "memory"}) {
        const Quantity* limit = container.resources.limits.Find(resource);
        const Quantity* request = container.resources.requests.Find(resource);
        const bool limited = limit != nullptr && limit->Compare(Quantity::FromInt(0)) > 0;
        const bool requested = request != nullptr && request->Compare(Quantity::FromInt(0)) > 0;
        any |= limited || requested;
        guaranteed &= limited && (request == nullptr || request->Compare(*limit) == 0);
      }
    }
  };
  look(spec.containers);
  look(spec.initContainers);
  if (!any) return "BestEffort";
  return guaranteed ? "Guaranteed" : "Burstable";
}

}  // namespace minikube::api
