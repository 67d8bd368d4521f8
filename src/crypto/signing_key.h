// The key that service account tokens are signed with: EC P-256, as JSON Web Signatures in compact form with ES256
// (RFC 7515, RFC 7518 section 3.4).
//
// Thread safety: immutable; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <minikube/status.h>

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace minikube {

inline constexpr std::string_view kSigningAlgorithm = "ES256";
// Longer tokens are refused unread.
inline constexpr std::size_t kMaxTokenBytes = 16u << 10;

class SigningKey {
 public:
  // A new key. Errors: kInternal.
  static Result<SigningKey> Generate();
  // Errors: kInternal (not a private key on P-256).
  static Result<SigningKey> FromPem(std::string_view pem);
  // PKCS #8. Errors: kInternal.
  Result<std::string> ToPem() const;

  // Names the key in tokens and in jwk(): the SHA-256 of the public key, base64url.
  const std::string& id() const { return id_; }
  // The public key as a JSON Web Key (RFC 7517).
  const std::string& jwk() const { return jwk_; }

  // The token whose payload is `payload`. Errors: kInternal.
  Result<std::string> Sign(std::string_view payload) const;
  // The payload of `token`, if this key signed it. Errors: kUnauthorized, saying why.
  Result<std::string> Verify(std::string_view token) const;

 private:
  static Result<SigningKey> From(std::shared_ptr<evp_pkey_st> key);

  std::shared_ptr<evp_pkey_st> key_;
  std::string id_;
  std::string jwk_;
  std::string header_;  // of every token, base64url
};

}  // namespace minikube
