#include "oci/cgroups.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "oci/files.h"

namespace minikube::oci {
namespace {

constexpr std::string_view kLimiting[] = {"cpu", "memory", "pids"};

Status WriteControl(const std::string& dir, const char* file, const std::string& value) {
  const std::string path = dir + "/" + file;
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd || write(fd.get(), value.data(), value.size()) < 0) return ErrnoStatus(errno, "write", path);
  return {};
}

std::vector<int> ProcessesIn(const std::string& dir) {
  std::vector<int> pids;
  auto text = ReadWholeFile(dir + "/cgroup.procs");
  if (!text) return pids;
  const char* at = text->data();
  const char* const end = at + text->size();
  while (at < end) {
    int pid = 0;
    const auto [next, error] = std::from_chars(at, end, pid);
    if (error != std::errc()) break;
    if (pid > 0) pids.push_back(pid);  // 0: a process outside our PID namespace
    at = next + 1;
  }
  return pids;
}

// The directory and all below it, deepest first.
std::vector<std::string> TreeOf(const std::string& dir) {
  std::vector<std::string> out;
  for (const std::string& name : ListDir(dir)) {
    struct stat info {};
    const std::string path = dir + "/" + name;
    if (lstat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) continue;
    const std::vector<std::string> below = TreeOf(path);
    out.insert(out.end(), below.begin(), below.end());
  }
  if (Exists(dir)) out.push_back(dir);
  return out;
}

}  // namespace

std::uint64_t CpuShares(const Resources& resources) {
  // A limit without a request counts as the request too.
  const std::int64_t milli = resources.cpu_milli_request.value_or(resources.cpu_milli_limit.value_or(0));
  return static_cast<std::uint64_t>(std::clamp<std::int64_t>(milli, 0, 256'000) * 1024 / 1000 < 2
                                        ? 2
                                        : std::clamp<std::int64_t>(milli, 0, 256'000) * 1024 / 1000);
}

std::uint64_t CpuWeight(std::uint64_t shares) {
  return 1 + (std::clamp<std::uint64_t>(shares, 2, 262'144) - 2) * 9999 / 262'142;
}

std::int64_t CpuQuota(const Resources& resources) {
  const std::int64_t milli = resources.cpu_milli_limit.value_or(0);
  if (milli <= 0) return -1;
  return std::max<std::int64_t>(std::min<std::int64_t>(milli, 1'000'000'000) * kCpuPeriod / 1000, 1000);
}

Cgroups Cgroups::FromMounts(std::string_view mounts) {
  Cgroups out;
  std::istringstream lines{std::string(mounts)};
  std::string device, dir, type, options, line;
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    if (!(fields >> device >> dir >> type >> options)) continue;
    if (type == "cgroup2") {
      out.hierarchies_.push_back({dir, {}, true});
    } else if (type == "cgroup") {
      Hierarchy hierarchy{dir, {}, false};
      std::istringstream names(options);
      for (std::string name; std::getline(names, name, ',');) hierarchy.controllers.push_back(name);
      out.hierarchies_.push_back(std::move(hierarchy));
    }
  }
  out.unified_ = std::all_of(out.hierarchies_.begin(), out.hierarchies_.end(), [](const Hierarchy& h) { return h.v2; });
  return out;
}

Result<Cgroups> Cgroups::Detect() {
  auto mounts = ReadWholeFile("/proc/self/mounts");
  if (!mounts) return mounts.status();
  Cgroups out = FromMounts(*mounts);
  if (out.hierarchies_.empty()) return Status(Code::kUnavailable, "no cgroup file system is mounted");
  return out;
}

const Cgroups::Hierarchy* Cgroups::With(std::string_view controller) const {
  for (const Hierarchy& hierarchy : hierarchies_) {
    if (unified_ && hierarchy.v2) return &hierarchy;
    if (std::find(hierarchy.controllers.begin(), hierarchy.controllers.end(), controller) !=
        hierarchy.controllers.end()) {
      return &hierarchy;
    }
  }
  return nullptr;
}

// Each ancestor must hand its controllers down before a child has their files.
Status Cgroups::CreateV2(const Hierarchy& hierarchy, const std::string& path) const {
  std::string dir = hierarchy.mount;
  std::size_t at = 0;
  while ((at = path.find_first_not_of('/', at)) != std::string::npos) {
    if (unified_) {
      auto available = ReadWholeFile(dir + "/cgroup.controllers");
      std::istringstream names(available ? *available : std::string());
      for (std::string name; names >> name;) {
        if (std::find(std::begin(kLimiting), std::end(kLimiting), name) == std::end(kLimiting)) continue;
        MINIKUBE_RETURN_IF_ERROR(WriteControl(dir, "cgroup.subtree_control", "+" + name));
      }
    }
    const std::size_t end = std::min(path.find('/', at), path.size());
    dir += "/" + path.substr(at, end - at);
    at = end;
    if (mkdir(dir.c_str(), 0755) != 0 && errno != EEXIST) return ErrnoStatus(errno, "mkdir", dir);
  }
  // The last one hands nothing down: it may hold processes, which version 2 allows in leaves only.
  return {};
}

Status Cgroups::Create(const std::string& path, const Resources& resources) const {
  for (const Hierarchy& hierarchy : hierarchies_) {
    if (hierarchy.v2) {
      MINIKUBE_RETURN_IF_ERROR(CreateV2(hierarchy, path));
      continue;
    }
    const bool wanted =
        std::any_of(hierarchy.controllers.begin(), hierarchy.controllers.end(), [](const std::string& c) {
          return c.substr(0, 5) == "name=" ||
                 std::find(std::begin(kLimiting), std::end(kLimiting), c) != std::end(kLimiting);
        });
    if (wanted) MINIKUBE_RETURN_IF_ERROR(MakeDirs(hierarchy.mount + path, 0755));
  }
  return Limit(path, resources);
}

Status Cgroups::Limit(const std::string& path, const Resources& resources) const {
  const std::uint64_t shares = CpuShares(resources);
  const std::int64_t quota = CpuQuota(resources);
  if (const Hierarchy* cpu = With("cpu")) {
    const std::string dir = cpu->mount + path;
    if (cpu->v2) {
      if (Exists(dir + "/cpu.weight")) {
        MINIKUBE_RETURN_IF_ERROR(WriteControl(dir, "cpu.weight", fmt::format("{}", CpuWeight(shares))));
        MINIKUBE_RETURN_IF_ERROR(WriteControl(
            dir, "cpu.max", quota < 0 ? fmt::format("max {}", kCpuPeriod) : fmt::format("{} {}", quota, kCpuPeriod)));
      }
    } else {
      MINIKUBE_RETURN_IF_ERROR(WriteControl(dir, "cpu.shares", fmt::format("{}", shares)));
      if (Exists(dir + "/cpu.cfs_quota_us")) {
        MINIKUBE_RETURN_IF_ERROR(WriteControl(dir, "cpu.cfs_period_us", fmt::format("{}", kCpuPeriod)));
        MINIKUBE_RETURN_IF_ERROR(WriteControl(dir, "cpu.cfs_quota_us", fmt::format("{}", quota)));
      }
    }
  }
  if (const Hierarchy* memory = With("memory"); memory != nullptr && resources.memory_limit_bytes) {
    const std::string dir = memory->mount + path;
    MINIKUBE_RETURN_IF_ERROR(WriteControl(dir, memory->v2 ? "memory.max" : "memory.limit_in_bytes",
                                          fmt::format("{}", *resources.memory_limit_bytes)));
  }
  if (const Hierarchy* pids = With("pids"); pids != nullptr && resources.pids_limit) {
    MINIKUBE_RETURN_IF_ERROR(WriteControl(
        pids->mount + path, "pids.max", *resources.pids_limit > 0 ? fmt::format("{}", *resources.pids_limit) : "max"));
  }
  return {};
}

std::vector<std::string> Cgroups::JoinDirs(const std::string& path) const {
  std::vector<std::string> dirs;
  for (const Hierarchy& hierarchy : hierarchies_) {
    if (Exists(hierarchy.mount + path)) dirs.push_back(hierarchy.mount + path);
  }
  return dirs;
}

std::string Cgroups::ProcsDir(const std::string& path) const {
  const Hierarchy* hierarchy = With("pids");
  if (hierarchy == nullptr) hierarchy = With("memory");
  return (hierarchy != nullptr ? *hierarchy : hierarchies_.front()).mount + path;
}

std::string Cgroups::OomFile(const std::string& path) const {
  const Hierarchy* memory = With("memory");
  if (memory == nullptr) return "";
  return memory->mount + path + (memory->v2 ? "/memory.events" : "/memory.oom_control");
}

Status Cgroups::Kill(const std::string& path) const {
  constexpr int kRounds = 100;
  constexpr int kPatienceMillis = 5000;
  for (const Hierarchy& hierarchy : hierarchies_) {
    // Killing races with forking: go on until a whole round finds nobody.
    for (int round = 0;; ++round) {
      std::vector<UniqueFd> dying;
      for (const std::string& dir : TreeOf(hierarchy.mount + path)) {
        for (const int pid : ProcessesIn(dir)) {
          UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
          if (!pidfd) continue;
          syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
          dying.push_back(std::move(pidfd));
        }
      }
      if (dying.empty()) break;
      if (round == kRounds) return {Code::kInternal, fmt::format("processes in cgroup {} do not die", path)};
      for (const UniqueFd& pidfd : dying) {
        pollfd wait{pidfd.get(), POLLIN, 0};
        if (poll(&wait, 1, kPatienceMillis) == 0) {
          return {Code::kInternal, fmt::format("a process in cgroup {} does not die", path)};
        }
      }
    }
  }
  return {};
}

Status Cgroups::Remove(const std::string& path) const {
  MINIKUBE_RETURN_IF_ERROR(Kill(path));
  for (const Hierarchy& hierarchy : hierarchies_) {
    for (const std::string& dir : TreeOf(hierarchy.mount + path)) {
      // A dead process that its parent has not reaped yet may hold the group a moment longer.
      for (int attempt = 0; rmdir(dir.c_str()) != 0 && errno != ENOENT; ++attempt) {
        if (errno != EBUSY || attempt == 200) return ErrnoStatus(errno, "rmdir", dir);
        poll(nullptr, 0, 5);
      }
    }
  }
  return {};
}

void Cgroups::RemoveIfEmpty(const std::string& path) const {
  for (const Hierarchy& hierarchy : hierarchies_) rmdir((hierarchy.mount + path).c_str());
}

}  // namespace minikube::oci
