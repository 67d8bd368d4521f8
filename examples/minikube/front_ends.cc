#include "front_ends.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <minikube/auth.h>
#include <minikube/version.h>

#include "server.h"

namespace minikube::example {
namespace {

int Fail(std::string_view program, std::string_view why) {
  std::fprintf(stderr, "%s: %s\n", std::string(program).c_str(), std::string(why).c_str());
  return 1;
}

// As --authorization-mode=AlwaysAllow.
class AlwaysAllow final : public Authorizer {
 public:
  AccessDecision Decide(const UserInfo&, const Access&) override { return {AccessDecision::Kind::kAllow, ""}; }
};

void TellIgnored(std::string_view program, const CLI::App& app) {
  for (const std::string& flag : app.remaining()) {
    std::fprintf(stderr, "%s: %s is ignored\n", std::string(program).c_str(), flag.c_str());
  }
}

bool Contains(const std::vector<std::string>& list, std::string_view value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// A socket that listens on the host and port of an URL such as http://127.0.0.1:2379; -1 if it cannot be.
int ListenOn(std::string url) {
  if (const std::size_t scheme = url.find("://"); scheme != std::string::npos) url = url.substr(scheme + 3);
  url = url.substr(0, url.find('/'));
  const std::size_t colon = url.rfind(':');
  if (colon == std::string::npos) return -1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  std::uint16_t port = 0;
  std::from_chars(url.data() + colon + 1, url.data() + url.size(), port);
  address.sin_port = htons(port);
  std::string host = url.substr(0, colon);
  if (host == "localhost") host = "127.0.0.1";
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) return -1;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 && listen(fd, 16) == 0) return fd;
  close(fd);
  return -1;
}

// One request, one answer; who is slow is not waited for.
void AnswerHealth(int fd) {
  const timeval patience{.tv_sec = 5, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  constexpr std::size_t kMaxRequest = 8192;
  std::string request;
  char buffer[1024];
  while (request.find("\r\n\r\n") == std::string::npos && request.size() < kMaxRequest) {
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n <= 0) return;
    request.append(buffer, static_cast<std::size_t>(n));
  }
  const bool health = request.starts_with("GET /health");
  const std::string body = health ? R"({"health":"true","reason":""})" : "404 page not found\n";
  const std::string answer =
      fmt::format("HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
                  health ? "200 OK" : "404 Not Found", health ? "application/json" : "text/plain", body.size(), body);
  for (std::string_view rest = answer; !rest.empty();) {
    const ssize_t n = send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace

int MakeEnvtestAssets(const std::string& dir) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return Fail("minikube", "cannot find this executable: " + error.message());
  std::filesystem::create_directories(dir, error);
  if (error) return Fail("minikube", fmt::format("cannot create {}: {}", dir, error.message()));
  for (const char* name : {"kube-apiserver", "etcd"}) {
    const std::filesystem::path link = std::filesystem::path(dir) / name;
    if (std::filesystem::is_symlink(link, error)) std::filesystem::remove(link, error);
    std::filesystem::create_symlink(self, link, error);
    if (error) return Fail("minikube", fmt::format("cannot create {}: {}", link.string(), error.message()));
  }
  std::printf("export KUBEBUILDER_ASSETS=%s\n", std::filesystem::absolute(dir, error).c_str());
  return 0;
}

int RunKubeApiserver(int argc, char** argv) {
  constexpr std::string_view kProgram = "kube-apiserver";
  CLI::App app("An API server for tests: state is in memory, and gone when it ends");
  app.allow_extras();
  ClusterOptions cluster;
  std::string cert_dir;
  std::string address = "127.0.0.1";
  int port = 6443;
  std::vector<std::string> modes = {"RBAC"};
  bool controllers = false;
  bool version = false;
  LogLevel log_level = LogLevel::kWarning;
  ApiServerOptions& api = cluster.api_server;
  app.add_option("--bind-address", address, "Address to serve HTTPS on")->capture_default_str();
  app.add_option("--secure-port", port, "Port to serve HTTPS on; 0 takes a free one")->capture_default_str();
  app.add_option("--cert-dir", cert_dir, "Directory with the serving certificate, apiserver.crt and apiserver.key");
  app.add_option("--tls-cert-file", api.tls_cert_file, "Serving certificate (PEM)");
  app.add_option("--tls-private-key-file", api.tls_private_key_file, "Its key (PEM)");
  app.add_option("--client-ca-file", api.client_ca_file, "Authorities of client certificates (PEM)");
  app.add_option("--token-auth-file", api.token_auth_file, "CSV file: token,user,uid,\"group1,group2\"");
  app.add_option("--service-cluster-ip-range", api.service_cluster_ip_range, "Range of Services' addresses")
      ->capture_default_str();
  app.add_option("--authorization-mode", modes, "RBAC, Node, AlwaysAllow")->delimiter(',')->capture_default_str();
  app.add_option("--disable-admission-plugins", api.extensions.disabled_admission, "Admission plugins not to run")
      ->delimiter(',');
  app.add_option("--controllers", controllers, "Run the controllers too: owner references, namespaces, Deployments")
      ->capture_default_str();
  app.add_flag("--version", version, "Print the version");
  // What a server with its state in memory has no use for.
  for (const char* flag : {"--etcd-servers", "--allow-privileged", "--service-account-issuer",
                           "--service-account-key-file", "--service-account-signing-key-file", "--feature-gates",
                           "--enable-admission-plugins", "--runtime-config", "-v,--v"}) {
    app.add_option(flag, "Taken, without effect");
  }
  CLI11_PARSE(app, argc, argv);
  if (version) {
    std::printf("Kubernetes %s\n", std::string(kKubernetesVersion).c_str());
    return 0;
  }
  TellIgnored(kProgram, app);
  if (!cert_dir.empty() && api.tls_cert_file.empty() && std::filesystem::exists(cert_dir + "/apiserver.crt")) {
    api.tls_cert_file = cert_dir + "/apiserver.crt";
    api.tls_private_key_file = cert_dir + "/apiserver.key";
  }
  if (Contains(modes, "AlwaysAllow")) api.extensions.authorizers.push_back(std::make_shared<AlwaysAllow>());
  api.listen = fmt::format("{}:{}", address.find(':') == std::string::npos ? address : "[" + address + "]", port);
  cluster.scheduler.reset();
  if (!controllers) cluster.controllers.reset();
  return RunServer(std::move(cluster), log_level);
}

int RunEtcd(int argc, char** argv) {
  constexpr std::string_view kProgram = "etcd";
  CLI::App app("Says that it is healthy, for tests that start an etcd beside their API server");
  app.allow_extras();
  std::string listen = "http://127.0.0.1:2379";
  bool version = false;
  app.add_option("--listen-client-urls", listen, "Where to answer /health")->capture_default_str();
  app.add_flag("--version", version, "Print the version");
  for (const char* flag : {"--advertise-client-urls", "--listen-peer-urls", "--data-dir", "--unsafe-no-fsync"}) {
    app.add_option(flag, "Taken, without effect");
  }
  CLI11_PARSE(app, argc, argv);
  if (version) {
    std::printf("etcd for tests, of minikube %s\n", std::string(kVersion).c_str());
    return 0;
  }
  TellIgnored(kProgram, app);
  const int listener = ListenOn(listen);
  if (listener < 0) return Fail(kProgram, "cannot listen on " + listen);
  while (true) {
    const int peer = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (peer < 0) continue;
    AnswerHealth(peer);
    close(peer);
  }
}

}  // namespace minikube::example
