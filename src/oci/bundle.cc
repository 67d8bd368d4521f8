#include "oci/bundle.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "oci/cgroups.h"
#include "oci/files.h"
#include "oci/seccomp.h"

namespace minikube::oci {
namespace {

using Json = nlohmann::json;

// By number: capabilities(7).
constexpr std::array<std::string_view, 41> kCapabilities = {"CHOWN",
                                                            "DAC_OVERRIDE",
                                                            "DAC_READ_SEARCH",
                                                            "FOWNER",
                                                            "FSETID",
                                                            "KILL",
                                                            "SETGID",
                                                            "SETUID",
                                                            "SETPCAP",
                                                            "LINUX_IMMUTABLE",
                                                            "NET_BIND_SERVICE",
                                                            "NET_BROADCAST",
                                                            "NET_ADMIN",
                                                            "NET_RAW",
                                                            "IPC_LOCK",
                                                            "IPC_OWNER",
                                                            "SYS_MODULE",
                                                            "SYS_RAWIO",
                                                            "SYS_CHROOT",
                                                            "SYS_PTRACE",
                                                            "SYS_PACCT",
                                                            "SYS_ADMIN",
                                                            "SYS_BOOT",
                                                            "SYS_NICE",
                                                            "SYS_RESOURCE",
                                                            "SYS_TIME",
                                                            "SYS_TTY_CONFIG",
                                                            "MKNOD",
                                                            "LEASE",
                                                            "AUDIT_WRITE",
                                                            "AUDIT_CONTROL",
                                                            "SETFCAP",
                                                            "MAC_OVERRIDE",
                                                            "MAC_ADMIN",
                                                            "SYSLOG",
                                                            "WAKE_ALARM",
                                                            "BLOCK_SUSPEND",
                                                            "AUDIT_READ",
                                                            "PERFMON",
                                                            "BPF",
                                                            "CHECKPOINT_RESTORE"};

constexpr std::string_view kDefaultCapabilities[] = {
    "CHOWN",  "DAC_OVERRIDE", "FSETID",  "FOWNER",           "MKNOD",      "NET_RAW", "SETGID",
    "SETUID", "SETFCAP",      "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL",    "AUDIT_WRITE"};

constexpr std::string_view kDefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

constexpr const char* kMaskedPaths[] = {"/proc/acpi",
                                        "/proc/asound",
                                        "/proc/kcore",
                                        "/proc/keys",
                                        "/proc/latency_stats",
                                        "/proc/timer_list",
                                        "/proc/timer_stats",
                                        "/proc/sched_debug",
                                        "/proc/scsi",
                                        "/sys/firmware",
                                        "/sys/devices/virtual/powercap"};
constexpr const char* kReadOnlyPaths[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

// What there is to give: no container has a capability that this process does not (in a container of its own, say).
// A bit set; all that we know if that cannot be found out.
std::uint64_t AvailableCapabilities() {
  auto status = ReadWholeFile("/proc/self/status");
  constexpr std::string_view kPermitted = "\nCapPrm:";
  const std::size_t at = status ? status->find(kPermitted) : std::string::npos;
  if (at == std::string::npos) return ~std::uint64_t{0};
  return std::strtoull(status->c_str() + at + kPermitted.size(), nullptr, 16);
}

Result<std::vector<std::string>> Arguments(const BundleInput& input) {
  const ContainerConfig& config = input.config;
  std::vector<std::string> args = config.command;
  if (args.empty()) args = input.image.entrypoint;
  const bool own_args = !config.args.empty() || !config.command.empty();
  const std::vector<std::string>& rest = own_args ? config.args : input.image.cmd;
  args.insert(args.end(), rest.begin(), rest.end());
  if (args.empty()) return Status(Code::kBadRequest, "no command specified");
  return args;
}

std::vector<std::string> Environment(const BundleInput& input) {
  std::vector<std::pair<std::string, std::string>> out;
  const auto set = [&out](const std::string& name, const std::string& value) {
    const auto it = std::find_if(out.begin(), out.end(), [&](const auto& entry) { return entry.first == name; });
    if (it != out.end()) {
      it->second = value;
    } else {
      out.emplace_back(name, value);
    }
  };
  set("PATH", std::string(kDefaultPath.substr(kDefaultPath.find('=') + 1)));
  set("HOSTNAME", input.sandbox.hostname);
  if (input.config.tty) set("TERM", "xterm");
  for (const auto& [name, value] : input.image.env) set(name, value);
  for (const auto& [name, value] : input.config.env) set(name, value);
  std::vector<std::string> lines;
  for (const auto& [name, value] : out) lines.push_back(name + "=" + value);
  return lines;
}

Json Process(const BundleInput& input, std::vector<std::string> args, const std::vector<std::string>& capabilities) {
  const ContainerConfig& config = input.config;
  Json process = {
      {"terminal", config.tty},
      {"args", std::move(args)},
      {"env", Environment(input)},
      {"user", {{"uid", input.user.uid}, {"gid", input.user.gid}}},
      {"capabilities", {{"bounding", capabilities}, {"effective", capabilities}, {"permitted", capabilities}}},
      {"noNewPrivileges", config.no_new_privileges},
      {"oomScoreAdj", config.oom_score_adj}};
  std::string cwd = config.working_dir.empty() ? input.image.working_dir : config.working_dir;
  if (cwd.empty() || cwd.front() != '/') cwd.insert(cwd.begin(), '/');
  process["cwd"] = cwd;
  if (!input.user.additional_gids.empty()) process["user"]["additionalGids"] = input.user.additional_gids;
  return process;
}

Json Mount(const char* target, const char* type, const std::string& source, std::vector<std::string> options) {
  return {{"destination", target}, {"type", type}, {"source", source}, {"options", std::move(options)}};
}

// Absolute and without empty or `.` components; "" if it has a `..`.
std::string CleanTarget(std::string_view target) {
  std::string out;
  while (!target.empty()) {
    const std::size_t slash = std::min(target.find('/'), target.size());
    const std::string_view part = target.substr(0, slash);
    if (part == "..") return "";
    if (!part.empty() && part != ".") out += fmt::format("/{}", part);
    target.remove_prefix(std::min(slash + 1, target.size()));
  }
  return out.empty() ? "/" : out;
}

Result<Json> Mounts(const BundleInput& input) {
  const ContainerConfig& config = input.config;
  const std::string access = config.privileged ? "rw" : "ro";
  const std::string shm = input.sandbox.host_ipc ? "/dev/shm" : input.container_dir + "/shm";
  std::vector<Json> mounts = {
      Mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}),
      Mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
      Mount("/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
      Mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
      Mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", access}),
      Mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", access}),
      Mount("/dev/shm", "bind", shm, {"rbind", "nosuid", "nodev", "noexec", "rw"})};
  // A new sysfs needs a network namespace that is ours; the host's is bound as it is.
  if (input.sandbox.host_network)
    mounts[4] = Mount("/sys", "bind", "/sys", {"rbind", "nosuid", "noexec", "nodev", access});
  for (const char* name : {"hosts", "hostname", "resolv.conf"}) {
    const std::string target = fmt::format("/etc/{}", name);
    mounts.push_back(Mount(target.c_str(), "bind", input.sandbox_dir + "/" + name,
                           {"rbind", "rprivate", config.read_only_root ? "ro" : "rw"}));
  }
  std::vector<Json> own;
  for (const minikube::Mount& mount : config.mounts) {
    const std::string target = CleanTarget(mount.target);
    if (target.size() < 2 || mount.source.empty() || mount.source.front() != '/') {
      return Status(Code::kBadRequest, fmt::format("cannot mount \"{}\" at \"{}\"", mount.source, mount.target));
    }
    std::erase_if(mounts, [&](const Json& each) { return each["destination"] == target; });
    own.push_back(
        Mount(target.c_str(), "bind", mount.source,
              {"rbind", mount.propagation.empty() ? "rprivate" : mount.propagation, mount.read_only ? "ro" : "rw"}));
  }
  // A mount inside another one's target comes after it.
  std::stable_sort(own.begin(), own.end(), [](const Json& a, const Json& b) {
    const auto depth = [](const Json& mount) {
      const std::string& target = mount["destination"].get_ref<const std::string&>();
      return std::count(target.begin(), target.end(), '/');
    };
    return depth(a) < depth(b);
  });
  mounts.insert(mounts.end(), own.begin(), own.end());
  return Json(mounts);
}

Json Namespaces(const BundleInput& input) {
  const SandboxConfig& sandbox = input.sandbox;
  const auto of_pause = [&](const char* name) { return fmt::format("/proc/{}/ns/{}", input.pause_pid, name); };
  Json out = Json::array({{{"type", "mount"}}});
  if (!sandbox.host_pid) {
    Json pid = {{"type", "pid"}};
    if (sandbox.share_process_namespace) pid["path"] = of_pause("pid");
    if (!sandbox.share_process_namespace && input.target_pid != 0) {
      pid["path"] = fmt::format("/proc/{}/ns/pid", input.target_pid);
    }
    out.push_back(std::move(pid));
  }
  if (!sandbox.host_ipc) out.push_back({{"type", "ipc"}, {"path", of_pause("ipc")}});
  if (!sandbox.host_network) {
    out.push_back({{"type", "network"}, {"path", of_pause("net")}});
    out.push_back({{"type", "uts"}, {"path", of_pause("uts")}});
  }
  if (input.cgroup_v2 && !input.config.privileged) out.push_back({{"type", "cgroup"}});
  return out;
}

// Every device node of the host, for a privileged container.
void AddHostDevices(const std::string& dir, Json& out) {
  static constexpr std::string_view kOwn[] = {"pts", "shm", "mqueue", "fd", "console", "ptmx", ".udev", ".lxc"};
  for (const std::string& name : ListDir(dir)) {
    if (dir == "/dev" && std::find(std::begin(kOwn), std::end(kOwn), name) != std::end(kOwn)) continue;
    const std::string path = dir + "/" + name;
    struct stat info {};
    if (lstat(path.c_str(), &info) != 0) continue;
    if (S_ISDIR(info.st_mode)) AddHostDevices(path, out);
    if (!S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode)) continue;
    out.push_back({{"path", path},
                   {"type", S_ISCHR(info.st_mode) ? "c" : "b"},
                   {"major", major(info.st_rdev)},
                   {"minor", minor(info.st_rdev)},
                   {"fileMode", info.st_mode & 07777},
                   {"uid", info.st_uid},
                   {"gid", info.st_gid}});
  }
}

Json CgroupResources(const BundleInput& input) {
  const Resources& resources = input.config.resources;
  Json out = {{"devices", Json::array({{{"allow", input.config.privileged}, {"access", "rwm"}}})},
              {"cpu", {{"shares", CpuShares(resources)}}}};
  if (const std::int64_t quota = CpuQuota(resources); quota > 0) {
    out["cpu"]["quota"] = quota;
    out["cpu"]["period"] = kCpuPeriod;
  }
  if (resources.memory_limit_bytes) out["memory"] = {{"limit", *resources.memory_limit_bytes}};
  if (resources.pids_limit) out["pids"] = {{"limit", *resources.pids_limit}};
  return out;
}

}  // namespace

Result<std::vector<std::string>> Capabilities(const ContainerConfig& config) {
  const std::uint64_t available = AvailableCapabilities();
  std::set<std::size_t> chosen;
  const auto all = [&] {
    for (std::size_t i = 0; i < kCapabilities.size(); ++i) chosen.insert(i);
  };
  const auto has_all = [](const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), "ALL") != names.end();
  };
  const auto number = [](std::string_view name) {
    if (name.substr(0, 4) == "CAP_") name.remove_prefix(4);
    return static_cast<std::size_t>(std::find(kCapabilities.begin(), kCapabilities.end(), name) -
                                    kCapabilities.begin());
  };
  for (const std::string_view name : kDefaultCapabilities) chosen.insert(number(name));
  if (has_all(config.drop_capabilities)) chosen.clear();
  if (config.privileged || has_all(config.add_capabilities)) all();
  for (const bool add : {true, false}) {
    for (const std::string& name : add ? config.add_capabilities : config.drop_capabilities) {
      if (name == "ALL") continue;
      const std::size_t index = number(name);
      if (index == kCapabilities.size()) {
        return Status(Code::kBadRequest, fmt::format("unknown capability \"{}\"", name));
      }
      if (!add) chosen.erase(index);
      if (add) chosen.insert(index);
    }
  }
  std::vector<std::string> out;
  for (const std::size_t index : chosen) {
    if ((available >> index & 1) != 0) out.push_back(fmt::format("CAP_{}", kCapabilities[index]));
  }
  return out;
}

Result<std::string> MakeBundleConfig(const BundleInput& input) {
  auto args = Arguments(input);
  if (!args) return args.status();
  auto capabilities = Capabilities(input.config);
  if (!capabilities) return capabilities.status();
  auto mounts = Mounts(input);
  if (!mounts) return mounts.status();

  Json linux = {
      {"cgroupsPath", input.cgroup_path}, {"namespaces", Namespaces(input)}, {"resources", CgroupResources(input)}};
  if (input.config.privileged) {
    Json devices = Json::array();
    AddHostDevices("/dev", devices);
    linux["devices"] = std::move(devices);
  } else {
    if (input.config.default_seccomp) linux["seccomp"] = DefaultSeccomp(*capabilities);
    linux["maskedPaths"] = kMaskedPaths;
    linux["readonlyPaths"] = kReadOnlyPaths;
  }
  // A mount can only propagate through parents that do.
  for (const minikube::Mount& mount : input.config.mounts) {
    if (mount.propagation == "rshared") linux["rootfsPropagation"] = "rshared";
    if (mount.propagation == "rslave" && !linux.contains("rootfsPropagation")) linux["rootfsPropagation"] = "rslave";
  }
  const Json config = {{"ociVersion", "1.0.2"},
                       {"process", Process(input, std::move(args).value(), *capabilities)},
                       {"root", {{"path", input.container_dir + "/rootfs"}, {"readonly", input.config.read_only_root}}},
                       {"mounts", std::move(mounts).value()},
                       {"linux", std::move(linux)}};
  return config.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace minikube::oci
