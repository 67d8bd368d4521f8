#include "api/registry/audit_trail.h"

#include <nlohmann/json.hpp>

#include "api/registry/verbs.h"
#include "api/wire/to_http.h"
#include "kube/times.h"
#include "model/scalar_text.h"

namespace minikube {
namespace {

std::string Micros(WallTime time) {
  std::string out;
  model::AppendMicroTime(kube::ToMicroTime(time).micros, out);
  return out;
}

nlohmann::ordered_json UserJson(const UserInfo& user) {
  nlohmann::ordered_json out;
  out["username"] = user.name;
  if (!user.uid.empty()) out["uid"] = user.uid;
  if (!user.groups.empty()) out["groups"] = user.groups;
  if (!user.extra.empty()) out["extra"] = user.extra;
  return out;
}

}  // namespace

std::string AuditJson(const AuditEvent& event) {
  nlohmann::ordered_json out;
  out["kind"] = "Event";
  out["apiVersion"] = "audit.k8s.io/v1";
  out["level"] = "Metadata";
  out["auditID"] = event.audit_id;
  out["stage"] = event.stage == AuditEvent::Stage::kResponseStarted ? "ResponseStarted" : "ResponseComplete";
  out["requestURI"] = event.request_uri;
  out["verb"] = event.verb;
  out["user"] = UserJson(event.user);
  if (event.impersonated) out["impersonatedUser"] = UserJson(*event.impersonated);
  if (!event.user_agent.empty()) out["userAgent"] = event.user_agent;
  if (!event.resource.empty()) {
    nlohmann::ordered_json ref;
    const auto add = [&ref](const char* key, const std::string& value) {
      if (!value.empty()) ref[key] = value;
    };
    add("resource", event.resource);
    add("namespace", event.ns);
    add("name", event.name);
    add("uid", event.uid);
    add("apiGroup", event.group);
    add("apiVersion", event.version);
    add("resourceVersion", event.resource_version);
    add("subresource", event.subresource);
    out["objectRef"] = std::move(ref);
  }
  nlohmann::ordered_json status;
  status["metadata"] = nlohmann::ordered_json::object();
  if (!event.status.ok()) {
    status["status"] = "Failure";
    status["message"] = event.status.message();
    status["reason"] = ReasonOf(event.status.code());
  }
  status["code"] = event.http_status;
  out["responseStatus"] = std::move(status);
  out["requestReceivedTimestamp"] = Micros(event.received);
  out["stageTimestamp"] = Micros(event.stage_time);
  if (!event.annotations.empty()) out["annotations"] = event.annotations;
  return out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

namespace api {

AuditEvent AuditEventOf(const Core& core, const RequestContext& context, AuditEvent::Stage stage, const Status& status,
                        WallTime received) {
  AuditEvent event;
  event.stage = stage;
  event.user = context.user;
  event.received = received;
  if (context.trail != nullptr) {
    const AuditTrail& trail = *context.trail;
    event.audit_id = trail.id;
    event.request_uri = trail.uri;
    event.user_agent = trail.user_agent;
    event.received = trail.received;
    if (trail.sender) {
      event.impersonated = context.user;
      event.user = *trail.sender;
    }
  } else {
    event.audit_id = NewUid(core.env.random());
  }
  const ApiRequest& request = context.request;
  event.verb = VerbName(request.verb);
  if (request.resource != nullptr) {
    event.group = request.resource->group;
    event.version = request.resource->version;
    event.resource = request.resource->plural;
  }
  event.subresource = request.subresource;
  event.ns = request.ns;
  event.name = request.name;
  event.status = status;
  event.http_status = ToHttp(status.code());
  event.stage_time = core.env.clock().Now();
  if (!context.allowed_because.empty()) {
    event.annotations["authorization.k8s.io/decision"] = "allow";
    event.annotations["authorization.k8s.io/reason"] = context.allowed_because;
  }
  return event;
}

void Tell(const Core& core, const AuditEvent& event) {
  for (const std::shared_ptr<AuditSink>& sink : core.options.extensions.audit_sinks) sink->Take(event);
}

void AuditStream(const Core& core, const RequestContext& context, const Status& status) {
  if (core.options.extensions.audit_sinks.empty()) return;
  Tell(core, AuditEventOf(core, context, AuditEvent::Stage::kResponseStarted, status, core.env.clock().Now()));
}

}  // namespace api
}  // namespace minikube
