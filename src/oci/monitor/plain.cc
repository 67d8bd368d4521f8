#include "oci/monitor/plain.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>

namespace minikube::oci::plain {

bool Join(char (&out)[kPathMax], const char* dir, const char* name) {
  const int n = snprintf(out, sizeof out, "%s/%s", dir, name);
  return n > 0 && static_cast<std::size_t>(n) < sizeof out;
}

bool WriteAll(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t n = write(fd, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    data += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

bool WriteFile(const char* path, const char* text) {
  const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const bool written = WriteAll(fd, text, strlen(text));
  return close(fd) == 0 && written;
}

bool WriteFileAtomic(const char* path, const char* text) {
  char tmp[kPathMax];
  const int n = snprintf(tmp, sizeof tmp, "%s.tmp", path);
  if (n < 0 || static_cast<std::size_t>(n) >= sizeof tmp) return false;
  return WriteFile(tmp, text) && rename(tmp, path) == 0;
}

long ReadFile(const char* path, char* buffer, std::size_t size) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  std::size_t used = 0;
  while (used + 1 < size) {
    const ssize_t n = read(fd, buffer + used, size - 1 - used);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    used += static_cast<std::size_t>(n);
  }
  close(fd);
  buffer[used] = '\0';
  return static_cast<long>(used);
}

std::uint64_t StartTime(int pid) {
  char path[64];
  char text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  if (ReadFile(path, text, sizeof text) <= 0) return 0;
  // The program's name, in parentheses, may hold anything; after its last ')' fields are separated by one space.
  const char* at = strrchr(text, ')');
  if (at == nullptr) return 0;
  for (int field = 2; field < 22; ++field) {
    at = strchr(at + 1, ' ');
    if (at == nullptr) return 0;
  }
  return strtoull(at + 1, nullptr, 10);
}

std::uint64_t WallNanos() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

long long Number(const char* text, long long fallback) {
  if (text == nullptr || *text == '\0') return fallback;
  char* end = nullptr;
  const long long value = strtoll(text, &end, 10);
  return *end == '\0' ? value : fallback;
}

bool JoinCgroup(const char* dir) {
  char path[kPathMax];
  return Join(path, dir, "cgroup.procs") && WriteFile(path, "0");
}

int WatchChildren() {
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, nullptr);
  return signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
}

bool Reap(int pid, int* status) {
  bool ended = false;
  int each = 0;
  int reaped = 0;
  while ((reaped = waitpid(-1, &each, WNOHANG)) > 0) {
    if (reaped != pid) continue;
    ended = true;
    *status = each;
  }
  return ended;
}

void BecomeChild() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int sig : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM}) signal(sig, SIG_DFL);
}

void Report(int fd, const char* what, int error) {
  char text[1024];
  const int n = error != 0 ? snprintf(text, sizeof text, "error %s: %s\n", what, strerror(error))
                           : snprintf(text, sizeof text, "error %s\n", what);
  if (n > 0) WriteAll(fd, text, strnlen(text, sizeof text));
}

void CloseFrom(int from, int keep) {
  if (keep > from) syscall(SYS_close_range, static_cast<unsigned>(from), static_cast<unsigned>(keep - 1), 0);
  const int above = keep >= from ? keep + 1 : from;
  syscall(SYS_close_range, static_cast<unsigned>(above), ~0U, 0);
}

void StandApart() {
  setsid();
  for (const int sig : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM}) signal(sig, SIG_IGN);
}

void Daemonize() {
  StandApart();
  const int null = open("/dev/null", O_RDWR);
  if (null >= 0) {
    for (int fd = 0; fd <= 2; ++fd) dup2(null, fd);
    if (null > 2) close(null);
  }
}

}  // namespace minikube::oci::plain
