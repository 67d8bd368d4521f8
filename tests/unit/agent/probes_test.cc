#include <catch2/catch.hpp>

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include <minikube/simulated_env.h>

#include "agent/checks/grpc_health.h"
#include "agent/container_probes.h"
#include "helpers/fake_api.h"
#include "helpers/wait.h"
#include "simulated_node.h"

namespace minikube::agent {
namespace {

using namespace std::chrono_literals;
using test::FakeApi;

using test::Promised;

TEST_CASE("an HTTP answer is judged by its status", "[agent]") {
  const auto [answer, verdict] = GENERATE(table<std::string, std::string>({
      {"HTTP/1.1 200 OK\r\n", "ok"},
      {"HTTP/1.0 399 Odd\r\n", "ok"},
      {"HTTP/1.1 400 Bad\r\n", "HTTP probe failed with statuscode: 400"},
      {"HTTP/1.1 503\r\n", "HTTP probe failed with statuscode: 503"},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 X\r\n", "ok"},
      {"HTTP/1.1 100 Continue\r\n", "more"},
      {"HTTP/1.1 20", "more"},
      {"SSH-2.0-x\r\n", "the answer is not HTTP"},
      {"HTTP/1.1 2x0 OK\r\n", "the answer is not HTTP"},
      {"\n", "the answer is not HTTP"},
  }));
  CAPTURE(answer);
  const std::optional<Status> status = JudgeHttpAnswer(answer);
  REQUIRE((!status ? "more" : status->ok() ? "ok" : status->message()) == verdict);
}

TEST_CASE("a probe's request cannot be made to say more than it should", "[agent]") {
  HttpTarget target;
  target.host = "fd00::1";
  target.port = 80;
  target.path = "/a b\r\nX: y";
  target.headers = {{"X-Ok", "1"}, {"X-Bad", "1\r\nInjected: 2"}, {"Host", "example.com"}};
  REQUIRE(HttpRequestText(target) ==
          "GET /a%20b%0D%0AX:%20y HTTP/1.1\r\nHost: example.com\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\n"
          "X-Ok: 1\r\nConnection: close\r\n\r\n");
}

std::string Bytes(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return out;
}

// What a server made with grpc-go says.
constexpr std::string_view kGrpcBegin =
    "000006040000000000000500004000"
    "000000040100000000"
    "00000408000000000000000005";
constexpr std::string_view kGrpcHead = "00000e010400000001885f8b1d75d0620d263d4c4d6564";
constexpr std::string_view kGrpcEnd =
    "000018010500000001"
    "40889acac8b21234da8f013040899acac8b5254207317f00";

TEST_CASE("a gRPC health answer is judged by what it says", "[agent]") {
  const auto [rest, verdict] = GENERATE(table<std::string, std::string>({
      {std::string(kGrpcHead) +
           "0000070000000000010000000002"
           "0801" +
           std::string(kGrpcEnd),
       "ok"},
      {std::string(kGrpcHead) + "0000070000000000010000000002"
                                "0802",
       "service unhealthy (responded with \"NOT_SERVING\")"},
      {std::string(kGrpcHead) + "0000050000000000010000000000", "service unhealthy (responded with \"UNKNOWN\")"},
      {std::string(kGrpcHead) + "00000300000000000100000000", "more"},
      {std::string(kGrpcHead), "more"},
      {"000030010500000001885f8b1d75d0620d263d4c4d656440889acac8b21234da8f013540899acac8b5254207317f8bb6aeb51fc54a20b67"
       "7310b",
       "error: health rpc probe failed: rpc error: code = NotFound"},
      {"000040010500000001885f8b1d75d0620d263d4c4d656440889acac8b21234da8f02313240899acac8b5254207317f9ab6aeb51fc54a20b"
       "67731"
       "0aa4d65645e728e84cebf70afa93396c",
       "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)"},
      // In clear, padded, with a priority; as no server has to send it.
      {"00001901"
       "2d"
       "00000001"
       "02"
       "0000000000"
       "000b677270632d7374617475730234320000"
       "88"
       "0000",
       "error: health rpc probe failed: the server gave no answer"},
      {"00000403000000000100000008", "error: health rpc probe failed: the server reset the call"},
      {"000008070000000000"
       "0000000000000000",
       "error: health rpc probe failed: the server closed the connection"},
  }));
  CAPTURE(rest);
  const std::string came = Bytes(std::string(kGrpcBegin) + rest);
  const std::optional<Status> status = JudgeGrpcAnswer(came);
  REQUIRE((!status ? "more" : status->ok() ? "ok" : status->message()) == verdict);
  // However it is cut, it neither says something else nor reads beyond its end.
  for (std::size_t size = 0; size < came.size(); ++size) {
    const std::optional<Status> early = JudgeGrpcAnswer(std::string(came, 0, size));
    if (early && status) REQUIRE(early->message() == status->message());
  }
}

TEST_CASE("what is no gRPC is told apart", "[agent]") {
  REQUIRE(JudgeGrpcAnswer("HTTP/1.1 400 Bad Request\r\n\r\n")->message().find("not gRPC") != std::string::npos);
  REQUIRE_FALSE(JudgeGrpcAnswer(""));
  REQUIRE_FALSE(JudgeGrpcAnswer(Bytes(kGrpcBegin)));
}

// A server on a loopback port that serves one connection.
class OneShotServer {
 public:
  using Serve = std::function<void(int peer)>;
  // Answers what it is asked with `answer`; empty = accepts and says nothing.
  explicit OneShotServer(std::string answer)
      : OneShotServer([answer = std::move(answer)](int peer) {
          char buffer[4096];
          if (!answer.empty() && recv(peer, buffer, sizeof buffer, 0) > 0) {
            (void)!write(peer, answer.data(), answer.size());
          }
          while (recv(peer, buffer, sizeof buffer, 0) > 0) {
          }
        }) {}
  explicit OneShotServer(Serve serve) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(fd_, 1) == 0);
    REQUIRE(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port = ntohs(address.sin_port);
    thread_ = std::thread([this, serve = std::move(serve)] {
      const int peer = accept(fd_, nullptr, nullptr);
      if (peer < 0) return;
      serve(peer);
      close(peer);
    });
  }
  ~OneShotServer() {
    shutdown(fd_, SHUT_RDWR);
    thread_.join();
    close(fd_);
  }
  int port = 0;

 private:
  int fd_;
  std::thread thread_;
};

// The same over TLS, with a certificate that nobody vouches for.
OneShotServer::Serve OverTls(std::string answer) {
  return [answer = std::move(answer)](int peer) {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* cert = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_sign(cert, key, EVP_sha256());
    SSL_CTX* context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context, cert);
    SSL_CTX_use_PrivateKey(context, key);
    SSL* ssl = SSL_new(context);
    SSL_set_fd(ssl, peer);
    char buffer[4096];
    if (SSL_accept(ssl) == 1 && SSL_read(ssl, buffer, sizeof buffer) > 0) {
      SSL_write(ssl, answer.data(), static_cast<int>(answer.size()));
    }
    while (recv(peer, buffer, sizeof buffer, 0) > 0) {
    }
    SSL_free(ssl);
    SSL_CTX_free(context);
    X509_free(cert);
    EVP_PKEY_free(key);
  };
}

struct RealProber {
  RealProber() : env(NewRealEnv(2)), strand(env->NewStrand("probe")), prober(NewNetProber(*env, *strand)) {}
  ~RealProber() { strand->Stop(); }
  Status Wait() {
    std::optional<Status> answer = result.Take();
    REQUIRE(answer);
    Promised<int> destroyed;
    strand->Post([&] {
      check.reset();
      destroyed.Set(1);
    });
    REQUIRE(destroyed.Take());
    return *answer;
  }
  Status Tcp(int port, Duration timeout = 10s) {
    strand->Post([this, port, timeout] {
      check = prober->Tcp("127.0.0.1", port, timeout, [this](Status status) { result.Set(std::move(status)); });
    });
    return Wait();
  }
  Status Http(int port, Duration timeout = 10s, bool tls = false) {
    strand->Post([this, port, timeout, tls] {
      HttpTarget target;
      target.tls = tls;
      target.host = "127.0.0.1";
      target.port = port;
      check = prober->Http(target, timeout, [this](Status status) { result.Set(std::move(status)); });
    });
    return Wait();
  }
  Status Grpc(int port, Duration timeout = 10s) {
    strand->Post([this, port, timeout] {
      check = prober->Grpc("127.0.0.1", port, "", timeout, [this](Status status) { result.Set(std::move(status)); });
    });
    return Wait();
  }
  Promised<Status> result;
  std::unique_ptr<Env> env;
  std::unique_ptr<Strand> strand;
  std::unique_ptr<NetProber> prober;
  std::unique_ptr<NetCheck> check;
};

TEST_CASE("network checks against real sockets", "[agent]") {
  RealProber prober;
  SECTION("a port that is open") {
    OneShotServer server("");
    REQUIRE(prober.Tcp(server.port).ok());
  }
  SECTION("a port that is not") {
    int port = 0;
    { port = OneShotServer("").port; }
    const Status status = prober.Tcp(port);
    REQUIRE(status.message() == "dial tcp 127.0.0.1:" + std::to_string(port) + ": connect: connection refused");
  }
  SECTION("HTTP, well and unwell") {
    OneShotServer well("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    REQUIRE(prober.Http(well.port).ok());
    OneShotServer unwell("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
    REQUIRE(prober.Http(unwell.port).message() == "HTTP probe failed with statuscode: 500");
  }
  SECTION("HTTPS, whoever vouches for the certificate") {
    OneShotServer well(OverTls("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    REQUIRE(prober.Http(well.port, 10s, true).ToString() == "OK");
    OneShotServer unwell(OverTls("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"));
    REQUIRE(prober.Http(unwell.port, 10s, true).message() == "HTTP probe failed with statuscode: 503");
  }
  SECTION("HTTPS to a server that speaks something else") {
    OneShotServer plain("HTTP/1.1 400 Bad Request\r\n\r\n");
    REQUIRE(prober.Http(plain.port, 10s, true).message() ==
            "Get \"https://127.0.0.1:" + std::to_string(plain.port) +
                "/\": tls: first record does not look like a TLS handshake");
    OneShotServer silent("");
    REQUIRE(prober.Http(silent.port, 50ms, true).message().find("context deadline exceeded") != std::string::npos);
  }
  SECTION("gRPC") {
    OneShotServer well(Bytes(std::string(kGrpcBegin) + std::string(kGrpcHead) + "00000700000000000100000000020801"));
    REQUIRE(prober.Grpc(well.port).ToString() == "OK");
    OneShotServer silent("");
    REQUIRE(prober.Grpc(silent.port, 1s).message() == "timeout: health rpc did not complete within 1s");
    OneShotServer gone([](int peer) {
      char buffer[4096];
      (void)recv(peer, buffer, sizeof buffer, 0);
    });
    REQUIRE(prober.Grpc(gone.port).message().find("error: health rpc probe failed: ") == 0);
  }
  SECTION("a server that says nothing") {
    OneShotServer server("");
    REQUIRE(prober.Http(server.port, 50ms).message().find("context deadline exceeded") != std::string::npos);
  }
}

// Answers what the test says.
class ScriptedProber final : public NetProber {
 public:
  explicit ScriptedProber(Strand& strand) : strand_(strand) {}
  std::unique_ptr<NetCheck> Tcp(std::string, int port, Duration, NetDone done) override {
    ++asked[port];
    class Pending final : public NetCheck {};
    strand_.Post(
        [this, port, done = std::move(done)] { done(well[port] ? Status() : Status(Code::kUnavailable, "refused")); });
    return std::make_unique<Pending>();
  }
  std::unique_ptr<NetCheck> Http(HttpTarget target, Duration timeout, NetDone done) override {
    return Tcp(target.host, target.port, timeout, std::move(done));
  }
  std::unique_ptr<NetCheck> Grpc(std::string host, int port, std::string service, Duration timeout,
                                 NetDone done) override {
    services.push_back(service);
    return Tcp(std::move(host), port, timeout, std::move(done));
  }
  std::map<int, bool> well;
  std::map<int, int> asked;
  std::vector<std::string> services;

 private:
  Strand& strand_;
};

struct Probed {
  Probed()
      : api(env),
        client(api.NewClient()),
        strand(env.NewStrand("agent")),
        machine(NewSimulatedMachine()),
        runtime(NewSimulatedRuntime(machine, env, *strand)),
        events(*client, *strand, env, "kubelet"),
        objects(*client, *strand, env),
        net(*strand),
        files(env, "files"),
        context{*client, *strand, env, *runtime, events, objects, net, files, options, log, {}, 0, {}, {}} {
    container.name = "main";
  }
  core::Probe Tcp(int port) {
    core::Probe probe;
    probe.tcpSocket.Mutable().port = port;
    probe.periodSeconds = 1;
    probe.failureThreshold = 3;
    return probe;
  }
  void Start(bool was_ready = false) {
    ContainerProbes::Owner owner;
    owner.changed = [this] { ++changes; };
    owner.event = [this](std::string_view reason, std::string message) {
      said.push_back(std::string(reason) + ": " + message);
    };
    owner.kill = [this](std::string why) { killed.push_back(std::move(why)); };
    probes = std::make_unique<ContainerProbes>(
        context, ContainerProbes::Target{container, "id", "10.0.0.1", env.clock().Now()}, std::move(owner), was_ready);
  }
  SimulatedEnv env;
  FakeApi api;
  std::unique_ptr<Client> client;
  std::unique_ptr<Strand> strand;
  std::shared_ptr<SimulatedMachine> machine;
  std::unique_ptr<Runtime> runtime;
  EventRecorder events;
  ObjectCache objects;
  ScriptedProber net;
  LazyStrand files;
  NodeAgentOptions options;
  Logger log;
  AgentContext context;
  core::Container container;
  int changes = 0;
  std::vector<std::string> said;
  std::vector<std::string> killed;
  std::unique_ptr<ContainerProbes> probes;
};

TEST_CASE("readiness comes and goes with its probe", "[agent]") {
  Probed p;
  p.container.readinessProbe = p.Tcp(1);
  p.container.readinessProbe.Mutable().initialDelaySeconds = 5;
  p.Start();
  p.env.RunFor(4s);
  REQUIRE(p.net.asked[1] == 0);
  REQUIRE(p.probes->started());
  REQUIRE_FALSE(p.probes->ready());
  p.net.well[1] = true;
  p.env.RunFor(2s);
  REQUIRE(p.probes->ready());
  p.net.well[1] = false;
  p.env.RunFor(2s);
  REQUIRE(p.probes->ready());  // two failures are not three
  p.env.RunFor(2s);
  REQUIRE_FALSE(p.probes->ready());
  REQUIRE(p.killed.empty());
  REQUIRE(p.said.back() == "Unhealthy: Readiness probe failed: refused");
  REQUIRE(p.changes == 2);
}

TEST_CASE("a liveness probe that keeps failing kills, once", "[agent]") {
  Probed p;
  p.container.livenessProbe = p.Tcp(2);
  p.net.well[2] = true;
  p.Start();
  p.env.RunFor(10s);
  REQUIRE(p.probes->ready());
  REQUIRE(p.killed.empty());
  p.net.well[2] = false;
  p.env.RunFor(20s);
  REQUIRE(p.killed == std::vector<std::string>{"Container main failed liveness probe, will be restarted"});
}

TEST_CASE("the other probes wait for the startup probe", "[agent]") {
  Probed p;
  p.container.startupProbe = p.Tcp(3);
  p.container.startupProbe.Mutable().failureThreshold = 30;
  p.container.readinessProbe = p.Tcp(1);
  p.container.livenessProbe = p.Tcp(2);
  p.net.well[1] = true;
  p.Start();
  p.env.RunFor(20s);
  REQUIRE_FALSE(p.probes->started());
  REQUIRE_FALSE(p.probes->ready());
  REQUIRE(p.net.asked[1] + p.net.asked[2] == 0);
  p.net.well[3] = true;
  p.net.well[2] = true;
  p.env.RunFor(3s);
  REQUIRE(p.probes->started());
  REQUIRE(p.probes->ready());
  const int asked = p.net.asked[3];
  p.env.RunFor(10s);
  REQUIRE(p.net.asked[3] == asked);  // its work is done
  REQUIRE(p.killed.empty());
}

TEST_CASE("a startup probe that never succeeds kills", "[agent]") {
  Probed p;
  p.container.startupProbe = p.Tcp(3);
  p.Start();
  p.env.RunFor(5s);
  REQUIRE(p.killed == std::vector<std::string>{"Container main failed startup probe, will be restarted"});
}

TEST_CASE("an adopted container is what it was until a probe says otherwise", "[agent]") {
  Probed p;
  p.container.startupProbe = p.Tcp(3);
  p.container.readinessProbe = p.Tcp(1);
  p.Start(true);
  REQUIRE(p.probes->ready());
  p.env.RunFor(10s);
  REQUIRE_FALSE(p.probes->ready());
}

TEST_CASE("a probe that this node cannot make is reported, and decides nothing", "[agent]") {
  Probed p;
  p.container.livenessProbe.Mutable().tcpSocket.Mutable().port = IntOrString("nowhere");
  p.Start();
  p.env.RunFor(5min);
  REQUIRE(p.killed.empty());
  REQUIRE(p.said.size() == 1);
  REQUIRE(p.said[0].find("Unhealthy: Liveness probe errored and resulted in unknown state: ") == 0);
}

TEST_CASE("a gRPC probe asks for its service", "[agent]") {
  Probed p;
  core::Probe& probe = p.container.livenessProbe.Mutable();
  probe.grpc.Mutable().port = 1;
  probe.grpc.Mutable().service = Str("liveness");
  p.Start();
  p.env.RunFor(5min);
  REQUIRE(p.killed == std::vector<std::string>{"Container main failed liveness probe, will be restarted"});
  REQUIRE(p.net.services.front() == "liveness");
}

TEST_CASE("a port is found by number or name", "[agent]") {
  core::Container container;
  core::ContainerPort port;
  port.name = "http";
  port.containerPort = 8080;
  container.ports = {port};
  REQUIRE(PortOf(container, IntOrString(80)).value() == 80);
  REQUIRE(PortOf(container, IntOrString("http")).value() == 8080);
  REQUIRE(PortOf(container, IntOrString("81")).value() == 81);
  REQUIRE_FALSE(PortOf(container, IntOrString("none")).ok());
  REQUIRE_FALSE(PortOf(container, IntOrString(0)).ok());
  REQUIRE_FALSE(PortOf(container, IntOrString(70000)).ok());
}

}  // namespace
}  // namespace minikube::agent
