// The store behind a running server: /debug/store, /metrics, and what clients see when there is no space.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <minikube/api/core/v1.h>
#include <minikube/api_server.h>
#include <minikube/store_tools.h>

#include "crypto/pki.h"
#include "helpers/temp_dir.h"
#include "unit/api/http/tls_client.h"

using namespace minikube;
using minikube::api::testing::ClientResponse;
using minikube::api::testing::TlsClient;
using nlohmann::json;

namespace {

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Fixture {
  explicit Fixture(StoreOptions store_options = {}) : store(NewMemoryStore(*env, std::move(store_options))) {
    std::ofstream(dir.path() + "/tokens.csv") << "tok,alice,1\nmon,prometheus,2,\"system:monitoring\"\n";
    ApiServerOptions options;
    options.data_dir = dir.path();
    options.listen = "127.0.0.1:0";
    options.token_auth_file = dir.path() + "/tokens.csv";
    options.http_threads = 1;
    server = ApiServer::Start(options, *store, *env, Logger()).value();
  }
  TlsClient Connect(bool admin = true) const {
    const KeyPair pair{ReadAll(dir.path() + "/pki/admin.crt"), ReadAll(dir.path() + "/pki/admin.key")};
    const std::string url = server->url();
    return TlsClient(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))),
                     ReadAll(dir.path() + "/pki/ca.crt"), admin ? &pair : nullptr);
  }

  test::TempDir dir;
  std::unique_ptr<Env> env = NewRealEnv(2);
  std::unique_ptr<Store> store;
  std::unique_ptr<ApiServer> server;
};

std::string Request(const std::string& method, const std::string& target, const std::string& body = "") {
  return method + " " + target +
         " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

std::string MapNamed(const std::string& name, std::size_t size) {
  return R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":")" + name + R"("},"data":{"k":")" +
         std::string(size, 'v') + R"("}})";
}

const char* const kMaps = "/api/v1/namespaces/default/configmaps";

}  // namespace

TEST_CASE("store door: status, check, compaction") {
  Fixture f;
  TlsClient client = f.Connect();
  ClientResponse answer = client.Get("/debug/store/status");
  CHECK(answer.status == 200);
  CHECK(answer.headers["content-type"] == "application/json");
  const json before = json::parse(answer.body);
  CHECK(before["revision"] == f.store->revision());
  CHECK(before["keys"].get<int>() > 50);  // what bootstrapping made
  CHECK(before["alarm"] == "");
  CHECK(before["format"] == "minikube-store 1");
  CHECK_FALSE(before.contains("problems"));

  for (int i = 0; i < 5; ++i) {
    client.Send(Request(i == 0 ? "POST" : "PUT", i == 0 ? kMaps : std::string(kMaps) + "/m", MapNamed("m", 10 + i)));
    CHECK(client.Read().status / 100 == 2);
  }
  answer = client.Get("/debug/store/check");
  CHECK(answer.status == 200);
  const json check = json::parse(answer.body);
  CHECK(check["problems"] == json::array());
  CHECK(check["historyVersions"].get<int>() >= 4);

  client.Send(Request("POST", "/debug/store/compact?revision=3"));
  CHECK(client.Read().status == 200);
  CHECK(f.store->status().compact_revision == 3);
  client.Send(Request("POST", "/debug/store/compact?revision=2"));
  CHECK(client.Read().status == 410);
  client.Send(Request("POST", "/debug/store/compact?revision=x"));
  CHECK(client.Read().status == 400);
  client.Send(Request("POST", "/debug/store/compact"));
  answer = client.Read();
  CHECK(answer.status == 200);
  CHECK(json::parse(answer.body)["compactRevision"] == f.store->status().compact_revision);
  CHECK(json::parse(client.Get("/debug/store/status").body)["historyVersions"] == 0);
}

TEST_CASE("store door: a snapshot comes as a stream of bytes") {
  Fixture f;
  TlsClient client = f.Connect();
  for (int i = 0; i < 5; ++i) {
    client.Send(Request("POST", kMaps, MapNamed("m" + std::to_string(i), 300'000)));
    CHECK(client.Read().status == 201);
  }
  const ClientResponse answer = client.Get("/debug/store/snapshot");
  CHECK(answer.status == 200);
  CHECK(answer.body.size() > 1'500'000);
  const std::string path = f.dir.path() + "/snapshot";
  std::ofstream(path, std::ios::binary) << answer.body;
  CHECK(CheckSnapshot(path).value().revision == f.store->revision());

  // The restored state serves the same objects, and goes on.
  const std::unique_ptr<Store> restored = RestoreMemoryStore(path, *f.env).value();
  CHECK(restored->revision() == f.store->revision());
  ApiServerOptions options;
  options.listen = "";
  const auto server = ApiServer::Start(options, *restored, *f.env, Logger()).value();
  CHECK(server->NewClient({"admin", "", {"system:masters"}})->Get<core::v1::ConfigMap>("default", "m4").ok());
}

TEST_CASE("store door: who may, and how") {
  Fixture f;
  TlsClient anonymous = f.Connect(false);
  for (const char* path : {"/debug/store/status", "/debug/store/check", "/debug/store/snapshot", "/metrics"}) {
    CHECK(anonymous.Get(path).status == 403);
    CHECK(anonymous.Get(path, "Authorization: Bearer tok\r\n").status == 403);
  }
  CHECK(anonymous.Get("/metrics", "Authorization: Bearer mon\r\n").status == 200);
  CHECK(anonymous.Get("/debug/store/snapshot", "Authorization: Bearer mon\r\n").status == 403);
  TlsClient client = f.Connect();
  CHECK(client.Get("/debug/store/compact").status == 405);
  client.Send(Request("POST", "/debug/store/snapshot"));
  CHECK(client.Read().status == 405);
  CHECK(client.Get("/debug/store/nothing").status == 404);
  CHECK(client.Get("/debug/store").status == 404);
  CHECK(client.Get("/debug/store/status/more").status == 404);
}

TEST_CASE("store door: the metrics of store and watches") {
  Fixture f;
  TlsClient client = f.Connect();
  const ClientResponse answer = client.Get("/metrics");
  CHECK(answer.status == 200);
  for (const char* line : {"# TYPE minikube_store_commit_duration_seconds histogram", "minikube_store_alarm 0",
                           "# TYPE minikube_store_slow_watchers_total counter", "apiserver_terminated_watchers_total 0",
                           "minikube_store_quota_bytes 8589934592"}) {
    CAPTURE(line);
    CHECK(answer.body.find(std::string("\n") + line + "\n") != std::string::npos);
  }
}

TEST_CASE("store door: without space writes get etcd's error, and the rest goes on") {
  StoreOptions options;
  options.quota_bytes = 2u << 20;
  Fixture f(options);
  TlsClient client = f.Connect();
  ClientResponse answer;
  int made = 0;
  for (answer.status = 201; answer.status == 201 && made < 20; ++made) {
    client.Send(Request("POST", kMaps, MapNamed("m" + std::to_string(made), 300'000)));
    answer = client.Read();
  }
  CHECK(answer.status == 500);
  const json status = json::parse(answer.body);
  CHECK(status["kind"] == "Status");
  CHECK(status["message"] == "etcdserver: mvcc: database space exceeded");
  CHECK(status.value("reason", "") == "");
  CHECK(status["code"] == 500);

  CHECK(client.Get("/readyz").status == 200);
  CHECK(client.Get("/livez").status == 200);
  CHECK(client.Get(std::string(kMaps) + "/m0").status == 200);
  CHECK(json::parse(client.Get("/debug/store/status").body)["alarm"] == "NOSPACE");
  for (int i = 0; i + 1 < made; ++i) {
    client.Send(Request("DELETE", std::string(kMaps) + "/m" + std::to_string(i)));
    CHECK(client.Read().status == 200);
  }
  client.Send(Request("POST", "/debug/store/disarm"));
  CHECK(client.Read().status == 200);
  client.Send(Request("POST", kMaps, MapNamed("too-early", 1)));
  CHECK(client.Read().status == 500);  // it still is over the quota
  // Another server finds the cluster as it is, though it cannot write.
  ApiServerOptions second;
  second.listen = "";
  CHECK(ApiServer::Start(second, *f.store, *f.env, Logger()).ok());
  client.Send(Request("POST", "/debug/store/compact"));
  CHECK(client.Read().status == 200);
  client.Send(Request("POST", "/debug/store/disarm"));
  CHECK(client.Read().status == 200);
  client.Send(Request("POST", kMaps, MapNamed("now", 1)));
  CHECK(client.Read().status == 201);
}
