// OpenID Connect discovery (openid-connect-discovery-1_0, section 4): with it others verify service account tokens
// without asking the API server about each.
//
// Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "http/message.h"

namespace minikube::api {

bool IsOpenIdPath(std::string_view path);
// `url` is where whoever verifies reaches the server, `keys` what /openid/v1/jwks answers.
HttpReply OpenIdReply(std::string_view path, std::string_view url, std::string keys);

}  // namespace minikube::api
