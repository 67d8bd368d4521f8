// A certificate signing request of a node, for tests.
#pragma once

#include <string_view>

namespace minikube::test {

// openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj "/O=system:nodes/CN=system:node:a"
//   -addext "subjectAltName=DNS:a.example,IP:10.0.0.1"
inline constexpr std::string_view kNodeRequest = R"(-----BEGIN CERTIFICATE REQUEST-----
MIIBFzCBvgIBADAvMRUwEwYDVQQKDAxzeXN0ZW06bm9kZXMxFjAUBgNVBAMMDXN5
c3RlbTpub2RlOmEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARqkrWySFysCi4d
Noolj+dmHpBf33cajAbfJ85kC662r52in/baRioAqYv8YmMv3prUeitsVRXVpTBD
fWXaCnrqoC0wKwYJKoZIhvcNAQkOMR4wHDAaBgNVHREEEzARgglhLmV4YW1wbGWH
BAoAAAEwCgYIKoZIzj0EAwIDSAAwRQIhALodYeebLbqTLxSnlDI1Gqo+AZ8FEJ6Z
LJAZUtGoTQE9AiAsHqg1BzQlYzM8v2oHswq+tQbiuVu68RTugSGHAMMWOA==
-----END CERTIFICATE REQUEST-----
)";

}  // namespace minikube::test
