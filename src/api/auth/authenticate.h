// Who is asking: client certificates, bearer tokens from a static file, or anonymous.
//
// Thread safety: immutable once made; any thread.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/auth.h>
#include <minikube/status.h>

#include "http/message.h"

namespace minikube::api {

// Whoever is known belongs to system:authenticated.
void AddAuthenticatedGroup(UserInfo& user);

class BuiltInAuthenticator {
 public:
  // The token of "Authorization: Bearer <token>"; "" if there is none.
  static std::string BearerToken(const HttpRequest& request);

  // No tokens.
  BuiltInAuthenticator() = default;
  // Reads kube-apiserver's token file: lines of token,user,uid[,"group1,group2"], quoted as RFC 4180 says.
  // Errors: kInternal naming the file and line.
  static Result<BuiltInAuthenticator> FromTokenFile(const std::string& path);
  static Result<BuiltInAuthenticator> FromTokenText(std::string_view csv);

  // The user of a token of the file.
  std::optional<UserInfo> FindToken(std::string_view token) const;

  // What knows the tokens that are not in the file. Errors: kUnauthorized.
  using TokenCheck = std::function<Result<UserInfo>(std::string_view token)>;
  // In order: a bearer token if one is sent, the client certificate if one is presented, else system:anonymous.
  // Whoever is known also belongs to system:authenticated. Errors: kUnauthorized (a credential that is not good).
  Result<UserInfo> Authenticate(const PeerCertificate* peer, std::string_view authorization,
                                const TokenCheck& others = {}) const;

 private:
  struct Token {
    std::array<unsigned char, 32> digest;  // SHA-256: equal lengths to compare, and no secret kept in memory
    UserInfo user;
  };
  std::vector<Token> tokens_;
};

}  // namespace minikube::api
