// The monitor of one command in a container (kubectl exec, probes, hooks): the parent of its process, so that its exit
// code is known, and its end when nobody holds its streams any more.
//
// It runs the OCI runtime with the descriptors it was given as standard files, adopts the process as subreaper, and
// waits. Over the control socket it sends the terminal, if there is one; when the other end closes (also because the
// host process died), it kills the process. At the end it says on stdout "exit <code>", or why there was no process:
// "failed <exit code of the runtime>" (which left the reason in its log) or "error ...".
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "oci/monitor/console.h"
#include "oci/monitor/monitor.h"
#include "oci/monitor/plain.h"

namespace minikube::oci {
namespace {

using plain::Report;

// What a runtime whose process is not wanted any more gets to come to an end.
constexpr int kPatienceMillis = 10'000;

struct Exec {
  const char* dir;       // the container's
  const char* pid_file;  // names in it
  const char* console;   // nullptr: no terminal
  int control;
  int stdio[3];  // -1 = /dev/null
  char** runtime;
};

pid_t StartRuntime(const Exec& exec) {
  const pid_t runtime = fork();
  if (runtime != 0) return runtime;
  plain::BecomeChild();
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3; ++fd) {
    if (dup2(exec.stdio[fd] >= 0 ? exec.stdio[fd] : null, fd) < 0) _exit(125);
  }
  execv(exec.runtime[0], exec.runtime);
  _exit(errno == ENOENT ? 127 : 126);
}

// Waits for the end of `pid`, which is killed if the control socket closes and it does not end within `patience`. Its
// wait status. Other children are reaped on the way if `others`: before the process is known it may be one of them.
int Await(pid_t pid, int signals, Exec& exec, int patience, bool others) {
  int status = 0;
  // Looked at before it is waited for: the signal may have been read already.
  while (others ? !plain::Reap(pid, &status) : waitpid(pid, &status, WNOHANG) != pid) {
    pollfd fds[2] = {{signals, POLLIN, 0}, {exec.control, POLLIN, 0}};
    const int ready = poll(fds, 2, exec.control < 0 ? patience : -1);
    if (ready == 0) kill(pid, SIGKILL), patience = -1;
    if (ready > 0 && fds[1].revents != 0) {
      close(exec.control);
      exec.control = -1;
    }
    signalfd_siginfo info;
    while (read(signals, &info, sizeof info) > 0) continue;
  }
  return status;
}

int Run(Exec& exec) {
  // A host that is ended with its group would leave the command without anybody who ends it.
  plain::StandApart();
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  const int signals = plain::WatchChildren();
  if (signals < 0) return Report(1, "signalfd", errno), 1;
  if (chdir(exec.dir) != 0) return Report(1, "find the container's directory", errno), 1;
  const int console = exec.console != nullptr ? plain::OpenConsole(exec.console) : -1;
  if (exec.console != nullptr && console < 0) return Report(1, "make a socket for the terminal", errno), 1;

  const pid_t runtime = StartRuntime(exec);
  if (runtime < 0) return Report(1, "fork", errno), 1;
  for (const int fd : exec.stdio) {
    if (fd >= 0) close(fd);  // their other ends are to learn when the process is done with them
  }
  const int started = Await(runtime, signals, exec, kPatienceMillis, false);
  const int terminal = console >= 0 ? plain::ReceiveTerminal(console, exec.console) : -1;
  if (started != 0) {
    char text[64];
    const int n = snprintf(text, sizeof text, "failed %d\n", WIFEXITED(started) ? WEXITSTATUS(started) : 255);
    plain::WriteAll(1, text, static_cast<std::size_t>(n));
    return 1;
  }
  if (terminal >= 0) {
    if (exec.control >= 0) plain::SendDescriptor(exec.control, terminal);
    close(terminal);
  }
  char text[64];
  const long read = plain::ReadFile(exec.pid_file, text, sizeof text);
  const auto process = static_cast<pid_t>(read > 0 ? plain::Number(strtok(text, "\n"), 0) : 0);
  if (process <= 1) return Report(1, "the runtime left no pid", 0), 1;
  const int status = Await(process, signals, exec, 0, true);
  const int n =
      snprintf(text, sizeof text, "exit %d\n", WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
  plain::WriteAll(1, text, static_cast<std::size_t>(n));
  return 0;
}

}  // namespace

int ExecMonitorMain(int argc, char** argv) {
  constexpr int kFixed = 10;  // program, mode, "exec" and the seven before the runtime's command
  if (argc <= kFixed) return Report(1, "container-monitor exec: arguments are missing", 0), 2;
  Exec exec{};
  exec.dir = argv[3];
  exec.pid_file = argv[4];
  exec.console = *argv[5] != '\0' ? argv[5] : nullptr;
  int* const descriptors[] = {&exec.control, &exec.stdio[0], &exec.stdio[1], &exec.stdio[2]};
  for (int i = 0; i < 4; ++i) {
    *descriptors[i] = static_cast<int>(plain::Number(argv[6 + i], -1));
    if (*descriptors[i] >= 0) fcntl(*descriptors[i], F_SETFD, FD_CLOEXEC);
  }
  exec.runtime = argv + kFixed;
  return Run(exec);
}

}  // namespace minikube::oci
