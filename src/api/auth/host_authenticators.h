// Asking the host's authenticators, one after the other.
#pragma once

#include <memory>
#include <vector>

#include <minikube/auth.h>

namespace minikube::api {

// Calls `done` once, on any thread: with the user that one of them knows, kUnauthorized if one has said that a
// credential is no good, or else `otherwise`.
void AskAuthenticators(std::vector<std::shared_ptr<Authenticator>> authenticators, Credentials credentials,
                       Result<UserInfo> otherwise, Function<void(Result<UserInfo>)> done);

}  // namespace minikube::api
