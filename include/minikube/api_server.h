// ApiServer: the only door to the Store. A request passes a visible list of stages (src/api/stages), the same for
// HTTPS and for in-process clients: authenticate, authorise, decode, admit (mutate), default, validate, admit
// (validate), store.
//
// Thread safety: every member, any thread. Lifetime: store and env outlive it; clients made by NewClient may outlive it
// (their calls then get kUnavailable). Stop refuses new work, ends watches, waits for requests in flight.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <minikube/auth.h>
#include <minikube/client.h>
#include <minikube/log.h>
#include <minikube/node_api.h>
#include <minikube/store.h>

namespace minikube {

class AdmissionPlugin;
class AuditSink;
class HttpMount;

// What a host adds to an API server of its own.
struct ApiServerExtensions {
  std::vector<std::shared_ptr<Authenticator>> authenticators;  // auth.h
  std::vector<std::shared_ptr<Authorizer>> authorizers;        // auth.h
  std::vector<std::shared_ptr<AdmissionPlugin>> admission;     // admission.h
  std::vector<std::string> disabled_admission;                 // names of plugins not to run; unknown ones are no error
  std::vector<std::shared_ptr<AuditSink>> audit_sinks;         // audit.h
  std::vector<std::shared_ptr<HttpMount>> http_mounts;         // http_mount.h
};

// Finds the agent of a node, or null if there is none within reach. Called from any thread.
using NodeApiResolver = std::function<std::shared_ptr<NodeApi>(std::string_view node)>;

// What Pod Security admission does where a namespace's labels say nothing, and whom it never stops: as
// PodSecurityConfiguration (pod-security.admission.config.k8s.io/v1). Levels are privileged, baseline and restricted;
// versions are "latest" or "v1.x".
struct PodSecurityOptions {
  std::string enforce = "privileged";
  std::string enforce_version = "latest";
  std::string audit = "privileged";
  std::string audit_version = "latest";
  std::string warn = "privileged";
  std::string warn_version = "latest";
  std::vector<std::string> exempt_users;
  std::vector<std::string> exempt_namespaces;
  std::vector<std::string> exempt_runtime_classes;
};

struct ApiServerOptions {
  std::string data_dir;  // CA, serving and client certificates live in data_dir/pki
  // "" = no HTTPS; port 0 = any free one. On all addresses (":6443") the certificate names the machine and each of
  // them.
  std::string listen = "127.0.0.1:6443";
  std::vector<std::string> extra_sans;  // further DNS names or addresses for the serving certificate
  // Serving certificate and its key (PEM files) instead of one by the cluster's own authority; both or neither.
  std::string tls_cert_file;
  std::string tls_private_key_file;
  // Authorities (PEM file), beside the cluster's own, whose client certificates are good.
  std::string client_ca_file;
  std::string token_auth_file;  // CSV: token,user,uid,"group1,group2"; "" = none
  std::string service_cluster_ip_range = "10.96.0.0/12";
  std::size_t max_body_bytes = 3u << 20;  // larger: 413
  std::size_t max_connections = 4096;
  std::size_t max_watch_queue = 8192;  // events; a slower watcher is ended with 410
  int http_threads = 0;                // 0 = one per core
  NodeApiResolver nodes;
  ApiServerExtensions extensions;
  PodSecurityOptions pod_security;
};

class ApiServer {
 public:
  // Loads what the store holds, makes bootstrap objects (namespaces, RBAC, priority classes), listens.
  // Errors: kUnavailable (address in use, store), kInternal (certificates), kBadRequest (options that cannot be; two
  // extensions of one name or path).
  static Result<std::unique_ptr<ApiServer>> Start(ApiServerOptions options, Store& store, Env& env, Logger log);
  virtual ~ApiServer() = default;

  // An in-process client acting as `user`: same stages, no encoding.
  virtual std::unique_ptr<Client> NewClient(UserInfo user) = 0;
  // Where HTTPS is served, "https://127.0.0.1:6443"; "" without HTTPS.
  virtual std::string url() const = 0;
  // Kubeconfig (YAML) with an admin client certificate; "" without HTTPS.
  virtual std::string AdminKubeconfig() const = 0;
  // The authority that signed the serving certificate, PEM; "" without HTTPS.
  virtual std::string ca() const = 0;
  // The certificate (PEM) that a PKCS#10 request (PEM) asks for, by that authority. Errors: kUnavailable without HTTPS,
  // kBadRequest (the request or a usage).
  virtual Result<std::string> SignCertificate(std::string_view request, const std::vector<std::string>& usages,
                                              Duration lifetime) = 0;
  // What /readyz answers; OK when ready.
  virtual Status Ready() const = 0;
  virtual void Stop() = 0;
};

}  // namespace minikube
