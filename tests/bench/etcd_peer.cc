#include "bench/etcd_peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "bench/grpc_connection.h"

namespace minikube::bench {
namespace {

// Go's own client library puts about so many callers on a connection in etcd's benchmark.
constexpr int kCallersPerConnection = 8;
constexpr int kWatchersPerConnection = 100;
constexpr int kAnswerMilliseconds = 30000;

Status Failed(std::string_view what) {
  return {Code::kUnavailable, fmt::format("etcd: {}: {}", what, strerror(errno))};
}

// --- Protocol buffers -------------------------------------------------------------------------------------------

void AppendVarint(std::uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void AppendField(int number, std::string_view bytes, std::string& out) {
  AppendVarint(static_cast<std::uint64_t>(number) << 3 | 2, out);
  AppendVarint(bytes.size(), out);
  out.append(bytes);
}

void AppendField(int number, std::int64_t value, std::string& out) {
  AppendVarint(static_cast<std::uint64_t>(number) << 3, out);
  AppendVarint(static_cast<std::uint64_t>(value), out);
}

std::uint64_t TakeVarint(std::string_view& in) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return value;
}

// Calls `field` with number, bytes (of a length-delimited field) and value (of a varint). etcd uses no other types.
template <typename F>
void ForEachField(std::string_view in, F field) {
  while (!in.empty()) {
    const std::uint64_t tag = TakeVarint(in);
    const std::uint64_t value = TakeVarint(in);
    std::string_view bytes;
    if ((tag & 7) == 2) {
      bytes = in.substr(0, value);
      in.remove_prefix(bytes.size());
    }
    field(static_cast<int>(tag >> 3), bytes, static_cast<std::int64_t>(value));
  }
}

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

// --- Messages ---------------------------------------------------------------------------------------------------

std::string EtcdPut(std::string_view key, std::string_view value) {
  std::string out;
  AppendField(1, key, out);
  AppendField(2, value, out);
  return out;
}

std::string EtcdPuts(const std::vector<std::pair<std::string, std::string>>& puts) {
  std::string out;
  for (const auto& [key, value] : puts) {
    std::string operation;
    AppendField(2, EtcdPut(key, value), operation);  // RequestOp.request_put
    AppendField(2, operation, out);                  // TxnRequest.success
  }
  return out;
}

std::string EtcdRange(std::string_view key, std::string_view end) {
  std::string out;
  AppendField(1, key, out);
  if (!end.empty()) AppendField(2, end, out);
  return out;
}

std::string EtcdCompact(std::int64_t revision) {
  std::string out;
  AppendField(1, revision, out);
  return out;
}

std::int64_t EtcdRevision(std::string_view answer) {
  std::int64_t revision = 0;
  ForEachField(answer, [&](int number, std::string_view bytes, std::int64_t) {
    if (number != 1) return;  // header
    ForEachField(bytes, [&](int n, std::string_view, std::int64_t value) {
      if (n == 3) revision = value;
    });
  });
  return revision;
}

std::int64_t EtcdKeys(std::string_view answer) {
  std::int64_t keys = 0;
  ForEachField(answer, [&](int number, std::string_view, std::int64_t) { keys += number == 2; });
  return keys;
}

// --- The server -------------------------------------------------------------------------------------------------

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
  while (Seconds(begin) < 60) {
    last = server->Call("/etcdserverpb.KV/Put", EtcdPut("ready", "1"));
    if (last.ok()) return server;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return last;
}

EtcdServer::~EtcdServer() {
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
}

Status EtcdServer::Call(const std::string& method, const std::string& message) const {
  bool sent = false;
  const auto next = [&]() -> std::optional<std::string> {
    if (std::exchange(sent, true)) return std::nullopt;
    return message;
  };
  return LoadEtcd(*this, 1, {method, next, nullptr}).status();
}

double EtcdServer::CpuSeconds() const {
  std::ifstream in(fmt::format("/proc/{}/stat", pid_));
  std::string word;
  double user = 0, system = 0;
  for (int i = 0; i < 13; ++i) in >> word;
  in >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double EtcdServer::AnonymousBytes() const {
  std::ifstream in(fmt::format("/proc/{}/status", pid_));
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("RssAnon:")) return std::stod(line.substr(8)) * 1024;
  }
  return 0;
}

// --- Load -------------------------------------------------------------------------------------------------------

Result<Load> LoadEtcd(const EtcdServer& server, int callers, const EtcdCalls& calls) {
  struct Caller {
    std::size_t connection = 0;
    SteadyClock::time_point start;
  };
  std::vector<std::unique_ptr<GrpcConnection>> connections;
  std::vector<pollfd> polls;
  std::vector<std::unordered_map<GrpcConnection::Stream, SteadyClock::time_point>> started;
  for (int c = 0; c < callers; c += kCallersPerConnection) {
    auto connection = GrpcConnection::Connect(server.port());
    if (!connection) return connection.status();
    polls.push_back({(*connection)->fd(), POLLIN, 0});
    connections.push_back(std::move(*connection));
    started.emplace_back();
  }
  Load out;
  Status failed;
  int running = 0;
  const auto start_one = [&](std::size_t c) {
    std::optional<std::string> message = calls.next();
    if (!message) return;
    const GrpcConnection::Stream stream = connections[c]->Open(calls.method);
    connections[c]->Send(stream, *message, true);
    started[c].emplace(stream, SteadyClock::now());
    ++running;
  };
  const double server_cpu = server.CpuSeconds();
  const double client_cpu = CpuSeconds(RUSAGE_THREAD);
  const auto begin = SteadyClock::now();
  for (int c = 0; c < callers; ++c) start_one(static_cast<std::size_t>(c) % connections.size());
  for (const auto& connection : connections) MINIKUBE_RETURN_IF_ERROR(connection->Flush());
  while (running > 0) {
    if (poll(polls.data(), polls.size(), kAnswerMilliseconds) <= 0) return Failed("no answer");
    for (std::size_t c = 0; c < connections.size(); ++c) {
      if (polls[c].revents == 0) continue;
      MINIKUBE_RETURN_IF_ERROR(connections[c]->Receive(
          [&](GrpcConnection::Stream, std::string_view answer) {
            if (calls.answered) calls.answered(answer);
          },
          [&](GrpcConnection::Stream stream, const Status& status) {
            if (!status.ok()) failed = status;
            const auto it = started[c].find(stream);
            out.micros.push_back(static_cast<float>(Seconds(it->second) * 1e6));
            started[c].erase(it);
            --running;
            start_one(c);
          }));
      MINIKUBE_RETURN_IF_ERROR(connections[c]->Flush());
      if (!failed.ok()) return failed;
    }
  }
  out.seconds = Seconds(begin);
  out.count = static_cast<double>(out.micros.size());
  out.cpu = server.CpuSeconds() - server_cpu;
  out.client_cpu = CpuSeconds(RUSAGE_THREAD) - client_cpu;
  return out;
}

// --- Watching ---------------------------------------------------------------------------------------------------

struct EtcdWatchers::Connections {
  std::vector<std::unique_ptr<GrpcConnection>> all;
  std::vector<pollfd> polls;
};

Result<std::unique_ptr<EtcdWatchers>> EtcdWatchers::Start(const EtcdServer& server, int watchers, std::string_view key,
                                                          std::string_view end) {
  std::unique_ptr<EtcdWatchers> out(new EtcdWatchers);
  out->connections_ = std::make_unique<Connections>();
  std::string create, request;
  AppendField(1, key, create);
  AppendField(2, end, create);
  AppendField(1, create, request);  // WatchRequest.create_request
  for (int w = 0; w < watchers; w += kWatchersPerConnection) {
    auto connection = GrpcConnection::Connect(server.port());
    if (!connection) return connection.status();
    const GrpcConnection::Stream stream = (*connection)->Open("/etcdserverpb.Watch/Watch");
    for (int i = w; i < std::min(watchers, w + kWatchersPerConnection); ++i)
      (*connection)->Send(stream, request, false);
    MINIKUBE_RETURN_IF_ERROR((*connection)->Flush());
    out->connections_->polls.push_back({(*connection)->fd(), POLLIN, 0});
    out->connections_->all.push_back(std::move(*connection));
  }
  out->thread_ = std::thread([watchers = out.get()] { watchers->Run(); });
  const auto begin = SteadyClock::now();
  while (out->created_ < watchers) {
    if (out->failed_ || Seconds(begin) > 30) return Status(Code::kUnavailable, "etcd: watchers were not created");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return out;
}

EtcdWatchers::~EtcdWatchers() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

void EtcdWatchers::Run() {
  while (!stop_ && !failed_) {
    if (poll(connections_->polls.data(), connections_->polls.size(), 10) < 0) failed_ = true;
    for (std::size_t c = 0; c < connections_->all.size() && !failed_; ++c) {
      if (connections_->polls[c].revents == 0) continue;
      std::uint64_t events = 0;
      Status status = connections_->all[c]->Receive(
          [&](GrpcConnection::Stream, std::string_view answer) {
            ForEachField(answer, [&](int number, std::string_view, std::int64_t value) {
              if (number == 3 && value != 0) ++created_;
              if (number == 4 && value != 0) failed_ = true;  // cancelled
              if (number == 11) ++events;
            });
          },
          [&](GrpcConnection::Stream, const Status&) { failed_ = true; });
      if (status.ok()) status = connections_->all[c]->Flush();
      if (!status.ok()) failed_ = true;
      events_ += events;
    }
    cpu_ = CpuSeconds(RUSAGE_THREAD);
  }
}

}  // namespace minikube::bench
