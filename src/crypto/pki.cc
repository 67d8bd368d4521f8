#include "crypto/pki.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "crypto/x509_parts.h"

namespace minikube {
namespace {

constexpr std::int64_t kDay = 24 * 3600;
constexpr std::int64_t kCaLifetime = 3650 * kDay;
constexpr std::int64_t kLeafLifetime = 365 * kDay;
constexpr std::int64_t kRenewBefore = 30 * kDay;
// Certificates are valid from a little before now, for clients whose clocks are behind.
constexpr std::int64_t kClockSlack = 3600;

// Takes what OpenSSL left on this thread's error queue.
Status SslError(std::string_view what) {
  std::string detail;
  while (const unsigned long code = ERR_get_error()) {
    char text[256];
    ERR_error_string_n(code, text, sizeof text);
    detail = text;
  }
  return {Code::kInternal, fmt::format("{}: {}", what, detail.empty() ? "OpenSSL gave no reason" : detail)};
}

Status FileError(std::string_view what, const std::string& path) {
  return {Code::kInternal, fmt::format("{} {}: {}", what, path, std::strerror(errno))};
}

std::int64_t NowSeconds(Env& env) {
  return std::chrono::duration_cast<std::chrono::seconds>(env.clock().Now().time_since_epoch()).count();
}

Result<std::string> KeyToPem(EVP_PKEY* key) {
  BioHandle bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return SslError("cannot write a private key");
  }
  return Drain(bio.get());
}

Result<std::string> CertToPem(X509* cert) {
  BioHandle bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_X509(bio.get(), cert) != 1) return SslError("cannot write a certificate");
  return Drain(bio.get());
}

bool IsAddress(const std::string& name) {
  unsigned char buffer[sizeof(in6_addr)];
  return inet_pton(AF_INET, name.c_str(), buffer) == 1 || inet_pton(AF_INET6, name.c_str(), buffer) == 1;
}

// The spelling of an address that OpenSSL prints and ours must compare equal to is avoided: both go through here.
std::string SanText(const std::vector<std::string>& sans) {
  std::string text;
  for (const std::string& san : sans) {
    if (!text.empty()) text += ',';
    text += (IsAddress(san) ? "IP:" : "DNS:") + san;
  }
  return text;
}

struct CertSpec {
  std::string common_name;
  std::vector<std::string> organizations;
  std::int64_t lifetime = kLeafLifetime;
  bool is_ca = false;
  std::string extended_usage;  // "serverAuth", "clientAuth"
  std::vector<std::string> sans;
};

bool AddName(X509_NAME* name, const char* type, const std::string& value) {
  return X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.data()),
                                    static_cast<int>(value.size()), -1, 0) == 1;
}

// Signs `key` with `issuer_key`; a null issuer means self-signed.
Result<CertHandle> MakeCert(const CertSpec& spec, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key, Env& env) {
  CertHandle cert(X509_new());
  if (!cert || X509_set_version(cert.get(), X509_VERSION_3) != 1) return SslError("cannot make a certificate");

  const std::int64_t now = NowSeconds(env);
  const std::uint64_t serial = env.random().Next() >> 1;  // positive, as RFC 5280 section 4.1.2.2 wants
  if (ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert.get()), serial == 0 ? 1 : serial) != 1 ||
      ASN1_TIME_set(X509_getm_notBefore(cert.get()), static_cast<std::time_t>(now - kClockSlack)) == nullptr ||
      ASN1_TIME_set(X509_getm_notAfter(cert.get()), static_cast<std::time_t>(now + spec.lifetime)) == nullptr ||
      X509_set_pubkey(cert.get(), key) != 1) {
    return SslError("cannot fill in a certificate");
  }
  X509_NAME* subject = X509_get_subject_name(cert.get());
  for (const std::string& organization : spec.organizations) {
    if (!AddName(subject, "O", organization)) return SslError("bad organization in a certificate");
  }
  if (!AddName(subject, "CN", spec.common_name)) return SslError("bad common name in a certificate");
  if (X509_set_issuer_name(cert.get(), issuer != nullptr ? X509_get_subject_name(issuer) : subject) != 1) {
    return SslError("cannot set a certificate's issuer");
  }

  X509* signer = issuer != nullptr ? issuer : cert.get();
  bool ok =
      AddExtension(cert.get(), signer, NID_basic_constraints, spec.is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
      AddExtension(cert.get(), signer, NID_key_usage,
                   spec.is_ca ? "critical,digitalSignature,keyCertSign,cRLSign" : "critical,digitalSignature") &&
      AddExtension(cert.get(), signer, NID_subject_key_identifier, "hash");
  if (ok && issuer != nullptr) ok = AddExtension(cert.get(), signer, NID_authority_key_identifier, "keyid");
  if (ok && !spec.extended_usage.empty()) ok = AddExtension(cert.get(), signer, NID_ext_key_usage, spec.extended_usage);
  if (ok && !spec.sans.empty()) ok = AddExtension(cert.get(), signer, NID_subject_alt_name, SanText(spec.sans));
  if (!ok) return SslError("cannot add a certificate's extensions");
  if (X509_sign(cert.get(), issuer_key, EVP_sha256()) == 0) return SslError("cannot sign a certificate");
  return cert;
}

Result<KeyPair> MakePair(const CertSpec& spec, const KeyPair* ca, Env& env) {
  KeyHandle key(EVP_EC_gen("P-256"));
  if (!key) return SslError("cannot make a key");
  CertHandle issuer;
  KeyHandle issuer_key;
  if (ca != nullptr) {
    issuer = ParseCert(ca->cert_pem);
    issuer_key = ParseKey(ca->key_pem);
    if (!issuer || !issuer_key) return Status(Code::kInternal, "the CA's certificate or key cannot be read");
  }
  Result<CertHandle> cert = MakeCert(spec, key.get(), issuer.get(), issuer_key ? issuer_key.get() : key.get(), env);
  if (!cert) return cert.status();
  Result<std::string> cert_pem = CertToPem(cert->get());
  if (!cert_pem) return cert_pem.status();
  Result<std::string> key_pem = KeyToPem(key.get());
  if (!key_pem) return key_pem.status();
  return KeyPair{*std::move(cert_pem), *std::move(key_pem)};
}

// "IP:127.0.0.1,DNS:localhost" of a certificate, in the order it names them.
std::string SansOf(X509* cert) {
  std::unique_ptr<GENERAL_NAMES, OpensslDeleter<GENERAL_NAMES_free>> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(cert, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> sans;
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) {
      sans.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                        static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
    } else if (name->type == GEN_IPADD) {
      char text[INET6_ADDRSTRLEN] = "";
      const int size = ASN1_STRING_length(name->d.iPAddress);
      inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name->d.iPAddress), text, sizeof text);
      sans.emplace_back(text);
    }
  }
  return SanText(sans);
}

// Whether a leaf can go on being used: pairs with its key, signed by this CA, names right, not about to end.
bool StillGood(const KeyPair& pair, const KeyPair& ca, const CertSpec& spec, Env& env) {
  CertHandle cert = ParseCert(pair.cert_pem);
  KeyHandle key = ParseKey(pair.key_pem);
  CertHandle ca_cert = ParseCert(ca.cert_pem);
  if (!cert || !key || !ca_cert) return false;
  const std::time_t soon = static_cast<std::time_t>(NowSeconds(env) + kRenewBefore);
  const bool good = X509_check_private_key(cert.get(), key.get()) == 1 &&
                    X509_verify(cert.get(), X509_get0_pubkey(ca_cert.get())) == 1 &&
                    ASN1_TIME_cmp_time_t(X509_get0_notAfter(cert.get()), soon) > 0 &&
                    SansOf(cert.get()) == SanText(spec.sans);
  ERR_clear_error();
  return good;
}

// nullopt if the file does not exist.
Result<std::optional<std::string>> ReadFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT) return std::optional<std::string>();
    return FileError("cannot open", path);
  }
  std::string text;
  char buffer[4096];
  ssize_t n = 0;
  while ((n = read(fd, buffer, sizeof buffer)) > 0 && text.size() < (1u << 20)) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  const Status status = n < 0 ? FileError("cannot read", path) : Status();
  close(fd);
  if (!status.ok()) return status;
  return std::optional<std::string>(std::move(text));
}

Status WriteFileAtomically(const std::string& path, std::string_view text, mode_t mode) {
  const std::string temporary = path + ".tmp";
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0) return FileError("cannot create", temporary);
  Status status;
  if (fchmod(fd, mode) != 0) status = FileError("cannot set the mode of", temporary);
  while (status.ok() && !text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n < 0) {
      if (errno != EINTR) status = FileError("cannot write", temporary);
      continue;
    }
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (status.ok() && fsync(fd) != 0) status = FileError("cannot sync", temporary);
  close(fd);
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) status = FileError("cannot rename", temporary);
  return status;
}

Status MakeDirectory(const std::string& dir) {
  return mkdir(dir.c_str(), 0700) == 0 || errno == EEXIST ? Status() : FileError("cannot create", dir);
}

// The key goes first: a crash in between leaves a pair that does not match, which a leaf survives by being made anew.
Status StorePair(const std::string& base, const KeyPair& pair) {
  MINIKUBE_RETURN_IF_ERROR(WriteFileAtomically(base + ".key", pair.key_pem, 0600));
  return WriteFileAtomically(base + ".crt", pair.cert_pem, 0644);
}

struct Loaded {
  std::optional<std::string> cert;
  std::optional<std::string> key;
};

Result<Loaded> LoadPair(const std::string& base) {
  Result<std::optional<std::string>> cert = ReadFile(base + ".crt");
  if (!cert) return cert.status();
  Result<std::optional<std::string>> key = ReadFile(base + ".key");
  if (!key) return key.status();
  return Loaded{*std::move(cert), *std::move(key)};
}

const CertSpec& CaSpec() {
  static const CertSpec spec{.common_name = "kubernetes", .lifetime = kCaLifetime, .is_ca = true};
  return spec;
}

Result<KeyPair> LoadOrCreateCa(const std::string& dir, Env& env) {
  if (dir.empty()) return MakePair(CaSpec(), nullptr, env);
  const std::string base = dir + "/ca";
  Result<Loaded> loaded = LoadPair(base);
  if (!loaded) return loaded.status();
  // A key without a certificate is a first start that was cut short: nobody has trusted anything yet.
  if (!loaded->cert) {
    Result<KeyPair> made = MakePair(CaSpec(), nullptr, env);
    if (made) MINIKUBE_RETURN_IF_ERROR(StorePair(base, *made));
    return made;
  }
  if (!loaded->key) return Status(Code::kInternal, fmt::format("{0}.crt exists but {0}.key does not", base));
  CertHandle cert = ParseCert(*loaded->cert);
  KeyHandle key = ParseKey(*loaded->key);
  if (!cert) return Status(Code::kInternal, fmt::format("{}.crt is not a PEM certificate", base));
  if (!key) return Status(Code::kInternal, fmt::format("{}.key is not a PEM private key", base));
  if (X509_check_private_key(cert.get(), key.get()) != 1) {
    ERR_clear_error();
    return Status(Code::kInternal, fmt::format("{0}.crt and {0}.key do not belong together", base));
  }
  return KeyPair{*std::move(loaded->cert), *std::move(loaded->key)};
}

Result<KeyPair> LoadOrCreateLeaf(const std::string& dir, std::string_view name, const CertSpec& spec, const KeyPair& ca,
                                 Env& env) {
  if (dir.empty()) return MakePair(spec, &ca, env);
  const std::string base = fmt::format("{}/{}", dir, name);
  Result<Loaded> loaded = LoadPair(base);
  if (!loaded) return loaded.status();
  if (loaded->cert && loaded->key) {
    KeyPair pair{*std::move(loaded->cert), *std::move(loaded->key)};
    if (StillGood(pair, ca, spec, env)) return pair;
  }
  Result<KeyPair> made = MakePair(spec, &ca, env);
  if (made) MINIKUBE_RETURN_IF_ERROR(StorePair(base, *made));
  return made;
}

// The address after the first of an IPv4 or IPv6 CIDR: the kubernetes service. "" if `range` is no CIDR.
std::string FirstServiceAddress(std::string_view range) {
  const std::string text(range.substr(0, range.find('/')));
  unsigned char bytes[sizeof(in6_addr)] = {};
  const int family = text.find(':') == std::string::npos ? AF_INET : AF_INET6;
  if (inet_pton(family, text.c_str(), bytes) != 1) return "";
  for (int i = (family == AF_INET ? 4 : 16) - 1; i >= 0 && ++bytes[i] == 0; --i) {
  }
  char out[INET6_ADDRSTRLEN];
  return inet_ntop(family, bytes, out, sizeof out) != nullptr ? out : "";
}

CertSpec ClientSpec(std::string_view user, const std::vector<std::string>& groups) {
  return {.common_name = std::string(user), .organizations = groups, .extended_usage = "clientAuth"};
}

}  // namespace

Result<SigningKey> LoadOrCreateSigningKey(const std::string& dir) {
  if (dir.empty()) return SigningKey::Generate();
  MINIKUBE_RETURN_IF_ERROR(MakeDirectory(dir));
  const std::string path = dir + "/sa.key";
  Result<std::optional<std::string>> stored = ReadFile(path);
  if (!stored) return stored.status();
  if (*stored) {
    Result<SigningKey> key = SigningKey::FromPem(**stored);
    return key ? key : key.status().WithContext(path);
  }
  Result<SigningKey> made = SigningKey::Generate();
  if (!made) return made;
  const Result<std::string> pem = made->ToPem();
  if (!pem) return pem.status();
  MINIKUBE_RETURN_IF_ERROR(WriteFileAtomically(path, *pem, 0600));
  return made;
}

Result<Pki> LoadOrCreatePki(const PkiOptions& options, Env& env) {
  if (!options.dir.empty()) MINIKUBE_RETURN_IF_ERROR(MakeDirectory(options.dir));
  Result<KeyPair> ca = LoadOrCreateCa(options.dir, env);
  if (!ca) return ca.status();
  const CertSpec serving_spec{.common_name = "kube-apiserver", .extended_usage = "serverAuth", .sans = options.sans};
  Result<KeyPair> serving = LoadOrCreateLeaf(options.dir, "apiserver", serving_spec, *ca, env);
  if (!serving) return serving.status();
  Result<KeyPair> admin =
      LoadOrCreateLeaf(options.dir, "admin", ClientSpec("kubernetes-admin", {"system:masters"}), *ca, env);
  if (!admin) return admin.status();
  return Pki{*std::move(ca), *std::move(serving), *std::move(admin)};
}

Result<std::string> ReadPemFile(const std::string& path) {
  Result<std::optional<std::string>> text = ReadFile(path);
  if (!text) return text.status();
  if (!*text) return Status(Code::kInternal, "there is no file " + path);
  return **std::move(text);
}

Result<KeyPair> SignClientCertificate(const KeyPair& ca, std::string_view user, const std::vector<std::string>& groups,
                                      Env& env) {
  return MakePair(ClientSpec(user, groups), &ca, env);
}

std::vector<std::string> ServingNames(std::string_view service_range, std::string_view listen_host,
                                      const std::vector<std::string>& extra) {
  std::vector<std::string> names = {
      "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
      "127.0.0.1", "::1"};
  const auto add = [&names](std::string name) {
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
  };
  add(FirstServiceAddress(service_range));
  if (listen_host != "0.0.0.0" && listen_host != "::") add(std::string(listen_host));
  for (const std::string& name : extra) add(name);
  return names;
}

}  // namespace minikube
