#include <catch2/catch.hpp>

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include <minikube/simulated_env.h>

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
  std::map<int, bool> well;
  std::map<int, int> asked;

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
  p.container.livenessProbe.Mutable().grpc.Mutable().port = 1;
  p.Start();
  p.env.RunFor(5min);
  REQUIRE(p.killed.empty());
  REQUIRE(p.said.size() == 1);
  REQUIRE(p.said[0].find("Unhealthy: Liveness probe errored and resulted in unknown state: ") == 0);
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
