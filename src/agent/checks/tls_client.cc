#include "agent/checks/tls_client.h"

#include <utility>

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace minikube::agent {
namespace {

struct ContextFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

Status TlsError() {
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER) {
    return {Code::kUnavailable, "tls: first record does not look like a TLS handshake"};
  }
  const char* reason = ERR_reason_error_string(code);
  return {Code::kUnavailable, std::string("tls: ") + (reason != nullptr ? reason : "the connection was cut")};
}

}  // namespace

Result<std::unique_ptr<TlsClient>> TlsClient::New() {
  const std::unique_ptr<SSL_CTX, ContextFree> context(SSL_CTX_new(TLS_client_method()));
  SSL* ssl = context != nullptr ? SSL_new(context.get()) : nullptr;
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());
  if (ssl == nullptr || in == nullptr || out == nullptr) {
    BIO_free(in);
    BIO_free(out);
    SSL_free(ssl);
    return Status(Code::kInternal, "tls: out of memory");
  }
  SSL_set_bio(ssl, in, out);  // takes both over
  SSL_set_connect_state(ssl);
  return std::unique_ptr<TlsClient>(new TlsClient(ssl));
}

TlsClient::~TlsClient() { SSL_free(ssl_); }

Status TlsClient::Receive(std::string_view ciphertext, std::string& text) {
  BIO_write(SSL_get_rbio(ssl_), ciphertext.data(), static_cast<int>(ciphertext.size()));
  return Advance(text);
}

std::string TlsClient::TakeOutgoing() {
  if (!std::exchange(begun_, true)) SSL_do_handshake(ssl_);  // cannot fail before the peer has said anything
  std::string out(BIO_ctrl_pending(SSL_get_wbio(ssl_)), '\0');
  if (!out.empty()) BIO_read(SSL_get_wbio(ssl_), out.data(), static_cast<int>(out.size()));
  return out;
}

Status TlsClient::Advance(std::string& text) {
  const auto waits = [this](int result) { return SSL_get_error(ssl_, result) == SSL_ERROR_WANT_READ; };
  ERR_clear_error();
  if (const int done = SSL_do_handshake(ssl_); done != 1) return waits(done) ? Status() : TlsError();
  if (!pending_.empty()) {
    if (SSL_write(ssl_, pending_.data(), static_cast<int>(pending_.size())) <= 0) return TlsError();
    pending_.clear();
  }
  char buffer[4096];
  int n = 0;
  while ((n = SSL_read(ssl_, buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<std::size_t>(n));
  const int why = SSL_get_error(ssl_, n);
  return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_ZERO_RETURN ? Status() : TlsError();
}

}  // namespace minikube::agent
