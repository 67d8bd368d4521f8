#include "oci/workspace.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "oci/bundle.h"
#include "oci/files.h"
#include "oci/monitor/attachments.h"
#include "oci/monitor/plain.h"
#include "oci/users.h"

namespace minikube::oci {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kGone = ".gone-";
constexpr std::chrono::seconds kMonitorPatience(5);

template <typename Id>
bool IsGone(const Id& name) {
  return std::string_view(name).substr(0, kGone.size()) == kGone;
}

// What an OCI runtime says when a process cannot be started, without its own preamble, in one form for runc and crun.
std::string CleanMessage(std::string text) {
  static constexpr std::string_view kPreambles[] = {
      "runc run failed: ", "exec failed: ", "container_linux.go:", "unable to start container process: ",
      "starting container process caused: "};
  for (bool found = true; found;) {
    found = false;
    for (const std::string_view preamble : kPreambles) {
      if (text.substr(0, preamble.size()) == preamble) {
        text.erase(0, preamble.size());
        found = true;
      }
    }
  }
  // crun: executable file `x` not found in $PATH: No such file or directory
  constexpr std::string_view kCrun = "executable file `";
  if (const std::size_t at = text.find(kCrun); at != std::string::npos) {
    const std::size_t end = text.find('`', at + kCrun.size());
    if (end != std::string::npos) {
      return fmt::format("exec: \"{}\": executable file not found in $PATH",
                         text.substr(at + kCrun.size(), end - at - kCrun.size()));
    }
  }
  return text;
}

std::string_view WhatMonitorSaid(std::string_view text) {
  constexpr std::string_view kError = "error ";
  if (text.starts_with(kError)) text.remove_prefix(kError.size());
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  return text.empty() ? "its monitor died" : text;
}

// The last error in a log of JSON lines.
std::string LastError(const std::string& log) {
  std::string found;
  for (std::size_t at = 0; at < log.size();) {
    const std::size_t end = std::min(log.find('\n', at), log.size());
    const Json line = Json::parse(log.begin() + static_cast<std::ptrdiff_t>(at),
                                  log.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    at = end + 1;
    if (!line.is_object() || !line.contains("msg") || !line["msg"].is_string()) continue;
    const auto level = line.find("level");
    if (level != line.end() && *level != "error" && *level != "fatal") continue;
    found = line["msg"].get<std::string>();
  }
  return found;
}

std::optional<StartedProcess> ReadStarted(const std::string& path) {
  auto text = ReadWholeFile(path);
  return text ? ParseStarted(*text) : std::nullopt;
}

// The files `monitor` and `runtime`.
ProcessRef ReadProcess(const std::string& path) {
  ProcessRef out;
  auto text = ReadWholeFile(path);
  unsigned long long start = 0;
  if (text && std::sscanf(text->c_str(), "%d %llu", &out.pid, &start) == 2) out.start_time = start;
  return out;
}

Status Rename(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) == 0 || errno == ENOENT) return {};
  return ErrnoStatus(errno, "rename", from);
}

}  // namespace

Workspace::Workspace(WorkspaceOptions options, Cgroups cgroups, const ImageStore& images)
    : options_(std::move(options)), cgroups_(std::move(cgroups)), images_(images), boot_id_(BootId()) {}

std::string Workspace::PodCgroup(const SandboxConfig& config) const {
  return options_.cgroup_root + "/" + (config.cgroup_parent.empty() ? "pods" : config.cgroup_parent);
}

Status Workspace::Open() const {
  for (const char* dir : {"/sandboxes", "/containers"}) MINIKUBE_RETURN_IF_ERROR(MakeDirs(options_.root + dir));
  MINIKUBE_RETURN_IF_ERROR(MakeDirs(OciRoot()));
  // Apart from the pods', so that no pod's limits hit a monitor, and apart from the host's, so that a service manager
  // that ends the host process with its whole group leaves the containers alone.
  Resources resources;
  resources.cpu_milli_request = 1000;
  return cgroups_.Create(MonitorCgroup(), resources);
}

// --- Sandboxes ------------------------------------------------------------------------------------------------------

Status Workspace::PrepareSandbox(const SandboxRecord& record) const {
  const std::string dir = SandboxDir(record.config.id);
  MINIKUBE_RETURN_IF_ERROR(MakeDirs(dir));
  MINIKUBE_RETURN_IF_ERROR(SaveSandbox(record));
  MINIKUBE_RETURN_IF_ERROR(MakeDirs(dir + "/root"));
  MINIKUBE_RETURN_IF_ERROR(WriteHosts(record));
  MINIKUBE_RETURN_IF_ERROR(WriteWholeFile(dir + "/hostname", record.config.hostname + "\n", 0644));
  MINIKUBE_RETURN_IF_ERROR(WriteResolvConf(record));
  MINIKUBE_RETURN_IF_ERROR(cgroups_.Create(PodCgroup(record.config), record.config.resources));
  return cgroups_.Create(PauseCgroup(record.config), {});
}

Status Workspace::SaveSandbox(const SandboxRecord& record) const {
  SandboxRecord stamped = record;
  stamped.boot_id = boot_id_;
  return WriteWholeFile(SandboxDir(record.config.id) + "/state.json", ToJson(stamped), 0600);
}

Status Workspace::WriteHosts(const SandboxRecord& record) const {
  const SandboxConfig& config = record.config;
  std::string text;
  if (auto host = ReadWholeFile("/etc/hosts"); config.host_network && host) {
    text = *host;
  } else {
    text =
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::\tip6-localnet\n"
        "fe00::\tip6-mcastprefix\n"
        "fe00::1\tip6-allnodes\n"
        "fe00::2\tip6-allrouters\n";
    text += fmt::format("{}\t{}\n", record.ip ? FormatIpv4(*record.ip) : "127.0.1.1", config.hostname);
  }
  for (const auto& [address, names] : config.host_aliases)
    text += fmt::format("{}\t{}\n", address, fmt::join(names, "\t"));
  // In place, not renamed: containers that are mounted onto this very file see the change.
  const std::string path = SandboxDir(config.id) + "/hosts";
  if (!plain::WriteFile(path.c_str(), text.c_str()) || chmod(path.c_str(), 0644) != 0) {
    return ErrnoStatus(errno, "write", path);
  }
  return {};
}

Status Workspace::WriteResolvConf(const SandboxRecord& record) const {
  const SandboxConfig& config = record.config;
  std::string text;
  if (config.dns_servers.empty() && config.dns_searches.empty() && config.dns_options.empty()) {
    if (auto host = ReadWholeFile("/etc/resolv.conf")) text = *host;
  } else {
    if (!config.dns_searches.empty()) text += fmt::format("search {}\n", fmt::join(config.dns_searches, " "));
    for (const std::string& server : config.dns_servers) text += fmt::format("nameserver {}\n", server);
    if (!config.dns_options.empty()) text += fmt::format("options {}\n", fmt::join(config.dns_options, " "));
  }
  return WriteWholeFile(SandboxDir(config.id) + "/resolv.conf", text, 0644);
}

std::vector<std::string> Workspace::PauseCommand(const SandboxRecord& record) const {
  const SandboxConfig& config = record.config;
  std::vector<std::string> argv = {options_.monitor, "pause",
                                   "--dir",          SandboxDir(config.id),
                                   "--hostname",     config.hostname,
                                   "--net",          config.host_network ? "0" : "1",
                                   "--uts",          config.host_network ? "0" : "1",
                                   "--ipc",          config.host_ipc ? "0" : "1",
                                   "--pid",          config.share_process_namespace && !config.host_pid ? "1" : "0"};
  for (const std::string& dir : cgroups_.JoinDirs(PauseCgroup(config))) argv.insert(argv.end(), {"--cgroup", dir});
  for (const auto& [name, value] : config.sysctls) argv.insert(argv.end(), {"--sysctl", name + "=" + value});
  return argv;
}

Status Workspace::DestroySandbox(const SandboxConfig& config) const {
  const std::string dir = SandboxDir(config.id);
  const std::string gone = fmt::format("{}/sandboxes/{}{}", options_.root, kGone, config.id);
  MINIKUBE_RETURN_IF_ERROR(Rename(dir, gone));
  if (const auto pause = ReadStarted(gone + "/pause")) MINIKUBE_RETURN_IF_ERROR(KillAndWait(pause->process));
  MINIKUBE_RETURN_IF_ERROR(cgroups_.Remove(PauseCgroup(config)));
  // The pod's next sandbox may live in the same group already.
  cgroups_.RemoveIfEmpty(PodCgroup(config));
  return RemoveTree(gone);
}

// --- Containers -----------------------------------------------------------------------------------------------------

Result<ResolvedUser> Workspace::UserOf(const ContainerConfig& config, const ImageConfig& image) const {
  std::vector<std::string> layers;
  for (const std::string& diff_id : image.diff_ids) {
    layers.push_back(images_.layers_dir() + "/" + ImageStore::LayerPath(diff_id));
  }
  return ResolveUser({image.user, config.run_as_user, config.run_as_group, config.supplemental_groups},
                     ReadInLayers(layers, "etc/passwd").value_or(""), ReadInLayers(layers, "etc/group").value_or(""));
}

Result<PreparedContainer> Workspace::PrepareContainer(const ContainerConfig& config, const SandboxConfig& sandbox,
                                                      const ProcessRef& pause, int target_pid, WallTime now) const {
  auto image = images_.Find(config.image);
  if (!image) return image.status();
  auto image_config = images_.Config(image->id);
  if (!image_config) return image_config.status();
  auto user = UserOf(config, *image_config);
  if (!user) return user.status();

  PreparedContainer out;
  ContainerRecord& record = out.record;
  record.id = config.id;
  record.sandbox_id = config.sandbox_id;
  record.name = config.name;
  record.attempt = config.attempt;
  record.image = config.image;
  record.image_id = image->id;
  record.log_path = config.log_path;
  record.cgroup_path = PodCgroup(sandbox) + "/" + config.id;
  record.boot_id = boot_id_;
  record.stop_signal = image_config->stop_signal;
  record.created = now;

  const std::string dir = ContainerDir(config.id);
  ContainerConfig permitted = config;
  if (config.oom_score_adj < options_.lowest_oom_score_adj) {
    permitted.oom_score_adj = options_.lowest_oom_score_adj;
    out.lacking = fmt::format("oom_score_adj is {} instead of {}: this machine does not permit less",
                              permitted.oom_score_adj, config.oom_score_adj);
  }
  auto bundle =
      MakeBundleConfig({permitted, sandbox, *image_config, std::move(user).value(), dir, SandboxDir(sandbox.id),
                        record.cgroup_path, pause.pid, cgroups_.unified(), target_pid});
  if (!bundle) return bundle.status();
  MINIKUBE_RETURN_IF_ERROR(MakeDirs(dir));
  MINIKUBE_RETURN_IF_ERROR(WriteWholeFile(dir + "/state.json", ToJson(record)));
  for (const char* name : {"/rootfs", "/upper", "/work", "/shm"}) MINIKUBE_RETURN_IF_ERROR(MakeDirs(dir + name, 0755));
  MINIKUBE_RETURN_IF_ERROR(WriteWholeFile(dir + "/config.json", *bundle));
  std::string log = config.log_path;
  if (log.empty()) log = "/dev/null";
  if (const std::size_t slash = log.rfind('/'); slash != std::string::npos && slash > 0) {
    MINIKUBE_RETURN_IF_ERROR(MakeDirs(log.substr(0, slash), 0755));
  }

  // overlayfs lists the uppermost layer first. An image without layers shows an empty directory.
  std::vector<std::string> lower;
  for (const std::string& diff_id : image_config->diff_ids) lower.insert(lower.begin(), ImageStore::LayerPath(diff_id));
  if (lower.empty()) lower.push_back(dir + "/shm");
  const bool host_mounts = std::any_of(config.mounts.begin(), config.mounts.end(),
                                       [](const minikube::Mount& mount) { return mount.propagation == "rshared"; });
  const bool shared_pids = sandbox.host_pid || sandbox.share_process_namespace || target_pid != 0;
  out.argv = {options_.monitor, "container-monitor",
              "--dir",          dir,
              "--id",           config.id,
              "--runtime",      options_.runtime,
              "--runtime-root", OciRoot(),
              "--log",          log,
              "--layers-dir",   images_.layers_dir(),
              "--lower",        fmt::format("{}", fmt::join(lower, ":")),
              "--tty",          config.tty ? "1" : "0",
              "--stdin",        config.open_stdin ? "1" : "0",
              "--stdin-once",   config.stdin_once ? "1" : "0",
              "--host-mounts",  host_mounts ? "1" : "0"};
  if (!sandbox.host_ipc) out.argv.insert(out.argv.end(), {"--shm-from", std::to_string(pause.pid)});
  if (shared_pids) out.argv.insert(out.argv.end(), {"--kill-cgroup", cgroups_.ProcsDir(record.cgroup_path)});
  if (const std::string oom = cgroups_.OomFile(record.cgroup_path); !oom.empty()) {
    out.argv.insert(out.argv.end(), {"--oom-file", oom});
  }
  for (const std::string& join : cgroups_.JoinDirs(MonitorCgroup()))
    out.argv.insert(out.argv.end(), {"--cgroup", join});
  return out;
}

ExitRecord Workspace::CollectExit(const ContainerRecord& record, WallTime now) const {
  const std::string path = ContainerDir(record.id) + "/exit";
  if (auto text = ReadWholeFile(path)) {
    if (auto exit = ExitFromJson(*text)) return *exit;
  }
  // Its monitor is gone without a word: killed, or the machine was rebooted. Nobody reads the container's output any
  // more and nobody will learn its exit code, so it ends here.
  ExitRecord exit;
  exit.exit_code = 137;
  exit.finished = now;
  exit.reason = "ContainerStatusUnknown";
  exit.message = "the container's monitor ended before the container did";
  if (const Status killed = cgroups_.Kill(record.cgroup_path); !killed.ok()) exit.message += "; " + killed.message();
  // Should this write fail, the next start of the host comes to the same conclusion.
  if (Status written = WriteWholeFile(path, ToJson(exit)); !written.ok()) exit.message += "; " + written.message();
  return exit;
}

Status Workspace::StartError(const std::string& id, std::string_view starter_output) const {
  auto log = ReadWholeFile(ContainerDir(id) + "/runtime.log");
  std::string message = log ? LastError(*log) : "";
  if (!message.empty()) {
    const bool process = message.find("exec") != std::string::npos || message.find("chdir") != std::string::npos ||
                         message.find("start container process") != std::string::npos;
    return {process ? Code::kBadRequest : Code::kInternal, CleanMessage(std::move(message))};
  }
  return {Code::kInternal, fmt::format("cannot start the container: {}", WhatMonitorSaid(starter_output))};
}

Status Workspace::RetireContainer(const std::string& id) const {
  // Renamed first: a process that has not begun yet cannot write its pid file now and gives up; one that has, has left
  // it.
  MINIKUBE_RETURN_IF_ERROR(Rename(ContainerDir(id), GoneDir(id)));
  const ProcessRef monitor = ReadProcess(GoneDir(id) + "/monitor");
  if (!ReadStarted(GoneDir(id) + "/started")) {
    // A start in progress would go on behind our back, the OCI runtime's even without its monitor.
    MINIKUBE_RETURN_IF_ERROR(KillAndWait(monitor));
    MINIKUBE_RETURN_IF_ERROR(KillAndWait(ReadProcess(GoneDir(id) + "/runtime")));
  }
  if (const auto cgroup = CgroupOfGone(id)) MINIKUBE_RETURN_IF_ERROR(cgroups_.Kill(*cgroup));
  if (WaitEnd(monitor, kMonitorPatience)) return {};
  return KillAndWait(monitor);
}

std::optional<std::string> Workspace::CgroupOfGone(const std::string& id) const {
  auto text = ReadWholeFile(GoneDir(id) + "/state.json");
  if (!text) return std::nullopt;
  auto record = ContainerFromJson(*text);
  return record ? std::optional(record->cgroup_path) : std::nullopt;
}

std::vector<std::string> Workspace::DeleteCommand(const std::string& id) const {
  return {options_.runtime, "--root", OciRoot(), "delete", "--force", id};
}

Status Workspace::EraseContainer(const std::string& id) const {
  MINIKUBE_RETURN_IF_ERROR(RemoveTree(OciRoot() + "/" + id));
  if (const auto cgroup = CgroupOfGone(id)) MINIKUBE_RETURN_IF_ERROR(cgroups_.Remove(*cgroup));
  // The OCI runtime, killed while it prepared the root, may have made mount points under the name the directory had.
  MINIKUBE_RETURN_IF_ERROR(RemoveTree(ContainerDir(id)));
  for (const char* name : {"/rootfs", "/shm"}) umount2((GoneDir(id) + name).c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
  return RemoveTree(GoneDir(id));
}

// --- Exec -----------------------------------------------------------------------------------------------------------

std::vector<std::string> Workspace::ExecCommand(const std::string& id, const std::string& tag, const ExecSpec& spec,
                                                const ExecDescriptors& descriptors) const {
  const std::string name = "exec-" + tag;
  const std::string console = spec.tty ? name + ".sock" : "";
  std::vector<std::string> out = {options_.monitor, "container-monitor", "exec",
                                  ContainerDir(id), name + ".pid",       console};
  for (const UniqueFd& fd : descriptors.fds) out.push_back(std::to_string(fd.get()));
  for (const char* word : {options_.runtime.c_str(), "--root"}) out.emplace_back(word);
  out.insert(out.end(), {OciRoot(), "--log", name + ".log", "--log-format", "json", "exec", "--detach", "--pid-file",
                         name + ".pid"});
  if (spec.tty) out.insert(out.end(), {"--tty", "--console-socket", console, "--env", "TERM=xterm"});
  out.push_back(id);
  out.insert(out.end(), spec.command.begin(), spec.command.end());
  return out;
}

std::string Workspace::AttachSocket(const std::string& id) const {
  return ContainerDir(id) + "/" + plain::kAttachSocket;
}

Result<int> Workspace::CollectExec(const std::string& id, const std::string& tag,
                                   std::string_view monitor_output) const {
  const std::string prefix = ContainerDir(id) + "/exec-" + tag;
  auto log = ReadWholeFile(prefix + ".log");
  for (const char* suffix : {".log", ".pid", ".sock"}) remove((prefix + suffix).c_str());
  constexpr std::string_view kExit = "exit ";
  if (monitor_output.starts_with(kExit)) return std::atoi(std::string(monitor_output.substr(kExit.size())).c_str());
  std::string error = log ? CleanMessage(LastError(*log)) : "";
  if (!error.empty()) return Status(Code::kBadRequest, std::move(error));
  // What the runtime had to say went with the container's directory.
  if (access(ContainerDir(id).c_str(), F_OK) != 0) return Status(Code::kInternal, "the container has ended");
  return Status(Code::kInternal, fmt::format("cannot run a command: {}", WhatMonitorSaid(monitor_output)));
}

// --- Recovery -------------------------------------------------------------------------------------------------------

Status Workspace::RecoverSandbox(const std::string& name, Recovered& out) const {
  const std::string dir = SandboxDir(name);
  auto text = ReadWholeFile(dir + "/state.json");
  auto record = text ? SandboxFromJson(*text) : Result<SandboxRecord>(text.status());
  const auto pause = ReadStarted(dir + "/pause");
  if (!record) {
    // Without a state file there was no effect yet, or all are undone; with a broken one all there is to go by is this.
    if (pause) MINIKUBE_RETURN_IF_ERROR(KillAndWait(pause->process));
    return RemoveTree(dir);
  }
  if (IsGone(name) || !record->complete) return DestroySandbox(record->config);
  const bool alive = pause && record->boot_id == boot_id_ && IsAlive(pause->process);
  out.sandboxes.push_back({std::move(record).value(), pause ? pause->process : ProcessRef{}, alive});
  return {};
}

void Workspace::RecoverContainer(const std::string& id, WallTime now, Recovered& out) const {
  const std::string dir = ContainerDir(id);
  auto text = ReadWholeFile(dir + "/state.json");
  auto record = text ? ContainerFromJson(*text) : Result<ContainerRecord>(text.status());
  const auto started = ReadStarted(dir + "/started");
  if (!record || record->id != id || !started) {
    out.leftovers.push_back(id);
    return;
  }
  Recovered::Container container{std::move(record).value(), *started, std::nullopt};
  const bool same_boot = container.record.boot_id == boot_id_;
  if (!same_boot || Exists(dir + "/exit") || !IsAlive(started->monitor)) {
    container.exit = CollectExit(container.record, now);
  }
  out.containers.push_back(std::move(container));
}

Result<Recovered> Workspace::Recover(WallTime now) const {
  Recovered out;
  for (const std::string& name : ListDir(options_.root + "/sandboxes")) {
    MINIKUBE_RETURN_IF_ERROR(RecoverSandbox(name, out));
  }
  for (const std::string& name : ListDir(options_.root + "/containers")) {
    if (IsGone(name)) {
      out.leftovers.push_back(name.substr(kGone.size()));
    } else {
      RecoverContainer(name, now, out);
    }
  }
  // Containers without a sandbox, and states of the OCI runtime without a container, are of no use to anybody.
  std::erase_if(out.containers, [&](const Recovered::Container& container) {
    const bool homeless = std::none_of(
        out.sandboxes.begin(), out.sandboxes.end(),
        [&](const Recovered::Sandbox& sandbox) { return sandbox.record.config.id == container.record.sandbox_id; });
    if (homeless) out.leftovers.push_back(container.record.id);
    return homeless;
  });
  for (const std::string& id : ListDir(OciRoot())) {
    if (!Exists(ContainerDir(id)) && !Exists(GoneDir(id))) out.leftovers.push_back(id);
  }
  std::sort(out.leftovers.begin(), out.leftovers.end());
  out.leftovers.erase(std::unique(out.leftovers.begin(), out.leftovers.end()), out.leftovers.end());
  return out;
}

}  // namespace minikube::oci
