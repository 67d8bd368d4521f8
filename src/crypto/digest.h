// SHA-256 (FIPS 180-4) of documents, for ETags and hashes in URLs.
//
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace minikube {

// In upper-case hexadecimal, as Kubernetes writes its ETags.
std::string Sha256Hex(std::string_view data);

// Base64 of the first `bytes` bytes.
std::string HashBase64(std::string_view data, std::size_t bytes);

}  // namespace minikube
