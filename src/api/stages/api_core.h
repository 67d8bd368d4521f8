// ApiCore: the API server without HTTP. Takes requests that know who asks, runs the stages, answers; the HTTP front end
// and the in-process clients are its two callers.
//
// Thread safety: every member, any thread; handlers work on immutable snapshots and never block on one another.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <minikube/api_server.h>
#include <minikube/client.h>
#include <minikube/metrics.h>
#include <minikube/node_api.h>
#include <minikube/store.h>

#include "api/registry/core_options.h"
#include "api/registry/request_context.h"
#include "api/world/catalogue.h"
#include "api/world/change_event.h"
#include "http/forwarder.h"

namespace minikube::api {

struct PodLogTarget {
  std::shared_ptr<NodeApi> node;
  LogRequest request;
};

struct PodExecTarget {
  std::shared_ptr<NodeApi> node;
  ExecRequest request;
};

struct PodPortTarget {
  std::shared_ptr<NodeApi> node;
  PodPortRequest request;
};

class ApiCore {
 public:
  using Options = CoreOptions;
  // Loads the cache from the store and makes the bootstrap objects.
  static Result<std::unique_ptr<ApiCore>> Start(Options options, Store& store, Env& env, Logger log);
  virtual ~ApiCore() = default;

  // Runs the stages. `done` is called once, on any thread, perhaps before Handle returns. What it returns withdraws the
  // request (any thread, any time): nothing further is begun for it, and it is answered kCancelled unless a write is on
  // its way already. Null if there is nothing left to withdraw.
  virtual Task Handle(RequestContext context, Function<void(Result<ApiResponse>)> done) = 0;
  virtual Result<std::unique_ptr<WatchStream>> Watch(RequestContext context, Task on_ready) = 0;
  // Authorises pods/log, finds the pod, its node (null: it has none yet, so its log is empty) and its container.
  virtual Result<PodLogTarget> PodLog(const RequestContext& context, LogRequest options) = 0;
  // Publishes where pods find the server, as the endpoint of the Service `kubernetes`, and keeps that so; nullopt if
  // they cannot. Errors: those of the store.
  virtual Status SetServerAddress(std::optional<ServerAddress> address) = 0;
  // The user of a service account token that is meant for the API server. Errors: kUnauthorized, saying why.
  virtual Result<UserInfo> AuthenticateToken(std::string_view token) = 0;
  // What others verify service account tokens with, as JSON Web Keys (RFC 7517).
  virtual std::string TokenKeys() const = 0;
  // Authorises pods/exec or pods/attach (whatever the method, `create` is needed too: a GET may not be less than a
  // POST), finds the pod, its node and its container.
  virtual Result<PodExecTarget> PodExec(const RequestContext& context, ExecRequest options) = 0;
  // The same for pods/portforward; the port is of no interest yet.
  virtual Result<PodPortTarget> PodPorts(const RequestContext& context) = 0;
  // Authorises pods/proxy or services/proxy, and finds out who is to be asked. Errors: those of LocatePod and
  // LocateService; kNotImplemented (nodes/proxy).
  virtual Result<ForwardTarget> Proxy(const RequestContext& context) = 0;
  // RBAC for paths such as /healthz and /openapi/v3.
  virtual Status AuthorizePath(const UserInfo& user, std::string_view verb, std::string_view path) = 0;
  // A client acting as `user`, answering on the caller's strand.
  virtual std::unique_ptr<Client> NewClient(UserInfo user) = 0;
  virtual Revision revision() const = 0;
  // What is served now.
  virtual std::shared_ptr<const Catalogue> catalogue() const = 0;
  virtual Status Ready() const = 0;
  virtual void WriteMetrics(MetricsText& out) const = 0;
  virtual void Stop() = 0;
};

}  // namespace minikube::api
