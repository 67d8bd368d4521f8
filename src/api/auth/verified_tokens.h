// Service account tokens whose signature is known to be good. Checking one takes some 90 microseconds, several times
// what a small request takes otherwise, and a client sends the same token with all its requests.
//
// Only what cannot change is remembered: whether a token is of use is for its claims and the world to say, each time.
// Thread safety: any thread.
#pragma once

#include <memory>
#include <mutex>
#include <string_view>

#include "api/auth/token_claims.h"
#include "client/lru_map.h"
#include "crypto/signing_key.h"

namespace minikube::api {

class VerifiedTokens {
 public:
  explicit VerifiedTokens(SigningKey key) : key_(std::move(key)) {}

  // What `token` says, if our key signed it. Errors: kUnauthorized, saying why.
  Result<std::shared_ptr<const TokenClaims>> Claims(std::string_view token) const;

 private:
  static constexpr std::size_t kCapacity = 1024;  // tokens in use at one time; some 600 bytes each

  const SigningKey key_;
  mutable std::mutex mu_;
  // By SHA-256 of the token: no secret is kept. Guarded by mu_.
  mutable client::LruMap<std::shared_ptr<const TokenClaims>> known_{kCapacity};
};

}  // namespace minikube::api
