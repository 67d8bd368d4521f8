// Certificate signing requests, for tests.
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

// openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj "/O=system:masters/CN=eve"
inline constexpr std::string_view kMastersRequest = R"(-----BEGIN CERTIFICATE REQUEST-----
MIHhMIGJAgEAMCcxFzAVBgNVBAoMDnN5c3RlbTptYXN0ZXJzMQwwCgYDVQQDDANl
dmUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQ9k6trdx5SXYAvyvrDw3eTBwV7
Yaoxd9YnVzdou0Ese8OKqLe6Fc1M+mDudo7eRoD4o6fpD2E3Y7uiKd9s7Gn/oAAw
CgYIKoZIzj0EAwIDRwAwRAIgbh082hNSmP8+7M5kt5NZauSBsguTrPcdTqo4sq7c
O5oCIFNQcVcBaT+Kwk28j2piPxJTpLruErgTFrLiTVX5CxcK
-----END CERTIFICATE REQUEST-----
)";

}  // namespace minikube::test
