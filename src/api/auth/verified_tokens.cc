#include "api/auth/verified_tokens.h"

#include <openssl/sha.h>

namespace minikube::api {

Result<std::shared_ptr<const TokenClaims>> VerifiedTokens::Claims(std::string_view token) const {
  if (token.size() > kMaxTokenBytes) return Status(Code::kUnauthorized, "the token is too long");
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  {
    std::lock_guard lock(mu_);
    if (const auto* known = known_.Find(digest)) return *known;
  }
  const Result<std::string> payload = key_.Verify(token);
  if (!payload) return payload.status();
  Result<TokenClaims> claims = DecodeClaims(*payload);
  if (!claims) return claims.status();
  auto shared = std::make_shared<const TokenClaims>(*std::move(claims));
  // Good ones alone: whoever tries tokens pushes out none.
  std::lock_guard lock(mu_);
  known_[digest] = shared;
  return shared;
}

}  // namespace minikube::api
