#include "api/auth/openid.h"

#include <fmt/format.h>

#include "api/auth/token_claims.h"
#include "crypto/signing_key.h"

namespace minikube::api {
namespace {

constexpr std::string_view kConfigurationPath = "/.well-known/openid-configuration";
constexpr std::string_view kKeysPath = "/openid/v1/jwks";

}  // namespace

bool IsOpenIdPath(std::string_view path) { return path == kConfigurationPath || path == kKeysPath; }

HttpReply OpenIdReply(std::string_view path, std::string_view url, std::string keys) {
  HttpReply reply;
  reply.headers.emplace_back("Cache-Control", "public, max-age=3600");
  if (path == kKeysPath) {
    reply.content_type = "application/jwk-set+json";
    reply.body = std::move(keys);
    return reply;
  }
  reply.content_type = "application/json";
  reply.body = fmt::format(R"({{"issuer":"{}","jwks_uri":"{}{}","response_types_supported":["id_token"],)"
                           R"("subject_types_supported":["public"],"id_token_signing_alg_values_supported":["{}"]}})",
                           kTokenIssuer, url, kKeysPath, kSigningAlgorithm);
  return reply;
}

}  // namespace minikube::api
