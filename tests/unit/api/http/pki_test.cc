#include "crypto/pki.h"

#include <catch2/catch.hpp>

#include <openssl/ssl.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "api/front/kubeconfig.h"
#include "http/tls_context.h"
#include "unit/api/http/test_env.h"

using namespace minikube;
using namespace minikube::api;

namespace {

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "pki-test-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  std::string Sub(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

mode_t ModeOf(const std::string& path) {
  struct stat info {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  return info.st_mode & 0777;
}

void Write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

}  // namespace

TEST_CASE("pki: made once and kept") {
  api::testing::TestEnv env;
  TempDir dir;
  const PkiOptions options{dir.Sub("pki"), {"localhost", "127.0.0.1", "::1"}};
  const Pki first = LoadOrCreatePki(options, env).value();
  const Pki second = LoadOrCreatePki(options, env).value();
  CHECK(first.ca.cert_pem == second.ca.cert_pem);
  CHECK(first.serving.cert_pem == second.serving.cert_pem);
  CHECK(first.admin.key_pem == second.admin.key_pem);
  CHECK(ModeOf(dir.Sub("pki")) == 0700);
  for (const char* key : {"pki/ca.key", "pki/apiserver.key", "pki/admin.key"}) CHECK(ModeOf(dir.Sub(key)) == 0600);
}

TEST_CASE("pki: the serving certificate follows names, time and CA; the CA stays") {
  api::testing::TestEnv env;
  TempDir dir;
  PkiOptions options{dir.Sub("pki"), {"localhost", "127.0.0.1"}};
  const Pki first = LoadOrCreatePki(options, env).value();

  SECTION("another name") {
    options.sans.emplace_back("api.example.com");
    const Pki second = LoadOrCreatePki(options, env).value();
    CHECK(second.ca.cert_pem == first.ca.cert_pem);
    CHECK(second.serving.cert_pem != first.serving.cert_pem);
    CHECK(second.admin.cert_pem == first.admin.cert_pem);
  }
  SECTION("eleven months later") {
    env.manual().Advance(std::chrono::hours(24 * 340));
    const Pki second = LoadOrCreatePki(options, env).value();
    CHECK(second.ca.cert_pem == first.ca.cert_pem);
    CHECK(second.serving.cert_pem != first.serving.cert_pem);
    CHECK(second.admin.cert_pem != first.admin.cert_pem);
  }
  SECTION("a leaf that was cut short is made anew") {
    Write(dir.Sub("pki/apiserver.crt"), "-----BEGIN CERT");
    const Pki second = LoadOrCreatePki(options, env).value();
    CHECK(second.serving.cert_pem != first.serving.cert_pem);
  }
}

TEST_CASE("pki: a damaged CA is an error, not a new CA") {
  api::testing::TestEnv env;
  TempDir dir;
  const PkiOptions options{dir.Sub("pki"), {"localhost"}};
  REQUIRE(LoadOrCreatePki(options, env).ok());

  SECTION("no key") {
    std::filesystem::remove(dir.Sub("pki/ca.key"));
    CHECK(LoadOrCreatePki(options, env).status().code() == Code::kInternal);
  }
  SECTION("not PEM") {
    Write(dir.Sub("pki/ca.crt"), "garbage");
    CHECK(LoadOrCreatePki(options, env).status().code() == Code::kInternal);
  }
  SECTION("another's key") {
    const Pki other = LoadOrCreatePki({"", {"localhost"}}, env).value();
    Write(dir.Sub("pki/ca.key"), other.ca.key_pem);
    const Status status = LoadOrCreatePki(options, env).status();
    CHECK(status.code() == Code::kInternal);
    CHECK(status.message().find("do not belong together") != std::string::npos);
  }
}

TEST_CASE("pki: a first start cut short between key and certificate is repeated") {
  api::testing::TestEnv env;
  TempDir dir;
  const PkiOptions options{dir.Sub("pki"), {"localhost"}};
  REQUIRE(LoadOrCreatePki(options, env).ok());
  std::filesystem::remove(dir.Sub("pki/ca.crt"));
  const Pki again = LoadOrCreatePki(options, env).value();
  CHECK(NewServerTls(again.serving, again.ca.cert_pem).ok());
  CHECK(LoadOrCreatePki(options, env).value().serving.cert_pem == again.serving.cert_pem);
}

TEST_CASE("pki: all authorities of clients can be read, or none is trusted") {
  api::testing::TestEnv env;
  const Pki pki = LoadOrCreatePki({.dir = "", .sans = {"localhost"}}, env).value();
  const Pki other = LoadOrCreatePki({.dir = "", .sans = {"localhost"}}, env).value();
  CHECK(NewServerTls(pki.serving, pki.ca.cert_pem + "a word in between\n" + other.ca.cert_pem).ok());
  CHECK_FALSE(NewServerTls(pki.serving, "").ok());
  std::string broken = other.ca.cert_pem;
  broken[broken.size() / 2] = '!';
  CHECK_FALSE(NewServerTls(pki.serving, pki.ca.cert_pem + broken).ok());
}

TEST_CASE("pki: what signed the serving certificate is sent with it") {
  api::testing::TestEnv env;
  const Pki pki = LoadOrCreatePki({.dir = "", .sans = {"localhost"}}, env).value();
  const SslContext context =
      NewServerTls({pki.serving.cert_pem + pki.ca.cert_pem, pki.serving.key_pem}, pki.ca.cert_pem).value();
  const SslContext client_context(SSL_CTX_new(TLS_client_method()));
  SSL* server = SSL_new(context.get());
  SSL* client = SSL_new(client_context.get());
  BIO* to_server = nullptr;
  BIO* to_client = nullptr;
  REQUIRE(BIO_new_bio_pair(&to_server, 0, &to_client, 0) == 1);
  SSL_set_bio(server, to_server, to_server);
  SSL_set_bio(client, to_client, to_client);
  SSL_set_accept_state(server);
  SSL_set_connect_state(client);
  for (int turn = 0; turn < 10; ++turn) {
    SSL_do_handshake(client);
    SSL_do_handshake(server);
  }
  CHECK(SSL_is_init_finished(client) == 1);
  CHECK(sk_X509_num(SSL_get_peer_cert_chain(client)) == 2);
  SSL_free(client);
  SSL_free(server);
}

TEST_CASE("pki: names of the server") {
  const auto names = ServingNames("10.96.0.0/12", "192.0.2.7", {"example.com", "localhost"});
  const auto has = [&names](const std::string& name) { return std::count(names.begin(), names.end(), name) == 1; };
  for (const char* name :
       {"localhost", "127.0.0.1", "::1", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local", "10.96.0.1", "192.0.2.7", "example.com"}) {
    CAPTURE(name);
    CHECK(has(name));
  }
  const auto wildcard = ServingNames("fd00::/108", "0.0.0.0", {});
  CHECK(std::count(wildcard.begin(), wildcard.end(), "0.0.0.0") == 0);
  CHECK(std::count(wildcard.begin(), wildcard.end(), "fd00::1") == 1);
  CHECK(ServingNames("10.255.255.255/32", "", {}).size() == ServingNames("nonsense", "", {}).size() + 1);
}

TEST_CASE("kubeconfig: names the server and embeds what it needs") {
  const std::string text = MakeKubeconfig("mk", "https://127.0.0.1:6443", "CA", {"CERT", "KEY"});
  CHECK(text.find("server: https://127.0.0.1:6443\n") != std::string::npos);
  CHECK(text.find("certificate-authority-data: Q0E=\n") != std::string::npos);
  CHECK(text.find("client-certificate-data: Q0VSVA==\n") != std::string::npos);
  CHECK(text.find("client-key-data: S0VZ\n") != std::string::npos);
  CHECK(text.find("current-context: mk\n") != std::string::npos);
}
