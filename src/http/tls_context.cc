#include "http/tls_context.h"

#include <array>

#include <fmt/format.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "crypto/x509_parts.h"

namespace minikube {
namespace {

Status SslError(std::string_view what) {
  char text[256] = "no reason given";
  if (const unsigned long code = ERR_get_error()) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return {Code::kInternal, fmt::format("{}: {}", what, text)};
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

  const std::optional<std::vector<CertHandle>> chain = ParseCerts(serving.cert_pem);
  const KeyHandle key = ParseKey(serving.key_pem);
  if (!chain || chain->empty() || !key || SSL_CTX_use_certificate(ctx, chain->front().get()) != 1 ||
      SSL_CTX_use_PrivateKey(ctx, key.get()) != 1) {
    return SslError("cannot use the serving certificate");
  }
  // Clients may know the root alone: what signed the certificate goes with it.
  for (auto authority = chain->begin() + 1; authority != chain->end(); ++authority) {
    if (SSL_CTX_add1_chain_cert(ctx, authority->get()) != 1) return SslError("cannot use the serving certificate");
  }
  const std::optional<std::vector<CertHandle>> authorities = ParseCerts(client_ca_pem);
  if (!authorities || authorities->empty()) return SslError("cannot use the client CA");
  for (const CertHandle& ca : *authorities) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca.get()) != 1 || SSL_CTX_add_client_CA(ctx, ca.get()) != 1) {
      return SslError("cannot use the client CA");
    }
  }
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, AcceptAndRemember);
  return context;
}

PeerCertificate PeerOf(SSL* ssl) {
  PeerCertificate peer;
  const CertHandle cert(SSL_get1_peer_certificate(ssl));
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
