// From a request to what the audit sinks hear of it.
//
// Thread safety: any thread.
#pragma once

#include <minikube/audit.h>

#include "api/registry/core.h"
#include "api/registry/request_context.h"

namespace minikube::api {

// `received` counts for requests without a trail.
AuditEvent AuditEventOf(const Core& core, const RequestContext& context, AuditEvent::Stage stage, const Status& status,
                        WallTime received);
void Tell(const Core& core, const AuditEvent& event);
// A stream begins, or was refused. Does nothing if nobody listens.
void AuditStream(const Core& core, const RequestContext& context, const Status& status);

}  // namespace minikube::api
