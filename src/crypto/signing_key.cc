#include "crypto/signing_key.h"

#include <array>
#include <optional>

#include <fmt/format.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <nlohmann/json.hpp>

#include "crypto/base64url.h"
#include "crypto/openssl_deleter.h"

namespace minikube {
namespace {

using BioHandle = std::unique_ptr<BIO, OpensslDeleter<BIO_free>>;
using DigestHandle = std::unique_ptr<EVP_MD_CTX, OpensslDeleter<EVP_MD_CTX_free>>;
using NumberHandle = std::unique_ptr<BIGNUM, OpensslDeleter<BN_free>>;
using SignatureHandle = std::unique_ptr<ECDSA_SIG, OpensslDeleter<ECDSA_SIG_free>>;

constexpr int kNumberBytes = 32;  // of P-256: a signature is two of them, so is a point

Status Internal(std::string_view what) {
  ERR_clear_error();
  return {Code::kInternal, std::string(what)};
}

Status Bad(std::string_view why) {
  ERR_clear_error();
  return {Code::kUnauthorized, std::string(why)};
}

const unsigned char* Bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

// A coordinate of the public key, as a JSON Web Key has it (RFC 7518 section 6.2.1.2).
std::optional<std::string> Coordinate(const EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &number) != 1) return std::nullopt;
  const NumberHandle owned(number);
  std::string bytes(kNumberBytes, '\0');
  if (BN_bn2binpad(number, reinterpret_cast<unsigned char*>(bytes.data()), kNumberBytes) != kNumberBytes) {
    return std::nullopt;
  }
  return Base64Url(bytes);
}

bool IsP256(const EVP_PKEY* key) {
  std::array<char, 64> group{};
  return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
         EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group.data(), group.size(), nullptr) == 1 &&
         std::string_view(group.data()) == SN_X9_62_prime256v1;
}

}  // namespace

Result<SigningKey> SigningKey::From(std::shared_ptr<EVP_PKEY> key) {
  SigningKey out;
  out.key_ = std::move(key);
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(out.key_.get(), &der);
  const std::optional<std::string> x = Coordinate(out.key_.get(), OSSL_PKEY_PARAM_EC_PUB_X);
  const std::optional<std::string> y = Coordinate(out.key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y);
  if (size <= 0 || !x || !y) {
    OPENSSL_free(der);
    return Internal("cannot write a public key");
  }
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(der, static_cast<std::size_t>(size), reinterpret_cast<unsigned char*>(digest.data()));
  OPENSSL_free(der);
  out.id_ = Base64Url(digest);
  out.jwk_ = fmt::format(R"({{"use":"sig","kty":"EC","kid":"{}","crv":"P-256","alg":"{}","x":"{}","y":"{}"}})", out.id_,
                         kSigningAlgorithm, *x, *y);
  out.header_ = Base64Url(fmt::format(R"({{"alg":"{}","kid":"{}"}})", kSigningAlgorithm, out.id_));
  return out;
}

Result<SigningKey> SigningKey::Generate() {
  std::shared_ptr<EVP_PKEY> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  if (!key) return Internal("cannot make a key");
  return From(std::move(key));
}

Result<SigningKey> SigningKey::FromPem(std::string_view pem) {
  const BioHandle bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  // No password is asked for at the terminal.
  const auto no_password = [](char*, int, int, void*) { return -1; };
  std::shared_ptr<EVP_PKEY> key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr) : nullptr,
                                EVP_PKEY_free);
  if (!key || !IsP256(key.get())) return Internal("not a PEM private key on the curve P-256");
  return From(std::move(key));
}

Result<std::string> SigningKey::ToPem() const {
  const BioHandle bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return Internal("cannot write a private key");
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

Result<std::string> SigningKey::Sign(std::string_view payload) const {
  std::string token = header_ + "." + Base64Url(payload);
  const DigestHandle context(EVP_MD_CTX_new());
  std::array<unsigned char, 80> der{};  // two numbers of at most 33 bytes and their framing
  std::size_t size = der.size();
  if (!context || EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), der.data(), &size, Bytes(token), token.size()) != 1) {
    return Internal("cannot sign a token");
  }
  const unsigned char* at = der.data();
  const SignatureHandle signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)));
  std::string raw(2 * kNumberBytes, '\0');
  auto* out = reinterpret_cast<unsigned char*>(raw.data());
  if (!signature || BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out, kNumberBytes) != kNumberBytes ||
      BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out + kNumberBytes, kNumberBytes) != kNumberBytes) {
    return Internal("cannot write a signature");
  }
  return token + "." + Base64Url(raw);
}

Result<std::string> SigningKey::Verify(std::string_view token) const {
  if (token.size() > kMaxTokenBytes) return Bad("the token is too long");
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos) return Bad("not a signed token");
  const std::string_view body = token.substr(0, second);
  const std::optional<std::string> header = FromBase64Url(token.substr(0, first));
  std::optional<std::string> payload = FromBase64Url(token.substr(first + 1, second - first - 1));
  const std::optional<std::string> raw = FromBase64Url(token.substr(second + 1));
  if (!header || !payload || !raw) return Bad("not a signed token");

  const nlohmann::json parsed = nlohmann::json::parse(*header, nullptr, false);
  if (!parsed.is_object()) return Bad("the token's header is not JSON");
  const auto algorithm = parsed.find("alg");
  if (algorithm == parsed.end() || *algorithm != kSigningAlgorithm) return Bad("the token's algorithm is not ES256");
  // Extensions that must be understood (RFC 7515 section 4.1.11): there are none that we do.
  if (parsed.contains("crit")) return Bad("the token has critical extensions");
  if (const auto id = parsed.find("kid"); id != parsed.end() && *id != id_) return Bad("the token's key is not known");

  if (raw->size() != 2 * kNumberBytes) return Bad("invalid signature");
  const SignatureHandle signature(ECDSA_SIG_new());
  NumberHandle r(BN_bin2bn(Bytes(*raw), kNumberBytes, nullptr));
  NumberHandle s(BN_bin2bn(Bytes(*raw) + kNumberBytes, kNumberBytes, nullptr));
  if (!signature || !r || !s || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) return Bad("invalid signature");
  (void)r.release(), (void)s.release();  // the signature's now
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  const DigestHandle context(EVP_MD_CTX_new());
  const bool good = size > 0 && context &&
                    EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
                    EVP_DigestVerify(context.get(), der, static_cast<std::size_t>(size), Bytes(body), body.size()) == 1;
  OPENSSL_free(der);
  if (!good) return Bad("invalid signature");
  return *std::move(payload);
}

}  // namespace minikube
