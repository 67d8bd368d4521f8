#include "agent/checks/net_probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "agent/checks/grpc_health.h"
#include "agent/checks/tls_client.h"

namespace minikube::agent {
namespace {

constexpr std::size_t kMaxHead = 8192;

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

std::string HostPort(const std::string& host, int port) {
  return host.find(':') != std::string::npos ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

class SocketCheck final : public NetCheck {
 public:
  SocketCheck(Env& env, Strand& strand, NetDone done) : env_(env), strand_(strand), done_(std::move(done)) {}
  ~SocketCheck() override { Close(); }

  // What is asked; without a request, connecting is all.
  struct Question {
    std::string request;
    std::optional<Status> (*judge)(std::string_view came) = nullptr;
    std::string what;  // what messages begin with
    std::string late;  // what is said if there is no answer in time
  };

  void Start(std::string host, int port, Question question, bool tls, Duration timeout) {
    address_ = HostPort(host, port);
    what_ = std::move(question.what);
    late_ = std::move(question.late);
    judge_ = question.judge;
    outgoing_ = std::move(question.request);
    timer_ = strand_.After(timeout, [this] { TimedOut(); });
    if (tls) {
      Result<std::unique_ptr<TlsClient>> made = TlsClient::New();
      if (!made) return Later(made.status());
      tls_ = std::move(made).value();
      tls_->Send(std::exchange(outgoing_, {}));
      outgoing_ = tls_->TakeOutgoing();
    }
    sockaddr_storage address{};
    socklen_t size = 0;
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
    if (host == "localhost") host = "127.0.0.1";
    if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
      v4->sin_family = AF_INET;
      v4->sin_port = htons(static_cast<std::uint16_t>(port));
      size = sizeof *v4;
    } else if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
      v6->sin6_family = AF_INET6;
      v6->sin6_port = htons(static_cast<std::uint16_t>(port));
      size = sizeof *v6;
    } else {
      return Later(Trouble(fmt::format("dial tcp: lookup {}: no such host", host)));
    }
    fd_ = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) return Later(Failed("socket", errno));
    // A probe's connection needs no care after it is closed: no TIME_WAIT for each of them.
    const linger reset{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (connect(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0 && errno != EINPROGRESS) {
      return Later(Failed("connect", errno));
    }
    Await(FdEvent::kWritable, [this] { Connected(); });
  }

 private:
  Status Trouble(std::string_view text) { return {Code::kUnavailable, fmt::format("{}{}", what_, text)}; }
  Status Failed(std::string_view call, int error) {
    return Trouble(fmt::format("dial tcp {}: {}: {}", address_, call, Spelled(error)));
  }
  static std::string Spelled(int error) {
    std::string text = std::strerror(error);
    if (!text.empty()) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return text;
  }

  void Await(FdEvent event, Task then) {
    watch_ = env_.WatchFd(fd_, event, strand_, std::move(then));
    if (watch_ == 0) Later(Trouble("no descriptor to wait with"));
  }

  void Connected() {
    watch_ = 0;
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return Answer(Failed("connect", error));
    if (judge_ == nullptr) return Answer({});
    Send();
  }

  void Send() {
    watch_ = 0;
    while (!outgoing_.empty()) {
      const ssize_t n = send(fd_, outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return Await(FdEvent::kWritable, [this] { Send(); });
      if (n < 0) return Answer(Trouble(fmt::format("write tcp {}: {}", address_, Spelled(errno))));
      outgoing_.erase(0, static_cast<std::size_t>(n));
    }
    Receive();
  }

  void Receive() {
    watch_ = 0;
    char buffer[1024];
    while (true) {
      const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return Await(FdEvent::kReadable, [this] { Receive(); });
      if (n < 0) return Answer(Trouble(fmt::format("read tcp {}: {}", address_, Spelled(errno))));
      const std::string_view came(buffer, static_cast<std::size_t>(n));
      Status readable;
      if (tls_ != nullptr) {
        readable = tls_->Receive(came, head_);
      } else {
        head_ += came;
      }
      if (std::optional<Status> verdict = judge_(head_)) return Answer(*std::move(verdict));
      if (n == 0) return Answer(Trouble("EOF"));
      if (!readable.ok()) return Answer(Trouble(readable.message()));
      if (head_.size() > kMaxHead) return Answer(Trouble("the answer has no end"));
      if (tls_ != nullptr) outgoing_ = tls_->TakeOutgoing();
      if (!outgoing_.empty()) return Send();
    }
  }

  void TimedOut() {
    timer_ = 0;
    Answer(Status(Code::kUnavailable, judge_ != nullptr ? late_ : fmt::format("dial tcp {}: i/o timeout", address_)));
  }

  // From Start: the caller does not have this object yet.
  void Later(Status status) {
    Close();
    timer_ = strand_.After(Duration::zero(), [this, status = std::move(status)]() mutable {
      timer_ = 0;
      Answer(std::move(status));
    });
  }

  // The last thing a check does: `done` may destroy it.
  void Answer(Status status) {
    Close();
    NetDone done = std::move(done_);
    if (done) done(std::move(status));
  }

  void Close() {
    if (timer_ != 0) strand_.Cancel(std::exchange(timer_, 0));
    if (watch_ != 0) env_.UnwatchFd(std::exchange(watch_, 0));
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

  Env& env_;
  Strand& strand_;
  NetDone done_;
  std::string address_;
  std::string what_;
  std::string late_;
  std::optional<Status> (*judge_)(std::string_view) = nullptr;  // null: nothing is asked
  std::unique_ptr<TlsClient> tls_;                              // null: in clear
  std::string outgoing_;
  std::string head_;
  TimerId timer_ = 0;
  std::uint64_t watch_ = 0;
  int fd_ = -1;
};

class SocketProber final : public NetProber {
 public:
  SocketProber(Env& env, Strand& strand) : env_(env), strand_(strand) {}
  std::unique_ptr<NetCheck> Tcp(std::string host, int port, Duration timeout, NetDone done) override {
    auto check = std::make_unique<SocketCheck>(env_, strand_, std::move(done));
    check->Start(std::move(host), port, {}, false, timeout);
    return check;
  }
  std::unique_ptr<NetCheck> Grpc(std::string host, int port, std::string service, Duration timeout,
                                 NetDone done) override {
    auto check = std::make_unique<SocketCheck>(env_, strand_, std::move(done));
    const std::string authority = HostPort(host, port);
    SocketCheck::Question question{GrpcHealthRequest(authority, service), &JudgeGrpcAnswer,
                                   "error: health rpc probe failed: ",
                                   fmt::format("timeout: health rpc did not complete within {}s",
                                               std::chrono::duration_cast<std::chrono::seconds>(timeout).count())};
    check->Start(std::move(host), port, std::move(question), false, timeout);
    return check;
  }
  std::unique_ptr<NetCheck> Http(HttpTarget target, Duration timeout, NetDone done) override;

 private:
  Env& env_;
  Strand& strand_;
};

class PostedAnswer final : public NetCheck {
 public:
  PostedAnswer(Strand& strand, Status status, NetDone done) : strand_(strand) {
    timer_ = strand.After(Duration::zero(), [this, status = std::move(status), done = std::move(done)]() mutable {
      timer_ = 0;
      NetDone last = std::move(done);  // it may destroy this object
      last(std::move(status));
    });
  }
  ~PostedAnswer() override {
    if (timer_ != 0) strand_.Cancel(timer_);
  }

 private:
  Strand& strand_;
  TimerId timer_ = 0;
};

std::unique_ptr<NetCheck> SocketProber::Http(HttpTarget target, Duration timeout, NetDone done) {
  auto check = std::make_unique<SocketCheck>(env_, strand_, std::move(done));
  const std::string what = fmt::format("Get \"{}://{}{}\": ", target.tls ? "https" : "http",
                                       HostPort(target.host, target.port), target.path);
  check->Start(target.host, target.port,
               {HttpRequestText(target), &JudgeHttpAnswer, what,
                what + "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"},
               target.tls, timeout);
  return check;
}

class PretendingProber final : public NetProber {
 public:
  explicit PretendingProber(Strand& strand) : strand_(strand) {}
  std::unique_ptr<NetCheck> Tcp(std::string, int, Duration, NetDone done) override {
    return std::make_unique<PostedAnswer>(strand_, Status(), std::move(done));
  }
  std::unique_ptr<NetCheck> Http(HttpTarget, Duration, NetDone done) override {
    return std::make_unique<PostedAnswer>(strand_, Status(), std::move(done));
  }
  std::unique_ptr<NetCheck> Grpc(std::string, int, std::string, Duration, NetDone done) override {
    return std::make_unique<PostedAnswer>(strand_, Status(), std::move(done));
  }

 private:
  Strand& strand_;
};

}  // namespace

std::string HttpRequestText(const HttpTarget& target) {
  std::string host = HostPort(target.host, target.port);
  std::string agent = "kube-probe/1.36";
  std::string accept = "*/*";
  std::string rest;
  for (const auto& [name, value] : target.headers) {
    // A header that would end the header, or begin another, is not sent.
    if (name.find_first_of("\r\n:") != std::string::npos || value.find_first_of("\r\n") != std::string::npos) continue;
    if (EqualIgnoringCase(name, "host")) {
      host = value;
    } else if (EqualIgnoringCase(name, "user-agent")) {
      agent = value;
    } else if (EqualIgnoringCase(name, "accept")) {
      accept = value;
    } else {
      rest += fmt::format("{}: {}\r\n", name, value);
    }
  }
  std::string path;
  for (const char c : target.path) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) {
      path += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      path += c;
    }
  }
  if (!path.starts_with('/')) path.insert(path.begin(), '/');
  return fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {}\r\nAccept: {}\r\n{}Connection: close\r\n\r\n", path,
                     host, agent, accept, rest);
}

std::optional<Status> JudgeHttpAnswer(std::string_view head) {
  const std::size_t end = head.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  std::string_view line = head.substr(0, end);
  const std::size_t space = line.find(' ');
  if (!line.starts_with("HTTP/1.") || space == std::string_view::npos || line.size() < space + 4) {
    return Status(Code::kUnavailable, "the answer is not HTTP");
  }
  int code = 0;
  for (const char c : line.substr(space + 1, 3)) {
    if (c < '0' || c > '9') return Status(Code::kUnavailable, "the answer is not HTTP");
    code = code * 10 + (c - '0');
  }
  if (code >= 100 && code < 200) {  // an interim answer; the final one follows its empty line
    const std::size_t blank = head.find("\r\n\r\n");
    return blank == std::string_view::npos ? std::nullopt : JudgeHttpAnswer(head.substr(blank + 4));
  }
  if (code >= 200 && code < 400) return Status();
  return Status(Code::kUnavailable, fmt::format("HTTP probe failed with statuscode: {}", code));
}

std::unique_ptr<NetProber> NewNetProber(Env& env, Strand& strand) {
  return std::make_unique<SocketProber>(env, strand);
}
std::unique_ptr<NetProber> NewPretendingProber(Strand& strand) { return std::make_unique<PretendingProber>(strand); }

}  // namespace minikube::agent
