#include "http/server.h"

#include <catch2/catch.hpp>

#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <zlib.h>

#include "api/wire/to_http.h"
#include "http/message.h"
#include "unit/api/http/test_env.h"
#include "unit/api/http/tls_client.h"

using namespace minikube;
using namespace minikube::api;
using minikube::api::testing::ClientResponse;
using minikube::api::testing::TestEnv;
using minikube::api::testing::TlsClient;

namespace {

// Gives what is put into it, then waits for more.
class TapSource final : public BodySource {
 public:
  struct Tap {
    std::mutex mu;
    std::string waiting;
    bool done = false;
    bool destroyed = false;
    std::condition_variable changed;
    std::shared_ptr<Signal> signal = std::make_shared<Signal>();
    void Put(std::string_view text, bool last = false) {
      {
        std::lock_guard lock(mu);
        waiting += text;
        done = last;
      }
      signal->Notify();
    }
    bool AwaitDestroyed() {
      std::unique_lock lock(mu);
      return changed.wait_for(lock, std::chrono::seconds(10), [this] { return destroyed; });
    }
  };
  explicit TapSource(std::shared_ptr<Tap> tap) : tap_(std::move(tap)) {}
  ~TapSource() override {
    std::lock_guard lock(tap_->mu);
    tap_->destroyed = true;
    tap_->changed.notify_all();
  }
  State Pull(std::size_t, std::string& out) override {
    std::lock_guard lock(tap_->mu);
    out += tap_->waiting;
    tap_->waiting.clear();
    return tap_->done ? State::kDone : State::kWait;
  }
  std::shared_ptr<Signal> signal() override { return tap_->signal; }

 private:
  std::shared_ptr<Tap> tap_;
};

// Endless zeros; counts what was taken.
class EndlessSource final : public BodySource {
 public:
  explicit EndlessSource(std::atomic<std::size_t>& pulled) : pulled_(pulled) {}
  State Pull(std::size_t want, std::string& out) override {
    out.append(want, '0');
    pulled_ += want;
    return State::kMore;
  }

 private:
  std::atomic<std::size_t>& pulled_;
};

// A body of `size` bytes in pieces, that may break off.
class PiecesSource final : public BodySource {
 public:
  PiecesSource(std::size_t size, bool abort) : left_(size), abort_(abort) {}
  State Pull(std::size_t want, std::string& out) override {
    const std::size_t n = std::min(left_, want);
    out.append(n, 'p');
    left_ -= n;
    if (left_ > 0) return State::kMore;
    return abort_ ? State::kAbort : State::kDone;
  }

 private:
  std::size_t left_;
  bool abort_;
};

class TestHandler final : public HttpHandler {
 public:
  void Handle(HttpRequest request, Function<void(HttpReply)> reply) override {
    HttpReply out;
    out.content_type = "text/plain";
    if (request.target == "/echo") {
      out.body = request.method + ":" + request.body;
    } else if (request.target == "/who") {
      out.body = request.peer->common_name + "/" + (request.peer->verified ? "verified" : "unverified");
    } else if (request.target == "/tap") {
      out.source = std::make_unique<TapSource>(tap);
    } else if (request.target == "/endless") {
      out.source = std::make_unique<EndlessSource>(pulled);
    } else if (request.target == "/pieces" || request.target == "/abort") {
      out.source = std::make_unique<PiecesSource>(300'000, request.target == "/abort");
      out.gzip = !request.Header("Accept-Encoding").empty();
    } else if (request.target == "/large") {
      out.body.assign(3'000'000, 'x');
      out.gzip = !request.Header("Accept-Encoding").empty();
    } else if (request.target == "/later") {
      request.gone->Bind([this] { left = true; });
      std::lock_guard lock(mu);
      held = std::move(reply);
      changed.notify_all();
      return;
    } else if (request.target == "/throw") {
      throw std::runtime_error("no more room");
    } else if (request.target == "/late-throw") {
      reply(std::move(out));
      throw std::runtime_error("too late");
    } else {
      out.body = request.target;
    }
    reply(std::move(out));
  }
  HttpReply Refuse(const Status& status) override {
    HttpReply reply;
    reply.status = ToHttp(status.code());
    reply.body = status.message();
    return reply;
  }
  Function<void(HttpReply)> AwaitHeld() {
    std::unique_lock lock(mu);
    REQUIRE(changed.wait_for(lock, std::chrono::seconds(10), [this] { return static_cast<bool>(held); }));
    return std::move(held);
  }

  std::shared_ptr<TapSource::Tap> tap = std::make_shared<TapSource::Tap>();
  std::atomic<std::size_t> pulled{0};
  std::mutex mu;
  std::condition_variable changed;
  Function<void(HttpReply)> held;
  std::atomic<bool> left = false;
};

// Remembers what went wrong.
class ErrorLog final : public LogSink {
 public:
  LogLevel level() const override { return LogLevel::kError; }
  void Write(LogLevel, std::string_view, std::string_view message, std::initializer_list<LogField> fields) override {
    std::lock_guard lock(mu_);
    for (const LogField& field : fields) lines_ += std::string(message) + ": " + std::string(field.value) + "\n";
  }
  std::string lines() {
    std::lock_guard lock(mu_);
    return lines_;
  }

 private:
  std::mutex mu_;
  std::string lines_;
};

struct Fixture {
  explicit Fixture(HttpLimits limits = {}, bool compress_on_loopback = true) {
    HttpServerOptions options;
    options.compress_on_loopback = compress_on_loopback;
    options.threads = 2;
    options.limits = limits;
    options.serving = pki.serving;
    options.client_ca_pem = pki.ca.cert_pem;
    server = HttpServer::Listen(std::move(options), handler, env.clock(), Logger(log, "http")).value();
    server->Serve();
  }
  TlsClient Connect(const KeyPair* identity = nullptr) { return TlsClient(server->port(), pki.ca.cert_pem, identity); }

  TestEnv env;
  Pki pki = LoadOrCreatePki({"", {"localhost", "127.0.0.1"}}, env).value();
  TestHandler handler;
  ErrorLog log;
  std::unique_ptr<HttpServer> server;
};

template <typename Condition>
bool Eventually(Condition condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return condition();
}

std::string Gunzip(const std::string& data) {
  z_stream z{};
  inflateInit2(&z, 15 + 16);
  std::string out(16u << 20, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  z.avail_in = static_cast<uInt>(data.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  const int result = inflate(&z, Z_FINISH);
  out.resize(z.total_out);
  inflateEnd(&z);
  return result == Z_STREAM_END ? out : "(not gzip)";
}

}  // namespace

TEST_CASE("http: TLS, ALPN, keep-alive, identity") {
  Fixture f;
  TlsClient client = f.Connect(&f.pki.admin);
  REQUIRE(client.connected());
  CHECK(client.alpn() == "http/1.1");
  for (int i = 0; i < 3; ++i) {
    const ClientResponse response = client.Get("/hello");
    CHECK(response.status == 200);
    CHECK(response.body == "/hello");
    CHECK(response.headers.at("content-type") == "text/plain");
    CHECK(response.headers.at("date").ends_with(" GMT"));
  }
  CHECK(client.Get("/who").body == "kubernetes-admin/verified");
  CHECK(f.server->stats().accepted == 1);

  TlsClient anonymous = f.Connect();
  CHECK(anonymous.Get("/who").body == "/unverified");
  const Pki other = LoadOrCreatePki({"", {"localhost"}}, f.env).value();
  TlsClient stranger = f.Connect(&other.admin);
  CHECK(stranger.Get("/who").body == "kubernetes-admin/unverified");
}

TEST_CASE("http: pipelined requests are answered in order") {
  Fixture f;
  TlsClient client = f.Connect();
  std::string all;
  for (int i = 0; i < 50; ++i) {
    all += "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n" + std::to_string(10 + i);
  }
  client.Send(all);
  for (int i = 0; i < 50; ++i) CHECK(client.Read().body == "POST:" + std::to_string(10 + i));
}

TEST_CASE("http: bodies, chunked bodies, Expect, HEAD") {
  Fixture f;
  TlsClient client = f.Connect();
  client.Send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  CHECK(client.Read().body == "POST:abcde");
  client.Send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  CHECK(client.Read(true).status == 100);
  client.Send("xyz");
  CHECK(client.Read().body == "POST:xyz");
  client.Send("HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\n");
  const ClientResponse head = client.Read(true);
  CHECK(head.status == 200);
  CHECK(head.headers.at("content-length") == "5");
  CHECK(client.Get("/after").body == "/after");
  client.Send("GET /bye HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK(client.Read().headers.at("connection") == "close");
  CHECK(client.Closed());
}

TEST_CASE("http: limits are answered, then the connection ends") {
  HttpLimits limits;
  limits.max_body_bytes = 1000;
  limits.max_header_bytes = 4096;
  Fixture f(limits);
  SECTION("body by Content-Length") {
    TlsClient client = f.Connect();
    client.Send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + std::string(5000, 'x'));
    const ClientResponse response = client.Read();
    CHECK(response.status == 413);
    CHECK(response.body == "Request entity too large: limit is 1000");
    CHECK(client.Closed());
  }
  SECTION("body in chunks") {
    TlsClient client = f.Connect();
    client.Send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n" + std::string(2048, 'x'));
    CHECK(client.Read().status == 413);
    CHECK(client.Closed());
  }
  SECTION("headers") {
    TlsClient client = f.Connect();
    client.Send("GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + std::string(10000, 'y') + "\r\n\r\n");
    CHECK(client.Read().status == 431);
    CHECK(client.Closed());
  }
  SECTION("not HTTP") {
    TlsClient client = f.Connect();
    client.Send("\x16\x03 nonsense \r\n\r\n");
    CHECK(client.Read().status == 400);
    CHECK(client.Closed());
  }
}

TEST_CASE("http: who forgets the s of https is told") {
  Fixture f;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(f.server->port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  const std::string_view request = "GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n";
  REQUIRE(write(fd, request.data(), request.size()) == static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[512];
  for (ssize_t n = 0; (n = read(fd, buffer, sizeof buffer)) > 0;) answer.append(buffer, static_cast<std::size_t>(n));
  close(fd);
  CHECK(answer.starts_with("HTTP/1.0 400 Bad Request\r\n"));
  CHECK(answer.ends_with("\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"));
}

TEST_CASE("http: connections over the limit are turned away and counted") {
  HttpLimits limits;
  limits.max_connections = 2;
  Fixture f(limits);
  TlsClient first = f.Connect();
  CHECK(first.Get("/1").status == 200);
  {
    TlsClient second = f.Connect();
    CHECK(second.Get("/2").status == 200);
    TlsClient third = f.Connect();
    CHECK_FALSE(third.connected());
    CHECK(f.server->stats().refused == 1);
  }
  CHECK(Eventually([&] { return f.server->stats().connections == 1; }));
  CHECK(f.Connect().Get("/4").status == 200);
}

TEST_CASE("http: deadlines end idle and slow connections") {
  Fixture f;
  TlsClient client = f.Connect();
  REQUIRE(client.Get("/x").status == 200);
  // A deadline counts from when the server gets to the step before, which may be after the clock has moved: keep moving
  // it.
  std::chrono::seconds step(121);
  SECTION("idle") {}
  SECTION("half a request") {
    client.Send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    step = std::chrono::seconds(31);
  }
  SECTION("not before its time") {
    f.env.manual().Advance(std::chrono::seconds(25));
    CHECK(client.Get("/y").status == 200);
  }
  std::thread mover([&] {
    Eventually([&] {
      f.env.manual().Advance(step);
      return f.server->stats().connections == 0;
    });
  });
  CHECK(client.Closed());
  mover.join();
  CHECK(f.server->stats().connections == 0);
}

TEST_CASE("http: large and streamed bodies, plain and compressed") {
  Fixture f;
  TlsClient client = f.Connect();
  CHECK((client.Get("/large").body == std::string(3'000'000, 'x')));
  const ClientResponse zipped = client.Get("/large", "Accept-Encoding: gzip\r\n");
  CHECK(zipped.headers.at("content-encoding") == "gzip");
  CHECK(zipped.body.size() < 100'000);
  CHECK((Gunzip(zipped.body) == std::string(3'000'000, 'x')));
  CHECK((client.Get("/pieces").body == std::string(300'000, 'p')));
  CHECK((Gunzip(client.Get("/pieces", "Accept-Encoding: gzip\r\n").body) == std::string(300'000, 'p')));
  CHECK(client.Get("/small").body == "/small");
}

TEST_CASE("http: nothing is compressed for clients on the same machine") {
  Fixture f({}, false);
  TlsClient client = f.Connect();
  for (const char* path : {"/large", "/pieces"}) {
    const ClientResponse plain = client.Get(path, "Accept-Encoding: gzip\r\n");
    CHECK_FALSE(plain.headers.contains("content-encoding"));
    CHECK(plain.body == client.Get(path).body);
  }
}

TEST_CASE("http: a body that breaks off does not look whole") {
  Fixture f;
  TlsClient client = f.Connect();
  client.Send("GET /abort HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(client.ReadUntil("\r\n0\r\n\r\n").empty());
}

TEST_CASE("http: streams deliver at once, keep the connection, and notice that the client has gone") {
  Fixture f;
  auto client = std::make_unique<TlsClient>(f.server->port(), f.pki.ca.cert_pem);
  client->Send("GET /tap HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(client->Read(true).headers.at("transfer-encoding") == "chunked");
  f.handler.tap->Put("one\n");
  CHECK(client->ReadUntil("one\n\r\n") == "4\r\none\n\r\n");
  f.handler.tap->Put("two\n");
  CHECK(client->ReadUntil("two\n\r\n") == "4\r\ntwo\n\r\n");
  CHECK(f.server->stats().streams == 1);

  SECTION("the end of the source leaves the connection usable") {
    f.handler.tap->Put("end", true);
    CHECK(client->ReadUntil("0\r\n\r\n") == "3\r\nend\r\n0\r\n\r\n");
    CHECK(client->Get("/next").body == "/next");
    CHECK(f.server->stats().streams == 0);
  }
  SECTION("a request sent ahead waits its turn") {
    client->Send("GET /ahead HTTP/1.1\r\nHost: x\r\n\r\n");
    f.handler.tap->Put("end", true);
    CHECK(client->ReadUntil("0\r\n\r\n") == "3\r\nend\r\n0\r\n\r\n");
    CHECK(client->Read().body == "/ahead");
  }
  SECTION("the client leaves") {
    client.reset();
    CHECK(f.handler.tap->AwaitDestroyed());
    CHECK(Eventually([&] { return f.server->stats().streams == 0; }));
  }
  SECTION("the server stops") {
    std::thread stopper([&] { f.server->Stop(); });
    CHECK(client->ReadUntil("0\r\n\r\n") == "0\r\n\r\n");
    CHECK(client->Closed());
    client.reset();  // the server waits for the client's goodbye
    stopper.join();
    CHECK(f.handler.tap->AwaitDestroyed());
  }
}

TEST_CASE("http: a client that does not read is not read for") {
  Fixture f;
  TlsClient client = f.Connect();
  client.Send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(client.Read(true).status == 200);
  // Once the socket's buffers are full, nothing more is pulled.
  std::size_t before = 0;
  REQUIRE(Eventually([&] {
    const std::size_t now = f.handler.pulled;
    return now > 0 && std::exchange(before, now) == now;
  }));
  CHECK(f.handler.pulled < (64u << 20));
  // And it is cut off in the end.
  CHECK(Eventually([&] {
    f.env.manual().Advance(std::chrono::seconds(31));
    return f.server->stats().connections == 0;
  }));
}

TEST_CASE("http: replies may come from another thread, and late") {
  Fixture f;
  auto client = std::make_unique<TlsClient>(f.server->port(), f.pki.ca.cert_pem);
  client->Send("GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
  auto reply = f.handler.AwaitHeld();
  SECTION("in time") {
    HttpReply out;
    out.body = "late";
    std::thread([&] { reply(std::move(out)); }).join();
    CHECK(client->Read().body == "late");
  }
  SECTION("made on the connection's thread") {
    HttpReply out;
    std::thread::id made_on;
    out.complete = [&](HttpReply& made) {
      made_on = std::this_thread::get_id();
      made.body = "made";
    };
    std::thread::id answered_on;
    std::thread([&] {
      answered_on = std::this_thread::get_id();
      reply(std::move(out));
    }).join();
    CHECK(client->Read().body == "made");
    CHECK(made_on != answered_on);
    CHECK(made_on != std::this_thread::get_id());
  }
  SECTION("not made at all for a client that has gone") {
    client.reset();
    f.server->Stop();
    HttpReply out;
    bool made = false;
    out.complete = [&](HttpReply&) { made = true; };
    reply(std::move(out));
    CHECK_FALSE(made);
  }
  SECTION("while stopping, it is still sent") {
    std::thread stopper([&] { f.server->Stop(); });
    HttpReply out;
    out.body = "late";
    reply(std::move(out));
    CHECK(client->Read().body == "late");
    CHECK(client->Closed());
    client.reset();
    stopper.join();
  }
  SECTION("after the server has gone, it is dropped") {
    std::thread mover([&] {
      Eventually([&] {
        f.env.manual().Advance(std::chrono::seconds(1));
        return f.server->stats().connections == 0;
      });
    });
    f.server->Stop();
    mover.join();
    reply(HttpReply{});
    CHECK(client->Closed());
  }
}

TEST_CASE("http: a handler that throws is told of, and its client") {
  Fixture f;
  TlsClient client = f.Connect();
  const ClientResponse answer = client.Get("/throw");
  CHECK(answer.status == 500);
  CHECK(client.Closed());
  CHECK(Eventually([&] { return f.server->stats().handler_exceptions == 1; }));
  CHECK(f.log.lines().find("no more room") != std::string::npos);
  // What was answered before stays answered, once.
  TlsClient other = f.Connect();
  CHECK(other.Get("/late-throw").status == 200);
  CHECK(f.Connect().Get("/hello").status == 200);
  CHECK(Eventually([&] { return f.server->stats().handler_exceptions == 2; }));
  CHECK(Eventually([&] { return f.server->stats().in_flight == 0; }));
}

TEST_CASE("http: a client that leaves while its request waits is noticed") {
  Fixture f;
  auto client = std::make_unique<TlsClient>(f.server->port(), f.pki.ca.cert_pem);
  client->Send("GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
  auto reply = f.handler.AwaitHeld();
  SECTION("and nobody else is said to have left") {
    // Long enough for the connection to be looked at.
    client->Send("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
    TlsClient other(f.server->port(), f.pki.ca.cert_pem);
    other.Send("GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    auto other_reply = f.handler.AwaitHeld();
    HttpReply out;
    out.body = "late";
    reply(std::move(out));
    CHECK(client->Read().body == "late");
    CHECK(client->Read().body == "GET:");
    CHECK_FALSE(f.handler.left);
    other_reply(HttpReply{});
    return;
  }
  client.reset();
  CHECK(Eventually([&] { return f.handler.left.load(); }));
  CHECK(Eventually([&] { return f.server->stats().in_flight == 0; }));
  reply(HttpReply{});
}

TEST_CASE("http: addresses that cannot be had") {
  Fixture f;
  HttpServerOptions options;
  options.serving = f.pki.serving;
  options.client_ca_pem = f.pki.ca.cert_pem;
  options.port = f.server->port();
  CHECK(HttpServer::Listen(options, f.handler, f.env.clock(), Logger()).status().code() == Code::kUnavailable);
  options.host = "not an address";
  CHECK(HttpServer::Listen(options, f.handler, f.env.clock(), Logger()).status().code() == Code::kUnavailable);
  options.serving.cert_pem = "garbage";
  CHECK(HttpServer::Listen(options, f.handler, f.env.clock(), Logger()).status().code() == Code::kInternal);
}

TEST_CASE("http: a renewed certificate is used by new connections") {
  Fixture f;
  const Pki other = LoadOrCreatePki({"", {"localhost"}}, f.env).value();
  TlsClient old_client = f.Connect();
  CHECK(old_client.Get("/1").status == 200);
  REQUIRE(f.server->SetCertificate(other.serving).ok());
  CHECK_FALSE(f.Connect().connected());  // signed by a CA this client does not know
  CHECK(TlsClient(f.server->port(), other.ca.cert_pem).connected());
  CHECK(old_client.Get("/2").status == 200);
}
