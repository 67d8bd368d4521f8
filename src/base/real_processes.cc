#include "base/real_processes.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include <fmt/format.h>

#include "base/real_strand.h"

namespace minikube::base {
namespace {

using Descriptor = boost::asio::posix::stream_descriptor;

int PidfdOpen(int pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

// Whether the process of a pidfd has ended. A readiness event alone does not say so: the reactor may see one that was
// meant for a descriptor closed before (a child being spawned keeps it open a moment longer).
bool HasEnded(int pidfd) {
  pollfd state{pidfd, POLLIN, 0};
  return poll(&state, 1, 0) > 0;
}

struct Pipe {
  int read = -1;
  int write = -1;
  ~Pipe() {
    if (read >= 0) close(read);
    if (write >= 0) close(write);
  }
  bool Open() {
    std::array<int, 2> fds{};
    if (pipe2(fds.data(), O_CLOEXEC) != 0) return false;
    read = fds[0];
    write = fds[1];
    fcntl(read, F_SETFL, O_NONBLOCK);
    return true;
  }
};

// The child has 0, 1, 2 and `fds`, under the same numbers, whatever else the host has open without close-on-exec.
void PassOnOnly(std::vector<int> fds, posix_spawn_file_actions_t& actions) {
  std::sort(fds.begin(), fds.end());
  int next = 3;
  for (const int fd : fds) {
    for (; next < fd; ++next) posix_spawn_file_actions_addclose(&actions, next);
    posix_spawn_file_actions_adddup2(&actions, fd, fd);  // onto itself: clears close-on-exec
    next = std::max(next, fd + 1);
  }
  posix_spawn_file_actions_addclosefrom_np(&actions, next);
}

// One run of a process: from spawn to the answer. Its handlers run on `strand`.
class Running : public std::enable_shared_from_this<Running> {
 public:
  Running(boost::asio::io_context& io, Function<void(Task)> post, Function<void(Result<ProcessResult>)> done)
      : strand_(boost::asio::make_strand(io)),
        post_(std::move(post)),
        done_(std::move(done)),
        pidfd_(strand_),
        out_{Descriptor(strand_), {}},
        err_{Descriptor(strand_), {}},
        timer_(strand_) {}

  void Start(const ProcessSpec& spec) {
    max_output_ = spec.max_output;
    if (Status status = Spawn(spec); !status.ok()) return Answer(status);
    if (spec.capture_output) {
      AwaitOutput(out_);
      AwaitOutput(err_);
    }
    if (spec.timeout > Duration::zero()) {
      timer_.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(spec.timeout));
      timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        if (!error) syscall(SYS_pidfd_send_signal, self->pidfd_.native_handle(), SIGKILL, nullptr, 0);
      });
    }
    AwaitExit();
  }

 private:
  struct Stream {
    Descriptor fd;
    std::string data;
  };

  Status Spawn(const ProcessSpec& spec) {
    if (spec.argv.empty()) return {Code::kBadRequest, "no program to run"};
    Pipe out;
    Pipe err;
    if (spec.capture_output && (!out.Open() || !err.Open())) {
      return {Code::kInternal, fmt::format("pipe: {}", std::strerror(errno))};
    }
    const int input =
        spec.stdin_data.empty() ? open("/dev/null", O_RDONLY | O_CLOEXEC) : memfd_create("stdin", MFD_CLOEXEC);
    if (input < 0) return {Code::kInternal, fmt::format("stdin: {}", std::strerror(errno))};
    const Pipe close_input{input, -1};
    for (std::size_t at = 0; at < spec.stdin_data.size();) {
      const ssize_t n = write(input, spec.stdin_data.data() + at, spec.stdin_data.size() - at);
      if (n <= 0) return {Code::kInternal, fmt::format("stdin: {}", std::strerror(errno))};
      at += static_cast<std::size_t>(n);
    }
    lseek(input, 0, SEEK_SET);

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, 0);
    if (spec.capture_output) {
      posix_spawn_file_actions_adddup2(&actions, out.write, 1);
      posix_spawn_file_actions_adddup2(&actions, err.write, 2);
    } else {
      posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
      posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    }
    PassOnOnly(spec.inherit_fds, actions);
    if (!spec.cwd.empty()) posix_spawn_file_actions_addchdir_np(&actions, spec.cwd.c_str());

    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    sigset_t all;
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

    std::vector<char*> argv;
    for (const std::string& arg : spec.argv) argv.push_back(const_cast<char*>(arg.c_str()));
    argv.push_back(nullptr);
    std::vector<std::string> env_text;
    for (const auto& [name, value] : spec.env) env_text.push_back(name + "=" + value);
    std::vector<char*> envp;
    for (std::string& entry : env_text) envp.push_back(entry.data());
    envp.push_back(nullptr);

    pid_t pid = 0;
    const int error = posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(), envp.data());
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) {
      return {error == ENOENT ? Code::kNotFound : Code::kInternal,
              fmt::format("cannot run {}: {}", spec.argv[0], std::strerror(error))};
    }
    pid_ = pid;
    const int pidfd = PidfdOpen(pid);
    if (pidfd < 0) {
      const int saved = errno;
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
      return {Code::kInternal, fmt::format("pidfd_open: {}", std::strerror(saved))};
    }
    pidfd_.assign(pidfd);
    if (spec.capture_output) {
      out_.fd.assign(std::exchange(out.read, -1));
      err_.fd.assign(std::exchange(err.read, -1));
    }
    return {};
  }

  // Waits for output and reads it on the strand: a read that the reactor does may still hold bytes when the process's
  // end is handled.
  void AwaitOutput(Stream& stream) {
    stream.fd.async_wait(Descriptor::wait_read,
                         [self = shared_from_this(), &stream](const boost::system::error_code& error) {
                           if (error || !stream.fd.is_open()) return;
                           if (self->ReadAvailable(stream)) self->AwaitOutput(stream);
                         });
  }

  // Reads what the pipe holds now, but not what is written to it meanwhile without end. False at its end.
  bool ReadAvailable(Stream& stream) {
    constexpr int kPipeBytes = 64 << 10;
    std::array<char, 4096> buffer;
    for (std::size_t round = 0; round < kPipeBytes / buffer.size(); ++round) {
      const ssize_t n = read(stream.fd.native_handle(), buffer.data(), buffer.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return n < 0 && errno == EAGAIN;
      const std::size_t room = max_output_ - std::min(max_output_, stream.data.size());
      stream.data.append(buffer.data(), std::min(room, static_cast<std::size_t>(n)));
    }
    return true;
  }

  void AwaitExit() {
    pidfd_.async_wait(Descriptor::wait_read, [self = shared_from_this()](const boost::system::error_code& error) {
      if (error) return;
      if (!HasEnded(self->pidfd_.native_handle())) return self->AwaitExit();
      self->Exited();
    });
  }

  void Exited() {
    timer_.cancel();
    int wait_status = 0;
    pid_t reaped = 0;
    do {
      reaped = waitpid(pid_, &wait_status, 0);
    } while (reaped < 0 && errno == EINTR);
    if (reaped < 0) return Answer(Status(Code::kInternal, "the exit code was reaped by someone else"));
    // A process that outlives this one may hold the other ends of the pipes: what is in them counts, their end doesn't.
    for (Stream* stream : {&out_, &err_}) {
      if (!stream->fd.is_open()) continue;
      ReadAvailable(*stream);
      stream->fd.close();
    }
    ProcessResult result;
    result.exit_code = WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
    result.out = std::move(out_.data);
    result.err = std::move(err_.data);
    Answer(std::move(result));
  }

  void Answer(Result<ProcessResult> result) {
    post_([done = std::move(done_), result = std::move(result)]() mutable { done(std::move(result)); });
  }

  boost::asio::strand<boost::asio::io_context::executor_type> strand_;
  Function<void(Task)> post_;
  Function<void(Result<ProcessResult>)> done_;
  Descriptor pidfd_;
  Stream out_;
  Stream err_;
  boost::asio::steady_timer timer_;
  std::size_t max_output_ = 0;
  pid_t pid_ = 0;
};

}  // namespace

struct RealProcesses::ExitWatch {
  explicit ExitWatch(boost::asio::io_context& io) : pidfd(io), retry(io) {}
  int pid = 0;
  Descriptor pidfd;
  boost::asio::steady_timer retry;
  Function<void(Task)> post;
  Task exited;
};

RealProcesses::RealProcesses(boost::asio::io_context& io) : io_(io) {}
RealProcesses::~RealProcesses() = default;

void RealProcesses::Run(ProcessSpec spec, Strand& strand, Function<void(Result<ProcessResult>)> done) {
  std::make_shared<Running>(io_, strand.Poster(), std::move(done))->Start(spec);
}

// watches_ alone owns a watch: taking it out closes its descriptor and ends its waits. Handlers find it by its id.
std::uint64_t RealProcesses::WatchExit(int pid, Strand& strand, Task exited) {
  auto watch = std::make_unique<ExitWatch>(io_);
  watch->pid = pid;
  watch->post = strand.Poster();
  watch->exited = std::move(exited);
  std::uint64_t id = 0;
  {
    std::lock_guard lock(mu_);
    id = ++last_watch_;
    watches_.emplace(id, std::move(watch));
  }
  OpenWatch(id);
  return id;
}

void RealProcesses::OpenWatch(std::uint64_t id) {
  {
    std::lock_guard lock(mu_);
    const auto it = watches_.find(id);
    if (it == watches_.end()) return;
    ExitWatch& watch = *it->second;
    const int pidfd = PidfdOpen(watch.pid);
    if (pidfd >= 0) {
      watch.pidfd.assign(pidfd);
      return AwaitExit(id, watch);
    }
    if (errno != ESRCH && errno != EINVAL) {
      // Out of descriptors: the process is not known to have ended, so it is looked at again.
      watch.retry.expires_after(std::chrono::milliseconds(100));
      watch.retry.async_wait([this, id](const boost::system::error_code& error) {
        if (!error) OpenWatch(id);
      });
      return;
    }
  }
  FinishWatch(id);
}

void RealProcesses::AwaitExit(std::uint64_t id, ExitWatch& watch) {
  watch.pidfd.async_wait(Descriptor::wait_read, [this, id](const boost::system::error_code& error) {
    if (error) return;
    {
      std::lock_guard lock(mu_);
      const auto it = watches_.find(id);
      if (it == watches_.end()) return;  // unwatched meanwhile
      if (!HasEnded(it->second->pidfd.native_handle())) return AwaitExit(id, *it->second);
    }
    FinishWatch(id);
  });
}

void RealProcesses::FinishWatch(std::uint64_t id) {
  std::unique_ptr<ExitWatch> watch;
  {
    std::lock_guard lock(mu_);
    const auto it = watches_.find(id);
    if (it == watches_.end()) return;
    watch = std::move(it->second);
    watches_.erase(it);
  }
  watch->post(std::move(watch->exited));
}

void RealProcesses::UnwatchExit(std::uint64_t id) {
  std::unique_ptr<ExitWatch> watch;  // declared before the lock: its task may own things that call back when they go
  std::lock_guard lock(mu_);
  const auto it = watches_.find(id);
  if (it == watches_.end()) return;
  watch = std::move(it->second);
  watches_.erase(it);
}

bool RealProcesses::Alive(int pid, std::uint64_t start_time) const {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  if (!std::getline(file, text)) return false;
  // The program's name (field 2, in parentheses) may contain anything; what follows its last ')' is regular.
  const std::size_t after = text.rfind(')');
  if (after == std::string::npos) return false;
  std::istringstream rest(text.substr(after + 1));
  std::string field;
  rest >> field;  // 3: state
  if (field == "Z" || field == "X") return false;
  for (int i = 4; i <= 22; ++i) rest >> field;
  return field == std::to_string(start_time);
}

}  // namespace minikube::base
