#include "crypto/digest.h"

#include <algorithm>
#include <array>

#include <openssl/sha.h>

#include "crypto/base64.h"

namespace minikube {
namespace {

std::array<unsigned char, SHA256_DIGEST_LENGTH> Digest(std::string_view data) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(data.data()), data.size(), digest.data());
  return digest;
}

}  // namespace

std::string Sha256Hex(std::string_view data) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const unsigned char byte : Digest(data)) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::string HashBase64(std::string_view data, std::size_t bytes) {
  const auto digest = Digest(data);
  return Base64({reinterpret_cast<const char*>(digest.data()), std::min(bytes, digest.size())});
}

}  // namespace minikube
