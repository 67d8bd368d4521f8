// Certificate signing requests (PKCS #10, RFC 2986).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace minikube {

// The common name of the subject of a request in PEM; "" if it has none. nullopt: it is no request.
std::optional<std::string> CommonNameOfRequest(std::string_view pem);

}  // namespace minikube
