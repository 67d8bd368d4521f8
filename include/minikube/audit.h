// AuditSink: hears of every request, who did what, and what became of it. Kubernetes' auditing
// (https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/) at level Metadata: no bodies, so no secrets.
//
// Thread safety: a sink is called from any thread, several at once, before the caller has its answer; must not block.
// Ownership: the API server shares sinks (ApiServerOptions) until it is destroyed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <minikube/auth.h>
#include <minikube/env.h>
#include <minikube/status.h>

namespace minikube {

// audit.k8s.io/v1 Event.
struct AuditEvent {
  // kResponseStarted: a stream (watch, followed log, exec) begins, or was refused; everything else is told when it is
  // answered.
  enum class Stage : std::uint8_t { kResponseStarted, kResponseComplete };
  Stage stage = Stage::kResponseComplete;
  std::string audit_id;                  // the Audit-ID header
  std::string request_uri;               // "" from clients in the process
  std::string verb;                      // "create"; of paths that are no resource the method in small letters
  UserInfo user;                         // who sent it
  std::optional<UserInfo> impersonated;  // as whom
  std::string user_agent;

  // objectRef; `resource` is empty for paths that are no resource.
  std::string group;
  std::string version;
  std::string resource;
  std::string subresource;
  std::string ns;
  std::string name;
  std::string uid;               // of the object in the answer
  std::string resource_version;  // likewise

  Status status;  // what it was answered with
  int http_status = 0;
  WallTime received{};
  WallTime stage_time{};
  std::map<std::string, std::string> annotations;  // of authorisation and admission
};

// As one line of JSON, as kube-apiserver's log backend writes it; without a line break.
std::string AuditJson(const AuditEvent& event);

class AuditSink {
 public:
  virtual ~AuditSink() = default;
  // In-process clients are heard of too (components are users like others); their informers, which look at the state in
  // memory, are not.
  virtual void Take(const AuditEvent& event) = 0;
};

}  // namespace minikube
