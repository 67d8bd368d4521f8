// The container monitor: parent of one container for its whole life, so that the host process may die and come back.
//
// It mounts the container's root (in a mount namespace of its own: no trace in the host's table, gone with the last
// process), runs the OCI runtime, adopts the container's first process as subreaper, writes its output to the log, and
// at last writes the file `exit` and ends. In the container's directory it leaves, each whole or not at all:
//   monitor   "<pid> <start time>"                           before any effect
//   runtime   "<pid> <start time>"                           of the OCI runtime, before it begins
//   started   "<pid> <start time> <wall ns> <monitor pid> <monitor start time>"   once the container's process <pid>
//   runs exit      {"exitCode":0,"signal":0,"finishedAt":ns,"oomKilled":false}
// Its starter reads "started ..." or "error ..." or "failed <exit code of the runtime>" (see runtime.log) from stdout.
#include "oci/monitor/monitor.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>

#include "oci/monitor/console.h"
#include "oci/monitor/container_log.h"
#include "oci/monitor/plain.h"

namespace minikube::oci {
namespace {

using plain::Report;

constexpr const char* kConsole = "console.sock";  // in the container's directory

struct Args {
  const char* dir = nullptr;  // the container's directory, also its bundle
  const char* id = nullptr;
  const char* runtime = nullptr;  // absolute path
  const char* runtime_root = nullptr;
  const char* log = nullptr;
  const char* layers_dir = nullptr;   // where the names in `lower` are
  const char* lower = nullptr;        // overlay's lowerdir, relative to layers_dir
  const char* kill_cgroup = nullptr;  // killed when the first process ends (it shares its PID namespace)
  const char* oom_file = nullptr;     // memory.oom_control or memory.events of the container
  const char* shm_from = nullptr;     // pid of the pause process whose /shm becomes `dir`/shm
  const char* log_max_size = nullptr;
  const char* log_max_files = nullptr;
  bool tty = false;
  bool open_stdin = false;
  bool stdin_once = false;
  bool host_mounts = false;  // mount in the host's namespace: mounts are to propagate back to it
};

struct Monitor {
  Args args;
  int report = -1;
  int console = -1;      // listening socket on which the runtime sends the terminal
  int runtime_in = -1;   // read end handed to the container
  int input = -1;        // the other one, held, so that it waits
  int runtime_out = -1;  // write ends handed to the container
  int runtime_err = -1;
  plain::ContainerLog log;
  plain::LogStream out;
  plain::LogStream err;
  plain::Attachments attachments;
};

bool Path(const Monitor& monitor, char (&out)[plain::kPathMax], const char* name) {
  return plain::Join(out, monitor.args.dir, name);
}

bool ParseArgs(Args& args, int argc, char** argv) {
  struct Flag {
    const char* name;
    const char** value;
  };
  const char* tty = "0";
  const char* open_stdin = "0";
  const char* stdin_once = "0";
  const char* host_mounts = "0";
  const Flag flags[] = {{"--dir", &args.dir},
                        {"--id", &args.id},
                        {"--runtime", &args.runtime},
                        {"--runtime-root", &args.runtime_root},
                        {"--log", &args.log},
                        {"--layers-dir", &args.layers_dir},
                        {"--lower", &args.lower},
                        {"--kill-cgroup", &args.kill_cgroup},
                        {"--oom-file", &args.oom_file},
                        {"--shm-from", &args.shm_from},
                        {"--log-max-size", &args.log_max_size},
                        {"--log-max-files", &args.log_max_files},
                        {"--tty", &tty},
                        {"--stdin", &open_stdin},
                        {"--stdin-once", &stdin_once},
                        {"--host-mounts", &host_mounts}};
  for (int i = 2; i + 1 < argc; i += 2) {
    for (const Flag& flag : flags) {
      if (strcmp(argv[i], flag.name) == 0) *flag.value = argv[i + 1];
    }
  }
  args.tty = *tty == '1';
  args.open_stdin = *open_stdin == '1';
  args.stdin_once = *stdin_once == '1';
  args.host_mounts = *host_mounts == '1';
  return args.dir != nullptr && args.id != nullptr && args.runtime != nullptr && args.runtime_root != nullptr &&
         args.log != nullptr && args.layers_dir != nullptr && args.lower != nullptr;
}

// The pod's /dev/shm lives in the mount namespace of its pause process; a clone of that mount travels as a descriptor.
int BorrowShm(const char* pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%s/ns/mnt", pid);
  const int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  const int pod = open(path, O_RDONLY | O_CLOEXEC);
  int tree = -1;
  if (own >= 0 && pod >= 0 && setns(pod, CLONE_NEWNS) == 0) {
    tree = open_tree(AT_FDCWD, "/shm", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    const int error = errno;
    if (setns(own, CLONE_NEWNS) != 0) _exit(1);  // in an empty root there is nothing left to do
    errno = error;
  }
  const int error = errno;
  if (own >= 0) close(own);
  if (pod >= 0) close(pod);
  errno = error;
  return tree;
}

// Mounts the overlay and /dev/shm. Reports what failed.
bool Mount(const Monitor& monitor) {
  const Args& args = monitor.args;
  int shm = -1;
  if (args.shm_from != nullptr && (shm = BorrowShm(args.shm_from)) < 0) {
    return Report(monitor.report, "find the pod's /dev/shm", errno), false;
  }
  // Slave: what the host mounts or unmounts later happens here too, so that this namespace pins none of its mounts.
  if (!args.host_mounts &&
      (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0)) {
    return Report(monitor.report, "make a mount namespace", errno), false;
  }
  char path[plain::kPathMax];
  if (shm >= 0) {
    if (!Path(monitor, path, "shm") || move_mount(shm, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) != 0) {
      return Report(monitor.report, "mount the pod's /dev/shm", errno), false;
    }
    close(shm);
  }
  // Lower directories by relative names: mount(2) takes one page of options, and an image may have 127 layers.
  // Volatile: an upper directory never outlives its container, so nothing in it is worth a sync at unmount.
  char options[plain::kPathMax];
  int n = snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s/upper,workdir=%s/work,volatile", args.lower,
                   args.dir, args.dir);
  if (n < 0 || static_cast<std::size_t>(n) >= sizeof options) {
    return Report(monitor.report, "mount the root file system: too many layers", 0), false;
  }
  if (chdir(args.layers_dir) != 0 || !Path(monitor, path, "rootfs"))
    return Report(monitor.report, "chdir", errno), false;
  if (mount("overlay", path, "overlay", 0, options) == 0) return true;
  if (errno == EINVAL) {  // before Linux 5.10 there was no volatile
    options[static_cast<std::size_t>(n) - strlen(",volatile")] = '\0';
    if (mount("overlay", path, "overlay", 0, options) == 0) return true;
  }
  return Report(monitor.report, "mount the root file system", errno), false;
}

bool MakePipe(plain::LogStream& stream, const char* name, int* write_end) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return false;
  fcntl(fds[0], F_SETFL, O_NONBLOCK);
  stream.Open(fds[0], name);
  *write_end = fds[1];
  return true;
}

bool MakeInput(Monitor& monitor) {
  int fds[2];
  if (!monitor.args.open_stdin) return true;
  if (pipe2(fds, O_CLOEXEC) != 0) return false;
  monitor.runtime_in = fds[0];
  monitor.input = fds[1];
  return true;
}

// Leaves "<pid> <start time>" of this process in the file `name`. False if that fails, as it must when the directory
// has been renamed to be removed: then nothing may begin any more.
bool Sign(const Monitor& monitor, const char* name) {
  char text[64];
  char path[plain::kPathMax];
  snprintf(text, sizeof text, "%d %llu\n", getpid(), static_cast<unsigned long long>(plain::StartTime(getpid())));
  return Path(monitor, path, name) && plain::WriteFileAtomic(path, text);
}

// Runs the OCI runtime to its end. Its wait status, or -1.
int RunRuntime(Monitor& monitor) {
  const Args& args = monitor.args;
  const pid_t runtime = fork();
  if (runtime < 0) return -1;
  if (runtime == 0) {
    // Without a monitor there must be no container.
    plain::BecomeChild();
    if (!Sign(monitor, "runtime")) _exit(125);
    if (!args.tty) {
      if (args.open_stdin) dup2(monitor.runtime_in, 0);
      dup2(monitor.runtime_out, 1);
      dup2(monitor.runtime_err, 2);
    }
    // Container processes have a score of their own; the runtime itself is as expendable as anything.
    plain::WriteFile("/proc/self/oom_score_adj", "0");
    const char* argv[20] = {args.runtime,   "--root", args.runtime_root, "--log",    "runtime.log", "--log-format",
                            "json",         "run",    "--detach",        "--bundle", args.dir,      "--pid-file",
                            "container.pid"};
    int n = 13;
    if (args.tty) {
      argv[n++] = "--console-socket";
      argv[n++] = kConsole;
    }
    argv[n++] = args.id;
    argv[n] = nullptr;
    execv(args.runtime, const_cast<char* const*>(argv));
    _exit(errno == ENOENT ? 127 : 126);
  }
  int status = 0;
  while (waitpid(runtime, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return status;
}

// Reads the pid that the runtime left, and tells the world. 0 if it left none.
pid_t Announce(const Monitor& monitor) {
  char text[200];
  if (plain::ReadFile("container.pid", text, sizeof text) <= 0) return 0;
  const auto pid = static_cast<pid_t>(plain::Number(text, 0));
  if (pid <= 1) return 0;
  const int prefix = snprintf(text, sizeof text, "started ");
  const int n = snprintf(text + prefix, sizeof text - static_cast<std::size_t>(prefix), "%d %llu %llu %d %llu\n", pid,
                         static_cast<unsigned long long>(plain::StartTime(pid)),
                         static_cast<unsigned long long>(plain::WallNanos()), getpid(),
                         static_cast<unsigned long long>(plain::StartTime(getpid())));
  if (!plain::WriteFileAtomic("started", text + prefix)) return 0;
  plain::WriteAll(monitor.report, text, static_cast<std::size_t>(prefix + n));
  close(monitor.report);
  return pid;
}

void PumpStream(Monitor& monitor, plain::LogStream& stream) {
  bool blocked = false;
  stream.Pump(monitor.log, &blocked);
}

// Copies output until the container's first process has ended; its wait status.
int Follow(Monitor& monitor, pid_t container, int signals) {
  constexpr std::size_t kOwn = 3;
  plain::Attachments& attachments = monitor.attachments;
  plain::LogStream* const streams[] = {&monitor.out, &monitor.err};
  int status = 0;
  while (true) {
    pollfd fds[kOwn + plain::Attachments::kPolls];
    fds[0] = {signals, POLLIN, 0};
    for (const int i : {0, 1}) fds[1 + i] = {attachments.stalled(i) ? -1 : streams[i]->fd(), POLLIN, 0};
    const std::size_t more = attachments.Poll(fds + kOwn);
    if (poll(fds, kOwn + more, -1) < 0) continue;
    attachments.Handle(fds + kOwn, more);
    for (const int i : {0, 1}) {
      if (fds[1 + i].revents != 0 && attachments.Room(i)) PumpStream(monitor, *streams[i]);
    }
    if (fds[0].revents != 0) {
      signalfd_siginfo info;
      while (read(signals, &info, sizeof info) > 0) continue;
      if (plain::Reap(container, &status)) return status;
    }
  }
}

// What is left in the pipes. Normally they end with the container's processes; a holder outside (it was handed the
// pipe) gets this much patience.
void DrainRest(Monitor& monitor) {
  constexpr int kPatienceMillis = 2000;
  monitor.attachments.Hurry();
  for (plain::LogStream* stream : {&monitor.out, &monitor.err}) {
    while (stream->fd() >= 0) {
      bool blocked = false;
      if (!stream->Pump(monitor.log, &blocked) || !blocked) continue;
      pollfd wait{stream->fd(), POLLIN, 0};
      if (poll(&wait, 1, kPatienceMillis) == 0) break;
    }
  }
}

void KillRest(const char* cgroup) {
  char path[plain::kPathMax];
  if (plain::Join(path, cgroup, "cgroup.kill") && access(path, W_OK) == 0) {
    plain::WriteFile(path, "1");
    return;
  }
  if (!plain::Join(path, cgroup, "cgroup.procs")) return;
  // Killing races with forking: repeat until the group is empty.
  for (int round = 0; round < 500; ++round) {
    char text[4096];
    if (plain::ReadFile(path, text, sizeof text) <= 0) return;
    char* rest = text;
    for (char* line = strtok_r(rest, "\n", &rest); line != nullptr; line = strtok_r(nullptr, "\n", &rest)) {
      const auto pid = static_cast<pid_t>(plain::Number(line, 0));
      if (pid > 1) kill(pid, SIGKILL);
    }
    const timespec pause{0, 2'000'000};
    nanosleep(&pause, nullptr);
  }
}

bool OomKilled(const char* file) {
  char text[1024];
  text[0] = '\n';
  if (file == nullptr || plain::ReadFile(file, text + 1, sizeof text - 1) <= 0) {
    return false;
  }
  const char* count = strstr(text, "\noom_kill ");
  return count != nullptr && strtoll(count + strlen("\noom_kill "), nullptr, 10) > 0;
}

bool WriteExit(int status, const char* oom_file) {
  const int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  const int code = sig != 0 ? 128 + sig : WEXITSTATUS(status);
  char text[160];
  snprintf(text, sizeof text, "{\"exitCode\":%d,\"signal\":%d,\"finishedAt\":%llu,\"oomKilled\":%s}\n", code, sig,
           static_cast<unsigned long long>(plain::WallNanos()), code != 0 && OomKilled(oom_file) ? "true" : "false");
  return plain::WriteFileAtomic("exit", text);
}

int RunMonitor(Monitor& monitor, int argc, char** argv) {
  const Args& args = monitor.args;
  // First of all a trace of ourselves: recovery looks for it before it takes this directory away.
  if (!Sign(monitor, "monitor")) return Report(monitor.report, "write the monitor's pid", errno), 1;
  plain::WriteFile("/proc/self/oom_score_adj", "-998");
  for (int i = 2; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--cgroup") == 0 && !plain::JoinCgroup(argv[i + 1])) {
      return Report(monitor.report, "join the monitors' cgroup", errno), 1;
    }
  }
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  const int signals = plain::WatchChildren();
  if (signals < 0) return Report(monitor.report, "signalfd", errno), 1;
  if (!monitor.log.Open(args.log, plain::Number(args.log_max_size, 10 << 20), plain::Number(args.log_max_files, 5))) {
    return Report(monitor.report, "open the log file", errno), 1;
  }
  if (!Mount(monitor)) return 1;
  if (chdir(args.dir) != 0) return Report(monitor.report, "chdir", errno), 1;
  const bool outputs = args.tty ? (monitor.console = plain::OpenConsole(kConsole)) >= 0
                                : MakeInput(monitor) && MakePipe(monitor.out, "stdout", &monitor.runtime_out) &&
                                      MakePipe(monitor.err, "stderr", &monitor.runtime_err);
  if (!outputs) return Report(monitor.report, "make the container's outputs", errno), 1;
  if (!monitor.attachments.Listen()) return Report(monitor.report, "make a socket to attach to", errno), 1;

  const int runtime = RunRuntime(monitor);
  if (runtime != 0) {
    char text[64];
    const int n = snprintf(text, sizeof text, "failed %d\n", WIFEXITED(runtime) ? WEXITSTATUS(runtime) : 255);
    plain::WriteAll(monitor.report, text, static_cast<std::size_t>(n));
    return 1;
  }
  if (args.tty) {
    monitor.out.Open(plain::ReceiveTerminal(monitor.console, kConsole), "stdout");
  } else {
    if (monitor.runtime_in >= 0) close(monitor.runtime_in);
    close(monitor.runtime_out);
    close(monitor.runtime_err);
  }
  const int terminal = args.tty ? monitor.out.fd() : -1;
  const int input = args.tty && args.open_stdin ? terminal : monitor.input;
  monitor.attachments.SetInput(input, terminal, args.stdin_once);
  monitor.out.Share(&monitor.attachments, 0);
  monitor.err.Share(&monitor.attachments, 1);
  const pid_t container = Announce(monitor);
  if (container == 0) return Report(monitor.report, "the runtime left no pid", 0), 1;
  const int status = Follow(monitor, container, signals);
  if (args.kill_cgroup != nullptr) KillRest(args.kill_cgroup);
  DrainRest(monitor);
  return WriteExit(status, args.oom_file) ? 0 : 1;
}

}  // namespace

int MonitorMain(int argc, char** argv) {
  if (argc > 2 && strcmp(argv[2], "exec") == 0) return ExecMonitorMain(argc, argv);
  Monitor monitor;  // 70 KB of stack, of which only the pages touched cost anything
  if (!ParseArgs(monitor.args, argc, argv)) return Report(1, "container-monitor: flags are missing", 0), 2;
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return Report(1, "pipe", errno), 1;
  const pid_t child = fork();
  if (child < 0) return Report(1, "fork", errno), 1;
  if (child == 0) {
    monitor.report = pipe_fds[1];
    plain::Daemonize();
    plain::CloseFrom(3, monitor.report);
    _exit(RunMonitor(monitor, argc, argv));
  }
  // The starter's side: hand on the one line the monitor says once the container runs or cannot.
  close(pipe_fds[1]);
  char text[1024];
  ssize_t n = 0;
  bool started = false;
  while ((n = read(pipe_fds[0], text, sizeof text)) > 0 || (n < 0 && errno == EINTR)) {
    if (n < 0) continue;
    started = started || strncmp(text, "started", 7) == 0;
    plain::WriteAll(1, text, static_cast<std::size_t>(n));
  }
  return started ? 0 : 1;
}

}  // namespace minikube::oci
