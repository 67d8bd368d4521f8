// The containers of a pod: names, ports, environment, mounts, probes, hooks.
#include <algorithm>

#include <fmt/format.h>

#include "api/kinds/metadata.h"
#include "api/kinds/pod_rules.h"

namespace minikube::api {

namespace {

using namespace core::v1;  // NOLINT(google-build-using-namespace): the types of this file

// What the rules of one container look up in its pod.
struct Surroundings {
  const PodSpec& spec;
  const std::set<std::string_view>& volumes;
  std::set<std::string_view> containers;  // names seen so far
};

void ValidatePorts(const List<ContainerPort>& ports, const FieldPath& path, ErrorList& errors) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const ContainerPort& port = ports[i];
    if (!port.name.empty()) {
      const Messages messages = IsPortName(port.name.view());
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

// A port of the node is one container's.
void ValidateHostPorts(const Container& container, std::set<std::string>& taken, const FieldPath& path,
                       ErrorList& errors) {
  const FieldPath ports = path.Child("ports");
  for (std::size_t i = 0; i < container.ports.size(); ++i) {
    const ContainerPort& port = container.ports[i];
    if (port.hostPort == 0) continue;
    const std::string_view protocol = port.protocol.empty() ? std::string_view("TCP") : port.protocol.view();
    std::string place = fmt::format("{}/{}/{}", protocol, port.hostIP.view(), port.hostPort);
    if (!taken.insert(place).second) errors.Duplicate(ports.Index(i, "hostPort"), place);
  }
}

void ValidateValueFrom(const EnvVar& variable, const FieldPath& path, ErrorList& errors) {
  const EnvVarSource& source = *variable.valueFrom;
  const int sources = (source.fieldRef ? 1 : 0) + (source.resourceFieldRef ? 1 : 0) + (source.configMapKeyRef ? 1 : 0) +
                      (source.secretKeyRef ? 1 : 0) + (source.fileKeyRef ? 1 : 0);
  if (source.fieldRef) ValidateFieldRef(*source.fieldRef, FieldRefUse::kEnv, path.Child("fieldRef"), errors);
  if (source.resourceFieldRef) {
    ValidateResourceFieldRef(*source.resourceFieldRef, FieldRefUse::kEnv, path.Child("resourceFieldRef"), errors);
  }
  const auto check_key = [&](std::string_view field, const Str& key) {
    if (!key.empty()) errors.InvalidEach(path.Child(field), key, IsConfigMapKey(key.view()));
  };
  if (source.configMapKeyRef) check_key("configMapKeyRef.key", source.configMapKeyRef->key);
  if (source.secretKeyRef) check_key("secretKeyRef.key", source.secretKeyRef->key);
  if (sources == 0) {
    errors.Invalid(path, "",
                   "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or "
                   "`fileKeyRef`");
  } else if (!variable.value.empty()) {
    errors.Invalid(path, "", "may not be specified when `value` is not empty");
  } else if (sources > 1) {
    errors.Invalid(path, "", "may not have more than one field specified at a time");
  }
}

template <typename AnyContainer>
void ValidateEnvironment(const AnyContainer& container, const FieldPath& path, ErrorList& errors) {
  const FieldPath env = path.Child("env");
  for (std::size_t i = 0; i < container.env.size(); ++i) {
    const EnvVar& variable = container.env[i];
    if (!variable.name.empty()) {
      errors.InvalidEach(env.Index(i, "name"), variable.name, IsRelaxedEnvVarName(variable.name.view()));
    }
    if (variable.valueFrom) ValidateValueFrom(variable, env.Index(i, "valueFrom"), errors);
  }
  const FieldPath from = path.Child("envFrom");
  for (std::size_t i = 0; i < container.envFrom.size(); ++i) {
    const EnvFromSource& source = container.envFrom[i];
    const FieldPath here = from.Index(i);
    if (!source.prefix.empty()) {
      errors.InvalidEach(here.Child("prefix"), source.prefix, IsRelaxedEnvVarName(source.prefix.view()));
    }
    if (source.configMapRef && source.configMapRef->name.empty()) errors.Required(here.Child("configMapRef.name"), "");
    if (source.secretRef && source.secretRef->name.empty()) errors.Required(here.Child("secretRef.name"), "");
    if (!source.configMapRef && !source.secretRef) {
      errors.Invalid(from, "", "must specify one of: `configMapRef` or `secretRef`");
    } else if (source.configMapRef && source.secretRef) {
      errors.Invalid(from, "", "may not have more than one field specified at a time");
    }
  }
}

template <typename AnyContainer>
void ValidateMounts(const AnyContainer& container, const Surroundings& pod, const FieldPath& path, ErrorList& errors) {
  const bool privileged = container.securityContext && container.securityContext->privileged.value_or(false);
  std::set<std::string_view> devices;
  for (const VolumeDevice& device : container.volumeDevices) devices.insert(device.devicePath.view());
  std::set<std::string_view> paths;
  for (std::size_t i = 0; i < container.volumeMounts.size(); ++i) {
    const VolumeMount& mount = container.volumeMounts[i];
    const FieldPath here = path.Index(i);
    if (!mount.name.empty() && !pod.volumes.contains(mount.name.view())) {
      errors.NotFound(here.Child("name"), mount.name);
    }
    if (!mount.mountPath.empty() && !paths.insert(mount.mountPath.view()).second) {
      errors.Invalid(here.Child("mountPath"), mount.mountPath, "must be unique");
    }
    if (devices.contains(mount.mountPath.view())) {
      errors.Invalid(here.Child("mountPath"), mount.mountPath, "must not already exist as a path in volumeDevices");
    }
    if (!mount.subPath.empty()) ValidateDescendingPath(mount.subPath.view(), here.Child("subPath"), errors);
    if (!mount.subPath.empty() && !mount.subPathExpr.empty()) {
      errors.Invalid(here.Child("subPathExpr"), mount.subPathExpr, "subPathExpr and subPath are mutually exclusive");
    }
    if (!mount.subPathExpr.empty()) ValidateDescendingPath(mount.subPathExpr.view(), here.Child("subPathExpr"), errors);
    if (mount.mountPropagation && *mount.mountPropagation == "Bidirectional" && !privileged) {
      errors.Forbidden(here.Child("mountPropagation"),
                       "Bidirectional mount propagation is available only to privileged containers");
    }
    if (!mount.recursiveReadOnly || *mount.recursiveReadOnly == "Disabled") continue;
    if (!mount.readOnly) {
      errors.Forbidden(here.Child("recursiveReadOnly"), "may only be specified when readOnly is true");
    }
    if (mount.mountPropagation && !(*mount.mountPropagation == "None")) {
      errors.Forbidden(here.Child("recursiveReadOnly"),
                       "may only be specified when mountPropagation is None or not specified");
    }
    if (!(*mount.recursiveReadOnly == "IfPossible") && !(*mount.recursiveReadOnly == "Enabled")) {
      errors.NotSupported(here.Child("recursiveReadOnly"), *mount.recursiveReadOnly,
                          {"Disabled", "Enabled", "IfPossible"});
    }
  }
}

template <typename AnyContainer>
void ValidateDevices(const AnyContainer& container, const Surroundings& pod, const FieldPath& path, ErrorList& errors) {
  std::set<std::string_view> paths;
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < container.volumeDevices.size(); ++i) {
    const VolumeDevice& device = container.volumeDevices[i];
    const FieldPath here = path.Index(i);
    if (!device.name.empty() && !names.insert(device.name.view()).second) {
      errors.Invalid(here.Child("name"), device.name, "must be unique");
    }
    if (!device.devicePath.empty()) {
      if (!paths.insert(device.devicePath.view()).second) {
        errors.Invalid(here.Child("devicePath"), device.devicePath, "must be unique");
      }
      for (const VolumeMount& mount : container.volumeMounts) {
        if (mount.mountPath == device.devicePath) {
          errors.Invalid(here.Child("devicePath"), device.devicePath,
                         "must not already exist as a path in volumeMounts");
        }
      }
    }
    for (const VolumeMount& mount : container.volumeMounts) {
      if (!(mount.name == device.name)) continue;
      errors.Invalid(here.Child("name"), device.name, "must not already exist in volumeMounts");
      break;
    }
    if (device.name.empty()) continue;
    if (!pod.volumes.contains(device.name.view())) {
      errors.NotFound(here.Child("name"), device.name);
      continue;
    }
    for (const Volume& volume : pod.spec.volumes) {
      if (volume.name == device.name && !volume.persistentVolumeClaim && !volume.ephemeral) {
        errors.Invalid(here.Child("name"), device.name,
                       "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode");
      }
    }
  }
}

void ValidatePortValue(const IntOrString& port, const FieldPath& path, ErrorList& errors) {
  if (port.is_string) {
    errors.InvalidEach(path, port, IsPortName(port.string_value.view()));
  } else {
    errors.InvalidEach(path, port.int_value, IsPortNumber(port.int_value));
  }
}

// What a probe and a hook can both do; `other` names what only one of them can, "" if it does not.
template <typename Handler>
void ValidateHandler(const Handler& handler, std::string_view other, const FieldPath& path, ErrorList& errors) {
  const std::pair<std::string_view, bool> actions[] = {{"exec", static_cast<bool>(handler.exec)},
                                                       {"httpGet", static_cast<bool>(handler.httpGet)},
                                                       {"tcpSocket", static_cast<bool>(handler.tcpSocket)},
                                                       {other, !other.empty()}};
  int given = 0;
  for (const auto& [name, set] : actions) {
    if (set && given++ > 0) errors.Forbidden(path.Child(name), "may not specify more than 1 handler type");
  }
  if (given == 0) errors.Required(path, "must specify a handler type");
  if (handler.exec && handler.exec->command.empty()) errors.Required(path.Child("exec.command"), "");
  if (handler.httpGet) {
    const FieldPath http = path.Child("httpGet");
    ValidatePortValue(handler.httpGet->port, http.Child("port"), errors);
    for (const HTTPHeader& header : handler.httpGet->httpHeaders) {
      errors.InvalidEach(http.Child("httpHeaders"), header.name, IsHttpHeaderName(header.name.view()));
    }
  }
  if (handler.tcpSocket) ValidatePortValue(handler.tcpSocket->port, path.Child("tcpSocket.port"), errors);
}

enum class ProbeUse : std::uint8_t { kLiveness, kReadiness, kStartup };

void ValidateProbe(const Box<Probe>& probe, ProbeUse use, const FieldPath& path, ErrorList& errors) {
  if (!probe) return;
  ValidateHandler(*probe, probe->grpc ? "grpc" : "", path, errors);
  if (probe->grpc) errors.InvalidEach(path.Child("grpc.port"), probe->grpc->port, IsPortNumber(probe->grpc->port));
  if (use != ProbeUse::kReadiness && probe->successThreshold != 1) {
    errors.Invalid(path.Child("successThreshold"), probe->successThreshold, "must be 1");
  }
  if (use == ProbeUse::kReadiness && probe->terminationGracePeriodSeconds) {
    errors.Invalid(path.Child("terminationGracePeriodSeconds"), *probe->terminationGracePeriodSeconds,
                   "must not be set for readinessProbes");
  }
}

void ValidateHook(const Box<LifecycleHandler>& hook, const PodSpec& spec, const FieldPath& path, ErrorList& errors) {
  if (!hook) return;
  ValidateHandler(*hook, hook->sleep ? "sleep" : "", path, errors);
  if (!hook->sleep) return;
  const std::int64_t grace = spec.terminationGracePeriodSeconds.value_or(30);
  if (hook->sleep->seconds < 0 || hook->sleep->seconds > grace) {
    errors.Invalid(path.Child("sleep"), hook->sleep->seconds,
                   fmt::format("must be non-negative and less than terminationGracePeriodSeconds ({})", grace));
  }
}

template <typename AnyContainer>
void ValidateLife(const AnyContainer& container, const PodSpec& spec, const FieldPath& path, ErrorList& errors) {
  if (container.lifecycle) {
    const FieldPath lifecycle = path.Child("lifecycle");
    ValidateHook(container.lifecycle->postStart, spec, lifecycle.Child("postStart"), errors);
    ValidateHook(container.lifecycle->preStop, spec, lifecycle.Child("preStop"), errors);
    if (container.lifecycle->stopSignal && (!spec.os || spec.os->name.empty())) {
      errors.Forbidden(lifecycle.Child("stopSignal"), "may not be set for containers with empty `spec.os.name`");
    }
  }
  ValidateProbe(container.livenessProbe, ProbeUse::kLiveness, path.Child("livenessProbe"), errors);
  ValidateProbe(container.readinessProbe, ProbeUse::kReadiness, path.Child("readinessProbe"), errors);
  ValidateProbe(container.startupProbe, ProbeUse::kStartup, path.Child("startupProbe"), errors);
}

void ValidateResizePolicy(const List<ContainerResizePolicy>& policies, const FieldPath& path, ErrorList& errors) {
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < policies.size(); ++i) {
    const ContainerResizePolicy& policy = policies[i];
    if (!seen.insert(policy.resourceName.view()).second) errors.Duplicate(path.Index(i), policy.resourceName);
    if (!policy.resourceName.empty() && !(policy.resourceName == "cpu") && !(policy.resourceName == "memory")) {
      errors.NotSupported(path.Index(i), policy.resourceName, {"cpu", "memory"});
    }
    if (!policy.restartPolicy.empty() && !(policy.restartPolicy == "NotRequired") &&
        !(policy.restartPolicy == "RestartContainer")) {
      errors.NotSupported(path.Index(i), policy.restartPolicy, {"NotRequired", "RestartContainer"});
    }
  }
}

// What containers of all sorts have in common.
template <typename AnyContainer>
void ValidateCommon(const AnyContainer& container, Surroundings& pod, const FieldPath& path, ErrorList& errors) {
  const FieldPath name = path.Child("name");
  if (!container.name.empty()) {
    errors.InvalidEach(name, container.name, IsDns1123Label(container.name.view()));
    if (!pod.containers.insert(container.name.view()).second) errors.Duplicate(name, container.name);
  }
  const FieldPath image = path.Child("image");
  if (container.image.empty()) {
    errors.Required(image, "");
  } else if (container.image.view().front() == ' ' || container.image.view().back() == ' ') {
    errors.Invalid(image, container.image, "must not have leading or trailing whitespace");
  }
  ValidatePorts(container.ports, path.Child("ports"), errors);
  ValidateEnvironment(container, path, errors);
  ValidateMounts(container, pod, path.Child("volumeMounts"), errors);
  ValidateDevices(container, pod, path.Child("volumeDevices"), errors);
  ValidateContainerResources(container.resources, path.Child("resources"), errors);
  ValidateResizePolicy(container.resizePolicy, path.Child("resizePolicy"), errors);
  if (container.securityContext) {
    ValidateSecurityContext(*container.securityContext, pod.spec.hostUsers.value_or(true),
                            path.Child("securityContext"), errors);
  }
}

void ValidateInitContainer(const Container& container, Surroundings& pod, const FieldPath& path, ErrorList& errors) {
  ValidateCommon(container, pod, path, errors);
  std::set<std::string> taken;  // init containers run one after the other
  ValidateHostPorts(container, taken, path, errors);
  if (container.restartPolicy && *container.restartPolicy == "Always") {
    ValidateLife(container, pod.spec, path, errors);
    return;
  }
  constexpr std::string_view kWhy = "may not be set for init containers without restartPolicy=Always";
  if (container.lifecycle) errors.Forbidden(path.Child("lifecycle"), kWhy);
  if (container.livenessProbe) errors.Forbidden(path.Child("livenessProbe"), kWhy);
  if (container.readinessProbe) errors.Forbidden(path.Child("readinessProbe"), kWhy);
  if (container.startupProbe) errors.Forbidden(path.Child("startupProbe"), kWhy);
}

void ValidateEphemeralContainer(const EphemeralContainer& container, const std::set<std::string_view>& others,
                                Surroundings& pod, const FieldPath& path, ErrorList& errors) {
  ValidateCommon(container, pod, path, errors);
  if (!container.targetContainerName.empty() && !others.contains(container.targetContainerName.view())) {
    errors.NotFound(path.Child("targetContainerName"), container.targetContainerName);
  }
  constexpr std::string_view kWhy = "cannot be set for an Ephemeral Container";
  const std::pair<std::string_view, bool> refused[] = {
      {"ports", !container.ports.empty()},
      {"resources", !container.resources.limits.empty() || !container.resources.requests.empty()},
      {"lifecycle", static_cast<bool>(container.lifecycle)},
      {"livenessProbe", static_cast<bool>(container.livenessProbe)},
      {"readinessProbe", static_cast<bool>(container.readinessProbe)},
      {"startupProbe", static_cast<bool>(container.startupProbe)},
      {"resizePolicy", !container.resizePolicy.empty()}};
  for (const auto& [field, given] : refused) {
    if (given) errors.Forbidden(path.Child(field), kWhy);
  }
  const FieldPath mounts = path.Child("volumeMounts");
  for (std::size_t i = 0; i < container.volumeMounts.size(); ++i) {
    if (!container.volumeMounts[i].subPath.empty()) errors.Forbidden(mounts.Index(i, "subPath"), kWhy);
    if (!container.volumeMounts[i].subPathExpr.empty()) errors.Forbidden(mounts.Index(i, "subPathExpr"), kWhy);
  }
}

}  // namespace

void ValidateContainers(const PodSpec& spec, const std::set<std::string_view>& volumes, const FieldPath& path,
                        ErrorList& errors) {
  Surroundings pod{spec, volumes, {}};
  const FieldPath containers = path.Child("containers");
  if (spec.containers.empty()) errors.Required(containers, "");
  std::set<std::string> host_ports;
  for (std::size_t i = 0; i < spec.containers.size(); ++i) {
    const FieldPath here = containers.Index(i);
    ValidateCommon(spec.containers[i], pod, here, errors);
    ValidateLife(spec.containers[i], spec, here, errors);
  }
  for (std::size_t i = 0; i < spec.containers.size(); ++i) {
    ValidateHostPorts(spec.containers[i], host_ports, containers.Index(i), errors);
  }
  const FieldPath init_containers = path.Child("initContainers");
  for (std::size_t i = 0; i < spec.initContainers.size(); ++i) {
    ValidateInitContainer(spec.initContainers[i], pod, init_containers.Index(i), errors);
  }
  const std::set<std::string_view> others = pod.containers;
  const FieldPath ephemeral_containers = path.Child("ephemeralContainers");
  for (std::size_t i = 0; i < spec.ephemeralContainers.size(); ++i) {
    ValidateEphemeralContainer(spec.ephemeralContainers[i], others, pod, ephemeral_containers.Index(i), errors);
  }
}

}  // namespace minikube::api
