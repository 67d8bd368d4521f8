// Requests to pods and services through the API server: to whom they go, and that they and their answers are handed on
// whole.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <minikube/api/core/v1.h>
#include <minikube/api/discovery/v1.h>
#include <minikube/simulated_env.h>

#include "api/front/html_links.h"
#include "api/front/proxy.h"
#include "api/subresources/proxy.h"
#include "helpers/fixed_view.h"
#include "unit/api/http/stream_node.h"

namespace minikube::api {
namespace {

using testing::ClientResponse;
using testing::TlsClient;

core::v1::Pod PodAt(const char* name, const char* ip) {
  core::v1::Pod pod;
  pod.metadata.namespace_ = "d";
  pod.metadata.name = name;
  core::v1::PodIP address;
  address.ip = ip;
  if (*ip != '\0') pod.status.podIPs = {address};
  pod.spec.containers.push_back({});
  return pod;
}

std::string Told(const Result<ForwardTarget>& to) {
  return to ? fmt::format("{} {} {}", to->host, to->port, to->tls ? "tls" : "clear") : to.status().ToString();
}

TEST_CASE("proxy: where a pod's requests go") {
  test::FixedView world;
  core::v1::Pod web = PodAt("web", "10.0.0.7");
  core::v1::ContainerPort port;
  port.containerPort = 8080;
  web.spec.containers.Mutable(0).ports = {port};
  world.Add(web).Add(PodAt("bare", "fd00::7")).Add(PodAt("new", "")).Add(PodAt("local", "127.0.0.1"));
  world.Add(PodAt("metadata", "169.254.169.254"));
  CHECK(Told(LocatePod(world, "d", "web")) == "10.0.0.7 8080 clear");
  CHECK(Told(LocatePod(world, "d", "web:90")) == "10.0.0.7 90 clear");
  CHECK(Told(LocatePod(world, "d", "https:web:90")) == "10.0.0.7 90 tls");
  CHECK(Told(LocatePod(world, "d", "http:web:")) == "10.0.0.7 8080 clear");
  CHECK(Told(LocatePod(world, "d", "bare")) == "fd00::7 80 clear");
  CHECK(Told(LocatePod(world, "d", "https:bare:")) == "fd00::7 443 tls");
  for (const char* name : {"new", "local", "metadata"}) {
    CHECK(LocatePod(world, "d", name).status().message() == "address not allowed");
  }
  for (const char* bad : {"", ":80", "ftp:web:80", "a:b:c:d"}) {
    CHECK(LocatePod(world, "d", bad).status().code() == Code::kBadRequest);
  }
  CHECK(LocatePod(world, "d", "gone").status().message() == "pods \"gone\" not found");
}

TEST_CASE("proxy: where a service's requests go") {
  SimulatedEnv env;
  test::FixedView world;
  core::v1::Service service;
  service.metadata.namespace_ = "d";
  service.metadata.name = "web";
  core::v1::ServicePort http;
  http.name = "http";
  http.port = 80;
  core::v1::ServicePort dead;
  dead.name = "dead";
  dead.port = 81;
  service.spec.ports = {http, dead};
  discovery::v1::EndpointSlice slice;
  slice.metadata.namespace_ = "d";
  slice.metadata.name = "web-1";
  slice.metadata.labels["kubernetes.io/service-name"] = "web";
  discovery::v1::EndpointPort open;
  open.name = Str("http");
  open.port = 8080;
  slice.ports = {open};
  const auto endpoint = [&](const char* pod, const char* ip, bool ready) {
    discovery::v1::Endpoint out;
    out.addresses = {Str(ip)};
    out.conditions.ready = ready;
    if (*pod != '\0') {
      out.targetRef.Mutable().namespace_ = "d";
      out.targetRef.Mutable().name = pod;
    }
    slice.endpoints.push_back(out);
  };
  endpoint("a", "10.0.0.1", true);
  endpoint("unready", "10.0.0.2", false);
  endpoint("", "10.0.0.3", true);     // nobody's pod
  endpoint("b", "192.0.2.66", true);  // not the pod's address
  world.Add(service)
      .Add(slice)
      .Add(PodAt("a", "10.0.0.1"))
      .Add(PodAt("unready", "10.0.0.2"))
      .Add(PodAt("b", "10.0.0.4"));
  const auto to = [&](const char* id) { return Told(LocateService(world, "d", id, env.random())); };
  for (int i = 0; i < 20; ++i) CHECK(to("web:http") == "10.0.0.1 8080 clear");
  CHECK(to("web:80") == "10.0.0.1 8080 clear");
  CHECK(to("https:web:http") == "10.0.0.1 8080 tls");
  CHECK(to("web").find("no endpoints available for service \"web\"") != std::string::npos);
  CHECK(to("web:82").find("no service port 82 found for service \"web\"") != std::string::npos);
  CHECK(to("web:dead").find("no endpoints available for service \"web:dead\"") != std::string::npos);
  CHECK(to("other").find("services \"other\" not found") != std::string::npos);
}

TEST_CASE("proxy: redirections lead through the server again") {
  const auto [location, seen] = GENERATE(table<std::string, std::string>({
      {"next", "next"},
      {"/a/b?c=/d", "/p/proxy/a/b?c=/d"},
      {"/p/proxy/a", "/p/proxy/a"},
      {"http://10.0.0.1:80/a", "/p/proxy/a"},
      {"http://10.0.0.1:80/p/proxy/a", "/p/proxy/a"},
      {"https://api:6443/a", "https://api:6443/p/proxy/a"},
      {"https://example.com/a", "https://example.com/a"},
      {"//example.com/a", "//example.com/a"},
  }));
  CHECK(RewriteLocation(location, "10.0.0.1:80", "api:6443", "/p/proxy") == seen);
}

// Somebody to hand requests to: serves one connection.
class Backend {
 public:
  explicit Backend(std::function<void(int peer)> serve) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(fd_, 1) == 0);
    REQUIRE(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port = std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this, serve = std::move(serve)] {
      const int peer = accept(fd_, nullptr, nullptr);
      if (peer < 0) return;
      serve(peer);
      close(peer);
    });
  }
  ~Backend() {
    shutdown(fd_, SHUT_RDWR);
    thread_.join();
    close(fd_);
  }
  // Until `end` has come.
  static std::string Receive(int peer, std::string_view end) {
    std::string came;
    char buffer[4096];
    while (came.find(end) == std::string::npos) {
      const ssize_t n = recv(peer, buffer, sizeof buffer, 0);
      if (n <= 0) break;
      came.append(buffer, static_cast<std::size_t>(n));
    }
    return came;
  }
  static void Send(int peer, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = send(peer, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  std::string port;

 private:
  int fd_;
  std::thread thread_;
};

struct Proxied : testing::StreamFixture {
  Proxied(std::function<void(int peer)> serve) : backend(std::move(serve)) {
    engine.proxy = [this]() -> Result<ForwardTarget> { return ForwardTarget{"127.0.0.1", backend.port, false}; };
  }
  Backend backend;
};

constexpr const char* kProxy = "/api/v1/namespaces/d/pods/p/proxy";

TEST_CASE("proxy: a request and its answer are handed on whole") {
  std::string asked;
  const std::string big(3u << 20, 'x');
  Proxied proxied([&](int peer) {
    asked = Backend::Receive(peer, "hello");
    Backend::Send(peer,
                  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 418 I'm a teapot\r\nContent-Type: text/x\r\nX-It: yes\r\n"
                  "Connection: X-Hop\r\nX-Hop: 1\r\nLocation: /a\r\nContent-Length: 3145728\r\n\r\n");
    Backend::Send(peer, big);
  });
  TlsClient client = proxied.Connect();
  client.Send(std::string("POST ") + kProxy +
              "/x%20y?q=1 HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer tok\r\n"
              "Connection: X-Mine\r\nX-Mine: 1\r\nX-Ours: 2\r\nContent-Length: 5\r\n\r\nhello");
  const ClientResponse answer = client.Read();
  CHECK(answer.status == 418);
  CHECK(answer.body == big);
  CHECK(answer.headers.at("content-type") == "text/x");
  CHECK(answer.headers.at("x-it") == "yes");
  CHECK(answer.headers.at("location") == std::string(kProxy) + "/a");
  CHECK_FALSE(answer.headers.contains("x-hop"));
  CHECK(asked.starts_with("POST /x%20y?q=1 HTTP/1.1\r\n"));
  CHECK(asked.find("Host: api\r\n") != std::string::npos);
  CHECK(asked.find("X-Ours: 2\r\n") != std::string::npos);
  CHECK(asked.find(fmt::format("X-Forwarded-Uri: {}/x%20y\r\n", kProxy)) != std::string::npos);
  CHECK(asked.find("X-Mine") == std::string::npos);
  CHECK(asked.find("tok") == std::string::npos);
  // The connection is as good as before.
  CHECK(client.Get("/version").status == 200);
}

TEST_CASE("proxy: an answer that breaks off is no whole one, and nobody there is said") {
  Proxied proxied([&](int peer) {
    Backend::Receive(peer, "\r\n\r\n");
    Backend::Send(peer, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  });
  TlsClient client = proxied.Connect();
  client.Send(std::string("GET ") + kProxy + "/ HTTP/1.1\r\nHost: api\r\n\r\n");
  std::string came;
  for (std::string piece = client.ReadSome(); !piece.empty(); piece = client.ReadSome()) came += piece;
  CHECK_FALSE(came.ends_with("0\r\n\r\n"));  // the last chunk
  CHECK(client.Closed());
  TlsClient again = proxied.Connect();
  proxied.engine.proxy = [] { return ForwardTarget{"127.0.0.1", "1", false}; };
  const ClientResponse refused = again.Get(std::string(kProxy) + "/");
  CHECK(refused.status == 503);
  CHECK(refused.body.find("error trying to reach service: Connection refused") != std::string::npos);
  proxied.engine.proxy = [] { return Status(Code::kBadRequest, "address not allowed"); };
  CHECK(again.Get(std::string(kProxy) + "/").status == 400);
}

TEST_CASE("proxy: the root is asked for with its slash") {
  Proxied proxied([](int) {});
  TlsClient client = proxied.Connect();
  const ClientResponse answer = client.Get(std::string(kProxy) + "?a=b");
  CHECK(answer.status == 301);
  CHECK(answer.headers.at("location") == std::string(kProxy) + "/?a=b");
}

TEST_CASE("proxy: links in a page are found, and nothing else is touched") {
  const auto [html, seen] = GENERATE(table<std::string, std::string>({
      {"<a href=\"/x\">t</a>", "<a href=\"[/x]\">t</a>"},
      {"<A\nclass=c HREF = '/x' >", "<A\nclass=c HREF = '[/x]' >"},
      {"<img src=/x alt=/y><p src=/z>", "<img src=[/x] alt=/y><p src=/z>"},
      {"<form action=/x/><input disabled formaction=\"\">", "<form action=[/x/]><input disabled formaction=\"[]\">"},
      {"<!-- <a href=/x> --><a href=/y>", "<!-- <a href=/x> --><a href=[/y]>"},
      {"<script src=/s>'<a href=/x>'</Script><a href=/y>", "<script src=[/s]>'<a href=/x>'</Script><a href=[/y]>"},
      {"a < b <1 </a href=/x>", "a < b <1 </a href=/x>"},
      {"<a href", "<a href"},
      {"<a href=", "<a href="},
      {"<a href=\"/x", "<a href=\"[/x]"},
      {"<", "<"},
      {"", ""},
  }));
  CHECK(RewriteLinks(html, [](const std::string& url) { return "[" + url + "]"; }) == seen);
}

TEST_CASE("proxy: a page's links lead through the server again") {
  Proxied proxied([](int peer) {
    if (Backend::Receive(peer, "\r\n\r\n").find("gzip") != std::string::npos) return;
    Backend::Send(peer,
                  "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 29\r\n\r\n<a href=");
    Backend::Send(peer, "\"/rewriteme\">test</a>");
  });
  TlsClient client = proxied.Connect();
  const ClientResponse answer = client.Get(std::string(kProxy) + "/", "Accept: text/html\r\nAccept-Encoding: gzip\r\n");
  CHECK(answer.body == fmt::format("<a href=\"{}/rewriteme\">test</a>", kProxy));
}

TEST_CASE("proxy: a WebSocket passes through") {
  Proxied proxied([&](int peer) {
    const std::string asked = Backend::Receive(peer, "\r\n\r\n");
    if (asked.find("Upgrade: websocket\r\n") == std::string::npos) return;
    Backend::Send(peer,
                  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                  "Sec-WebSocket-Accept: of-the-backend\r\n\r\nearly");
    if (Backend::Receive(peer, "ping").find("ping") == std::string::npos) return;
    Backend::Send(peer, "pong");
  });
  TlsClient client = proxied.Connect();
  client.Send(testing::StreamFixture::Upgrade(std::string(kProxy) + "/ws", "x"));
  const std::string head = client.ReadUntil("early");
  CHECK(head.starts_with("HTTP/1.1 101 "));
  CHECK(head.find("Upgrade: websocket\r\n") != std::string::npos);
  CHECK(head.find("Sec-WebSocket-Accept: of-the-backend\r\n") != std::string::npos);
  client.Send("ping");
  CHECK(client.ReadUntil("pong").find("pong") != std::string::npos);
  CHECK(client.Closed());
}

}  // namespace
}  // namespace minikube::api
