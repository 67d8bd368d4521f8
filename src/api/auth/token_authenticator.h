// Who a service account token belongs to: its claims held against the world as it is now.
//
// Thread safety: pure functions of a snapshot.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/auth/verified_tokens.h"
#include "api/world/catalogue.h"
#include "api/world/world.h"

namespace minikube::api {

struct TokenUser {
  UserInfo user;
  std::vector<std::string> audiences;  // those of the token that were asked for
};

// `audiences`: the token must be for one of them. Its service account, and the object it is bound to, must still be
// there. Errors: kUnauthorized, saying why: for whoever reviews the token, not for whoever sent it.
Result<TokenUser> AuthenticateAccountToken(const VerifiedTokens& verified, const World& world, WallTime now,
                                           std::string_view token, std::span<const std::string> audiences);

}  // namespace minikube::api
