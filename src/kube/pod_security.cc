#include "kube/pod_security.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <set>

#include <fmt/format.h>

namespace minikube::kube {

namespace {

using core::v1::PodSpec;
using Names = std::vector<std::string_view>;
using NameSet = std::set<std::string>;

struct Subject {
  const meta::v1::ObjectMeta& metadata;
  const PodSpec& spec;
};
// What is wrong, if anything.
using Found = std::optional<SecurityViolation>;
using Check = Found (*)(const Subject&);

// ---- Words --------------------------------------------------------------------------------------------------------

template <typename List>
std::string Quoted(const List& items) {
  std::string out;
  for (const auto& item : items) out += fmt::format("{}\"{}\"", out.empty() ? "" : ", ", item);
  return out;
}

std::string_view Plural(std::size_t count, std::string_view one, std::string_view more) {
  return count == 1 ? one : more;
}

// `container "a"`, `containers "a", "b"`.
std::string Containers(const Names& names) {
  return fmt::format("{} {}", Plural(names.size(), "container", "containers"), Quoted(names));
}

// `pod and container "a"`: who has set something.
std::string Setters(bool pod, const Names& containers) {
  std::string out = pod ? "pod" : "";
  if (!containers.empty()) out += (out.empty() ? "" : " and ") + Containers(containers);
  return out;
}

// ---- Looking ------------------------------------------------------------------------------------------------------

template <typename Each>
void ForEachContainer(const PodSpec& spec, const Each& each) {
  for (const auto& container : spec.initContainers) each(container);
  for (const auto& container : spec.containers) each(container);
  for (const auto& container : spec.ephemeralContainers) each(container);
}

// The names of the containers of which `is` says so.
template <typename Is>
Names ContainersThat(const PodSpec& spec, const Is& is) {
  Names out;
  ForEachContainer(spec, [&](const auto& container) {
    if (is(container)) out.push_back(container.name.view());
  });
  return out;
}

bool IsOneOf(std::string_view value, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

bool IsWindows(const PodSpec& spec) { return spec.os && spec.os->name == "windows"; }
// Root in there is nobody outside.
bool HasUsersOfItsOwn(const PodSpec& spec) { return spec.hostUsers && !*spec.hostUsers; }

// ---- Baseline -----------------------------------------------------------------------------------------------------

Found AppArmor(const Subject& pod) {
  const auto bad = [](const auto& context) {
    return context && context->appArmorProfile &&
           !IsOneOf(context->appArmorProfile->type.view(), {"RuntimeDefault", "Localhost"});
  };
  NameSet values;
  const auto& of_pod = pod.spec.securityContext;
  const bool pod_bad = bad(of_pod);
  if (pod_bad) values.insert(of_pod->appArmorProfile->type.str());
  const Names containers = ContainersThat(pod.spec, [&](const auto& container) {
    if (!bad(container.securityContext)) return false;
    values.insert(container.securityContext->appArmorProfile->type.str());
    return true;
  });
  std::string setters = Setters(pod_bad, containers);
  std::vector<std::string> all(values.begin(), values.end());
  NameSet annotations;
  for (const auto& [key, value] : pod.metadata.annotations) {
    const std::string_view profile = value.view();
    if (!key.view().starts_with("container.apparmor.security.beta.kubernetes.io/")) continue;
    if (profile.empty() || profile == "runtime/default" || profile.starts_with("localhost/")) continue;
    annotations.insert(fmt::format("{}=\"{}\"", key.view(), profile));
  }
  if (!annotations.empty()) {
    all.insert(all.end(), annotations.begin(), annotations.end());
    setters.append(setters.empty() ? "" : " and ").append(Plural(annotations.size(), "annotation", "annotations"));
  }
  if (setters.empty()) return {};
  return SecurityViolation{std::string(Plural(all.size(), "forbidden AppArmor profile", "forbidden AppArmor profiles")),
                           fmt::format("{} must not set AppArmor profile type to {}", setters, Quoted(all))};
}

Found CapabilitiesBaseline(const Subject& pod) {
  NameSet added;
  const Names containers = ContainersThat(pod.spec, [&](const auto& container) {
    if (!container.securityContext || !container.securityContext->capabilities) return false;
    bool bad = false;
    for (const Str& capability : container.securityContext->capabilities->add) {
      if (IsOneOf(capability.view(), {"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
                                      "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"})) {
        continue;
      }
      bad = true;
      added.insert(capability.str());
    }
    return bad;
  });
  if (containers.empty()) return {};
  return SecurityViolation{
      "non-default capabilities",
      fmt::format("{} must not include {} in securityContext.capabilities.add", Containers(containers), Quoted(added))};
}

Found HostNamespaces(const Subject& pod) {
  Names set;
  if (pod.spec.hostNetwork) set.push_back("hostNetwork=true");
  if (pod.spec.hostPID) set.push_back("hostPID=true");
  if (pod.spec.hostIPC) set.push_back("hostIPC=true");
  if (set.empty()) return {};
  return SecurityViolation{"host namespaces", fmt::format("{}", fmt::join(set, ", "))};
}

Found HostPaths(const Subject& pod) {
  Names volumes;
  for (const core::v1::Volume& volume : pod.spec.volumes) {
    if (volume.hostPath) volumes.push_back(volume.name.view());
  }
  if (volumes.empty()) return {};
  return SecurityViolation{"hostPath volumes",
                           fmt::format("{} {}", Plural(volumes.size(), "volume", "volumes"), Quoted(volumes))};
}

Found HostPorts(const Subject& pod) {
  NameSet ports;
  const Names containers = ContainersThat(pod.spec, [&](const auto& container) {
    bool bad = false;
    for (const core::v1::ContainerPort& port : container.ports) {
      if (port.hostPort == 0) continue;
      bad = true;
      ports.insert(std::to_string(port.hostPort));
    }
    return bad;
  });
  if (containers.empty()) return {};
  return SecurityViolation{"hostPort",
                           fmt::format("{} {} {} {}", Containers(containers), Plural(containers.size(), "uses", "use"),
                                       Plural(ports.size(), "hostPort", "hostPorts"), fmt::join(ports, ", "))};
}

Found HostProbes(const Subject& pod) {
  NameSet hosts;
  NameSet containers;
  ForEachContainer(pod.spec, [&](const auto& container) {
    const auto look = [&](const auto& handler) {
      if (!handler) return;
      const auto add = [&](const Str& host) {
        if (host.empty()) return;
        hosts.insert(host.str());
        containers.insert(container.name.str());
      };
      if (handler->httpGet) add(handler->httpGet->host);
      if (handler->tcpSocket) add(handler->tcpSocket->host);
    };
    look(container.livenessProbe);
    look(container.readinessProbe);
    look(container.startupProbe);
    if (container.lifecycle) {
      look(container.lifecycle->postStart);
      look(container.lifecycle->preStop);
    }
  });
  if (containers.empty()) return {};
  return SecurityViolation{
      "probe or lifecycle host",
      fmt::format("{} {} {} {} {}", Plural(containers.size(), "container", "containers"), Quoted(containers),
                  Plural(containers.size(), "uses", "use"),
                  Plural(hosts.size(), "probe or lifecycle host", "probe or lifecycle hosts"), Quoted(hosts))};
}

Found Privileged(const Subject& pod) {
  const Names containers = ContainersThat(pod.spec, [](const auto& container) {
    return container.securityContext && container.securityContext->privileged.value_or(false);
  });
  if (containers.empty()) return {};
  return SecurityViolation{"privileged",
                           fmt::format("{} must not set securityContext.privileged=true", Containers(containers))};
}

Found ProcMount(const Subject& pod) {
  NameSet types;
  const Names containers = ContainersThat(pod.spec, [&](const auto& container) {
    const auto& context = container.securityContext;
    if (!context || !context->procMount || *context->procMount == "Default") return false;
    types.insert(context->procMount->str());
    return true;
  });
  if (containers.empty()) return {};
  return SecurityViolation{"procMount", fmt::format("{} must not set securityContext.procMount to {}",
                                                    Containers(containers), Quoted(types))};
}

Found ProcMountOfHostUsers(const Subject& pod) { return HasUsersOfItsOwn(pod.spec) ? Found() : ProcMount(pod); }

template <bool with_engine>
Found SeLinux(const Subject& pod) {
  NameSet types;
  bool user = false;
  bool role = false;
  const auto bad = [&](const auto& context) {
    if (!context || !context->seLinuxOptions) return false;
    const core::v1::SELinuxOptions& options = *context->seLinuxOptions;
    const std::string_view type = options.type.view();
    const bool known = IsOneOf(type, {"", "container_t", "container_init_t", "container_kvm_t"}) ||
                       (with_engine && type == "container_engine_t");
    if (!known) types.insert(std::string(type));
    user |= !options.user.empty();
    role |= !options.role.empty();
    return !known || !options.user.empty() || !options.role.empty();
  };
  const bool pod_bad = bad(pod.spec.securityContext);
  const Names containers = ContainersThat(pod.spec, [&](const auto& c) { return bad(c.securityContext); });
  if (!pod_bad && containers.empty()) return {};
  std::vector<std::string> what;
  if (!types.empty()) what.push_back(fmt::format("{} {}", Plural(types.size(), "type", "types"), Quoted(types)));
  if (user) what.emplace_back("user may not be set");
  if (role) what.emplace_back("role may not be set");
  return SecurityViolation{"seLinuxOptions", fmt::format("{} set forbidden securityContext.seLinuxOptions: {}",
                                                         Setters(pod_bad, containers), fmt::join(what, "; "))};
}

// Before there was a field.
Found SeccompAnnotations(const Subject& pod) {
  NameSet forbidden;
  const auto look = [&](const std::string& key) {
    const Str* value = pod.metadata.annotations.Find(key);
    if (value == nullptr || IsOneOf(value->view(), {"runtime/default", "docker/default"})) return;
    if (!value->view().starts_with("localhost/")) forbidden.insert(fmt::format("{}=\"{}\"", key, value->view()));
  };
  look("seccomp.security.alpha.kubernetes.io/pod");
  ForEachContainer(pod.spec, [&](const auto& container) {
    look("container.seccomp.security.alpha.kubernetes.io/" + container.name.str());
  });
  if (forbidden.empty()) return {};
  return SecurityViolation{"seccompProfile",
                           fmt::format("forbidden {} {}", Plural(forbidden.size(), "annotation", "annotations"),
                                       fmt::join(forbidden, ", "))};
}

bool IsSafeSeccomp(std::string_view type) { return IsOneOf(type, {"Localhost", "RuntimeDefault"}); }

// `demanded`: one that is not set is no good either.
Found Seccomp(const Subject& pod, bool demanded) {
  NameSet values;
  const auto bad = [&](const auto& context) {
    if (!context || !context->seccompProfile || IsSafeSeccomp(context->seccompProfile->type.view())) return false;
    values.insert(context->seccompProfile->type.str());
    return true;
  };
  const auto& of_pod = pod.spec.securityContext;
  const bool pod_bad = bad(of_pod);
  const bool pod_good = !pod_bad && of_pod && of_pod->seccompProfile;
  const Names containers = ContainersThat(pod.spec, [&](const auto& c) { return bad(c.securityContext); });
  if (pod_bad || !containers.empty()) {
    return SecurityViolation{"seccompProfile", fmt::format("{} must not set securityContext.seccompProfile.type to {}",
                                                           Setters(pod_bad, containers), Quoted(values))};
  }
  if (!demanded || pod_good) return {};
  const Names silent = ContainersThat(pod.spec, [](const auto& container) {
    return !container.securityContext || !container.securityContext->seccompProfile;
  });
  if (silent.empty()) return {};
  return SecurityViolation{
      "seccompProfile",
      fmt::format("pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
                  Containers(silent))};
}

Found SeccompBaseline(const Subject& pod) { return Seccomp(pod, false); }

// The sysctls that are safe as of a minor version.
template <int minor>
Found Sysctls(const Subject& pod) {
  if (!pod.spec.securityContext) return {};
  Names forbidden;
  for (const core::v1::Sysctl& sysctl : pod.spec.securityContext->sysctls) {
    const std::string_view name = sysctl.name.view();
    const bool safe =
        IsOneOf(name, {"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
                       "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start"}) ||
        (minor >= 27 && name == "net.ipv4.ip_local_reserved_ports") ||
        (minor >= 29 && IsOneOf(name, {"net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout",
                                       "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes"})) ||
        (minor >= 32 && IsOneOf(name, {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}));
    if (!safe) forbidden.push_back(name);
  }
  if (forbidden.empty()) return {};
  return SecurityViolation{"forbidden sysctls", fmt::format("{}", fmt::join(forbidden, ", "))};
}

Found WindowsHostProcess(const Subject& pod) {
  const auto bad = [](const auto& context) {
    return context && context->windowsOptions && context->windowsOptions->hostProcess.value_or(false);
  };
  const bool pod_bad = bad(pod.spec.securityContext);
  const Names containers = ContainersThat(pod.spec, [&](const auto& c) { return bad(c.securityContext); });
  if (!pod_bad && containers.empty()) return {};
  return SecurityViolation{"hostProcess", fmt::format("{} must not set securityContext.windowsOptions.hostProcess=true",
                                                      Setters(pod_bad, containers))};
}

// ---- Restricted ---------------------------------------------------------------------------------------------------

Found PrivilegeEscalation(const Subject& pod) {
  const Names containers = ContainersThat(pod.spec, [](const auto& container) {
    return !container.securityContext || container.securityContext->allowPrivilegeEscalation.value_or(true);
  });
  if (containers.empty()) return {};
  return SecurityViolation{
      "allowPrivilegeEscalation != false",
      fmt::format("{} must set securityContext.allowPrivilegeEscalation=false", Containers(containers))};
}

Found CapabilitiesRestricted(const Subject& pod) {
  const Names keeping = ContainersThat(pod.spec, [](const auto& container) {
    if (!container.securityContext || !container.securityContext->capabilities) return true;
    const auto& drop = container.securityContext->capabilities->drop;
    return std::none_of(drop.begin(), drop.end(), [](const Str& capability) { return capability == "ALL"; });
  });
  NameSet added;
  const Names adding = ContainersThat(pod.spec, [&](const auto& container) {
    if (!container.securityContext || !container.securityContext->capabilities) return false;
    bool bad = false;
    for (const Str& capability : container.securityContext->capabilities->add) {
      if (capability == "NET_BIND_SERVICE") continue;
      bad = true;
      added.insert(capability.str());
    }
    return bad;
  });
  std::string detail;
  if (!keeping.empty()) {
    detail = fmt::format("{} must set securityContext.capabilities.drop=[\"ALL\"]", Containers(keeping));
  }
  if (!adding.empty()) {
    detail += fmt::format("{}{} must not include {} in securityContext.capabilities.add", detail.empty() ? "" : "; ",
                          Containers(adding), Quoted(added));
  }
  if (detail.empty()) return {};
  return SecurityViolation{"unrestricted capabilities", std::move(detail)};
}

// What a volume is, if it is of a kind that is restricted.
std::string_view RestrictedTypeOf(const core::v1::Volume& volume) {
  if (volume.configMap || volume.csi || volume.downwardAPI || volume.emptyDir || volume.ephemeral || volume.image ||
      volume.persistentVolumeClaim || volume.projected || volume.secret) {
    return {};
  }
  if (volume.hostPath) return "hostPath";
  if (volume.gcePersistentDisk) return "gcePersistentDisk";
  if (volume.awsElasticBlockStore) return "awsElasticBlockStore";
  if (volume.gitRepo) return "gitRepo";
  if (volume.nfs) return "nfs";
  if (volume.iscsi) return "iscsi";
  if (volume.glusterfs) return "glusterfs";
  if (volume.rbd) return "rbd";
  if (volume.flexVolume) return "flexVolume";
  if (volume.cinder) return "cinder";
  if (volume.cephfs) return "cephfs";
  if (volume.flocker) return "flocker";
  if (volume.fc) return "fc";
  if (volume.azureFile) return "azureFile";
  if (volume.vsphereVolume) return "vsphereVolume";
  if (volume.quobyte) return "quobyte";
  if (volume.azureDisk) return "azureDisk";
  if (volume.photonPersistentDisk) return "photonPersistentDisk";
  if (volume.portworxVolume) return "portworxVolume";
  if (volume.scaleIO) return "scaleIO";
  if (volume.storageos) return "storageos";
  return "unknown";
}

Found RestrictedVolumes(const Subject& pod) {
  Names volumes;
  std::set<std::string_view> types;
  for (const core::v1::Volume& volume : pod.spec.volumes) {
    const std::string_view type = RestrictedTypeOf(volume);
    if (type.empty()) continue;
    volumes.push_back(volume.name.view());
    types.insert(type);
  }
  if (volumes.empty()) return {};
  return SecurityViolation{
      "restricted volume types",
      fmt::format("{} {} {} {} {}", Plural(volumes.size(), "volume", "volumes"), Quoted(volumes),
                  Plural(volumes.size(), "uses", "use"),
                  Plural(types.size(), "restricted volume type", "restricted volume types"), Quoted(types))};
}

Found RunAsNonRoot(const Subject& pod) {
  const auto& of_pod = pod.spec.securityContext;
  const bool pod_says = of_pod && of_pod->runAsNonRoot;
  const bool pod_bad = pod_says && !*of_pod->runAsNonRoot;
  const bool pod_good = pod_says && *of_pod->runAsNonRoot;
  const Names bad = ContainersThat(pod.spec, [](const auto& container) {
    return container.securityContext && !container.securityContext->runAsNonRoot.value_or(true);
  });
  if (pod_bad || !bad.empty()) {
    return SecurityViolation{"runAsNonRoot != true",
                             fmt::format("{} must not set securityContext.runAsNonRoot=false", Setters(pod_bad, bad))};
  }
  if (pod_good) return {};
  const Names silent = ContainersThat(pod.spec, [](const auto& container) {
    return !container.securityContext || !container.securityContext->runAsNonRoot;
  });
  if (silent.empty()) return {};
  return SecurityViolation{"runAsNonRoot != true",
                           fmt::format("pod or {} must set securityContext.runAsNonRoot=true", Containers(silent))};
}

Found RunAsRoot(const Subject& pod) {
  const auto bad = [](const auto& context) { return context && context->runAsUser && *context->runAsUser == 0; };
  const bool pod_bad = bad(pod.spec.securityContext);
  const Names containers = ContainersThat(pod.spec, [&](const auto& c) { return bad(c.securityContext); });
  if (!pod_bad && containers.empty()) return {};
  return SecurityViolation{"runAsUser=0", fmt::format("{} must not set runAsUser=0", Setters(pod_bad, containers))};
}

Found SeccompRestricted(const Subject& pod) { return Seccomp(pod, true); }

template <Check check>
Found UnlessWindows(const Subject& pod) {
  return IsWindows(pod.spec) ? Found() : check(pod);
}
template <Check check>
Found UnlessOwnUsers(const Subject& pod) {
  return HasUsersOfItsOwn(pod.spec) ? Found() : check(pod);
}

// ---- The standards ------------------------------------------------------------------------------------------------

// A check as of some minor version, until the next one of its name. In the order in which they are told.
struct Versioned {
  std::string_view id;
  SecurityLevel level;
  int since;
  Check check;
  std::string_view instead_of = {};  // of baseline, in restricted
};
constexpr SecurityLevel kBase = SecurityLevel::kBaseline;
constexpr SecurityLevel kRest = SecurityLevel::kRestricted;
constexpr Versioned kChecks[] = {
    {"appArmorProfile", kBase, 0, AppArmor},
    {"capabilities_baseline", kBase, 0, CapabilitiesBaseline},
    {"hostNamespaces", kBase, 0, HostNamespaces},
    {"hostPathVolumes", kBase, 0, HostPaths},
    {"hostPorts", kBase, 0, HostPorts},
    {"hostProbesAndHostLifecycle", kBase, 34, HostProbes},
    {"privileged", kBase, 0, Privileged},
    {"procMount", kBase, 0, ProcMount},
    {"procMount", kBase, 35, ProcMountOfHostUsers},
    {"seLinuxOptions", kBase, 0, SeLinux<false>},
    {"seLinuxOptions", kBase, 31, SeLinux<true>},
    {"seccompProfile_baseline", kBase, 0, SeccompAnnotations},
    {"seccompProfile_baseline", kBase, 19, SeccompBaseline},
    {"sysctls", kBase, 0, Sysctls<0>},
    {"sysctls", kBase, 27, Sysctls<27>},
    {"sysctls", kBase, 29, Sysctls<29>},
    {"sysctls", kBase, 32, Sysctls<32>},
    {"windowsHostProcess", kBase, 0, WindowsHostProcess},
    {"allowPrivilegeEscalation", kRest, 8, PrivilegeEscalation},
    {"allowPrivilegeEscalation", kRest, 25, UnlessWindows<PrivilegeEscalation>},
    {"capabilities_restricted", kRest, 22, CapabilitiesRestricted, "capabilities_baseline"},
    {"capabilities_restricted", kRest, 25, UnlessWindows<CapabilitiesRestricted>, "capabilities_baseline"},
    {"procMount_restricted", kRest, 35, ProcMount, "procMount"},
    {"restrictedVolumes", kRest, 0, RestrictedVolumes, "hostPathVolumes"},
    {"runAsNonRoot", kRest, 0, RunAsNonRoot},
    {"runAsNonRoot", kRest, 35, UnlessOwnUsers<RunAsNonRoot>},
    {"runAsUser", kRest, 23, RunAsRoot},
    {"runAsUser", kRest, 35, UnlessOwnUsers<RunAsRoot>},
    {"seccompProfile_restricted", kRest, 19, SeccompRestricted, "seccompProfile_baseline"},
    {"seccompProfile_restricted", kRest, 25, UnlessWindows<SeccompRestricted>, "seccompProfile_baseline"},
};

// Those that count for a policy.
std::vector<const Versioned*> ChecksOf(const SecurityPolicy& policy) {
  std::vector<const Versioned*> out;
  for (const Versioned& check : kChecks) {
    if (check.level > policy.level || check.since > policy.minor) continue;
    if (!out.empty() && out.back()->id == check.id) out.pop_back();
    out.push_back(&check);
  }
  std::set<std::string_view> replaced;
  for (const Versioned* check : out) replaced.insert(check->instead_of);
  std::erase_if(out, [&](const Versioned* check) { return replaced.contains(check->id); });
  return out;
}

std::string Joined(const std::vector<SecurityViolation>& violations, bool with_details) {
  std::string out;
  for (const SecurityViolation& violation : violations) {
    if (!out.empty()) out += ", ";
    out += violation.reason;
    if (with_details && !violation.detail.empty()) out += fmt::format(" ({})", violation.detail);
  }
  return out;
}

}  // namespace

std::string SecurityPolicy::ToString() const {
  constexpr std::string_view kNames[] = {"privileged", "baseline", "restricted"};
  const std::string_view name = kNames[static_cast<std::size_t>(level)];
  return minor == kLatest ? fmt::format("{}:latest", name) : fmt::format("{}:v1.{}", name, minor);
}

std::optional<SecurityLevel> ParseSecurityLevel(std::string_view text) {
  if (text == "privileged") return SecurityLevel::kPrivileged;
  if (text == "baseline") return SecurityLevel::kBaseline;
  if (text == "restricted") return SecurityLevel::kRestricted;
  return std::nullopt;
}

std::optional<int> ParseSecurityVersion(std::string_view text) {
  if (text == "latest") return SecurityPolicy::kLatest;
  if (!text.starts_with("v1.")) return std::nullopt;
  text.remove_prefix(3);
  int minor = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), minor);
  const bool plain = error == std::errc() && end == text.data() + text.size() && text.front() != '-';
  if (!plain || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  return minor;
}

std::vector<SecurityViolation> SecurityViolations(const SecurityPolicy& policy, const meta::v1::ObjectMeta& metadata,
                                                  const PodSpec& spec) {
  std::vector<SecurityViolation> out;
  if (policy.level == SecurityLevel::kPrivileged) return out;
  for (const Versioned* check : ChecksOf(policy)) {
    if (Found found = check->check({metadata, spec})) out.push_back(*std::move(found));
  }
  return out;
}

std::string DetailsOf(const std::vector<SecurityViolation>& violations) { return Joined(violations, true); }
std::string ReasonsOf(const std::vector<SecurityViolation>& violations) { return Joined(violations, false); }

}  // namespace minikube::kube
