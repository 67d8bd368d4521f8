#include "oci/exec_session.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "oci/monitor/console.h"

namespace minikube::oci {
namespace {

constexpr std::size_t kPiece = 32 << 10;

// Never 0, 1 or 2, even in a host that has closed these: they mean something else in the child.
UniqueFd AboveStandard(int fd) {
  if (fd < 0 || fd > 2) return UniqueFd(fd);
  UniqueFd low(fd);
  return UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

bool MakePipe(UniqueFd& read_end, UniqueFd& write_end) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return false;
  read_end = AboveStandard(fds[0]);
  write_end = AboveStandard(fds[1]);
  return read_end && write_end;
}

void DontBlock(const UniqueFd& fd) { fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) | O_NONBLOCK); }

}  // namespace

Result<std::unique_ptr<ExecSession>> ExecSession::Open(Env& env, Strand& strand, const ExecSpec& spec,
                                                       ExecEvents events, ExecDescriptors& theirs) {
  auto session = std::make_unique<ExecSession>(env, strand, spec.tty, std::move(events));
  int control[2];
  bool good = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, control) == 0;
  if (good) {
    session->control_.fd = AboveStandard(control[0]);
    theirs.fds[0] = AboveStandard(control[1]);
    good = session->control_.fd && theirs.fds[0];
  }
  if (!good) return ErrnoStatus(errno, "make", "the streams of a command");
  if (spec.tty) {
    session->Watch(session->control_, FdEvent::kReadable, &ExecSession::TakeTerminal);
  } else {
    MINIKUBE_RETURN_IF_ERROR(session->MakePipes(spec, theirs));
    session->Later(&ExecSession::ReadOutputs);
  }
  return session;
}

Status ExecSession::MakePipes(const ExecSpec& spec, ExecDescriptors& theirs) {
  bool good = true;
  if (spec.in) {
    good = MakePipe(theirs.fds[1], in_.fd);
    // Held open too, so that writing to a process that has closed its input is no SIGPIPE for the host; what it does
    // not take waits in the pipe until it ends.
    if (good) in_reader_ = UniqueFd(fcntl(theirs.fds[1].get(), F_DUPFD_CLOEXEC, 3));
    good = good && in_reader_;
    if (good) DontBlock(in_.fd);
  }
  for (const OutputStream stream : {OutputStream::kOut, OutputStream::kErr}) {
    const bool is_out = stream == OutputStream::kOut;
    Output& output = outputs_[is_out ? 0 : 1];
    output.stream = stream;
    if (!good || !(is_out ? spec.out : spec.err)) continue;
    good = MakePipe(output.fd, theirs.fds[is_out ? 2 : 3]);
    if (good) DontBlock(output.fd);
  }
  return good ? Status() : ErrnoStatus(errno, "make", "the streams of a command");
}

// --- Attaching ------------------------------------------------------------------------------------------------------

Result<std::unique_ptr<ExecSession>> ExecSession::Attach(Env& env, Strand& strand, const ExecSpec& spec,
                                                         ExecEvents events, const std::string& socket_path) {
  auto session = std::make_unique<ExecSession>(env, strand, spec.tty, std::move(events));
  session->attached_ = true;
  session->awaiting_terminal_ = false;
  ExecDescriptors theirs;
  MINIKUBE_RETURN_IF_ERROR(session->MakePipes(spec, theirs));
  UniqueFd& control = session->control_.fd;
  control = AboveStandard(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // A socket's address may have 107 bytes only, the path more: through the directory's descriptor it is short.
  const std::size_t slash = socket_path.rfind('/');
  const UniqueFd dir(open(socket_path.substr(0, slash).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  sockaddr_un address{AF_UNIX, {}};
  const std::string name = fmt::format("/proc/self/fd/{}{}", dir.get(), socket_path.substr(slash));
  if (!control || !dir || name.size() >= sizeof address.sun_path) return ErrnoStatus(errno, "reach", socket_path);
  name.copy(address.sun_path, name.size());
  char wanted = 0;
  int fds[3];
  int count = 0;
  for (int i = 0; i < 3; ++i) {
    const int fd = theirs.fds[static_cast<std::size_t>(i) + 1].get();
    if (fd < 0) continue;
    wanted = static_cast<char>(wanted | 1 << i);
    fds[count++] = fd;
  }
  if (connect(control.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      !plain::SendDescriptors(control.get(), wanted, fds, count)) {
    return Status(Code::kUnavailable, fmt::format("the container's monitor cannot be reached: {}", strerror(errno)));
  }
  session->Watch(session->control_, FdEvent::kReadable, &ExecSession::TakeWelcome);
  session->Later(&ExecSession::ReadOutputs);
  return session;
}

// What the monitor says: that we are welcome, with the terminal if there is one, and at last, by closing, that it is
// over.
void ExecSession::TakeWelcome() {
  int terminal = -1;
  const int got = control_.fd ? plain::ReceiveDescriptors(control_.fd.get(), nullptr, &terminal, 1) : -1;
  if (got < 0) {
    Close(control_);
    if (welcome_) return Ended(0);
    return Ended(Status(Code::kUnavailable, "the container has ended, or has too many who are attached to it"));
  }
  welcome_ = true;
  if (got == 1) terminal_ = UniqueFd(terminal);
  if (size_.width != 0) Resize(size_);
  Watch(control_, FdEvent::kReadable, &ExecSession::TakeWelcome);
}

ExecSession::ExecSession(Env& env, Strand& strand, bool tty, ExecEvents events)
    : env_(env), strand_(strand), events_(std::move(events)), tty_(tty), awaiting_terminal_(tty) {}

ExecSession::~ExecSession() {
  for (End* end : {&control_, &in_, static_cast<End*>(&outputs_[0]), static_cast<End*>(&outputs_[1])}) Close(*end);
}

void ExecSession::Close(End& end) {
  if (end.watch != 0) env_.UnwatchFd(std::exchange(end.watch, 0));
  end.fd = UniqueFd();
}

void ExecSession::Later(void (ExecSession::*step)()) {
  strand_.Post([this, alive = alive(), step] {
    if (!alive.expired()) (this->*step)();
  });
}

void ExecSession::Watch(End& end, FdEvent event, void (ExecSession::*step)()) {
  if (end.watch != 0) return;
  end.watch = env_.WatchFd(end.fd.get(), event, strand_, [this, alive = alive(), &end, step] {
    if (alive.expired()) return;
    end.watch = 0;
    (this->*step)();
  });
  if (end.watch != 0) return;
  // Out of descriptors: better no process than one that hangs.
  Kill();
  if (attached_) exit_code_ = Status(Code::kUnavailable, "no descriptors are left to watch the streams");
}

void ExecSession::TakeTerminal() {
  if (!awaiting_terminal_) return;
  const UniqueFd terminal(control_.fd ? plain::ReceiveDescriptor(control_.fd.get()) : -1);
  awaiting_terminal_ = false;
  if (terminal) {
    in_.fd = UniqueFd(fcntl(terminal.get(), F_DUPFD_CLOEXEC, 3));
    outputs_[0].fd = UniqueFd(fcntl(terminal.get(), F_DUPFD_CLOEXEC, 3));
    if (size_.width != 0) Resize(size_);
  }
  Flush();
  ReadOutputs();
}

void ExecSession::Ended(Result<int> exit_code) {
  exit_code_ = std::move(exit_code);
  // The terminal of a process that was quick may still be in the socket.
  if (awaiting_terminal_) return TakeTerminal();
  ReadOutputs();
}

// --- Input ----------------------------------------------------------------------------------------------------------

void ExecSession::Write(std::string data) {
  input_ += data;
  Later(&ExecSession::Flush);
}

void ExecSession::CloseInput() {
  if (tty_ && !attached_) return;
  closing_input_ = true;
  Later(&ExecSession::Flush);
}

void ExecSession::Resize(TerminalSize size) {
  size_ = size;
  const UniqueFd& terminal = attached_ ? terminal_ : in_.fd;
  if (!tty_ || !terminal) return;
  winsize window{};
  window.ws_col = size.width;
  window.ws_row = size.height;
  ioctl(terminal.get(), TIOCSWINSZ, &window);
}

void ExecSession::Taken(std::size_t bytes) {
  if (bytes > 0 && events_.on_taken) events_.on_taken(bytes);
}

void ExecSession::Flush() {
  if (awaiting_terminal_) return;
  std::size_t taken = 0;
  while (in_.fd && taken < input_.size()) {
    const ssize_t n = write(in_.fd.get(), input_.data() + taken, input_.size() - taken);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      Watch(in_, FdEvent::kWritable, &ExecSession::Flush);
      break;
    }
    if (n < 0) Close(in_);  // a terminal that nobody is at any more
    if (n > 0) taken += static_cast<std::size_t>(n);
  }
  if (!in_.fd) taken = input_.size();
  input_.erase(0, taken);
  if (closing_input_ && input_.empty()) {
    Close(in_);
    in_reader_ = UniqueFd();
  }
  Taken(taken);
}

// --- Output ---------------------------------------------------------------------------------------------------------

void ExecSession::ReadOn() {
  paused_ = false;
  Later(&ExecSession::ReadOutputs);
}

void ExecSession::ReadOutputs() {
  if (paused_ || awaiting_terminal_) return;
  const std::size_t first = first_;
  for (const std::size_t i : {first, 1 - first}) {
    if (!outputs_[i].fd || !ReadFrom(outputs_[i])) continue;
    first_ = 1 - i;  // neither is to starve
    return;
  }
  // A process that outlives this one may hold the other ends: what is in the pipes counts, their end does not.
  if (!exit_code_ || !events_.on_end) return;
  const Function<void(Result<int>)> end = std::exchange(events_.on_end, nullptr);
  end(*std::move(exit_code_));  // may destroy this
}

bool ExecSession::ReadFrom(Output& output) {
  std::string piece(kPiece, '\0');
  ssize_t n = 0;
  do {
    n = read(output.fd.get(), piece.data(), piece.size());
  } while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) {
    Watch(output, FdEvent::kReadable, &ExecSession::ReadOutputs);
    return false;
  }
  if (n <= 0) {  // a terminal says EIO when its last user has gone
    Close(output);
    return false;
  }
  piece.resize(static_cast<std::size_t>(n));
  piece.shrink_to_fit();
  paused_ = true;
  events_.on_output(output.stream, std::move(piece));
  return true;
}

}  // namespace minikube::oci
