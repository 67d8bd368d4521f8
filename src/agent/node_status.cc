#include "agent/node_status.h"

#include <sched.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "base/machine_address.h"
#include "kube/names.h"
#include "kube/volumes.h"

namespace minikube::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxImages = 50;
constexpr std::int64_t kLowMemory = 100 << 20;
constexpr double kLowDisk = 0.1;
constexpr std::string_view kKubeletVersion = "v1.36.0";

std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// The value in bytes of a line such as "MemTotal:  123 kB" of /proc/meminfo.
std::int64_t MemInfo(std::string_view key) {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != ':') continue;
    std::istringstream value(line.substr(key.size() + 1));
    std::int64_t kilobytes = 0;
    value >> kilobytes;
    return kilobytes * 1024;
  }
  return 0;
}

std::string OsImage() {
  std::ifstream file("/etc/os-release");
  constexpr std::string_view kKey = "PRETTY_NAME=";
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(kKey)) continue;
    std::string value = line.substr(kKey.size());
    std::erase(value, '"');
    return value;
  }
  return "Linux";
}

std::string GoArchitecture(std::string_view machine) {
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  if (machine.starts_with("armv")) return "arm";
  if (machine == "i686" || machine == "i386") return "386";
  return std::string(machine);
}

// The file system of a directory that may not exist yet.
bool StatFs(std::string path, struct statvfs& out) {
  while (statvfs(path.c_str(), &out) != 0) {
    const std::size_t slash = path.rfind('/');
    if (path.empty() || path == "/") return false;
    path = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  }
  return true;
}

std::map<std::string, std::int64_t> HugePages() {
  std::map<std::string, std::int64_t> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/sys/kernel/mm/hugepages", error)) {
    const std::string name = entry.path().filename().string();  // hugepages-2048kB
    std::int64_t kilobytes = 0;
    std::istringstream(name.substr(name.find('-') + 1)) >> kilobytes;
    std::int64_t pages = 0;
    std::istringstream(FirstLine(entry.path() / "nr_hugepages")) >> pages;
    if (kilobytes <= 0 || pages <= 0) continue;
    out[fmt::format("hugepages-{}", Quantity::FromBytes(kilobytes * 1024).text.view())] = pages * kilobytes * 1024;
  }
  return out;
}

void SetCondition(core::NodeStatus& status, std::string_view type, bool value, std::string_view reason,
                  std::string_view message, Time now) {
  core::NodeCondition condition;
  condition.type = type;
  condition.status = value ? "True" : "False";
  condition.reason = reason;
  condition.message = message;
  condition.lastHeartbeatTime = now;
  condition.lastTransitionTime = now;
  for (core::NodeCondition& old : status.conditions.Mutable()) {
    if (!(old.type == condition.type)) continue;
    if (old.status == condition.status && !old.lastTransitionTime.empty()) {
      condition.lastTransitionTime = old.lastTransitionTime;
    }
    old = std::move(condition);
    return;
  }
  status.conditions.push_back(std::move(condition));
}

Map<Quantity> Capacity(const NodeAgentOptions& options, const MachineFacts& facts) {
  Map<Quantity> out;
  out["cpu"] = Quantity::FromInt(facts.cpus);
  out["memory"] = Quantity(fmt::format("{}Ki", facts.memory_bytes / 1024));
  out["ephemeral-storage"] = Quantity(fmt::format("{}Ki", facts.storage_bytes / 1024));
  out["pods"] = Quantity::FromInt(options.max_pods);
  for (const auto& [name, bytes] : facts.hugepages) out[name] = Quantity::FromBytes(bytes);
  for (const auto& [name, amount] : options.capacity) out[name] = Quantity(amount);
  return out;
}

core::NodeStatus WithoutHeartbeats(core::NodeStatus status) {
  if (status.conditions.empty()) return status;
  for (core::NodeCondition& condition : status.conditions.Mutable()) condition.lastHeartbeatTime = {};
  return status;
}

}  // namespace

MachineFacts ReadMachineFacts(const std::string& root) {
  MachineFacts out;
  utsname names{};
  uname(&names);
  out.hostname = names.nodename;
  out.kernel_version = names.release;
  out.architecture = GoArchitecture(names.machine);
  out.machine_id = FirstLine("/etc/machine-id");
  out.system_uuid = FirstLine("/sys/class/dmi/id/product_uuid");
  if (out.system_uuid.empty()) out.system_uuid = out.machine_id;
  out.boot_id = FirstLine("/proc/sys/kernel/random/boot_id");
  out.os_image = OsImage();
  out.internal_ip = MachineAddress();
  if (out.internal_ip.empty()) out.internal_ip = "127.0.0.1";
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  out.cpus = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus)
                                                           : static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  out.memory_bytes = MemInfo("MemTotal");
  struct statvfs storage {};
  if (StatFs(root, storage)) out.storage_bytes = static_cast<std::int64_t>(storage.f_blocks * storage.f_frsize);
  out.hugepages = HugePages();
  return out;
}

Pressure ReadPressure(const std::string& root) {
  Pressure out;
  out.memory = MemInfo("MemAvailable") < kLowMemory;
  struct statvfs storage {};
  if (StatFs(root, storage) && storage.f_blocks > 0) {
    out.disk = static_cast<double>(storage.f_bavail) < kLowDisk * static_cast<double>(storage.f_blocks);
  }
  // Field 4 of /proc/loadavg is "running/all" tasks.
  std::istringstream load(FirstLine("/proc/loadavg"));
  std::string field;
  for (int i = 0; i < 4; ++i) load >> field;
  std::int64_t tasks = 0;
  std::istringstream(field.substr(field.find('/') + 1)) >> tasks;
  std::int64_t most = 0;
  std::istringstream(FirstLine("/proc/sys/kernel/pid_max")) >> most;
  out.pids = most > 0 && tasks > most - most / 10;
  return out;
}

MachineFacts PretendedFacts(const std::string& node_name) {
  MachineFacts out;
  const std::string id = MakeId({node_name});
  out.hostname = node_name;
  out.machine_id = id.substr(0, 32);
  out.system_uuid = out.machine_id;
  out.boot_id = out.machine_id;
  out.kernel_version = "6.1.0";
  out.os_image = "Simulated";
  out.architecture = "amd64";
  const auto octet = [&](std::size_t at) { return std::stoi(id.substr(at, 2), nullptr, 16); };
  out.internal_ip = fmt::format("10.{}.{}.{}", octet(32) % 64, octet(34), octet(36));
  out.cpus = 32;
  out.memory_bytes = std::int64_t{256} << 30;
  out.storage_bytes = std::int64_t{1} << 40;
  return out;
}

void FillNode(const NodeAgentOptions& options, const MachineFacts& facts, const RuntimeVersion& runtime,
              const std::vector<ImageInfo>& images, const Pressure& pressure, Time now, core::Node& node) {
  Map<Str>& labels = node.metadata.labels;
  const auto label = [&labels](std::string_view name, std::string_view value) {
    const Str* old = labels.Find(name);
    if (old == nullptr || !(*old == value)) labels[name] = value;
  };
  label(kube::kHostnameLabel, options.node_name);
  label("kubernetes.io/os", "linux");
  label("kubernetes.io/arch", facts.architecture);
  label("beta.kubernetes.io/os", "linux");
  label("beta.kubernetes.io/arch", facts.architecture);
  for (const auto& [name, value] : options.labels) label(name, value);
  Map<Str>& annotations = node.metadata.annotations;
  const Str* root = annotations.Find(kube::kLocalPathRoot);
  if (facts.local_path_root.empty()) {
    if (root != nullptr) annotations.Erase(kube::kLocalPathRoot);
  } else if (root == nullptr || !(*root == facts.local_path_root)) {
    annotations[kube::kLocalPathRoot] = facts.local_path_root;
  }

  core::NodeStatus& status = node.status;
  status.capacity = Capacity(options, facts);
  status.allocatable = status.capacity;
  status.addresses = {core::NodeAddress{"InternalIP", facts.internal_ip},
                      core::NodeAddress{"Hostname", facts.hostname}};
  core::NodeSystemInfo& info = status.nodeInfo;
  info.machineID = facts.machine_id;
  info.systemUUID = facts.system_uuid;
  info.bootID = facts.boot_id;
  info.kernelVersion = facts.kernel_version;
  info.osImage = facts.os_image;
  info.containerRuntimeVersion = fmt::format("{}://{}", runtime.name, runtime.version);
  info.kubeletVersion = kKubeletVersion;
  info.operatingSystem = "linux";
  info.architecture = facts.architecture;

  std::vector<const ImageInfo*> largest;
  for (const ImageInfo& image : images) largest.push_back(&image);
  std::stable_sort(largest.begin(), largest.end(), [](const auto* a, const auto* b) { return a->size > b->size; });
  if (largest.size() > kMaxImages) largest.resize(kMaxImages);
  status.images.clear();
  for (const ImageInfo* image : largest) {
    core::ContainerImage entry;
    entry.names = {Str(image->reference)};
    entry.sizeBytes = static_cast<std::int64_t>(image->size);
    status.images.push_back(std::move(entry));
  }

  SetCondition(
      status, "MemoryPressure", pressure.memory,
      pressure.memory ? "KubeletHasInsufficientMemory" : "KubeletHasSufficientMemory",
      pressure.memory ? "kubelet has insufficient memory available" : "kubelet has sufficient memory available", now);
  SetCondition(status, "DiskPressure", pressure.disk,
               pressure.disk ? "KubeletHasDiskPressure" : "KubeletHasNoDiskPressure",
               pressure.disk ? "kubelet has disk pressure" : "kubelet has no disk pressure", now);
  SetCondition(status, "PIDPressure", pressure.pids,
               pressure.pids ? "KubeletHasInsufficientPID" : "KubeletHasSufficientPID",
               pressure.pids ? "kubelet has insufficient PID available" : "kubelet has sufficient PID available", now);
  SetCondition(status, "Ready", true, "KubeletReady", "kubelet is posting ready status", now);
}

bool StatusChanged(const core::NodeStatus& before, const core::NodeStatus& after) {
  return !DeepEqual(WithoutHeartbeats(before), WithoutHeartbeats(after));
}

}  // namespace minikube::agent
