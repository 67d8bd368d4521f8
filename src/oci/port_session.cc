#include "oci/port_session.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace minikube::oci {
namespace {

constexpr std::size_t kPiece = 32 << 10;

UniqueFd OpenSocket(int family) {
  UniqueFd fd(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (fd) setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

}  // namespace

Result<PodSockets> OpenPodSockets(int pid) {
  const UniqueFd own(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!own) return ErrnoStatus(errno, "open", "/proc/thread-self/ns/net");
  const UniqueFd pod(open(fmt::format("/proc/{}/ns/net", pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!pod) return Status(Code::kNotFound, "the pod's sandbox has ended");
  if (setns(pod.get(), CLONE_NEWNET) != 0) return ErrnoStatus(errno, "enter", "the pod's network namespace");
  PodSockets out{OpenSocket(AF_INET), OpenSocket(AF_INET6)};
  const int error = errno;
  // A thread left in a pod's network would do the host's work there; there is no way on without going back.
  if (setns(own.get(), CLONE_NEWNET) != 0) {
    DieOnBadResult(ErrnoStatus(errno, "return from", "the pod's network namespace"));
  }
  if (!out.v4 && !out.v6) return ErrnoStatus(error, "open", "a socket in the pod's network namespace");
  return out;
}

PortSession::PortSession(Env& env, Strand& strand, std::uint16_t port, std::string where, ExecEvents events)
    : env_(env), strand_(strand), port_(port), where_(std::move(where)), events_(std::move(events)) {}

PortSession::~PortSession() {
  if (read_watch_ != 0) env_.UnwatchFd(read_watch_);
  if (write_watch_ != 0) env_.UnwatchFd(write_watch_);
}

void PortSession::Later(void (PortSession::*step)()) {
  strand_.Post([this, alive = alive(), step] {
    if (!alive.expired()) (this->*step)();
  });
}

void PortSession::Watch(std::uint64_t& watch, FdEvent event, void (PortSession::*step)()) {
  if (watch != 0) return;
  watch = env_.WatchFd(fd_.get(), event, strand_, [this, alive = alive(), &watch, step] {
    if (alive.expired()) return;
    watch = 0;
    (this->*step)();
  });
  if (watch == 0) End(Status(Code::kUnavailable, "no descriptors are left to watch the connection"));
}

void PortSession::End(Result<int> result) {
  if (!events_.on_end) return;
  const Function<void(Result<int>)> end = std::exchange(events_.on_end, nullptr);
  end(std::move(result));  // may destroy this
}

// --- Connecting -----------------------------------------------------------------------------------------------------

void PortSession::Connect(Result<PodSockets> sockets) {
  if (!sockets) return End(sockets.status());
  sockets_ = *std::move(sockets);
  TryNext();
}

void PortSession::TryNext() {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port_);
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port_);
  v6.sin6_addr = in6addr_loopback;
  for (const bool first : {true, false}) {
    UniqueFd& next = first ? sockets_.v4 : sockets_.v6;
    if (!next) continue;
    fd_ = std::exchange(next, UniqueFd());
    const auto* const address = first ? reinterpret_cast<sockaddr*>(&v4) : reinterpret_cast<sockaddr*>(&v6);
    const int result = connect(fd_.get(), address, first ? sizeof v4 : sizeof v6);
    trouble_ += fmt::format(", IPv{}: dial tcp{} {}:{}: connect: ", first ? 4 : 6, first ? 4 : 6,
                            first ? "127.0.0.1" : "[::1]", port_);
    if (result == 0 || errno == EINPROGRESS) {
      return Watch(write_watch_, FdEvent::kWritable, &PortSession::Connected);
    }
    trouble_ += std::strerror(errno);
  }
  fd_ = UniqueFd();
  End(Status(Code::kUnavailable,
             fmt::format("failed to connect to localhost:{} inside {}{}", port_, where_, trouble_)));
}

void PortSession::Connected() {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    trouble_ += std::strerror(error);
    return TryNext();
  }
  sockets_ = PodSockets();
  connected_ = true;
  const auto held = alive();
  Flush();
  if (!held.expired()) Read();
}

// --- Both ways ------------------------------------------------------------------------------------------------------

void PortSession::Write(std::string data) {
  input_ += data;
  Later(&PortSession::Flush);
}

void PortSession::CloseInput() {
  closing_input_ = true;
  Later(&PortSession::Flush);
}

void PortSession::Flush() {
  if (!connected_) return;
  std::size_t taken = 0;
  while (!input_over_ && taken < input_.size()) {
    const ssize_t n = send(fd_.get(), input_.data() + taken, input_.size() - taken, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) input_over_ = true;  // what there is to read counts yet
    if (n > 0) taken += static_cast<std::size_t>(n);
  }
  if (input_over_) taken = input_.size();
  input_.erase(0, taken);
  if (closing_input_ && input_.empty() && !std::exchange(input_over_, true)) shutdown(fd_.get(), SHUT_WR);
  const auto held = alive();
  if (taken > 0 && events_.on_taken) events_.on_taken(taken);
  if (!held.expired() && !input_.empty()) Watch(write_watch_, FdEvent::kWritable, &PortSession::Flush);
}

void PortSession::ReadOn() {
  paused_ = false;
  Later(&PortSession::Read);
}

void PortSession::Read() {
  if (!connected_ || paused_ || !events_.on_end) return;
  std::string piece(kPiece, '\0');
  ssize_t n = 0;
  do {
    n = recv(fd_.get(), piece.data(), piece.size(), 0);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) return Watch(read_watch_, FdEvent::kReadable, &PortSession::Read);
  if (n < 0) {
    return End(Status(Code::kUnavailable,
                      fmt::format("read from localhost:{} inside {}: {}", port_, where_, std::strerror(errno))));
  }
  if (n == 0) return End(0);
  piece.resize(static_cast<std::size_t>(n));
  if (piece.size() < kPiece / 2) piece.shrink_to_fit();
  paused_ = true;
  events_.on_output(OutputStream::kOut, std::move(piece));
}

}  // namespace minikube::oci
