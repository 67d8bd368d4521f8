// /healthz, /livez, /readyz and their checks, as kube-apiserver answers them.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/status.h>

#include "api/wire/query.h"
#include "http/message.h"

namespace minikube::api {

struct HealthCheck {
  std::string name;
  std::function<Status()> run;  // any thread
  bool live = true;             // counts for /livez (and /healthz); readiness counts all
};

// True for "healthz", "livez", "readyz", alone or followed by one check's name.
bool IsHealthPath(const std::vector<std::string>& segments);

// 200 and "ok", or 500; every check with its result if ?verbose is set or one fails. ?exclude=<check> leaves one out.
// 404 for a check that does not exist. Why a check fails goes to `on_failure`, not to the client.
HttpReply HealthReply(const Target& target, const std::vector<HealthCheck>& checks,
                      const std::function<void(std::string_view check, const Status&)>& on_failure);

}  // namespace minikube::api
