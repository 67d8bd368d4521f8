// Frontend: what an HTTP request means. Authenticates, routes, asks the core, and replies; the stages of the core
// do the rest, as for in-process clients.
//
// Thread safety: every member, any thread. Lifetime: core, store and env outlive it; it outlives the HTTP server.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <minikube/api_server.h>
#include <minikube/env.h>
#include <minikube/log.h>

#include "api/auth/authenticate.h"
#include "api/front/health.h"
#include "api/front/route.h"
#include "api/front/store_admin.h"
#include "api/stages/api_core.h"
#include "http/forwarder.h"
#include "http/message.h"
#include "http/server.h"

namespace minikube::api {

class Frontend final : public HttpHandler {
 public:
  Frontend(ApiCore& core, Store& store, BuiltInAuthenticator authenticator, Env& env, Logger log);
  ~Frontend() override;

  // Before the first request: where the server is reached ("127.0.0.1:6443"), the URL before /openid/v1/jwks where
  // pods reach it, and its counters for /metrics.
  void SetServer(std::string address, std::string keys_url, const HttpStats& stats);
  // Before the first request: the host's authenticators, mounts and audit sinks. Errors: kBadRequest (a mount's path).
  Status Extend(const ApiServerExtensions& extensions);

  void Handle(HttpRequest request, Function<void(HttpReply)> reply) override;
  HttpReply Refuse(const Status& status) override;
  // Cuts off what would hold up the end of the server.
  void Stop() { store_admin_.Stop(); }

 private:
  using Reply = Function<void(HttpReply)>;
  using Trail = std::shared_ptr<const AuditTrail>;
  struct Caller {
    UserInfo user;
    Trail trail;  // null: nobody listens
  };
  // Adds what every reply has, and counts it.
  void Finish(bool gzip, std::string audit_id, HttpReply& reply);
  // Who sends it.
  void Identify(HttpRequest request, std::shared_ptr<AuditTrail> trail, Reply reply);
  // The caller is who sends it, or whom he may and does act as.
  void ServeAs(HttpRequest request, UserInfo sender, std::shared_ptr<AuditTrail> trail, Reply reply);
  void Serve(HttpRequest request, Caller caller, Reply reply);
  void ServeOtherPath(HttpRequest request, const Route& route, const UserInfo& user, Reply reply);
  HttpReply ServePath(const HttpRequest& request, const Route& route, const UserInfo& user);
  void ServeMount(HttpMount& mount, HttpRequest request, const Route& route, const UserInfo& user, Reply reply);
  void ServeResource(Route route, Caller caller, std::shared_ptr<Signal> gone, Reply reply);
  HttpReply ServeWatch(const HttpRequest& request, Route route, Caller caller);
  void ServeLog(HttpRequest request, Route route, Caller caller, Reply reply);
  void ServeExec(const HttpRequest& request, Route route, Caller caller, Reply reply);
  HttpReply ServePorts(const HttpRequest& request, Route route, Caller caller);
  void ServeProxy(HttpRequest request, Route route, Caller caller, Reply reply);
  // What is held for as long as streams to a node are; a refusal if there are too many.
  Result<std::shared_ptr<void>> TakeSlot();
  HttpMount* FindMount(std::string_view path) const;
  // What the core never sees: requests of nobody, paths that are no resource.
  void Audit(const AuditTrail& trail, const UserInfo& user, std::string_view method, const Status& status,
             int http_status) const;
  HttpReply Metrics() const;

  ApiCore& core_;
  Store& store_;
  StoreAdminHandler store_admin_;
  const BuiltInAuthenticator authenticator_;
  Env& env_;
  const Logger log_;
  std::vector<HealthCheck> checks_;
  ApiServerExtensions extensions_;
  std::vector<std::pair<std::string, std::shared_ptr<HttpMount>>> mounts_;  // by prefix
  std::string address_;
  std::string keys_url_;
  const HttpStats* stats_ = nullptr;
  std::array<std::atomic<std::int64_t>, 600> by_status_{};
  const std::shared_ptr<std::atomic<int>> execs_ = std::make_shared<std::atomic<int>>(0);  // slots taken
  Forwarder forwarder_;
  std::unique_ptr<Strand> strand_;  // timers of watches, first steps of logs
};

}  // namespace minikube::api
