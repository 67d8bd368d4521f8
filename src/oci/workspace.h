// The blocking half of the OCI runtime: directories, state files, cgroups, and the end of processes.
//
//   <root>/sandboxes/<id>/    state.json, hosts, hostname, resolv.conf, root (a place to mount), pause (pid file)
//   <root>/containers/<id>/   state.json, config.json, rootfs, upper, work, shm, and what the monitor writes
//   <root>/bin/               the monitor program
//   <run_root>/oci/           the OCI runtime's own state
// Order makes it crash-safe: state.json is there before any effect, and a directory that is to go is first renamed to
// .gone-<id>, which stops a process about to start in it; recovery finishes whatever it finds half done.
//
// Thread safety: any thread, but one at a time for one sandbox. All of it blocks.
#pragma once

#include <string>
#include <vector>

#include <minikube/runtime.h>
#include <minikube/status.h>

#include "oci/cgroups.h"
#include "oci/exec_session.h"
#include "oci/image_store.h"
#include "oci/processes.h"
#include "oci/state.h"
#include "oci/users.h"

namespace minikube::oci {

struct WorkspaceOptions {
  std::string root;
  std::string run_root;
  std::string runtime;  // absolute path
  std::string monitor;  // absolute path
  std::string cgroup_root;
  int lowest_oom_score_adj = -1000;  // that containers may be given; what is asked for below it is raised to it
};

// A container about to be started: what is known of it, and the monitor's command line.
struct PreparedContainer {
  ContainerRecord record;
  std::vector<std::string> argv;
  std::string lacking;  // what is less than asked for; "" = nothing
};

// What recovery found.
struct Recovered {
  struct Sandbox {
    SandboxRecord record;
    ProcessRef pause;
    bool ready = false;
  };
  struct Container {
    ContainerRecord record;
    StartedProcess started;
    std::optional<ExitRecord> exit;  // none: it runs
  };
  std::vector<Sandbox> sandboxes;
  std::vector<Container> containers;
  // Containers of which nothing may stay: to be retired, deleted with the OCI runtime, and erased.
  std::vector<std::string> leftovers;
};

class Workspace {
 public:
  Workspace(WorkspaceOptions options, Cgroups cgroups, const ImageStore& images);

  Status Open() const;
  // Removes half-made sandboxes, finds out about every container, and writes the exit files of those whose monitor died
  // (after killing what they left).
  Result<Recovered> Recover(WallTime now) const;

  // Writes state.json and the pod's files, makes its cgroups.
  Status PrepareSandbox(const SandboxRecord& record) const;
  std::vector<std::string> PauseCommand(const SandboxRecord& record) const;
  Status SaveSandbox(const SandboxRecord& record) const;
  // Also rewrites /etc/hosts, for a change of address.
  Status WriteHosts(const SandboxRecord& record) const;
  // Kills the pause process and removes cgroups and files. `config` may be of a sandbox that is only half there.
  Status DestroySandbox(const SandboxConfig& config) const;

  // `target_pid`: BundleInput's.
  Result<PreparedContainer> PrepareContainer(const ContainerConfig& config, const SandboxConfig& sandbox,
                                             const ProcessRef& pause, int target_pid, WallTime now) const;
  // How the container ended; if its monitor left no word, ends the container and writes one.
  ExitRecord CollectExit(const ContainerRecord& record, WallTime now) const;
  // Why the OCI runtime did not start it, from runtime.log.
  Status StartError(const std::string& id, std::string_view starter_output) const;

  // The three steps to remove a container. Retire: no process of it is left and none will start.
  Status RetireContainer(const std::string& id) const;
  std::vector<std::string> DeleteCommand(const std::string& id) const;
  Status EraseContainer(const std::string& id) const;

  // The monitor of a command in a container, with the descriptors it inherits. `tag` names its files.
  std::vector<std::string> ExecCommand(const std::string& id, const std::string& tag, const ExecSpec& spec,
                                       const ExecDescriptors& descriptors) const;
  // Where a container's monitor listens for who attaches to it.
  std::string AttachSocket(const std::string& id) const;
  // What became of it, by what the monitor said, and removes its files. Errors: kBadRequest (the runtime could not
  // start it), kInternal.
  Result<int> CollectExec(const std::string& id, const std::string& tag, std::string_view monitor_output) const;

 private:
  std::string SandboxDir(const std::string& id) const { return options_.root + "/sandboxes/" + id; }
  std::string ContainerDir(const std::string& id) const { return options_.root + "/containers/" + id; }
  std::string GoneDir(const std::string& id) const { return options_.root + "/containers/.gone-" + id; }
  std::string PodCgroup(const SandboxConfig& config) const;
  std::string PauseCgroup(const SandboxConfig& config) const { return PodCgroup(config) + "/" + config.id; }
  std::string MonitorCgroup() const { return options_.cgroup_root + "/monitors"; }
  std::string OciRoot() const { return options_.run_root + "/oci"; }
  Status WriteResolvConf(const SandboxRecord& record) const;
  Result<ResolvedUser> UserOf(const ContainerConfig& config, const ImageConfig& image) const;
  std::optional<std::string> CgroupOfGone(const std::string& id) const;
  Status RecoverSandbox(const std::string& name, Recovered& out) const;
  void RecoverContainer(const std::string& id, WallTime now, Recovered& out) const;

  const WorkspaceOptions options_;
  const Cgroups cgroups_;
  const ImageStore& images_;
  const std::string boot_id_;
};

}  // namespace minikube::oci
