#include "http/tls_context.h"

#include <array>

#include <fmt/format.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace minikube {
namespace {

struct BioFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
struct CertFree {
  void operator()(X509* cert) const { X509_free(cert); }
};
struct KeyFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

Status SslError(std::string_view what) {
  char text[256] = "no reason given";
  if (const unsigned long code = ERR_get_error()) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return {Code::kInternal, fmt::format("{}: {}", what, text)};
}

std::unique_ptr<BIO, BioFree> Reader(std::string_view pem) {
  return std::unique_ptr<BIO, BioFree>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

int SelectAlpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned int in_size,
               void*) {
  static constexpr std::array<unsigned char, 9> kHttp11 = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(&selected, out_size, kHttp11.data(), kHttp11.size(), in, in_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;  // a client that does not offer http/1.1 gets it anyway
  }
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

// Lets the handshake go on; the verdict stays in SSL_get_verify_result.
int AcceptAndRemember(int, X509_STORE_CTX*) { return 1; }

std::vector<std::string> EntriesOf(X509_NAME* name, int nid) {
  std::vector<std::string> values;
  for (int at = X509_NAME_get_index_by_NID(name, nid, -1); at >= 0; at = X509_NAME_get_index_by_NID(name, nid, at)) {
    unsigned char* utf8 = nullptr;
    const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (size < 0) continue;
    values.emplace_back(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
    OPENSSL_free(utf8);
  }
  return values;
}

}  // namespace

void SslContextFree::operator()(SSL_CTX* context) const { SSL_CTX_free(context); }

Result<SslContext> NewServerTls(const KeyPair& serving, std::string_view client_ca_pem) {
  SslContext context(SSL_CTX_new(TLS_server_method()));
  if (!context) return SslError("cannot make a TLS context");
  SSL_CTX* ctx = context.get();
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // No resumption: connections live long, and a resumed session would have to prove its client certificate again.
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(ctx, 0);
  SSL_CTX_set_alpn_select_cb(ctx, SelectAlpn, nullptr);

  std::unique_ptr<X509, CertFree> cert(PEM_read_bio_X509(Reader(serving.cert_pem).get(), nullptr, nullptr, nullptr));
  std::unique_ptr<EVP_PKEY, KeyFree> key(
      PEM_read_bio_PrivateKey(Reader(serving.key_pem).get(), nullptr, nullptr, nullptr));
  if (!cert || !key || SSL_CTX_use_certificate(ctx, cert.get()) != 1 || SSL_CTX_use_PrivateKey(ctx, key.get()) != 1) {
    return SslError("cannot use the serving certificate");
  }
  const auto authorities = Reader(client_ca_pem);
  int trusted = 0;
  while (const std::unique_ptr<X509, CertFree> ca{PEM_read_bio_X509(authorities.get(), nullptr, nullptr, nullptr)}) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca.get()) != 1 || SSL_CTX_add_client_CA(ctx, ca.get()) != 1) {
      return SslError("cannot use the client CA");
    }
    ++trusted;
  }
  if (trusted == 0) return SslError("cannot use the client CA");
  ERR_clear_error();  // the end of the text is one
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, AcceptAndRemember);
  return context;
}

PeerCertificate PeerOf(SSL* ssl) {
  PeerCertificate peer;
  std::unique_ptr<X509, CertFree> cert(SSL_get1_peer_certificate(ssl));
  if (!cert) return peer;
  peer.presented = true;
  peer.verified = SSL_get_verify_result(ssl) == X509_V_OK;
  X509_NAME* subject = X509_get_subject_name(cert.get());
  if (std::vector<std::string> names = EntriesOf(subject, NID_commonName); !names.empty()) {
    peer.common_name = std::move(names.back());  // as Go's pkix.Name reads several
  }
  peer.organizations = EntriesOf(subject, NID_organizationName);
  return peer;
}

}  // namespace minikube
