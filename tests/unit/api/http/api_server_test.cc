#include <minikube/api_server.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <minikube/api/core/v1.h>

#include "base/machine_address.h"
#include "crypto/pki.h"
#include "unit/api/http/tls_client.h"

using namespace minikube;
using minikube::api::testing::ClientResponse;
using minikube::api::testing::TlsClient;
using nlohmann::json;

namespace {

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// A whole API server on a store in memory, reached over HTTPS.
struct Fixture {
  Fixture() {
    std::string name = (std::filesystem::temp_directory_path() / "api-server-test-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    dir = name;
    std::ofstream(dir + "/tokens.csv") << "tok,alice,1\n";
    options.data_dir = dir;
    options.listen = "127.0.0.1:0";
    options.token_auth_file = dir + "/tokens.csv";
    options.http_threads = 1;
    Start();
  }
  ~Fixture() {
    server.reset();
    std::filesystem::remove_all(dir);
  }
  void Start() { server = ApiServer::Start(options, *store, *env, Logger()).value(); }
  std::uint16_t port() const {
    return static_cast<std::uint16_t>(std::stoi(server->url().substr(server->url().rfind(':') + 1)));
  }
  std::string Ca() const { return ReadAll(dir + "/pki/ca.crt"); }
  KeyPair Admin() const { return {ReadAll(dir + "/pki/admin.crt"), ReadAll(dir + "/pki/admin.key")}; }

  std::unique_ptr<Env> env = NewRealEnv(2);
  std::unique_ptr<Store> store = NewMemoryStore(*env);
  std::string dir;
  ApiServerOptions options;
  std::unique_ptr<ApiServer> server;
};

std::string Post(const std::string& target, const std::string& body) {
  return "POST " + target +
         " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

const char* const kMaps = "/api/v1/namespaces/default/configmaps";

}  // namespace

TEST_CASE("api server: an object's life over HTTPS, seen by a watch and in process") {
  Fixture f;
  CHECK(f.server->Ready().ok());
  const KeyPair admin = f.Admin();
  TlsClient client(f.port(), f.Ca(), &admin);
  REQUIRE(client.connected());
  CHECK(client.Get("/readyz").body == "ok");

  TlsClient watcher(f.port(), f.Ca(), &admin);
  watcher.Send("GET " + std::string(kMaps) + "?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(watcher.Read(true).status == 200);

  client.Send(Post(kMaps, R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"m"},"data":{"k":"v"}})"));
  const ClientResponse created = client.Read();
  CHECK(created.status == 201);
  const json object = json::parse(created.body);
  CHECK(object["metadata"]["uid"].get<std::string>().size() == 36);
  CHECK(watcher.ReadUntil("\"k\":\"v\"").find("ADDED") != std::string::npos);

  const auto in_process = f.server->NewClient({"admin", "", {"system:masters"}});
  CHECK(*in_process->Get<core::v1::ConfigMap>("default", "m").value().data.Find("k") == "v");

  client.Send(Post(kMaps, R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"m"}})"));
  const ClientResponse again = client.Read();
  CHECK(again.status == 409);
  CHECK(json::parse(again.body)["reason"] == "AlreadyExists");

  client.Send("DELETE " + std::string(kMaps) + "/m HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(client.Read().status == 200);
  CHECK(watcher.ReadUntil("DELETED").size() > 7);
  CHECK(client.Get(std::string(kMaps) + "/m").status == 404);
}

TEST_CASE("api server: who may do what") {
  Fixture f;
  TlsClient anonymous(f.port(), f.Ca());
  CHECK(anonymous.Get(kMaps).status == 403);
  CHECK(anonymous.Get("/readyz").status == 200);
  CHECK(anonymous.Get(kMaps, "Authorization: Bearer tok\r\n").status == 403);  // known, but without rights
  CHECK(anonymous.Get("/api", "Authorization: Bearer tok\r\n").status == 200);
  CHECK(anonymous.Get(kMaps, "Authorization: Bearer wrong\r\n").status == 401);
  const KeyPair admin = f.Admin();
  TlsClient client(f.port(), f.Ca(), &admin);
  CHECK(client.Get(kMaps).status == 200);
  CHECK(client.Get(kMaps, "Impersonate-User: alice\r\n").status == 403);
}

TEST_CASE("api server: tokens of service accounts, good until their account goes, also after a restart") {
  Fixture f;
  const KeyPair admin = f.Admin();
  std::string token;
  {
    TlsClient client(f.port(), f.Ca(), &admin);
    client.Send(Post("/api/v1/namespaces/default/serviceaccounts", R"({"metadata":{"name":"robot"}})"));
    REQUIRE(client.Read().status == 201);
    client.Send(Post("/api/v1/namespaces/default/serviceaccounts/robot/token", "{}"));
    const ClientResponse answer = client.Read();
    REQUIRE(answer.status == 201);
    token = json::parse(answer.body)["status"]["token"].get<std::string>();
  }
  struct stat key {};
  REQUIRE(stat((f.dir + "/pki/sa.key").c_str(), &key) == 0);
  CHECK((key.st_mode & 07777) == 0600);
  const std::string bearer = "Authorization: Bearer " + token + "\r\n";
  const std::string review = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
  const auto who = [&](TlsClient& client) {
    client.Send("POST " + review + " HTTP/1.1\r\nHost: x\r\n" + bearer +
                "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
    return json::parse(client.Read().body)["status"]["userInfo"]["username"];
  };
  {
    TlsClient client(f.port(), f.Ca());
    CHECK(who(client) == "system:serviceaccount:default:robot");
    CHECK(client.Get(kMaps, bearer).status == 403);
    // What others verify such tokens with is for those who have one.
    CHECK(client.Get("/openid/v1/jwks").status == 403);
    const json keys = json::parse(client.Get("/openid/v1/jwks", bearer).body);
    CHECK(keys["keys"].size() == 1);
    CHECK(keys["keys"][0]["kty"] == "EC");
    const json configuration = json::parse(client.Get("/.well-known/openid-configuration", bearer).body);
    CHECK(configuration["issuer"] == "https://kubernetes.default.svc.cluster.local");
    // Where pods find it too: this server listens on a loopback address.
    CHECK(configuration["jwks_uri"] == "https://kubernetes.default.svc.cluster.local/openid/v1/jwks");
  }
  f.server.reset();
  f.Start();
  TlsClient client(f.port(), f.Ca());
  CHECK(who(client) == "system:serviceaccount:default:robot");
  const auto in_process = f.server->NewClient({"admin", "", {"system:masters"}});
  REQUIRE(in_process->Delete<core::v1::ServiceAccount>("default", "robot").ok());
  CHECK(client.Get(kMaps, bearer).status == 401);

  f.server.reset();
  std::ofstream(f.dir + "/pki/sa.key") << "nonsense";
  const Status refused = ApiServer::Start(f.options, *f.store, *f.env, Logger()).status();
  CHECK(refused.code() == Code::kInternal);
  CHECK(refused.message().find("/pki/sa.key") != std::string::npos);
}

TEST_CASE("api server: pods find it at an address that is not its own loopback") {
  Fixture f;
  const auto client = f.server->NewClient({"admin", "", {"system:masters"}});
  const auto endpoints = client->Get<core::v1::Endpoints>("default", "kubernetes");
  if (MachineAddress().empty()) {
    CHECK(endpoints.status().code() == Code::kNotFound);
    return;
  }
  REQUIRE(endpoints.ok());
  CHECK(endpoints->subsets[0].addresses[0].ip == MachineAddress());
  CHECK(endpoints->subsets[0].ports[0].port == f.port());
  // As the service its certificate knows it, and by that address.
  CHECK(TlsClient(f.port(), f.Ca(), nullptr, MachineAddress()).connected());
  for (const char* name : {"kubernetes", "kubernetes.default", "kubernetes.default.svc",
                           "kubernetes.default.svc.cluster.local", "10.96.0.1"}) {
    CAPTURE(name);
    CHECK(TlsClient(f.port(), f.Ca(), nullptr, name).connected());
  }
  // Without HTTPS nobody finds it.
  f.server.reset();
  f.options.listen.clear();
  f.Start();
  const auto again = f.server->NewClient({"admin", "", {"system:masters"}});
  CHECK(again->Get<core::v1::Endpoints>("default", "kubernetes").status().code() == Code::kNotFound);
}

TEST_CASE("api server: certificates outlive it, and its clients see it stop") {
  Fixture f;
  const std::string ca = f.Ca();
  const std::string kubeconfig = f.server->AdminKubeconfig();
  CHECK(kubeconfig.find(f.server->url()) != std::string::npos);
  const KeyPair admin = f.Admin();
  auto watcher = std::make_unique<TlsClient>(f.port(), ca, &admin);
  watcher->Send("GET " + std::string(kMaps) + "?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(watcher->Read(true).status == 200);
  std::thread stopper([&] { f.server->Stop(); });
  CHECK(watcher->ReadUntil("0\r\n\r\n") == "0\r\n\r\n");
  watcher.reset();
  stopper.join();
  f.Start();
  CHECK(f.Ca() == ca);
  CHECK(TlsClient(f.port(), ca, &admin).Get(kMaps).status == 200);
}

TEST_CASE("api server: on all addresses it is known by the machine's name") {
  char host[256] = {};
  REQUIRE(gethostname(host, sizeof host - 1) == 0);
  Fixture f;
  CHECK_FALSE(TlsClient(f.port(), f.Ca(), nullptr, "elsewhere").connected());
  f.options.listen = "0.0.0.0:0";
  f.server.reset();
  f.Start();
  CHECK(f.server->url().starts_with("https://127.0.0.1:"));
  CHECK(TlsClient(f.port(), f.Ca(), nullptr, host).connected());
  CHECK(TlsClient(f.port(), f.Ca()).connected());
  CHECK_FALSE(TlsClient(f.port(), f.Ca(), nullptr, "elsewhere").connected());
}

TEST_CASE("api server: what it cannot start with") {
  Fixture f;
  ApiServerOptions options = f.options;
  const auto start = [&] { return ApiServer::Start(options, *f.store, *f.env, Logger()).status(); };
  options.listen = f.server->url().substr(std::string("https://").size());
  CHECK(start().code() == Code::kUnavailable);  // in use
  options.listen = "nonsense";
  CHECK(start().code() == Code::kUnavailable);
  options.listen = "127.0.0.1:99999";
  CHECK(start().code() == Code::kUnavailable);
  options.listen = "127.0.0.1:0";
  options.token_auth_file = "/nonexistent";
  CHECK(start().code() == Code::kInternal);
  options.token_auth_file.clear();
  options.service_cluster_ip_range = "10.96.0.0";
  CHECK(start().message() == "\"10.96.0.0\" is not a range of service addresses such as 10.96.0.0/12");
  options.service_cluster_ip_range = f.options.service_cluster_ip_range;
  options.data_dir = "/proc/nonexistent";
  CHECK(start().code() == Code::kInternal);
  options.listen.clear();  // without HTTPS nothing is written
  CHECK(ApiServer::Start(options, *f.store, *f.env, Logger()).value()->url().empty());
}
