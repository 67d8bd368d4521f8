// The pause process: what a pod sandbox is made of while none of its containers runs.
//
// It owns the pod's namespaces (network, IPC, UTS and, if shared, PID, in which it is process 1 and reaps) and the
// pod's /dev/shm. Containers join through /proc/<pid>/ns. It keeps nothing else: an empty read-only root in a mount
// namespace of its own, so that neither it nor somebody in the pod who looks through /proc/1/root holds a mount of the
// host; no capabilities; no open files. When it dies, the kernel takes the namespaces and the mounts with it.
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "oci/monitor/monitor.h"
#include "oci/monitor/plain.h"

namespace minikube::oci {
namespace {

using plain::Report;

struct Args {
  const char* dir = nullptr;
  const char* hostname = nullptr;
  const char* shm_size = "67108864";
  bool net = false;
  bool ipc = false;
  bool uts = false;
  bool pid = false;
};

bool LoopbackUp() {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  ifreq request{};
  snprintf(request.ifr_name, sizeof request.ifr_name, "lo");
  bool up = ioctl(fd, SIOCGIFFLAGS, &request) == 0;
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  up = up && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  close(fd);
  return up;
}

// `assignment` is name=value; dots of the name become slashes (a name written with slashes keeps its dots, as
// sysctl(8)).
bool SetSysctl(const char* assignment) {
  const char* equals = strchr(assignment, '=');
  if (equals == nullptr || equals == assignment || strstr(assignment, "..") != nullptr) return errno = EINVAL, false;
  char path[512];
  const int prefix = snprintf(path, sizeof path, "/proc/sys/");
  const auto length = static_cast<std::size_t>(equals - assignment);
  if (length + static_cast<std::size_t>(prefix) >= sizeof path) return errno = ENAMETOOLONG, false;
  memcpy(path + prefix, assignment, length);
  path[static_cast<std::size_t>(prefix) + length] = '\0';
  if (memchr(assignment, '/', length) == nullptr) {
    for (char* c = path + prefix; *c != '\0'; ++c) {
      if (*c == '.') *c = '/';
    }
  }
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = plain::WriteAll(fd, equals + 1, strlen(equals + 1));
  const int error = errno;
  close(fd);
  errno = error;
  return written;
}

// An empty root with the pod's /shm in it. `dir` only serves as a place to mount.
bool EnterEmptyRoot(const char* dir, const char* shm_size) {
  char options[64];
  snprintf(options, sizeof options, "mode=1777,size=%s", shm_size);
  if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  if (mount("pod", dir, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64k") != 0 || chdir(dir) != 0 ||
      mkdir("shm", 0755) != 0 || mount("shm", "shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) != 0) {
    return false;
  }
  // pivot_root(".", "."): the old root lies over the new one and is taken off at once.
  return syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0 && chdir("/") == 0 &&
         mount(nullptr, "/", nullptr, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64k") ==
             0;
}

bool DropCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_capset, &header, none) == 0;
}

// Runs in the process that stays. `report` goes to the starter: "started <pid> <start time> <wall nanoseconds>".
int Settle(const Args& args, int argc, char** argv, int report) {
  char self[32] = {};
  // In a new PID namespace getpid() is 1; the host's /proc still knows our name there.
  if (readlink("/proc/self", self, sizeof self - 1) <= 0) return Report(report, "readlink /proc/self", errno), 1;
  const int pid = static_cast<int>(plain::Number(self, 0));
  char text[128];
  const std::uint64_t now = plain::WallNanos();
  snprintf(text, sizeof text, "%d %llu %llu\n", pid, static_cast<unsigned long long>(plain::StartTime(pid)),
           static_cast<unsigned long long>(now));
  char path[plain::kPathMax];
  if (!plain::Join(path, args.dir, "pause") || !plain::WriteFileAtomic(path, text)) {
    return Report(report, "write the pid file", errno), 1;
  }
  if (args.net && !LoopbackUp()) return Report(report, "set the loopback interface up", errno), 1;
  if (args.uts && args.hostname != nullptr && sethostname(args.hostname, strlen(args.hostname)) != 0) {
    return Report(report, "sethostname", errno), 1;
  }
  for (int i = 2; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--sysctl") != 0 || SetSysctl(argv[i + 1])) continue;
    char what[256];
    snprintf(what, sizeof what, "set sysctl %s", argv[i + 1]);
    return Report(report, what, errno), 1;
  }
  char mountpoint[plain::kPathMax];
  if (!plain::Join(mountpoint, args.dir, "root") || !EnterEmptyRoot(mountpoint, args.shm_size)) {
    return Report(report, "make the sandbox's root", errno), 1;
  }
  if (!DropCapabilities()) return Report(report, "drop capabilities", errno), 1;
  signal(SIGCHLD, SIG_IGN);  // as process 1 of a shared PID namespace: orphans are reaped by the kernel
  signal(SIGTERM, SIG_DFL);
  char started[160];
  const int n = snprintf(started, sizeof started, "started %s", text);
  if (!plain::WriteAll(report, started, static_cast<std::size_t>(n))) return 1;
  close(report);
  while (true) pause();
}

}  // namespace

int PauseMain(int argc, char** argv) {
  Args args;
  for (int i = 2; i + 1 < argc; i += 2) {
    const char* flag = argv[i];
    const char* value = argv[i + 1];
    if (strcmp(flag, "--dir") == 0) args.dir = value;
    if (strcmp(flag, "--hostname") == 0) args.hostname = value;
    if (strcmp(flag, "--shm-size") == 0) args.shm_size = value;
    if (strcmp(flag, "--net") == 0) args.net = *value == '1';
    if (strcmp(flag, "--ipc") == 0) args.ipc = *value == '1';
    if (strcmp(flag, "--uts") == 0) args.uts = *value == '1';
    if (strcmp(flag, "--pid") == 0) args.pid = *value == '1';
  }
  if (args.dir == nullptr) return Report(1, "pause: --dir is missing", 0), 2;

  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return Report(1, "pipe", errno), 1;
  const pid_t child = fork();
  if (child < 0) return Report(1, "fork", errno), 1;
  if (child > 0) {
    // The starter's side: hand on what the child says, until it has settled or failed.
    close(pipe_fds[1]);
    char text[1024];
    ssize_t n = 0;
    bool settled = false;
    while ((n = read(pipe_fds[0], text, sizeof text)) > 0 || (n < 0 && errno == EINTR)) {
      if (n < 0) continue;
      settled = settled || strncmp(text, "started", 7) == 0;
      plain::WriteAll(1, text, static_cast<std::size_t>(n));
    }
    return settled ? 0 : 1;
  }

  const int report = pipe_fds[1];
  plain::Daemonize();
  plain::CloseFrom(3, report);
  plain::WriteFile("/proc/self/oom_score_adj", "-998");
  for (int i = 2; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--cgroup") == 0 && !plain::JoinCgroup(argv[i + 1])) {
      return Report(report, "join the pod's cgroup", errno), 1;
    }
  }
  const int flags = (args.net ? CLONE_NEWNET : 0) | (args.ipc ? CLONE_NEWIPC : 0) | (args.uts ? CLONE_NEWUTS : 0) |
                    (args.pid ? CLONE_NEWPID : 0);
  if (flags != 0 && unshare(flags) != 0) return Report(report, "unshare the pod's namespaces", errno), 1;
  if (args.pid) {
    const pid_t init = fork();
    if (init < 0) return Report(report, "fork", errno), 1;
    if (init > 0) return 0;
  }
  return Settle(args, argc, argv, report);
}

}  // namespace minikube::oci
