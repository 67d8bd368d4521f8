// Impersonation: `kubectl --as`. A caller who may (verb impersonate) acts as another user.
//
// Thread safety: any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <minikube/api_server.h>
#include <minikube/function.h>
#include <minikube/status.h>

#include "api/stages/api_core.h"
#include "http/message.h"

namespace minikube::api {

struct Impersonation {
  std::string user;
  std::string uid;
  std::vector<std::string> groups;
};

// What the Impersonate-* headers ask for; nullopt without any. Errors: kBadRequest (groups or a uid without a user);
// kNotImplemented (Impersonate-Extra-*).
Result<std::optional<Impersonation>> ReadImpersonation(const HttpRequest& request);

// Asks the core's authorisation, once per user and group, whether `caller` may, and calls `done` once, on any thread.
// Errors: kForbidden. The core outlives the call.
void Impersonate(ApiCore& core, UserInfo caller, Impersonation wanted, Function<void(Result<UserInfo>)> done);

}  // namespace minikube::api
