#include "oci/processes.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

#include "oci/files.h"
#include "oci/monitor/plain.h"

namespace minikube::oci {
namespace {

// The descriptor is opened before the start time is read: what was read is then about what was opened.
UniqueFd Open(const ProcessRef& process) {
  if (process.pid <= 1) return UniqueFd();
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0)));
  if (!pidfd || plain::StartTime(process.pid) != process.start_time) return UniqueFd();
  return pidfd;
}

}  // namespace

bool IsAlive(const ProcessRef& process) {
  const UniqueFd pidfd = Open(process);
  if (!pidfd) return false;
  pollfd wait{pidfd.get(), POLLIN, 0};
  return poll(&wait, 1, 0) == 0;
}

Status SendSignal(const ProcessRef& process, int signal) {
  const UniqueFd pidfd = Open(process);
  if (!pidfd) return {Code::kNotFound, fmt::format("process {} has ended", process.pid)};
  if (syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0) return {};
  if (errno == ESRCH) return {Code::kNotFound, fmt::format("process {} has ended", process.pid)};
  return ErrnoStatus(errno, "signal process", std::to_string(process.pid));
}

bool WaitEnd(const ProcessRef& process, std::chrono::milliseconds patience) {
  const UniqueFd pidfd = Open(process);
  if (!pidfd) return true;
  pollfd wait{pidfd.get(), POLLIN, 0};
  return poll(&wait, 1, static_cast<int>(patience.count())) > 0;
}

Status KillAndWait(const ProcessRef& process) {
  const Status sent = SendSignal(process, SIGKILL);
  if (!sent.ok()) return sent.code() == Code::kNotFound ? Status() : sent;
  if (WaitEnd(process, std::chrono::seconds(5))) return {};
  return {Code::kInternal, fmt::format("process {} does not die", process.pid)};
}

std::string BootId() {
  auto text = ReadWholeFile("/proc/sys/kernel/random/boot_id");
  return text ? text->substr(0, 36) : "";
}

}  // namespace minikube::oci
