// Runtime: what the node agent needs of a container runtime (the role of CRI), a small interface a host can implement.
// `oci` shells out to runc or crun; `simulated` behaves, with latencies and failures drawn from its Env.
//
// Thread safety: called on the agent's strand; answers come back on it. Nothing blocks the caller.
// Lifetime: containers outlive the Runtime object: List finds them again after a restart of the host process.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <minikube/env.h>
#include <minikube/exec.h>
#include <minikube/function.h>
#include <minikube/status.h>

namespace minikube {

struct Mount {
  std::string source;
  std::string target;
  bool read_only = false;
  std::string propagation;  // "", rslave, rshared
};

// CPU and memory as cgroup settings; absent = no limit.
struct Resources {
  std::optional<std::int64_t> cpu_milli_request;
  std::optional<std::int64_t> cpu_milli_limit;
  std::optional<std::int64_t> memory_request_bytes;
  std::optional<std::int64_t> memory_limit_bytes;
  std::optional<std::int64_t> pids_limit;
};

// A port of the machine that a pod answers on.
struct PortMapping {
  std::string protocol;  // TCP, UDP or SCTP
  int host_port = 0;
  int container_port = 0;
  std::string host_ip;  // the machine's address it is about; "" or 0.0.0.0 = all of them
};

struct SandboxConfig {
  std::string id;  // unique; made by the agent from the pod UID and attempt
  std::string pod_uid;
  std::string ns;
  std::string name;
  std::string hostname;
  std::string cgroup_parent;  // relative, e.g. kubepods/burstable/pod<uid>
  std::string log_directory;
  bool host_network = false;
  bool host_pid = false;
  bool host_ipc = false;
  bool share_process_namespace = false;
  std::map<std::string, std::string> sysctls;
  Resources resources;                     // of the pod's cgroup
  std::vector<PortMapping> port_mappings;  // of no use with host_network
  // For the pod's resolv.conf; all empty = the host's.
  std::vector<std::string> dns_servers;
  std::vector<std::string> dns_searches;
  std::vector<std::string> dns_options;
  // Further lines of the pod's /etc/hosts: an address and its names.
  std::vector<std::pair<std::string, std::vector<std::string>>> host_aliases;
};

struct ContainerConfig {
  std::string id;
  std::string sandbox_id;
  std::string name;
  std::uint32_t attempt = 0;
  std::string image;                 // a reference that EnsureImage resolved
  std::vector<std::string> command;  // entrypoint; empty = the image's
  std::vector<std::string> args;     // empty = the image's, if command is empty too
  std::vector<std::pair<std::string, std::string>> env;
  std::string working_dir;  // "" = the image's
  std::vector<Mount> mounts;
  Resources resources;
  std::string log_path;  // CRI log file
  bool tty = false;
  bool open_stdin = false;  // standard input waits, for whoever may attach; false = it is at its end
  bool stdin_once = false;  // and ends when the first one's does who attaches to it; of no effect with a terminal
  bool privileged = false;
  bool read_only_root = false;
  bool no_new_privileges = false;
  bool default_seccomp = false;  // the runtime's own filter of system calls; false = none. None if privileged
  std::optional<std::int64_t> run_as_user;
  std::optional<std::int64_t> run_as_group;
  std::vector<std::int64_t> supplemental_groups;
  std::vector<std::string> add_capabilities;  // without CAP_; ALL allowed
  std::vector<std::string> drop_capabilities;
  int oom_score_adj = 0;
  std::string target_container;  // a running one of the sandbox whose process namespace it joins; "" = its own
};

struct ImageInfo {
  std::string id;         // sha256:... of the configuration
  std::string reference;  // as asked for, normalised (docker.io/library/busybox:1.36)
  std::uint64_t size = 0;
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::string user;
};

struct SandboxState {
  std::string id;
  std::string pod_uid;
  std::string ns;
  std::string name;
  bool ready = false;
  std::vector<std::string> ips;
  std::string message;  // what is less than asked for, such as why there is no pod network
  WallTime created{};
};

struct ContainerState {
  enum class Phase : std::uint8_t { kCreated, kRunning, kExited };
  std::string id;
  std::string sandbox_id;
  std::string name;
  std::uint32_t attempt = 0;
  std::string image;
  std::string image_id;
  Phase phase = Phase::kCreated;
  int pid = 0;
  int exit_code = 0;
  std::string reason;  // Completed, Error, OOMKilled, ContainerCannotRun
  std::string message;
  WallTime created{};
  WallTime started{};
  WallTime finished{};
  std::string log_path;
  std::string lacking;  // told by StartContainer: what the container has less of than asked for; "" = nothing
};

struct RuntimeVersion {
  std::string name;  // "runc"
  std::string version;
};

class Runtime {
 public:
  template <typename T>
  using Done = Function<void(Result<T>)>;
  virtual ~Runtime() = default;

  // Everything this runtime runs, for adoption after a restart. Called first.
  struct Inventory {
    std::vector<SandboxState> sandboxes;
    std::vector<ContainerState> containers;
  };
  virtual void List(Done<Inventory> done) = 0;

  // `changed` runs on the agent's strand whenever a container exits or a sandbox dies, for the runtime's life. For a
  // sandbox only `sandbox_id` is set.
  virtual void OnContainerExit(Function<void(ContainerState)> changed) = 0;

  // Errors: kNotFound (no such image), kUnavailable (registry), kBadRequest (reference). Messages as kubelet shows
  // them.
  virtual void EnsureImage(std::string reference, bool always_pull, Done<ImageInfo> done) = 0;
  virtual void ListImages(Done<std::vector<ImageInfo>> done) = 0;

  virtual void RunSandbox(SandboxConfig config, Done<SandboxState> done) = 0;
  // Kills what is left in it and removes every trace: processes, mounts, cgroups, namespaces, files. Idempotent.
  virtual void RemoveSandbox(std::string id, Done<void> done) = 0;

  // Creates and starts. Errors: kBadRequest with messages such as `exec: "x": executable file not found in $PATH`.
  virtual void StartContainer(ContainerConfig config, Done<ContainerState> done) = 0;
  // Sends `signal` (a number; 0 = the container's stop signal: the image's, or SIGTERM) to the container's init.
  // kNotFound if it has ended.
  virtual void KillContainer(std::string id, int signal, Done<void> done) = 0;
  // Removes an exited container's bundle and mounts; its log file stays. Idempotent.
  virtual void RemoveContainer(std::string id, Done<void> done) = 0;

  // Runs `argv` in a running container and waits for its end; for exec probes and lifecycle hooks. Errors: kNotFound
  // (not running), kTimeout, kBadRequest (no such program); kNotImplemented by default.
  virtual void ExecSync(std::string id, std::vector<std::string> argv, Duration timeout, Done<ProcessResult> done) {
    (void)id, (void)argv, (void)timeout;
    done(Status(Code::kNotImplemented, "this runtime runs no commands in containers"));
  }

  // Starts `spec.command` in a running container, with its environment, user and directory; with a terminal, TERM=xterm
  // too. Without a command: attaches to the container's own process, as NodeApi::Exec says; `spec.tty` is to be what
  // its configuration says. Events come on the agent's strand. The streams must go before the Runtime does. Errors:
  // kNotFound (not running), kInternal; kNotImplemented by default. That the process cannot be started is told by
  // on_end.
  virtual Result<std::unique_ptr<ExecStreams>> Exec(std::string id, ExecSpec spec, ExecEvents events) {
    (void)id, (void)spec, (void)events;
    return Status(Code::kNotImplemented, "this node runs no commands in containers");
  }

  // Connects to a TCP port of a sandbox as NodeApi::Connect says; that it cannot is told by on_end. Otherwise as Exec.
  // Errors: kNotFound (no such sandbox, or it has ended), kInternal; kNotImplemented by default.
  virtual Result<std::unique_ptr<ExecStreams>> Connect(std::string sandbox_id, std::uint16_t port, ExecEvents events) {
    (void)sandbox_id, (void)port, (void)events;
    return Status(Code::kNotImplemented, "the pods of this node have no ports to connect to");
  }

  virtual RuntimeVersion version() const = 0;
  // True if no process, file or address stands behind its containers: the agent then keeps no files for its pods and
  // sends nothing to their addresses.
  virtual bool simulated() const { return false; }
};

// The network that pods with an address of their own are on.
struct PodNetworkState {
  std::string bridge;  // "" = there is none just now, as there is no such pod
  std::string cidr;
};

struct OciRuntimeOptions {
  std::string root;              // state: images, layers, bundles
  std::string run_root;          // the OCI runtime's own state, which does not survive a reboot; "" = root/run
  std::string runtime = "runc";  // name or path of an OCI runtime
  std::string monitor;           // program to run as the per-container monitor and as the pods' pause process:
                                 // `<monitor> container-monitor ...`, `<monitor> pause ...`; "" = a tiny one that the
                                 // library carries and puts into root/bin
  std::string cgroup_root = "/minikube";  // cgroup under which all pods live
  std::string pod_cidr =
      "10.244.0.0/24";  // addresses of pods on this machine; "" = pods have only a loopback interface
  // Name of the pods' bridge; one runtime per bridge. "" = mk<n> for the smallest n that is free on this machine, with
  // the nth range counted from pod_cidr on (mk2: 10.244.2.0/24); found again by the same root after a restart.
  std::string bridge;
  // Called on the agent's strand when the pods' network has come up and when it has gone. The first pod waits until
  // `done` has been called, on any thread: no packet of it shall meet a machine that does not know it.
  std::function<void(const PodNetworkState&, Task done)> network_changed;
};

// Real containers, by runc or crun. Needs root and Linux 5.6. Containers get containerd's default capabilities and
// masked paths. If the pod network cannot be set up, sandboxes have no address and say why.
// Errors: kNotFound (no such OCI runtime), kUnavailable (another process uses `root`; no cgroups), kBadRequest
// (options).
Result<std::unique_ptr<Runtime>> NewOciRuntime(OciRuntimeOptions options, Env& env, Strand& strand);

// The monitor and pause programs as a function, for a host that names itself as OciRuntimeOptions::monitor: it calls
// this from main when argv[1] is "container-monitor" or "pause". Returns the exit code for the process.
int ContainerMonitorMain(int argc, char** argv);

// Image store operations used by the executable (`minikube image import|pack`).
struct ImagePackOptions {
  std::string rootfs;
  std::string name;
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::vector<std::string> env;  // NAME=value
  std::string user;
  std::string working_dir;
};
Result<std::vector<ImageInfo>> ImportImage(const std::string& root, const std::string& path, const std::string& name);
Result<ImageInfo> PackImage(const std::string& root, const ImagePackOptions& options);

}  // namespace minikube
