#include "crypto/signing_request.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "crypto/x509_parts.h"

namespace minikube {
namespace {

using NamesHandle = std::unique_ptr<GENERAL_NAMES, OpensslDeleter<GENERAL_NAMES_free>>;
using RequestHandle = std::unique_ptr<X509_REQ, OpensslDeleter<X509_REQ_free>>;

constexpr std::size_t kMaxPem = 1u << 20;
constexpr std::int64_t kBackdate = 5 * 60;
// Certificates that live shorter than that are not made shorter by what they were backdated.
constexpr std::int64_t kShort = 8 * 3600;

Status Bad(std::string why) {
  ERR_clear_error();
  return {Code::kBadRequest, std::move(why)};
}
Status Broken(std::string why) {
  ERR_clear_error();
  return {Code::kInternal, std::move(why)};
}

BioHandle Reading(std::string_view text) {
  return BioHandle(BIO_new_mem_buf(text.data(), static_cast<int>(std::min(text.size(), kMaxPem))));
}

struct Usage {
  std::string_view name;
  const char* openssl;
  bool extended;
};
constexpr std::array<Usage, 23> kUsages = {{{"any", "anyExtendedKeyUsage", true},
                                            {"cert sign", "keyCertSign", false},
                                            {"client auth", "clientAuth", true},
                                            {"code signing", "codeSigning", true},
                                            {"content commitment", "nonRepudiation", false},
                                            {"crl sign", "cRLSign", false},
                                            {"data encipherment", "dataEncipherment", false},
                                            {"decipher only", "decipherOnly", false},
                                            {"digital signature", "digitalSignature", false},
                                            {"email protection", "emailProtection", true},
                                            {"encipher only", "encipherOnly", false},
                                            {"ipsec end system", "ipsecEndSystem", true},
                                            {"ipsec tunnel", "ipsecTunnel", true},
                                            {"ipsec user", "ipsecUser", true},
                                            {"key agreement", "keyAgreement", false},
                                            {"key encipherment", "keyEncipherment", false},
                                            {"microsoft sgc", "msSGC", true},
                                            {"netscape sgc", "nsSGC", true},
                                            {"ocsp signing", "OCSPSigning", true},
                                            {"s/mime", "emailProtection", true},
                                            {"server auth", "serverAuth", true},
                                            {"signing", "digitalSignature", false},
                                            {"timestamping", "timeStamping", true}}};

Result<RequestHandle> ReadRequest(std::string_view pem) {
  const BioHandle bio = Reading(pem);
  RequestHandle request(bio ? PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr) : nullptr);
  if (!request) return Bad("PEM block type must be CERTIFICATE REQUEST");
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  if (key == nullptr) return Bad("the public key of the request is of no known kind");
  if (X509_REQ_verify(request.get(), key) != 1) return Bad("the signature of the request does not belong to its key");
  return request;
}

NamesHandle AlternativeNames(X509_REQ* request) {
  STACK_OF(X509_EXTENSION)* extensions = X509_REQ_get_extensions(request);
  NamesHandle names(static_cast<GENERAL_NAMES*>(X509V3_get_d2i(extensions, NID_subject_alt_name, nullptr, nullptr)));
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  ERR_clear_error();
  return names;
}

std::string TextOf(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

std::string AddressOf(const ASN1_STRING* bytes) {
  char text[INET6_ADDRSTRLEN] = "";
  const int size = ASN1_STRING_length(bytes);
  if (size != 4 && size != 16) return {};
  inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(bytes), text, sizeof text);
  return text;
}

struct UsageTexts {
  std::string plain;
  std::string extended;
};
Result<UsageTexts> SpellUsages(const std::vector<std::string>& usages) {
  UsageTexts out;
  for (const std::string& wanted : usages) {
    const auto* const usage =
        std::find_if(kUsages.begin(), kUsages.end(), [&](const Usage& known) { return known.name == wanted; });
    if (usage == kUsages.end()) return Bad(fmt::format("unrecognized key usages: [{}]", wanted));
    std::string& text = usage->extended ? out.extended : out.plain;
    if (!text.empty()) text += ',';
    text += usage->openssl;
  }
  return out;
}

std::int64_t Seconds(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

// Seconds since the epoch; nullopt if the time says nothing.
std::optional<std::int64_t> SecondsOf(const ASN1_TIME* time) {
  std::tm broken{};
  if (ASN1_TIME_to_tm(time, &broken) != 1) return std::nullopt;
  return static_cast<std::int64_t>(timegm(&broken));
}

}  // namespace

Result<SigningRequest> ParseSigningRequest(std::string_view pem) {
  Result<RequestHandle> request = ReadRequest(pem);
  if (!request) return request.status();
  const X509_NAME* subject = X509_REQ_get_subject_name(request->get());
  SigningRequest out;
  const std::vector<std::string> names = EntriesOf(subject, NID_commonName);
  if (!names.empty()) out.common_name = names.back();
  out.organizations = EntriesOf(subject, NID_organizationName);
  const NamesHandle alternatives = AlternativeNames(request->get());
  for (int i = 0; alternatives && i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(alternatives.get(), i);
    if (name->type == GEN_DNS) out.dns_names.push_back(TextOf(name->d.dNSName));
    if (name->type == GEN_IPADD) out.addresses.push_back(AddressOf(name->d.iPAddress));
    if (name->type == GEN_EMAIL) out.emails.push_back(TextOf(name->d.rfc822Name));
    if (name->type == GEN_URI) out.uris.push_back(TextOf(name->d.uniformResourceIdentifier));
  }
  return out;
}

std::span<const std::string_view> KeyUsages() {
  static const auto names = [] {
    std::array<std::string_view, kUsages.size()> out;
    std::transform(kUsages.begin(), kUsages.end(), out.begin(), [](const Usage& usage) { return usage.name; });
    return out;
  }();
  return names;
}

Result<std::string> SignRequest(std::string_view pem, const KeyPair& ca, const std::vector<std::string>& usages,
                                Duration lifetime, Env& env) {
  Result<RequestHandle> request = ReadRequest(pem);
  if (!request) return request.status();
  const Result<UsageTexts> texts = SpellUsages(usages);
  if (!texts) return texts.status();
  const CertHandle issuer = ParseCert(ca.cert_pem);
  const KeyHandle issuer_key = ParseKey(ca.key_pem);
  if (!issuer || !issuer_key) return Broken("the authority's certificate or key cannot be read");

  const std::int64_t now = Seconds(env.clock().Now());
  const std::optional<std::int64_t> end = SecondsOf(X509_get0_notAfter(issuer.get()));
  if (!end || now >= *end) return Broken("the authority's certificate has ended");
  const std::int64_t wanted = std::chrono::floor<std::chrono::seconds>(lifetime).count();
  const std::int64_t last = std::min(*end, now + wanted - (wanted < kShort ? 0 : kBackdate));

  const CertHandle cert(X509_new());
  const std::uint64_t serial = env.random().Next() >> 1;  // positive, as RFC 5280 section 4.1.2.2 wants
  bool good = cert && X509_set_version(cert.get(), X509_VERSION_3) == 1 &&
              ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert.get()), std::max<std::uint64_t>(serial, 1)) == 1 &&
              ASN1_TIME_set(X509_getm_notBefore(cert.get()), static_cast<std::time_t>(now - kBackdate)) != nullptr &&
              ASN1_TIME_set(X509_getm_notAfter(cert.get()), static_cast<std::time_t>(last)) != nullptr &&
              X509_set_pubkey(cert.get(), X509_REQ_get0_pubkey(request->get())) == 1 &&
              X509_set_subject_name(cert.get(), X509_REQ_get_subject_name(request->get())) == 1 &&
              X509_set_issuer_name(cert.get(), X509_get_subject_name(issuer.get())) == 1 &&
              AddExtension(cert.get(), issuer.get(), NID_basic_constraints, "critical,CA:FALSE") &&
              AddExtension(cert.get(), issuer.get(), NID_authority_key_identifier, "keyid");
  if (good && !texts->plain.empty()) {
    good = AddExtension(cert.get(), issuer.get(), NID_key_usage, "critical," + texts->plain);
  }
  if (good && !texts->extended.empty()) {
    good = AddExtension(cert.get(), issuer.get(), NID_ext_key_usage, texts->extended);
  }
  const NamesHandle names = AlternativeNames(request->get());
  if (good && names) {
    // Without a subject, the names are what identifies (RFC 5280 section 4.2.1.6).
    const int critical = X509_NAME_entry_count(X509_REQ_get_subject_name(request->get())) == 0 ? 1 : 0;
    good = X509_add1_ext_i2d(cert.get(), NID_subject_alt_name, names.get(), critical, X509V3_ADD_DEFAULT) == 1;
  }
  good = good && X509_sign(cert.get(), issuer_key.get(), EVP_sha256()) != 0;
  const BioHandle out(BIO_new(BIO_s_mem()));
  if (!good || !out || PEM_write_bio_X509(out.get(), cert.get()) != 1) return Broken("cannot sign a certificate");
  return Drain(out.get());
}

Result<WallTime> EndOfCertificate(std::string_view pem) {
  const CertHandle cert = ParseCert(pem.substr(0, kMaxPem));
  const std::optional<std::int64_t> end = cert ? SecondsOf(X509_get0_notAfter(cert.get())) : std::nullopt;
  if (!end) return Bad("there is no certificate");
  return WallTime(std::chrono::seconds(*end));
}

std::string WhyNoCertificates(std::string_view pem) {
  const BioHandle bio = Reading(pem);
  int blocks = 0;
  while (bio) {
    char* name = nullptr;
    char* header = nullptr;
    unsigned char* data = nullptr;
    long size = 0;
    if (PEM_read_bio(bio.get(), &name, &header, &data, &size) != 1) break;
    const std::string type(name);
    const bool headers = *header != '\0';
    const unsigned char* at = data;
    const CertHandle cert(d2i_X509(nullptr, &at, size));
    const bool whole = cert && at == data + size;
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    ERR_clear_error();
    if (type != "CERTIFICATE") return fmt::format("only CERTIFICATE PEM blocks are allowed, found \"{}\"", type);
    if (headers) return "no PEM block headers are permitted";
    if (!whole) return "x509: malformed certificate";
    ++blocks;
  }
  ERR_clear_error();
  return blocks == 0 ? "must contain at least one CERTIFICATE PEM block" : "";
}

}  // namespace minikube
