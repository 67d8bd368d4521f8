#include "agent/container_config.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace minikube::agent {
namespace {

constexpr std::string_view kDefaultTerminationPath = "/dev/termination-log";

std::string PodName(const core::Pod& pod) {
  return fmt::format("\"{}_{}({})\"", pod.metadata.name.view(), pod.metadata.namespace_.view(),
                     pod.metadata.uid.view());
}

std::optional<std::int64_t> NumericUser(std::string_view user) {
  user = user.substr(0, user.find(':'));
  if (user.empty()) return 0;
  std::int64_t uid = 0;
  const auto [end, error] = std::from_chars(user.data(), user.data() + user.size(), uid);
  if (error != std::errc() || end != user.data() + user.size()) return std::nullopt;
  return uid;
}

// The container's own setting, or the pod's.
template <typename T>
std::optional<T> Either(const std::optional<T>& own, const std::optional<T>& pod) {
  return own ? own : pod;
}

Status ApplySecurity(const ContainerInputs& in, ContainerConfig& out) {
  const core::Pod& pod = *in.facts->pod;
  const core::SecurityContext own =
      in.container->securityContext ? *in.container->securityContext : core::SecurityContext{};
  const core::PodSecurityContext shared =
      pod.spec.securityContext ? *pod.spec.securityContext : core::PodSecurityContext{};
  out.run_as_user = Either(own.runAsUser, shared.runAsUser);
  out.run_as_group = Either(own.runAsGroup, shared.runAsGroup);
  out.supplemental_groups.assign(shared.supplementalGroups.begin(), shared.supplementalGroups.end());
  if (shared.fsGroup) out.supplemental_groups.push_back(*shared.fsGroup);
  out.privileged = own.privileged.value_or(false);
  out.read_only_root = own.readOnlyRootFilesystem.value_or(false);
  out.no_new_privileges = !own.allowPrivilegeEscalation.value_or(true);
  if (own.capabilities) {
    for (const Str& name : own.capabilities->add) out.add_capabilities.push_back(name.str());
    for (const Str& name : own.capabilities->drop) out.drop_capabilities.push_back(name.str());
  }
  const auto& seccomp = own.seccompProfile ? own.seccompProfile : shared.seccompProfile;
  out.default_seccomp = seccomp && seccomp->type == "RuntimeDefault";
  if (!Either(own.runAsNonRoot, shared.runAsNonRoot).value_or(false)) return {};
  if (out.run_as_user) {
    if (*out.run_as_user != 0) return {};
    return {Code::kBadRequest, fmt::format("container's runAsUser breaks non-root policy (pod: {}, container: {})",
                                           PodName(pod), out.name)};
  }
  const std::optional<std::int64_t> uid = NumericUser(in.image->user);
  if (!uid) {
    return {
        Code::kBadRequest,
        fmt::format("container has runAsNonRoot and image has non-numeric user ({}), cannot verify user is non-root "
                    "(pod: {}, container: {})",
                    in.image->user, PodName(pod), out.name)};
  }
  if (*uid != 0) return {};
  return {Code::kBadRequest,
          fmt::format("container has runAsNonRoot and image will run as root (pod: {}, container: {})", PodName(pod),
                      out.name)};
}

std::string PropagationOf(const core::VolumeMount& mount) {
  if (!mount.mountPropagation) return {};
  if (*mount.mountPropagation == "HostToContainer") return "rslave";
  if (*mount.mountPropagation == "Bidirectional") return "rshared";
  return {};
}

bool IsMounted(const ContainerConfig& config, std::string_view target) {
  return std::any_of(config.mounts.begin(), config.mounts.end(), [&](const Mount& m) { return m.target == target; });
}

Status ApplyMounts(const ContainerInputs& in, const Lookup& lookup, PreparedContainer& out) {
  for (std::size_t i = 0; i < in.container->volumeMounts.size(); ++i) {
    const core::VolumeMount& spec = in.container->volumeMounts[i];
    const auto volume = std::find_if(in.volumes->begin(), in.volumes->end(),
                                     [&](const PlannedVolume& v) { return v.name == spec.name.view(); });
    if (volume == in.volumes->end()) {
      return {Code::kBadRequest, fmt::format("cannot find volume \"{}\" to mount into container \"{}\"",
                                             spec.name.view(), out.config.name)};
    }
    Mount mount;
    mount.source = volume->host_path.empty() ? in.paths->Volume(volume->name) : volume->host_path;
    mount.target = spec.mountPath.str();
    if (!mount.target.starts_with('/')) mount.target.insert(mount.target.begin(), '/');
    mount.read_only = spec.readOnly || volume->read_only || volume->kind == PlannedVolume::Kind::kFiles;
    mount.propagation = PropagationOf(spec);
    const std::string sub_path = spec.subPathExpr.empty() ? spec.subPath.str() : Expand(spec.subPathExpr, lookup);
    if (!sub_path.empty()) {
      std::string target = in.paths->SubPath(in.container->name, i);
      out.binds.push_back({mount.source, sub_path, target});
      mount.source = std::move(target);
    }
    out.config.mounts.push_back(std::move(mount));
  }
  for (const char* file : {"hosts", "hostname", "resolv.conf"}) {
    const std::string target = fmt::format("/etc/{}", file);
    if (!IsMounted(out.config, target)) out.config.mounts.push_back({in.paths->Etc(file), target, false, {}});
  }
  const std::string_view termination = in.container->terminationMessagePath.empty()
                                           ? kDefaultTerminationPath
                                           : in.container->terminationMessagePath.view();
  if (!IsMounted(out.config, termination)) {
    out.termination_path = in.paths->Termination(in.container->name, in.attempt);
    out.config.mounts.push_back({out.termination_path, std::string(termination), false, {}});
  }
  return {};
}

}  // namespace

std::string SandboxId(const core::Pod& pod, std::uint32_t attempt) {
  return MakeId({pod.metadata.uid, std::to_string(attempt)});
}

std::string ContainerId(std::string_view sandbox_id, std::string_view container, std::uint32_t attempt) {
  return MakeId({sandbox_id, container, std::to_string(attempt)});
}

Result<PreparedContainer> PrepareContainer(const ContainerInputs& in) {
  const core::Container& spec = *in.container;
  PreparedContainer out;
  ContainerConfig& config = out.config;
  config.sandbox_id = in.sandbox_id;
  config.target_container = in.target_container;
  config.id = ContainerId(in.sandbox_id, spec.name, in.attempt);
  config.name = spec.name.str();
  config.attempt = in.attempt;
  config.image = in.image->reference;

  Result<EnvList> env = ResolveEnv(*in.facts, spec, *in.objects, in.services);
  if (!env) return env.status();
  const Lookup lookup = LookupIn(*env);
  for (const Str& word : spec.command) config.command.push_back(Expand(word, lookup));
  for (const Str& word : spec.args) config.args.push_back(Expand(word, lookup));
  config.working_dir = spec.workingDir.str();
  config.tty = spec.tty;
  config.open_stdin = spec.stdin;
  config.stdin_once = spec.stdinOnce;
  config.resources = ResourcesOf(spec);
  config.oom_score_adj = OomScoreAdj(*in.facts->pod, spec, in.memory_capacity);
  config.log_path = in.paths->Log(spec.name, in.attempt);
  MINIKUBE_RETURN_IF_ERROR(ApplySecurity(in, config));
  if (in.files) MINIKUBE_RETURN_IF_ERROR(ApplyMounts(in, lookup, out));
  if (lookup("HOSTNAME") == nullptr && !in.facts->pod->spec.hostNetwork) {
    config.env.emplace_back("HOSTNAME", KernelHostnameOf(*in.facts->pod));
  }
  for (auto& variable : *env) config.env.push_back(std::move(variable));
  return out;
}

SandboxConfig MakeSandboxConfig(const core::Pod& pod, const std::string& log_directory, std::uint32_t attempt) {
  SandboxConfig out;
  out.id = SandboxId(pod, attempt);
  out.pod_uid = pod.metadata.uid.str();
  out.ns = pod.metadata.namespace_.str();
  out.name = pod.metadata.name.str();
  out.hostname = KernelHostnameOf(pod);
  out.cgroup_parent = CgroupParent(pod);
  out.log_directory = log_directory;
  out.host_network = pod.spec.hostNetwork;
  out.host_pid = pod.spec.hostPID;
  out.host_ipc = pod.spec.hostIPC;
  out.share_process_namespace = pod.spec.shareProcessNamespace.value_or(false);
  if (pod.spec.securityContext) {
    for (const core::Sysctl& sysctl : pod.spec.securityContext->sysctls) {
      out.sysctls[sysctl.name.str()] = sysctl.value.str();
    }
  }
  out.resources = PodResources(pod);
  ForEachPort(pod, [&](const core::ContainerPort& port) {
    if (port.hostPort == 0 || out.host_network) return;
    out.port_mappings.push_back(
        {port.protocol.empty() ? "TCP" : port.protocol.str(), port.hostPort, port.containerPort, port.hostIP.str()});
  });
  return out;
}

}  // namespace minikube::agent
