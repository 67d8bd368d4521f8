#include "bench/etcd_peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include <fmt/format.h>

namespace minikube::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

double Seconds(SteadyClock::time_point since) {
  return std::chrono::duration<double>(SteadyClock::now() - since).count();
}

Status Failed(std::string_view what) {
  return {Code::kUnavailable, fmt::format("etcd: {}: {}", what, strerror(errno))};
}

// --- Bytes ------------------------------------------------------------------------------------------------------

void AppendVarint(std::uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void AppendBytesField(int number, std::string_view bytes, std::string& out) {
  if (bytes.empty()) return;
  AppendVarint(static_cast<std::uint64_t>(number) << 3 | 2, out);
  AppendVarint(bytes.size(), out);
  out.append(bytes);
}

void AppendNumber(std::uint64_t value, int bytes, std::string& out) {
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
}

std::uint64_t ReadNumber(std::string_view in, int bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) value = value << 8 | static_cast<unsigned char>(in[static_cast<std::size_t>(i)]);
  return value;
}

// Frame types and flags of RFC 9113, section 6.
enum FrameType : std::uint8_t {
  kData = 0,
  kHeaders = 1,
  kReset = 3,
  kSettings = 4,
  kPing = 6,
  kGoAway = 7,
  kWindowUpdate = 8
};
constexpr std::uint8_t kEndStream = 1, kAck = 1, kEndHeaders = 4;
constexpr std::size_t kFrameHeader = 9;
constexpr std::uint32_t kHugeWindow = 1u << 30;

void AppendFrame(FrameType type, std::uint8_t flags, std::uint32_t stream, std::string_view payload, std::string& out) {
  AppendNumber(payload.size(), 3, out);
  AppendNumber(type, 1, out);
  AppendNumber(flags, 1, out);
  AppendNumber(stream, 4, out);
  out.append(payload);
}

// HPACK (RFC 7541) without dynamic table and Huffman codes.
std::string RequestHeaders(const std::string& method) {
  const auto text = [](std::string_view value) { return static_cast<char>(value.size()) + std::string(value); };
  std::string out = "\x83\x86";  // :method POST, :scheme http
  out += '\x04' + text(method);  // :path
  out += '\x01' + text("127.0.0.1");
  out += std::string("\x0f\x10", 2) + text("application/grpc");  // content-type
  out += '\0' + text("te") + text("trailers");
  return out;
}

// --- One connection ---------------------------------------------------------------------------------------------

class Connection {
 public:
  explicit Connection(std::string headers) : headers_(std::move(headers)) {}
  Connection(Connection&& o) noexcept : headers_(std::move(o.headers_)), fd_(std::exchange(o.fd_, -1)) {}
  Connection(const Connection&) = delete;
  ~Connection() {
    if (fd_ >= 0) close(fd_);
  }

  Status Connect(int port) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return Failed("connect");
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::string hello = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    std::string settings;
    AppendNumber(4, 2, settings);  // SETTINGS_INITIAL_WINDOW_SIZE
    AppendNumber(kHugeWindow, 4, settings);
    AppendFrame(kSettings, 0, 0, settings, hello);
    AppendFrame(kWindowUpdate, 0, 0, Window(kHugeWindow), hello);
    return Send(hello);
  }

  // A request fits into the windows that every server begins with, and one is in flight at a time.
  Status Call(const std::string& message) {
    stream_ += 2;
    answered_ = false;
    std::string body(1, '\0');  // not compressed
    AppendNumber(message.size(), 4, body);
    body += message;
    std::string out;
    AppendFrame(kHeaders, kEndHeaders, stream_, headers_, out);
    AppendFrame(kData, kEndStream, stream_, body, out);
    start_ = SteadyClock::now();
    return Send(out);
  }

  // Reads what has come; `done` is set if it ended the call, well.
  Status Receive(bool& done) {
    char buffer[65536];
    const ssize_t n = recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return {};
    if (n <= 0) return Failed("the connection ended");
    in_.append(buffer, static_cast<std::size_t>(n));
    std::size_t at = 0;
    while (in_.size() - at >= kFrameHeader) {
      const std::string_view frame = std::string_view(in_).substr(at);
      const std::size_t size = ReadNumber(frame, 3);
      if (frame.size() < kFrameHeader + size) break;
      at += kFrameHeader + size;
      if (Status status = Handle(static_cast<std::uint8_t>(frame[3]), static_cast<std::uint8_t>(frame[4]),
                                 frame.substr(kFrameHeader, size), done);
          !status.ok()) {
        return status;
      }
    }
    in_.erase(0, at);
    return {};
  }

  int fd() const { return fd_; }
  double micros() const { return Seconds(start_) * 1e6; }

 private:
  static std::string Window(std::uint32_t by) {
    std::string out;
    AppendNumber(by, 4, out);
    return out;
  }

  Status Handle(std::uint8_t type, std::uint8_t flags, std::string_view payload, bool& done) {
    std::string out;
    switch (type) {
      case kData:
        answered_ = answered_ || !payload.empty();
        received_ += static_cast<std::uint32_t>(payload.size());
        if (received_ > kHugeWindow / 2) {
          AppendFrame(kWindowUpdate, 0, 0, Window(std::exchange(received_, 0)), out);
        }
        break;
      case kHeaders:
        if ((flags & kEndStream) == 0) break;
        // An error of gRPC comes as trailers alone.
        if (!answered_) return {Code::kUnavailable, "etcd refused a request"};
        done = true;
        break;
      case kSettings:
        if ((flags & kAck) == 0) AppendFrame(kSettings, kAck, 0, "", out);
        break;
      case kPing:
        if ((flags & kAck) == 0) AppendFrame(kPing, kAck, 0, payload, out);
        break;
      case kReset:
      case kGoAway:
        return {Code::kUnavailable, "etcd ended the stream"};
      default:
        break;
    }
    return out.empty() ? Status() : Send(out);
  }

  Status Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return Failed("send");
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
  }

  const std::string headers_;
  int fd_ = -1;
  std::uint32_t stream_ = static_cast<std::uint32_t>(-1);  // the first is 1
  std::uint32_t received_ = 0;
  bool answered_ = false;
  std::string in_;
  SteadyClock::time_point start_;
};

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool ok = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(fd);
  return ok ? ntohs(address.sin_port) : 0;
}

}  // namespace

std::string EtcdPut(std::string_view key, std::string_view value) {
  std::string out;
  AppendBytesField(1, key, out);
  AppendBytesField(2, value, out);
  return out;
}

std::string EtcdRange(std::string_view key, std::string_view end, std::int64_t limit) {
  std::string out;
  AppendBytesField(1, key, out);
  AppendBytesField(2, end, out);
  out.push_back(3 << 3);
  AppendVarint(static_cast<std::uint64_t>(limit), out);
  return out;
}

Result<std::unique_ptr<EtcdServer>> EtcdServer::Start(const std::string& program, const std::string& data_dir) {
  const int port = FreePort();
  const std::string client = fmt::format("http://127.0.0.1:{}", port);
  const std::string peer = fmt::format("http://127.0.0.1:{}", FreePort());
  std::vector<std::string> args = {program,
                                   "--name=bench",
                                   "--data-dir=" + data_dir,
                                   "--listen-client-urls=" + client,
                                   "--advertise-client-urls=" + client,
                                   "--listen-peer-urls=" + peer,
                                   "--initial-advertise-peer-urls=" + peer,
                                   "--initial-cluster=bench=" + peer,
                                   "--quota-backend-bytes=8589934592",
                                   "--log-level=error"};
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid < 0) return Failed("fork");
  if (pid == 0) {
    const int null = open("/dev/null", O_RDWR);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  std::unique_ptr<EtcdServer> server(new EtcdServer(pid, port));
  const auto begin = SteadyClock::now();
  Status last;
  while (Seconds(begin) < 30) {
    Result<LoadResult> first =
        LoadEtcd(port, 1, 0, "/etcdserverpb.KV/Put", [](int, std::uint64_t) { return EtcdPut("ready", "1"); });
    if (first) return server;
    last = first.status();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return last;
}

EtcdServer::~EtcdServer() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

Result<LoadResult> LoadEtcd(int port, int connections, double seconds, const std::string& method,
                            const std::function<std::string(int connection, std::uint64_t n)>& message) {
  std::vector<Connection> all;
  std::vector<pollfd> polls;
  std::vector<std::uint64_t> sent(static_cast<std::size_t>(connections));
  for (int c = 0; c < connections; ++c) {
    Connection& connection = all.emplace_back(RequestHeaders(method));
    if (Status status = connection.Connect(port); !status.ok()) return status;
    polls.push_back({connection.fd(), POLLIN, 0});
  }
  LoadResult out;
  const auto begin = SteadyClock::now();
  for (int c = 0; c < connections; ++c) {
    if (Status status = all[static_cast<std::size_t>(c)].Call(message(c, sent[static_cast<std::size_t>(c)]++));
        !status.ok()) {
      return status;
    }
  }
  for (int running = connections; running > 0;) {
    if (poll(polls.data(), polls.size(), 10000) <= 0) return Failed("no answer");
    for (std::size_t c = 0; c < all.size(); ++c) {
      if (polls[c].revents == 0) continue;
      bool done = false;
      if (Status status = all[c].Receive(done); !status.ok()) return status;
      if (!done) continue;
      out.micros.push_back(static_cast<float>(all[c].micros()));
      if (Seconds(begin) >= seconds) {
        --running;
        continue;
      }
      if (Status status = all[c].Call(message(static_cast<int>(c), sent[c]++)); !status.ok()) return status;
    }
  }
  out.per_second = static_cast<double>(out.micros.size()) / Seconds(begin);
  return out;
}

}  // namespace minikube::bench
