#include "api/kinds/pod_spec.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "api/kinds/metadata.h"
#include "model/access.h"

namespace minikube::api {

namespace {

using core::v1::Container;
using core::v1::PodSpec;

// ---- Defaults -----------------------------------------------------------------------------------------------------

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

std::size_t SourcesOf(const core::v1::Volume& volume) {
  const MessageDesc& desc = DescriptorOf<core::v1::Volume>();
  return static_cast<std::size_t>(std::count_if(desc.fields.begin(), desc.fields.end(), [&](const FieldDesc& field) {
    return field.name != "name" && model::IsSet(field, &volume);
  }));
}

// ---- Validation ---------------------------------------------------------------------------------------------------

struct Names {
  std::set<std::string_view> volumes;
  std::set<std::string_view> containers;
};

void ValidateResources(const core::v1::ResourceRequirements& resources, const FieldPath& path, ErrorList& errors) {
  const auto check = [&](const Map<Quantity>& quantities, const FieldPath& where) {
    for (const auto& [name, quantity] : quantities) {
      errors.InvalidEach(where, name, IsQualifiedName(name.view()));
      if (quantity.Compare(Quantity::FromInt(0)) < 0) {
        errors.Invalid(where.Key(name.view()), quantity, "must be greater than or equal to 0");
      }
    }
  };
  const FieldPath requests = path.Child("requests");
  check(resources.limits, path.Child("limits"));
  check(resources.requests, requests);
  for (const auto& [name, request] : resources.requests) {
    const Quantity* limit = resources.limits.Find(name.view());
    if (limit != nullptr && request.Compare(*limit) > 0) {
      errors.Invalid(requests, request,
                     fmt::format("must be less than or equal to {} limit of {}", name.view(), limit->text.view()));
    }
  }
}

void ValidatePorts(const List<core::v1::ContainerPort>& ports, const FieldPath& path, ErrorList& errors) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const core::v1::ContainerPort& port = ports[i];
    if (!port.name.empty()) {
      Messages messages = IsPortName(port.name.view());
      if (!messages.empty()) {
        errors.InvalidEach(path.Index(i, "name"), port.name, messages);
      } else if (!names.insert(port.name.view()).second) {
        errors.Duplicate(path.Index(i, "name"), port.name);
      }
    }
    if (port.containerPort == 0) {
      errors.Required(path.Index(i, "containerPort"), "");
    } else {
      errors.InvalidEach(path.Index(i, "containerPort"), port.containerPort, IsPortNumber(port.containerPort));
    }
    if (port.hostPort != 0) errors.InvalidEach(path.Index(i, "hostPort"), port.hostPort, IsPortNumber(port.hostPort));
  }
}

void ValidateEnv(const List<core::v1::EnvVar>& env, const FieldPath& path, ErrorList& errors) {
  for (std::size_t i = 0; i < env.size(); ++i) {
    const core::v1::EnvVar& variable = env[i];
    if (!variable.name.empty()) {
      errors.InvalidEach(path.Index(i, "name"), variable.name, IsRelaxedEnvVarName(variable.name.view()));
    }
    if (!variable.valueFrom) continue;
    const core::v1::EnvVarSource& source = *variable.valueFrom;
    const int sources = (source.fieldRef ? 1 : 0) + (source.resourceFieldRef ? 1 : 0) +
                        (source.configMapKeyRef ? 1 : 0) + (source.secretKeyRef ? 1 : 0) + (source.fileKeyRef ? 1 : 0);
    if (sources == 0) {
      errors.Invalid(path.Index(i, "valueFrom"), "",
                     "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or "
                     "`fileKeyRef`");
    } else if (!variable.value.empty()) {
      errors.Invalid(path.Index(i, "valueFrom"), "", "may not be specified when `value` is not empty");
    } else if (sources > 1) {
      errors.Invalid(path.Index(i, "valueFrom"), "", "may not have more than one field specified at a time");
    }
  }
}

void ValidateMounts(const List<core::v1::VolumeMount>& mounts, const Names& names, const FieldPath& path,
                    ErrorList& errors) {
  std::set<std::string_view> paths;
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    const core::v1::VolumeMount& mount = mounts[i];
    if (!mount.name.empty() && !names.volumes.contains(mount.name.view())) {
      errors.NotFound(path.Index(i, "name"), mount.name);
    }
    if (!mount.mountPath.empty() && !paths.insert(mount.mountPath.view()).second) {
      errors.Invalid(path.Index(i, "mountPath"), mount.mountPath, "must be unique");
    }
    const auto below = [&](std::string_view field, const Str& sub) {
      if (sub.view().starts_with('/')) errors.Invalid(path.Index(i, field), sub, "must be a relative path");
      std::string_view rest = sub.view();
      while (!rest.empty()) {
        const std::size_t slash = rest.find('/');
        if (rest.substr(0, slash) == "..") {
          errors.Invalid(path.Index(i, field), sub, "must not contain '..'");
          break;
        }
        if (slash == std::string_view::npos) break;
        rest.remove_prefix(slash + 1);
      }
    };
    if (!mount.subPath.empty() && !mount.subPathExpr.empty()) {
      errors.Invalid(path.Index(i, "subPathExpr"), mount.subPathExpr, "subPathExpr and subPath are mutually exclusive");
    }
    below("subPath", mount.subPath);
    below("subPathExpr", mount.subPathExpr);
  }
}

void ValidateProbe(const Box<core::v1::Probe>& probe, const FieldPath& path, ErrorList& errors, bool once) {
  if (!probe) return;
  const int handlers =
      (probe->exec ? 1 : 0) + (probe->httpGet ? 1 : 0) + (probe->tcpSocket ? 1 : 0) + (probe->grpc ? 1 : 0);
  if (handlers == 0) errors.Required(path, "must specify a handler type");
  if (handlers > 1) errors.Forbidden(path, "may not specify more than 1 handler type");
  ValidateNonNegative(probe->initialDelaySeconds, path.Child("initialDelaySeconds"), errors);
  if (once && probe->successThreshold != 1) {
    errors.Invalid(path.Child("successThreshold"), probe->successThreshold, "must be 1");
  }
}

template <typename AnyContainer>
void ValidateContainer(const AnyContainer& container, Names& names, const FieldPath& path, ErrorList& errors) {
  const FieldPath name = path.Child("name");
  if (!container.name.empty()) {
    errors.InvalidEach(name, container.name, IsDns1123Label(container.name.view()));
    if (!names.containers.insert(container.name.view()).second) errors.Duplicate(name, container.name);
  }
  const FieldPath image = path.Child("image");
  if (container.image.empty()) {
    errors.Required(image, "");
  } else if (container.image.view().front() == ' ' || container.image.view().back() == ' ') {
    errors.Invalid(image, container.image, "must not have leading or trailing whitespace");
  }
  ValidatePorts(container.ports, path.Child("ports"), errors);
  ValidateEnv(container.env, path.Child("env"), errors);
  ValidateMounts(container.volumeMounts, names, path.Child("volumeMounts"), errors);
  ValidateResources(container.resources, path.Child("resources"), errors);
  ValidateProbe(container.livenessProbe, path.Child("livenessProbe"), errors, true);
  ValidateProbe(container.startupProbe, path.Child("startupProbe"), errors, true);
  ValidateProbe(container.readinessProbe, path.Child("readinessProbe"), errors, false);
}

void ValidateVolumes(const List<core::v1::Volume>& volumes, Names& names, const FieldPath& path, ErrorList& errors) {
  for (std::size_t i = 0; i < volumes.size(); ++i) {
    const core::v1::Volume& volume = volumes[i];
    if (!volume.name.empty()) {
      errors.InvalidEach(path.Index(i, "name"), volume.name, IsDns1123Label(volume.name.view()));
      if (!names.volumes.insert(volume.name.view()).second) errors.Duplicate(path.Index(i, "name"), volume.name);
    }
    const std::size_t sources = SourcesOf(volume);
    if (sources == 0) errors.Required(path.Index(i), "must specify a volume type");
    if (sources > 1) errors.Forbidden(path.Index(i), "may not specify more than 1 volume type");
  }
}

void ValidateTolerations(const List<core::v1::Toleration>& tolerations, const FieldPath& path, ErrorList& errors) {
  for (std::size_t i = 0; i < tolerations.size(); ++i) {
    const core::v1::Toleration& toleration = tolerations[i];
    if (!toleration.key.empty())
      errors.InvalidEach(path.Index(i, "key"), toleration.key, IsQualifiedName(toleration.key.view()));
    const std::string_view op = toleration.operator_.view();
    if (toleration.key.empty() && op != "Exists") {
      errors.Invalid(path.Index(i, "operator"), toleration.operator_,
                     "operator must be Exists when `key` is empty, which means \"match all values and all keys\"");
    }
    if (toleration.tolerationSeconds && !(toleration.effect == "NoExecute")) {
      errors.Invalid(path.Index(i, "effect"), toleration.effect,
                     "effect must be 'NoExecute' when `tolerationSeconds` is set");
    }
    if (op == "Exists" && !toleration.value.empty()) {
      errors.Invalid(path.Index(i, "operator"), toleration.value, "value must be empty when `operator` is 'Exists'");
    }
  }
}

}  // namespace

void DefaultPodSpec(PodSpec& spec, PodSpecUse use) {
  if (use == PodSpecUse::kPod && !spec.enableServiceLinks) spec.enableServiceLinks = true;
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
  Names names;
  ValidateVolumes(spec.volumes, names, path.Child("volumes"), errors);
  const FieldPath containers = path.Child("containers");
  if (spec.containers.empty()) errors.Required(containers, "");
  const FieldPath init_containers = path.Child("initContainers");
  const FieldPath ephemeral_containers = path.Child("ephemeralContainers");
  for (std::size_t i = 0; i < spec.containers.size(); ++i) {
    ValidateContainer(spec.containers[i], names, containers.Index(i), errors);
  }
  for (std::size_t i = 0; i < spec.initContainers.size(); ++i) {
    ValidateContainer(spec.initContainers[i], names, init_containers.Index(i), errors);
  }
  for (std::size_t i = 0; i < spec.ephemeralContainers.size(); ++i) {
    ValidateContainer(spec.ephemeralContainers[i], names, ephemeral_containers.Index(i), errors);
  }
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
  ValidateTolerations(spec.tolerations, path.Child("tolerations"), errors);
  const auto check_name = [&](std::string_view field, const Str& value, Messages (*rule)(std::string_view)) {
    if (!value.empty()) errors.InvalidEach(path.Child(field), value, rule(value.view()));
  };
  check_name("serviceAccountName", spec.serviceAccountName, IsDns1123Subdomain);
  check_name("nodeName", spec.nodeName, IsDns1123Subdomain);
  check_name("hostname", spec.hostname, IsDns1123Label);
  check_name("subdomain", spec.subdomain, IsDns1123Label);
  check_name("priorityClassName", spec.priorityClassName, IsDns1123Subdomain);
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
