// base64url without padding (RFC 4648 section 5), for opaque tokens.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace minikube {

std::string Base64Url(std::string_view bytes);
// nullopt if malformed.
std::optional<std::string> FromBase64Url(std::string_view text);

}  // namespace minikube
