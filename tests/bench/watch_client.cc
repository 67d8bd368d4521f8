#include "bench/watch_client.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

namespace minikube::bench {

namespace {

constexpr std::string_view kStamp = "\"bench.example.com/sent\":\"";
constexpr std::size_t kSampled = 16;  // watches whose every event's lag is taken
constexpr std::size_t kPiece = 256u << 10;

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "watch client: %s\n", why.c_str());
  std::exit(1);
}

void Require(bool holds, const char* what) {
  if (!holds) Die(fmt::format("{}: {}", what, std::strerror(errno)));
}

char* Buffer() {
  static std::vector<char> buffer(kPiece);
  return buffer.data();
}

}  // namespace

std::int64_t NowNanos() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// ---- Connection ---------------------------------------------------------------------------------------------------

Connection::Connection(const sockaddr_in& to, SSL_CTX* tls, int epoll, void* owner) {
  socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  Require(socket_ >= 0, "socket");
  const int on = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  Require(connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0, "connect");
  tls_ = SSL_new(tls);
  SSL_set_fd(tls_, socket_);
  if (SSL_connect(tls_) != 1) Die("the TLS handshake failed");
  fcntl(socket_, F_SETFL, fcntl(socket_, F_GETFL) | O_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = owner;
  Require(epoll_ctl(epoll, EPOLL_CTL_ADD, socket_, &event) == 0, "epoll");
}

Connection::~Connection() {
  SSL_free(tls_);
  close(socket_);
}

void Connection::Send(std::string_view text) {
  ERR_clear_error();
  // A request fits into the socket's buffer, for the one before was answered.
  if (SSL_write(tls_, text.data(), static_cast<int>(text.size())) <= 0) Die("a request could not be sent");
}

bool Connection::Receive(const std::function<void(std::string_view)>& received) {
  // A socket that is never empty must not keep the others waiting.
  for (int pieces = 0; pieces < 16; ++pieces) {
    ERR_clear_error();
    const int n = SSL_read(tls_, Buffer(), static_cast<int>(kPiece));
    if (n > 0) {
      received({Buffer(), static_cast<std::size_t>(n)});
      continue;
    }
    const int error = SSL_get_error(tls_, n);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
  }
  while (SSL_pending(tls_) > 0) {
    const int n = SSL_read(tls_, Buffer(), static_cast<int>(kPiece));
    if (n <= 0) return false;
    received({Buffer(), static_cast<std::size_t>(n)});
  }
  return true;
}

// ---- WatchLoad ----------------------------------------------------------------------------------------------------

struct WatchLoad::Endpoint {
  Endpoint(const sockaddr_in& to, SSL_CTX* tls, int epoll) : connection(to, tls, epoll, this) {}
  virtual ~Endpoint() = default;
  virtual void Ready() = 0;
  Connection connection;
};

struct WatchLoad::Watcher final : Endpoint {
  Watcher(WatchLoad& load, const std::string& request)
      : Endpoint(load.address_, load.tls_, load.epoll_), load(load), sampled(load.watchers_.size() < kSampled) {
    connection.Send(request);
  }
  void Ready() override {
    const bool open = connection.Receive([this](std::string_view piece) { Take(piece); });
    if (!open && !std::exchange(gone, true)) ++load.ended_;
  }
  // A frame is a line that ends with its object's brace; chunk heads are lines of their own that do not.
  void Take(std::string_view piece) {
    if (!answered) {
      head += piece;
      const std::size_t end = head.find("\r\n\r\n");
      if (end == std::string::npos) return;
      if (!head.starts_with("HTTP/1.1 200")) Die("a watch was refused: " + head.substr(0, head.find('\r')));
      answered = true;
      std::string rest = head.substr(end + 4);
      return Take(rest);
    }
    std::size_t line = 0;
    for (std::size_t at = 0; at < piece.size(); ++at) {
      const void* found = std::memchr(piece.data() + at, '\n', piece.size() - at);
      if (found == nullptr) break;
      at = static_cast<std::size_t>(static_cast<const char*>(found) - piece.data());
      const char before = at > 0 ? piece[at - 1] : last;
      if (before == '}') {
        ++load.events_;
        if (sampled && load.writing_) Sample(piece.substr(line, at - line));
      }
      line = at + 1;
    }
    if (!piece.empty()) last = piece.back();
    if (sampled) tail.assign(piece.substr(line).substr(0, 4096));
  }
  void Sample(std::string_view text) {
    std::string whole;
    if (!tail.empty()) {
      whole = tail;
      whole += text;
      text = whole;
      tail.clear();
    }
    const std::size_t at = text.find(kStamp);
    if (at == std::string_view::npos) return;
    const std::int64_t sent = std::atoll(text.data() + at + kStamp.size());
    load.lag_micros_.push_back(static_cast<float>(NowNanos() - sent) / 1000);
  }
  WatchLoad& load;
  const bool sampled;
  bool answered = false;
  bool gone = false;
  char last = 0;
  std::string head;
  std::string tail;  // of a sampled watch: an event that began in an earlier piece
};

struct WatchLoad::Writer final : Endpoint {
  Writer(WatchLoad& load, std::size_t number)
      : Endpoint(load.address_, load.tls_, load.epoll_), load(load), number(number) {}
  void Ready() override {
    const bool open = connection.Receive([this](std::string_view piece) { answer += piece; });
    if (!open) Die("a writer's connection was closed");
    const std::size_t end = answer.find("\r\n\r\n");
    if (end == std::string::npos) return;
    const std::size_t length = answer.find("Content-Length: ");
    if (length > end) Die("an answer without its length: " + answer);
    if (answer.size() < end + 4 + std::strtoull(answer.c_str() + length + 16, nullptr, 10)) return;
    if (!answer.starts_with("HTTP/1.1 20")) Die("a write failed: " + answer);
    answer.clear();
    waiting = false;
    if (load.writing_) ++load.writes_;
  }
  WatchLoad& load;
  const std::size_t number;
  std::string answer;
  bool waiting = false;
};

WatchLoad::WatchLoad(const std::string& url, std::string token) : token_(std::move(token)) {
  host_ = url.substr(url.find("//") + 2);
  const std::size_t colon = host_.find(':');
  address_.sin_family = AF_INET;
  if (colon == std::string::npos || inet_pton(AF_INET, host_.substr(0, colon).c_str(), &address_.sin_addr) != 1) {
    Die("the URL is not https://ADDRESS:PORT");
  }
  address_.sin_port = htons(static_cast<std::uint16_t>(std::atoi(host_.c_str() + colon + 1)));
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  tls_ = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_verify(tls_, SSL_VERIFY_NONE, nullptr);
  // One read call for several records.
  SSL_CTX_set_read_ahead(tls_, 1);
  SSL_CTX_set_default_read_buffer_len(tls_, 64u << 10);
  SSL_CTX_set_mode(tls_, SSL_MODE_RELEASE_BUFFERS);
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  Require(epoll_ >= 0, "epoll");
}

WatchLoad::~WatchLoad() {
  watchers_.clear();
  writers_.clear();
  SSL_CTX_free(tls_);
  close(epoll_);
}

void WatchLoad::Poll(int milliseconds) {
  static std::vector<epoll_event> events(1024);
  const int n = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), milliseconds);
  for (int i = 0; i < n; ++i) {
    static_cast<Endpoint*>(events[static_cast<std::size_t>(i)].data.ptr)->Ready();
  }
}

void WatchLoad::Watch(std::size_t count) {
  const std::string request = fmt::format(
      "GET /api/v1/configmaps?watch=1 HTTP/1.1\r\n"
      "Host: {}\r\nUser-Agent: bench\r\nAuthorization: Bearer {}\r\nAccept: application/json\r\n\r\n",
      host_, token_);
  while (watchers_.size() < count) watchers_.push_back(std::make_unique<Watcher>(*this, request));
  const auto answered = [](const auto& watcher) { return watcher->answered; };
  while (!std::all_of(watchers_.begin(), watchers_.end(), answered)) Poll(100);
}

void WatchLoad::WriteNext(Writer& writer) {
  static const std::string payload(512, 'x');
  const std::string name = fmt::format("bench-{}", writer.number);
  const std::string body = fmt::format(
      R"({{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{}","namespace":"default","labels":{{"bench":"yes"}},)"
      R"("annotations":{{{}{}"}}}},"data":{{"payload":"{}"}}}})",
      name, kStamp, NowNanos(), payload);
  writer.waiting = true;
  writer.connection.Send(
      fmt::format("PUT /api/v1/namespaces/default/configmaps/{} HTTP/1.1\r\nHost: {}\r\nUser-Agent: bench\r\n"
                  "Authorization: Bearer {}\r\nAccept: application/json\r\nContent-Type: application/json\r\n"
                  "Content-Length: {}\r\n\r\n{}",
                  name, host_, token_, body.size(), body));
}

WatchFigures WatchLoad::Run(std::size_t writers, double seconds, double rate) {
  while (writers_.size() < writers) {
    writers_.push_back(std::make_unique<Writer>(*this, writers_.size()));
    Writer& writer = *writers_.back();
    // The object is made once, and then replaced.
    writer.waiting = true;
    const std::string body = fmt::format(
        R"({{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"bench-{}","namespace":"default","labels":{{"bench":"yes"}}}}}})",
        writer.number);
    writer.connection.Send(
        fmt::format("POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: {}\r\nUser-Agent: bench\r\n"
                    "Authorization: Bearer {}\r\nAccept: application/json\r\nContent-Type: application/json\r\n"
                    "Content-Length: {}\r\n\r\n{}",
                    host_, token_, body.size(), body));
    while (writer.waiting) Poll(100);
  }
  const std::int64_t begin = NowNanos();
  // The first quarter warms up.
  const auto warm = begin + static_cast<std::int64_t>(seconds * 0.25e9);
  const auto end = warm + static_cast<std::int64_t>(seconds * 1e9);
  double sent = 0;
  std::uint64_t events = 0;
  std::int64_t measured_from = 0;
  for (std::int64_t now = begin; now < end; now = NowNanos()) {
    if (!writing_ && now >= warm) {
      writing_ = true;
      events = events_;
      measured_from = now;
    }
    for (const auto& writer : writers_) {
      if (writer->waiting) continue;
      if (rate > 0 && sent >= rate * static_cast<double>(now - begin) / 1e9) break;
      WriteNext(*writer);
      ++sent;
    }
    Poll(1);
  }
  writing_ = false;
  WatchFigures figures;
  figures.seconds = static_cast<double>(NowNanos() - measured_from) / 1e9;
  figures.events = static_cast<double>(events_ - events);
  figures.writes = static_cast<double>(std::exchange(writes_, 0));
  figures.lag_micros = std::exchange(lag_micros_, {});
  // What is on its way arrives before the next run.
  for (std::int64_t quiet = NowNanos(); NowNanos() - quiet < 300'000'000;) {
    const std::uint64_t before = events_;
    Poll(50);
    if (events_ != before) quiet = NowNanos();
  }
  while (std::any_of(writers_.begin(), writers_.end(), [](const auto& writer) { return writer->waiting; })) Poll(50);
  figures.ended = ended_;
  return figures;
}

}  // namespace minikube::bench
