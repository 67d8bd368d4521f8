// Engine: the API server without HTTP. Takes requests that know who asks, runs the stages, answers; the HTTP front end
// and the in-process clients are its two callers.
//
// Thread safety: every member, any thread; handlers work on immutable snapshots and never block on one another.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <minikube/api_server.h>
#include <minikube/client.h>
#include <minikube/codec.h>
#include <minikube/store.h>

#include "api/signing_key.h"

namespace minikube::api {

// A body that is still bytes (from HTTP); the decode stage turns it into request.object.
struct Body {
  MediaType type = MediaType::kJson;
  std::string bytes;
};

// What travels through the stages.
struct RequestContext {
  UserInfo user;
  ApiRequest request;
  std::optional<Body> body;
  std::vector<std::string> warnings;  // become Warning headers
};

// One committed change of one resource, shared by all its watchers; each wire form is encoded once.
class ChangeEvent {
 public:
  ChangeEvent(ObjectRef object, ObjectRef previous, bool deleted, Revision revision)
      : object_(std::move(object)), previous_(std::move(previous)), deleted_(deleted), revision_(revision) {}
  const ObjectRef& object() const {
    return object_;
  }  // the new state; for a deletion the last one, stamped with its revision
  const ObjectRef& previous() const { return previous_; }  // null if created
  bool deleted() const { return deleted_; }
  Revision revision() const { return revision_; }
  // The object's bytes in `type`, encoded by the first caller and shared from then on.
  const std::string& Encoded(MediaType type) const;

 private:
  ObjectRef object_;
  ObjectRef previous_;
  bool deleted_;
  Revision revision_;
  mutable std::once_flag once_[3];
  mutable std::string encoded_[3];
};

// What one watcher is to be told: the change, seen through its selector.
struct WatchItem {
  WatchEvent::Type type = WatchEvent::Type::kAdded;
  std::shared_ptr<const ChangeEvent> change;  // null for a bookmark
  Revision revision = 0;
  bool initial_events_end = false;  // bookmark that ends sendInitialEvents
};

// A watcher's end of a watch: bounded queue, pulled by its owner. Destroying it ends the watch; `on_ready` (any thread,
// short) is not called after the destructor has returned.
class WatchStream {
 public:
  virtual ~WatchStream() = default;
  // What has come since; empty if nothing. `end` is set to the reason once the watch is over (kExpired: too slow or too
  // old; kUnavailable: stopping) and stays OK before.
  virtual std::vector<WatchItem> Take(Status& end) = 0;
};

// An IP address and a port.
struct ServerAddress {
  std::string ip;
  std::uint16_t port = 0;
};

struct PodLogTarget {
  std::shared_ptr<NodeApi> node;
  LogRequest request;
};

struct PodExecTarget {
  std::shared_ptr<NodeApi> node;
  ExecRequest request;
};

class Engine {
 public:
  struct Options {
    std::string service_cluster_ip_range;
    std::size_t max_watch_queue = 8192;
    NodeApiResolver nodes;
    // Of service account tokens; none = a new one, so that tokens do not outlive the engine.
    std::optional<SigningKey> signing_key;
    // The user of a token that somebody else knows (the token file), for TokenReviews; may be empty.
    std::function<std::optional<UserInfo>(std::string_view token)> known_token;
  };
  // Loads the cache from the store and makes the bootstrap objects.
  static Result<std::unique_ptr<Engine>> Start(Options options, Store& store, Env& env, Logger log);
  virtual ~Engine() = default;

  // Runs the stages. `done` is called once, on any thread, perhaps before Handle returns.
  virtual void Handle(RequestContext context, Function<void(Result<ApiResponse>)> done) = 0;
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
  // Authorises pods/exec (whatever the method, `create` is needed too: a GET may not be less than a POST), finds the
  // pod, its node and its container.
  virtual Result<PodExecTarget> PodExec(const RequestContext& context, ExecRequest options) = 0;
  // RBAC for paths such as /healthz and /openapi/v3.
  virtual Status AuthorizePath(const UserInfo& user, std::string_view verb, std::string_view path) = 0;
  // A client acting as `user`, answering on the caller's strand.
  virtual std::unique_ptr<Client> NewClient(UserInfo user) = 0;
  virtual Revision revision() const = 0;
  virtual Status Ready() const = 0;
  virtual void WriteMetrics(MetricsText& out) const = 0;
  virtual void Stop() = 0;
};

}  // namespace minikube::api
