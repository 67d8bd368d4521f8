// Control groups, version 1, hybrid or version 2, through the file system (the "cgroupfs driver"; no systemd).
//
// Paths are absolute within each hierarchy: /minikube/kubepods/pod1. Limits: Kubernetes' conversion of resources.
// Thread safety: any thread. Everything but the plain conversions blocks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/runtime.h>
#include <minikube/status.h>

namespace minikube::oci {

// 1024 shares per CPU, at least 2 (what a container without a request gets).
std::uint64_t CpuShares(const Resources& resources);
// cpu.weight of version 2 for shares of version 1: [2, 262144] onto [1, 10000].
std::uint64_t CpuWeight(std::uint64_t shares);
constexpr std::int64_t kCpuPeriod = 100'000;
// Microseconds per period, at least 1000; -1 = no limit.
std::int64_t CpuQuota(const Resources& resources);

class Cgroups {
 public:
  struct Hierarchy {
    std::string mount;                     // /sys/fs/cgroup/memory
    std::vector<std::string> controllers;  // memory; name=systemd; none for version 2
    bool v2 = false;
  };

  // What /proc/mounts says is mounted. `mounts` is its text.
  static Cgroups FromMounts(std::string_view mounts);
  static Result<Cgroups> Detect();

  // Whether version 2 holds the controllers, which is how an OCI runtime sees it too.
  bool unified() const { return unified_; }

  // Makes `path` in every hierarchy that has to do with limits or with who ends with whom, with controllers switched on
  // down to it, and sets its limits. Idempotent. Errors: kUnavailable if there are no cgroups.
  Status Create(const std::string& path, const Resources& resources) const;
  // The directories of `path` to join for a process that has no limits of its own.
  std::vector<std::string> JoinDirs(const std::string& path) const;
  // A directory whose cgroup.procs lists the processes of `path`.
  std::string ProcsDir(const std::string& path) const;
  // The file that counts OOM kills in `path`; "" if there is no memory controller.
  std::string OomFile(const std::string& path) const;
  // Kills all processes in `path` and below, in every hierarchy, and waits until they are gone.
  Status Kill(const std::string& path) const;
  // Kills, then removes `path` and all below it. OK if it is not there.
  Status Remove(const std::string& path) const;
  // Removes `path` if nothing is in it.
  void RemoveIfEmpty(const std::string& path) const;

 private:
  const Hierarchy* With(std::string_view controller) const;
  Status CreateV2(const Hierarchy& hierarchy, const std::string& path) const;
  Status Limit(const std::string& path, const Resources& resources) const;

  std::vector<Hierarchy> hierarchies_;
  bool unified_ = false;
};

}  // namespace minikube::oci
