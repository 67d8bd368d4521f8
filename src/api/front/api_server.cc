// ApiServer: the core, and HTTPS in front of it.
#include <minikube/api_server.h>

#include <charconv>
#include <filesystem>
#include <mutex>

#include <fmt/format.h>

#include "api/auth/authenticate.h"
#include "api/auth/token_claims.h"
#include "api/front/frontend.h"
#include "api/front/kubeconfig.h"
#include "api/front/machine_names.h"
#include "api/stages/api_core.h"
#include "base/machine_address.h"
#include "crypto/pki.h"
#include "crypto/signing_request.h"
#include "http/server.h"
#include "model/validation_names.h"

namespace minikube {
namespace api {
namespace {

// How often certificates are looked at; they are renewed a month before they end.
constexpr Duration kRenewEvery = std::chrono::hours(12);

struct Endpoint {
  std::string host;
  std::uint16_t port = 0;
};

// "127.0.0.1:6443", "[::1]:6443", ":6443" (all addresses), "localhost:0".
Result<Endpoint> ParseListen(const std::string& listen) {
  Endpoint endpoint;
  const std::size_t colon = listen.rfind(':');
  if (colon == std::string::npos) {
    return Status(Code::kUnavailable, fmt::format("cannot listen on \"{}\": needs address:port", listen));
  }
  endpoint.host = listen.substr(0, colon);
  if (endpoint.host.size() >= 2 && endpoint.host.front() == '[' && endpoint.host.back() == ']') {
    endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
  }
  if (endpoint.host.empty()) endpoint.host = "0.0.0.0";
  if (endpoint.host == "localhost") endpoint.host = "127.0.0.1";
  const char* begin = listen.data() + colon + 1;
  const char* end = listen.data() + listen.size();
  const auto [stop, error] = std::from_chars(begin, end, endpoint.port);
  if (error != std::errc() || stop != end) {
    return Status(Code::kUnavailable, fmt::format("cannot listen on \"{}\": bad port", listen));
  }
  return endpoint;
}

// Where a client on this machine finds a server that listens on `host`.
std::string Address(const std::string& host, std::uint16_t port) {
  const std::string reach = host == "0.0.0.0" ? "127.0.0.1" : host == "::" ? "::1" : host;
  return reach.find(':') == std::string::npos ? fmt::format("{}:{}", reach, port) : fmt::format("[{}]:{}", reach, port);
}

bool ListensEverywhere(const IpAddress& host) { return host.bytes == IpAddress().bytes; }

// An address by which pods, too, know a server that listens on `listen_host`; "" if there is none. One that listens on
// a loopback address goes by the machine's nevertheless: the node agent leads its pods from there to the server.
std::string AdvertisedIp(const std::string& listen_host) {
  const std::optional<IpAddress> host = ParseIp(listen_host);
  if (!host || listen_host == "::1") return "";
  const bool loopback = host->v4 && host->bytes[0] == 127;
  return ListensEverywhere(*host) || loopback ? MachineAddress() : listen_host;
}

// Where pods, too, find the keys of service account tokens. Only the service kubernetes leads them to a server that
// listens on a loopback address.
std::string KeysUrl(const std::string& listen_host, std::uint16_t port) {
  const std::string ip = AdvertisedIp(listen_host);
  const bool reached = !ip.empty() && (ip == listen_host || ListensEverywhere(*ParseIp(listen_host)));
  return reached ? "https://" + Address(ip, port) : std::string(kTokenIssuer);
}

class ApiServerImpl final : public ApiServer {
 public:
  ApiServerImpl(ApiServerOptions options, Env& env, Logger log)
      : options_(std::move(options)), env_(env), log_(std::move(log)) {}
  ~ApiServerImpl() override { Stop(); }

  Status Open(Store& store) {
    if (!ParseCidr(options_.service_cluster_ip_range)) {
      return {Code::kBadRequest, fmt::format("\"{}\" is not a range of service addresses such as 10.96.0.0/12",
                                             options_.service_cluster_ip_range)};
    }
    MINIKUBE_RETURN_IF_ERROR(MakePkiDirectory());
    Result<SigningKey> signing_key = LoadOrCreateSigningKey(pki_options_.dir);
    if (!signing_key) return signing_key.status();
    if (!options_.token_auth_file.empty()) {
      Result<BuiltInAuthenticator> loaded = BuiltInAuthenticator::FromTokenFile(options_.token_auth_file);
      if (!loaded) return loaded.status();
      authenticator_ = *std::move(loaded);
    }
    ApiCore::Options core_options;
    core_options.signing_key = *std::move(signing_key);
    core_options.known_token = [known = authenticator_](std::string_view token) { return known.FindToken(token); };
    core_options.service_cluster_ip_range = options_.service_cluster_ip_range;
    core_options.max_watch_queue = options_.max_watch_queue;
    core_options.nodes = options_.nodes;
    core_options.extensions = options_.extensions;
    core_options.pod_security = options_.pod_security;
    Result<std::unique_ptr<ApiCore>> core = ApiCore::Start(std::move(core_options), store, env_, log_.Named("api"));
    if (!core) return core.status();
    core_ = *std::move(core);
    if (!options_.listen.empty()) MINIKUBE_RETURN_IF_ERROR(OpenHttps(store));
    return core_->SetServerAddress(http_ ? AdvertisedAddress() : std::nullopt);
  }

  std::unique_ptr<Client> NewClient(UserInfo user) override { return core_->NewClient(std::move(user)); }
  std::string url() const override { return address_.empty() ? "" : "https://" + address_; }
  std::string ca() const override {
    std::lock_guard lock(mu_);
    return Authorities();
  }
  std::string AdminKubeconfig() const override {
    if (address_.empty()) return "";
    std::lock_guard lock(mu_);
    return MakeKubeconfig("minikube", url(), Authorities(), pki_.admin);
  }
  Result<std::string> SignCertificate(std::string_view request, const std::vector<std::string>& usages,
                                      Duration lifetime) override {
    std::unique_lock lock(mu_);
    const KeyPair authority = pki_.ca;
    lock.unlock();
    if (authority.cert_pem.empty())
      return Status(Code::kUnavailable, "there is no certificate authority without HTTPS");
    return SignRequest(request, authority, usages, lifetime, env_);
  }
  Status Ready() const override { return core_->Ready(); }

  void Stop() override {
    if (strand_) strand_->Stop();
    if (frontend_) frontend_->Stop();
    if (http_) http_->Stop();
    if (core_) core_->Stop();
  }

 private:
  Status MakePkiDirectory() {
    // Without HTTPS nobody needs what would be there: nothing is written.
    if (options_.data_dir.empty() || options_.listen.empty()) return {};
    std::error_code error;
    std::filesystem::create_directories(options_.data_dir, error);
    if (error) return {Code::kInternal, fmt::format("cannot create {}: {}", options_.data_dir, error.message())};
    pki_options_.dir = options_.data_dir + "/pki";
    return {};
  }

  Status OpenHttps(Store& store) {
    Result<Endpoint> endpoint = ParseListen(options_.listen);
    if (!endpoint) return endpoint.status();
    std::vector<std::string> extra = options_.extra_sans;
    if (endpoint->host == "0.0.0.0" || endpoint->host == "::") {
      for (std::string& name : MachineNames()) extra.push_back(std::move(name));
    }
    advertised_ = AdvertisedIp(endpoint->host);
    if (!advertised_.empty()) extra.push_back(advertised_);
    pki_options_.sans = ServingNames(options_.service_cluster_ip_range, endpoint->host, extra);
    Result<Pki> pki = LoadOrCreatePki(pki_options_, env_);
    if (!pki) return pki.status();
    pki_ = *std::move(pki);

    frontend_ = std::make_unique<Frontend>(*core_, store, authenticator_, env_, log_.Named("http"));
    MINIKUBE_RETURN_IF_ERROR(frontend_->Extend(options_.extensions));
    HttpServerOptions http;
    http.host = endpoint->host;
    http.port = endpoint->port;
    http.threads = options_.http_threads;
    http.limits.max_body_bytes = options_.max_body_bytes;
    http.limits.max_connections = options_.max_connections;
    MINIKUBE_RETURN_IF_ERROR(LoadGiven());
    http.serving = given_ ? *given_ : pki_.serving;
    http.client_ca_pem = pki_.ca.cert_pem + client_authorities_;
    Result<std::unique_ptr<HttpServer>> server =
        HttpServer::Listen(std::move(http), *frontend_, env_.clock(), log_.Named("http"));
    if (!server) return server.status();
    http_ = *std::move(server);
    address_ = Address(endpoint->host, http_->port());
    frontend_->SetServer(address_, KeysUrl(endpoint->host, http_->port()), http_->stats());
    http_->Serve();
    strand_ = env_.NewStrand("certificates");
    ScheduleRenewal();
    return {};
  }

  // What clients verify the server with. A certificate that was given is its own authority, unless its file has it.
  std::string Authorities() const { return pki_.ca.cert_pem + (given_ ? given_->cert_pem : ""); }

  // Reads the files that the options name.
  Status LoadGiven() {
    if (options_.tls_cert_file.empty() != options_.tls_private_key_file.empty()) {
      return {Code::kBadRequest, "a serving certificate needs its key, and a key its certificate"};
    }
    if (!options_.tls_cert_file.empty()) {
      Result<std::string> certificate = ReadPemFile(options_.tls_cert_file);
      if (!certificate) return certificate.status();
      Result<std::string> key = ReadPemFile(options_.tls_private_key_file);
      if (!key) return key.status();
      given_ = KeyPair{*std::move(certificate), *std::move(key)};
    }
    if (!options_.client_ca_file.empty()) {
      Result<std::string> authorities = ReadPemFile(options_.client_ca_file);
      if (!authorities) return authorities.status();
      client_authorities_ = *std::move(authorities);
    }
    return {};
  }

  std::optional<ServerAddress> AdvertisedAddress() const {
    if (advertised_.empty()) return std::nullopt;
    return ServerAddress{advertised_, http_->port()};
  }

  void ScheduleRenewal() {
    strand_->After(kRenewEvery, [this] {
      RenewCertificates();
      ScheduleRenewal();
    });
  }

  void RenewCertificates() {
    Result<Pki> pki = LoadOrCreatePki(pki_options_, env_);
    if (!pki) return log_.Error("cannot renew certificates", {{"error", pki.status().ToString()}});
    std::lock_guard lock(mu_);
    if (pki->serving.cert_pem == pki_.serving.cert_pem && pki->admin.cert_pem == pki_.admin.cert_pem) return;
    if (Status status = given_ ? Status() : http_->SetCertificate(pki->serving); !status.ok()) {
      return log_.Error("cannot use the renewed certificate", {{"error", status.ToString()}});
    }
    pki_ = *std::move(pki);
    log_.Info("certificates renewed");
  }

  const ApiServerOptions options_;
  Env& env_;
  const Logger log_;
  std::unique_ptr<ApiCore> core_;
  BuiltInAuthenticator authenticator_;
  PkiOptions pki_options_;
  mutable std::mutex mu_;
  Pki pki_;                       // guarded by mu_ once the server runs
  std::optional<KeyPair> given_;  // a serving certificate that was not made here
  std::string client_authorities_;
  std::string advertised_;
  std::string address_;
  std::unique_ptr<Frontend> frontend_;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<Strand> strand_;
};

}  // namespace
}  // namespace api

Result<std::unique_ptr<ApiServer>> ApiServer::Start(ApiServerOptions options, Store& store, Env& env, Logger log) {
  auto server = std::make_unique<api::ApiServerImpl>(std::move(options), env, std::move(log));
  if (Status status = server->Open(store); !status.ok()) return status;
  return std::unique_ptr<ApiServer>(std::move(server));
}

}  // namespace minikube
