#include "api/front/frontend.h"

#include <utility>

#include <fmt/format.h>

#include <minikube/audit.h>
#include <minikube/codec.h>
#include <minikube/http_mount.h>
#include <minikube/store_admin.h>

#include "api/auth/host_authenticators.h"
#include "api/auth/openid.h"
#include "api/front/impersonate.h"
#include "api/front/log_source.h"
#include "api/front/proxy.h"
#include "api/front/respond.h"
#include "api/front/version_reply.h"
#include "api/front/watch_source.h"
#include "api/openapi/discovery.h"
#include "api/openapi/openapi_v2.h"
#include "api/openapi/openapi_v3.h"
#include "api/registry/field_managers.h"
#include "api/streams/body_socket.h"
#include "api/streams/exec.h"
#include "api/streams/ports.h"
#include "api/wire/errors.h"
#include "api/wire/json_text.h"
#include "api/wire/reply.h"
#include "api/wire/to_http.h"

namespace minikube::api {
namespace {

// A watch that names no end gets one, between this and twice this: so that clients spread over servers and over time.
constexpr std::int64_t kMinWatchSeconds = 1800;
// As kube-apiserver's --request-timeout.
constexpr std::int64_t kMaxRequestSeconds = 60;
constexpr std::int64_t kMaxWatchSeconds = 24 * 3600;

// Clients that exec, attach or forward ports through this server at a time; each costs up to 2 MB and a few processes.
constexpr int kMaxStreams = 256;

HttpReply RootReply(const Catalogue& catalogue, bool pretty) {
  std::string out;
  JsonWriter json(out);
  json.BeginObject();
  json.Key("paths");
  json.BeginArray();
  for (const std::string_view path : {"/api", "/api/v1", "/apis"}) json.String(path);
  std::string_view group;
  for (const GroupVersionDesc& gv : catalogue.group_versions()) {
    if (gv.group.empty()) continue;
    if (gv.group != group) json.String(fmt::format("/apis/{}", gv.group));
    group = gv.group;
    json.String(fmt::format("/apis/{}/{}", gv.group, gv.version));
  }
  for (const std::string_view path : {"/.well-known/openid-configuration", "/healthz", "/livez", "/metrics",
                                      "/openapi/v2", "/openapi/v3", "/openid/v1/jwks", "/readyz", "/version"}) {
    json.String(path);
  }
  json.EndArray();
  json.EndObject();
  return JsonReply(std::move(out), pretty);
}

constexpr std::string_view kAnonymous = "system:anonymous";

// What no host can serve.
constexpr std::string_view kOwnPaths[] = {"/api",    "/apis",   "/healthz", "/livez",       "/metrics",    "/openapi",
                                          "/openid", "/readyz", "/version", "/.well-known", "/debug/store"};

// Whether `path` is `prefix` or below it.
bool IsBelow(std::string_view path, std::string_view prefix) {
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

// metav1.Status in whatever form of those we speak the client takes; JSON if none.
HttpReply ErrorReply(const Status& status, std::string_view accept) {
  const Result<Accepted> accepted = Negotiate(accept);
  return StatusReply(status, accepted ? accepted->type : MediaType::kJson);
}

}  // namespace

Frontend::Frontend(ApiCore& core, Store& store, BuiltInAuthenticator authenticator, Env& env, Logger log)
    : core_(core),
      store_(store),
      store_admin_(store, env),
      authenticator_(std::move(authenticator)),
      env_(env),
      log_(std::move(log)),
      forwarder_(env),
      strand_(env.NewStrand("http")) {
  checks_.push_back({"ping", [] { return Status(); }, true});
  checks_.push_back({"log", [] { return Status(); }, true});
  // Kubernetes' name for "the storage answers".
  checks_.push_back({"etcd", [this] { return core_.Ready(); }, true});
  checks_.push_back({"informer-sync", [this] { return core_.Ready(); }, false});
}

Frontend::~Frontend() { strand_->Stop(); }

Status Frontend::Extend(const ApiServerExtensions& extensions) {
  extensions_ = extensions;
  for (const std::shared_ptr<HttpMount>& mount : extensions_.http_mounts) {
    std::string prefix = mount->prefix();
    if (prefix.size() < 2 || prefix.front() != '/' || prefix.back() == '/') {
      return {Code::kBadRequest, fmt::format("\"{}\" is not a path to mount at, such as /hello", prefix)};
    }
    for (const std::string_view own : kOwnPaths) {
      if (IsBelow(prefix, own)) return {Code::kBadRequest, fmt::format("{} is served by the API server", prefix)};
    }
    for (const auto& [other, unused] : mounts_) {
      if (IsBelow(prefix, other) || IsBelow(other, prefix)) {
        return {Code::kBadRequest, fmt::format("both {} and {} are mounted", other, prefix)};
      }
    }
    mounts_.emplace_back(std::move(prefix), mount);
  }
  return {};
}

void Frontend::SetServer(std::string address, std::string keys_url, const HttpStats& stats) {
  address_ = std::move(address);
  keys_url_ = std::move(keys_url);
  stats_ = &stats;
}

HttpReply Frontend::Refuse(const Status& status) { return StatusReply(status); }

void Frontend::Handle(HttpRequest request, Reply reply) {
  const bool gzip = AcceptsGzip(request.Header("Accept-Encoding"));
  std::string audit_id(request.Header("Audit-ID"));
  if (audit_id.empty() || audit_id.size() > 64) audit_id = NewUid(env_.random());
  std::shared_ptr<AuditTrail> trail;
  if (!extensions_.audit_sinks.empty()) {
    trail = std::make_shared<AuditTrail>(AuditTrail{audit_id, request.target, std::string(request.Header("User-Agent")),
                                                    std::nullopt, env_.clock().Now()});
  }
  Identify(std::move(request), std::move(trail),
           [this, gzip, audit_id = std::move(audit_id), reply = std::move(reply)](HttpReply out) mutable {
             if (out.complete) {
               out.complete = [this, gzip, audit_id = std::move(audit_id),
                               make = std::move(out.complete)](HttpReply& made) mutable {
                 make(made);
                 Finish(gzip, std::move(audit_id), made);
               };
             } else {
               Finish(gzip, std::move(audit_id), out);
             }
             reply(std::move(out));
           });
}

void Frontend::Finish(bool gzip, std::string audit_id, HttpReply& reply) {
  reply.gzip = gzip;
  reply.headers.emplace_back("Audit-Id", std::move(audit_id));
  bool cache = false;
  for (const auto& [name, value] : reply.headers) cache |= name == "Cache-Control";
  if (!cache) reply.headers.emplace_back("Cache-Control", "no-cache, private");
  if (reply.status > 0 && reply.status < static_cast<int>(by_status_.size())) {
    by_status_[static_cast<std::size_t>(reply.status)].fetch_add(1, std::memory_order_relaxed);
  }
}

void Frontend::Identify(HttpRequest request, std::shared_ptr<AuditTrail> trail, Reply reply) {
  Result<UserInfo> user =
      authenticator_.Authenticate(request.peer.get(), request.Header("Authorization"), [this](std::string_view token) {
        Result<UserInfo> found = core_.AuthenticateToken(token);
        if (!found) log_.Debug("token refused", {{"why", found.status().message()}});
        return found;
      });
  const auto go_on = [this](HttpRequest of, std::shared_ptr<AuditTrail> its, Reply answer, Result<UserInfo> found) {
    if (found) return ServeAs(std::move(of), *std::move(found), std::move(its), std::move(answer));
    if (its != nullptr) Audit(*its, {}, of.method, found.status(), ToHttp(found.status().code()));
    answer(ErrorReply(found.status(), of.Header("Accept")));
  };
  // Whom nobody here knows, one of the host's authenticators may.
  const bool unknown = !user || user->name == kAnonymous;
  if (!unknown || extensions_.authenticators.empty()) {
    return go_on(std::move(request), std::move(trail), std::move(reply), std::move(user));
  }
  Credentials credentials{request.method, request.target, BuiltInAuthenticator::BearerToken(request), request.headers};
  AskAuthenticators(extensions_.authenticators, std::move(credentials), std::move(user),
                    [go_on, request = std::move(request), trail = std::move(trail),
                     reply = std::move(reply)](Result<UserInfo> found) mutable {
                      go_on(std::move(request), std::move(trail), std::move(reply), std::move(found));
                    });
}

void Frontend::ServeAs(HttpRequest request, UserInfo sender, std::shared_ptr<AuditTrail> trail, Reply reply) {
  Result<std::optional<Impersonation>> wanted = ReadImpersonation(request);
  if (!wanted) return reply(ErrorReply(wanted.status(), request.Header("Accept")));
  if (!*wanted) return Serve(std::move(request), {std::move(sender), std::move(trail)}, std::move(reply));
  if (trail != nullptr) trail->sender = sender;
  Impersonate(core_, std::move(sender), **std::move(wanted),
              [this, request = std::move(request), trail = std::move(trail),
               reply = std::move(reply)](Result<UserInfo> as) mutable {
                if (as) return Serve(std::move(request), {*std::move(as), std::move(trail)}, std::move(reply));
                if (trail != nullptr) {
                  const UserInfo by = *std::exchange(trail->sender, std::nullopt);
                  Audit(*trail, by, request.method, as.status(), ToHttp(as.status().code()));
                }
                reply(ErrorReply(as.status(), request.Header("Accept")));
              });
}

void Frontend::Serve(HttpRequest request, Caller caller, Reply reply) {
  Result<Route> route = RouteRequest(request, *core_.catalogue());
  const bool path = !route || route->kind == RouteKind::kPath;
  if (path && caller.trail != nullptr) {
    reply = [this, caller, method = request.method, told = std::move(reply)](HttpReply out) mutable {
      const bool ok = out.status < 400;
      Audit(*caller.trail, caller.user, method, ok ? Status() : Status(Code::kBadRequest, ""), out.status);
      told(std::move(out));
    };
  }
  if (!route) return reply(ErrorReply(route.status(), request.Header("Accept")));
  switch (route->kind) {
    case RouteKind::kPath:
      return ServeOtherPath(std::move(request), *route, caller.user, std::move(reply));
    case RouteKind::kResource:
      return ServeResource(*std::move(route), std::move(caller), std::move(request.gone), std::move(reply));
    case RouteKind::kWatch:
      return reply(ServeWatch(request, *std::move(route), std::move(caller)));
    case RouteKind::kPodLog:
      return ServeLog(std::move(request), *std::move(route), std::move(caller), std::move(reply));
    case RouteKind::kPodExec:
      return ServeExec(request, *std::move(route), std::move(caller), std::move(reply));
    case RouteKind::kPodPorts:
      return reply(ServePorts(request, *std::move(route), std::move(caller)));
    case RouteKind::kProxy:
      return ServeProxy(std::move(request), *std::move(route), std::move(caller), std::move(reply));
  }
}

void Frontend::ServeOtherPath(HttpRequest request, const Route& route, const UserInfo& user, Reply reply) {
  HttpMount* const mount = FindMount(route.target.path);
  if (mount != nullptr) return ServeMount(*mount, std::move(request), route, user, std::move(reply));
  if (!StoreAdminHandler::IsStorePath(route.target.segments)) return reply(ServePath(request, route, user));
  const Status allowed = core_.AuthorizePath(user, MethodVerb(request.method), route.target.path);
  if (!allowed.ok()) return reply(ErrorReply(allowed, request.Header("Accept")));
  store_admin_.Handle(request.method, route.target, std::move(reply));
}

void Frontend::ServeMount(HttpMount& mount, HttpRequest request, const Route& route, const UserInfo& user,
                          Reply reply) {
  if (!mount.open()) {
    const Status allowed = core_.AuthorizePath(user, MethodVerb(request.method), route.target.path);
    if (!allowed.ok()) return reply(ErrorReply(allowed, request.Header("Accept")));
  }
  const std::size_t question = request.target.find('?');
  MountRequest asked;
  asked.method = std::move(request.method);
  asked.path = route.target.path;
  if (question != std::string::npos) asked.query = request.target.substr(question + 1);
  asked.headers = std::move(request.headers);
  asked.body = std::move(request.body);
  asked.user = user;
  mount.Handle(std::move(asked), [reply = std::move(reply)](MountReply made) mutable {
    HttpReply out;
    out.status = made.status;
    out.content_type = std::move(made.content_type);
    out.headers = std::move(made.headers);
    out.body = std::move(made.body);
    reply(std::move(out));
  });
}

HttpMount* Frontend::FindMount(std::string_view path) const {
  for (const auto& [prefix, mount] : mounts_) {
    if (IsBelow(path, prefix)) return mount.get();
  }
  return nullptr;
}

void Frontend::Audit(const AuditTrail& trail, const UserInfo& user, std::string_view method, const Status& status,
                     int http_status) const {
  AuditEvent event;
  event.audit_id = trail.id;
  event.request_uri = trail.uri;
  event.user_agent = trail.user_agent;
  event.verb = MethodVerb(std::string(method));
  event.user = trail.sender ? *trail.sender : user;
  if (trail.sender) event.impersonated = user;
  event.status = status;
  event.http_status = http_status;
  event.received = trail.received;
  event.stage_time = env_.clock().Now();
  for (const std::shared_ptr<AuditSink>& sink : extensions_.audit_sinks) sink->Take(event);
}

HttpReply Frontend::ServePath(const HttpRequest& request, const Route& route, const UserInfo& user) {
  const std::vector<std::string>& segments = route.target.segments;
  // Probes have no credentials: health needs none, as with kube-apiserver's defaults.
  if (IsHealthPath(segments)) {
    return HealthReply(route.target, checks_, [this](std::string_view check, const Status& status) {
      log_.Warning("health check failed", {{"check", std::string(check)}, {"error", status.ToString()}});
    });
  }
  if (Status allowed = core_.AuthorizePath(user, MethodVerb(request.method), route.target.path); !allowed.ok()) {
    return ErrorReply(allowed, request.Header("Accept"));
  }
  const bool known = segments.empty() || IsDiscoveryPath(segments) || segments[0] == "version" ||
                     segments[0] == "metrics" || segments[0] == "openapi" || IsOpenIdPath(route.target.path);
  if (!known) return ErrorReply(NoSuchResource(), request.Header("Accept"));
  if (request.method != "GET" && request.method != "HEAD") {
    return ErrorReply(MethodNotAllowed(), request.Header("Accept"));
  }
  const bool pretty = !route.target.query.Has("pretty") || route.target.query.GetBool("pretty");
  if (segments.empty()) return RootReply(*core_.catalogue(), pretty);
  if (IsDiscoveryPath(segments)) return DiscoveryReply(*core_.catalogue(), request, segments, address_);
  if (segments[0] == "version" && segments.size() == 1) return VersionReply(pretty);
  if (segments[0] == "metrics" && segments.size() == 1) return Metrics();
  if (IsOpenIdPath(route.target.path)) return OpenIdReply(route.target.path, keys_url_, core_.TokenKeys());
  if (segments[0] == "openapi" && segments.size() == 2 && segments[1] == "v2")
    return OpenApiV2Reply(*core_.catalogue(), request);
  if (segments[0] == "openapi" && segments.size() >= 2 && segments[1] == "v3") {
    return OpenApiV3Reply(*core_.catalogue(), request, segments, route.target.query.Get("hash"));
  }
  return ErrorReply(NoSuchResource(), request.Header("Accept"));
}

void Frontend::ServeResource(Route route, Caller caller, std::shared_ptr<Signal> gone, Reply reply) {
  RequestContext context;
  context.user = std::move(caller.user);
  context.trail = std::move(caller.trail);
  context.manager = ManagerOfUserAgent(route.user_agent);
  context.request = route.request;
  std::int64_t& seconds = context.request.timeout_seconds;
  seconds = seconds > 0 ? std::min(seconds, kMaxRequestSeconds) : kMaxRequestSeconds;
  context.body = std::exchange(route.body, std::nullopt);
  Task withdraw = core_.Handle(std::move(context), [this, route = std::move(route),
                                                    reply = std::move(reply)](Result<ApiResponse> response) mutable {
    // This may be the committer: what the answer looks like is found out on the connection's thread.
    HttpReply out;
    out.complete = [this, route = std::move(route), response = std::move(response)](HttpReply& made) mutable {
      made = ResourceReply(route, std::move(response), env_.clock().Now());
    };
    reply(std::move(out));
  });
  if (withdraw && gone != nullptr) gone->Bind(std::move(withdraw));
}

HttpReply Frontend::ServeWatch(const HttpRequest& request, Route route, Caller caller) {
  if (route.accepted.type == MediaType::kYaml) {
    return StatusReply({Code::kNotAcceptable,
                        "only the following media types are accepted: application/json;stream=watch, "
                        "application/vnd.kubernetes.protobuf;stream=watch"});
  }
  std::int64_t seconds = route.request.timeout_seconds;
  if (seconds <= 0) {
    seconds = kMinWatchSeconds + static_cast<std::int64_t>(env_.random().Next() % kMinWatchSeconds);
  }
  RequestContext context;
  context.user = std::move(caller.user);
  context.trail = std::move(caller.trail);
  context.request = route.request;
  auto signal = std::make_shared<Signal>();
  Result<std::unique_ptr<WatchStream>> stream = core_.Watch(std::move(context), [signal] { signal->Notify(); });
  HttpReply reply;
  reply.content_type = WatchContentType(route.accepted.type);
  if (!stream) {
    if (stream.status().code() != Code::kExpired) return StatusReply(stream.status(), route.accepted.type);
    // That a revision is gone is told by an event of the watch, whether at its beginning or later, as kube-apiserver
    // does: some clients list anew after that event, but try for ever with the same revision after a refusal.
    AppendErrorFrame(route.accepted.type, stream.status(), reply.body);
    return reply;
  }
  reply.source = NewWatchSource(route, *std::move(stream), std::move(signal),
                                std::chrono::seconds(std::min(seconds, kMaxWatchSeconds)), *strand_, env_.clock());
  if (IsWebSocketUpgrade(request)) WatchOverWebSocket(request, route.accepted.type == MediaType::kProtobuf, reply);
  return reply;
}

void Frontend::ServeLog(HttpRequest request, Route route, Caller caller, Reply reply) {
  RequestContext context;
  context.user = std::move(caller.user);
  context.trail = std::move(caller.trail);
  context.request = std::move(route.request);
  Result<PodLogTarget> target = core_.PodLog(context, std::move(route.log));
  if (!target) return reply(StatusReply(target.status()));
  if (target->node == nullptr) return reply(TextReply("", "text/plain"));
  StreamPodLog(*std::move(target), *strand_, [request = std::move(request), reply = std::move(reply)](HttpReply out) {
    if (IsWebSocketUpgrade(request)) LogOverWebSocket(request, out);
    reply(std::move(out));
  });
}

Result<std::shared_ptr<void>> Frontend::TakeSlot() {
  const std::shared_ptr<void> slot(execs_->fetch_add(1) < kMaxStreams ? execs_.get() : nullptr,
                                   [count = execs_](void*) { count->fetch_sub(1); });
  if (slot != nullptr) return slot;
  return Status(Code::kTooManyRequests,
                fmt::format("{} clients have streams to nodes through this server already", kMaxStreams));
}

void Frontend::ServeExec(const HttpRequest& request, Route route, Caller caller, Reply reply) {
  RequestContext context;
  context.user = std::move(caller.user);
  context.trail = std::move(caller.trail);
  context.request = std::move(route.request);
  Result<PodExecTarget> target = core_.PodExec(context, std::move(route.exec));
  if (!target) return reply(StatusReply(target.status()));
  Result<std::shared_ptr<void>> slot = TakeSlot();
  if (!slot) return reply(StatusReply(slot.status()));
  StartExec(request, *std::move(target), *std::move(slot), *strand_, std::move(reply));
}

HttpReply Frontend::ServePorts(const HttpRequest& request, Route route, Caller caller) {
  RequestContext context;
  context.user = std::move(caller.user);
  context.trail = std::move(caller.trail);
  context.request = std::move(route.request);
  Result<PodPortTarget> target = core_.PodPorts(context);
  if (!target) return StatusReply(target.status());
  Result<std::shared_ptr<void>> slot = TakeSlot();
  if (!slot) return StatusReply(slot.status());
  return StartPorts(request, *std::move(target), route.ports, *std::move(slot), *strand_);
}

void Frontend::ServeProxy(HttpRequest request, Route route, Caller caller, Reply reply) {
  RequestContext context;
  context.user = std::move(caller.user);
  context.trail = std::move(caller.trail);
  context.request = std::move(route.request);
  const Result<ForwardTarget> target = core_.Proxy(context);
  if (!target) return reply(StatusReply(target.status()));
  ServeProxied(forwarder_, *target, std::move(request), std::move(route.proxied), std::move(reply));
}

HttpReply Frontend::Metrics() const {
  MetricsText out;
  out.Begin("apiserver_request_total", "Requests answered, by HTTP status.", "counter");
  for (std::size_t code = 0; code < by_status_.size(); ++code) {
    const std::int64_t count = by_status_[code].load(std::memory_order_relaxed);
    if (count > 0) out.Sample("apiserver_request_total", {{"code", std::to_string(code)}}, count);
  }
  if (stats_ != nullptr) {
    out.Gauge("apiserver_connections", "Open connections.", stats_->connections.load());
    out.Counter("apiserver_connections_total", "Connections accepted.", stats_->accepted.load());
    out.Counter("apiserver_connections_refused_total", "Connections over the limit.", stats_->refused.load());
    out.Counter("apiserver_request_exceptions_total", "Requests answered 500 because their handler threw.",
                stats_->handler_exceptions.load());
    out.Gauge("apiserver_current_inflight_requests", "Requests being answered.", stats_->in_flight.load());
    out.Gauge("apiserver_longrunning_requests", "Watches, followed logs and commands in containers.",
              stats_->streams.load());
  }
  out.Counter("apiserver_storage_revision", "Revision that readers see.", core_.revision());
  core_.WriteMetrics(out);
  store_.admin()->WriteMetrics(out);
  return TextReply(out.Take(), "text/plain; version=0.0.4; charset=utf-8");
}

}  // namespace minikube::api
