#include "unit/api/http/tls_client.h"

#include <csignal>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <utility>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace minikube::api::testing {

struct TlsClient::Impl {
  SSL_CTX* context = nullptr;
  SSL* ssl = nullptr;
  int fd = -1;
  bool connected = false;
  std::string buffer;
};

namespace {

X509* ReadCert(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* cert = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return cert;
}

}  // namespace

TlsClient::TlsClient(std::uint16_t port, const std::string& ca_pem, const KeyPair* identity, const std::string& name)
    : impl_(std::make_unique<Impl>()) {
  signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to its socket with write(2)
  impl_->context = SSL_CTX_new(TLS_client_method());
  X509* ca = ReadCert(ca_pem);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(impl_->context), ca);
  X509_free(ca);
  SSL_CTX_set_verify(impl_->context, SSL_VERIFY_PEER, nullptr);
  if (identity != nullptr) {
    X509* cert = ReadCert(identity->cert_pem);
    SSL_CTX_use_certificate(impl_->context, cert);
    X509_free(cert);
    BIO* bio = BIO_new_mem_buf(identity->key_pem.data(), static_cast<int>(identity->key_pem.size()));
    EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
    SSL_CTX_use_PrivateKey(impl_->context, key);
    EVP_PKEY_free(key);
    BIO_free(bio);
  }
  impl_->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{10, 0};
  setsockopt(impl_->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(impl_->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(impl_->fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return;
  impl_->ssl = SSL_new(impl_->context);
  SSL_set_fd(impl_->ssl, impl_->fd);
  SSL_set1_host(impl_->ssl, name.c_str());
  const unsigned char protocols[] = "\x02h2\x08http/1.1";
  SSL_set_alpn_protos(impl_->ssl, protocols, sizeof protocols - 1);
  impl_->connected = SSL_connect(impl_->ssl) == 1;
}

TlsClient::~TlsClient() {
  if (impl_->ssl != nullptr) SSL_free(impl_->ssl);
  if (impl_->fd >= 0) close(impl_->fd);
  SSL_CTX_free(impl_->context);
}

bool TlsClient::connected() const { return impl_->connected; }

std::string TlsClient::alpn() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(impl_->ssl, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

void TlsClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const int n = SSL_write(impl_->ssl, bytes.data(), static_cast<int>(bytes.size()));
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

bool TlsClient::Fill() {
  char piece[16384];
  const int n = SSL_read(impl_->ssl, piece, sizeof piece);
  if (n <= 0) return false;
  impl_->buffer.append(piece, static_cast<std::size_t>(n));
  return true;
}

std::string TlsClient::ReadUntil(std::string_view marker) {
  for (;;) {
    const std::size_t at = impl_->buffer.find(marker);
    if (at != std::string::npos) {
      std::string out = impl_->buffer.substr(0, at + marker.size());
      impl_->buffer.erase(0, at + marker.size());
      return out;
    }
    if (!Fill()) return "";
  }
}

std::string TlsClient::ReadSome() {
  if (impl_->buffer.empty()) Fill();
  return std::exchange(impl_->buffer, {});
}

ClientResponse TlsClient::Read(bool head) {
  ClientResponse out;
  const std::string text = ReadUntil("\r\n\r\n");
  if (text.size() < 12) return out;
  out.status = std::stoi(text.substr(9, 3));
  std::size_t at = text.find("\r\n") + 2;
  while (at + 2 < text.size()) {
    const std::size_t end = text.find("\r\n", at);
    const std::string line = text.substr(at, end - at);
    at = end + 2;
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    std::string name = line.substr(0, colon);
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    out.headers[name] = line.substr(colon + 2);
  }
  if (head) return out;
  if (out.headers.count("content-length") != 0) {
    const auto size = static_cast<std::size_t>(std::stoul(out.headers["content-length"]));
    while (impl_->buffer.size() < size && Fill()) {
    }
    out.body = impl_->buffer.substr(0, size);
    impl_->buffer.erase(0, out.body.size());
  } else if (out.headers["transfer-encoding"] == "chunked") {
    for (;;) {
      const std::string line = ReadUntil("\r\n");
      const auto size = line.empty() ? 0 : static_cast<std::size_t>(std::stoul(line, nullptr, 16));
      while (impl_->buffer.size() < size + 2 && Fill()) {
      }
      out.body += impl_->buffer.substr(0, size);
      impl_->buffer.erase(0, size + 2);
      if (size == 0) break;
    }
  }
  return out;
}

ClientResponse TlsClient::Get(std::string_view target, std::string_view headers) {
  Send("GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(headers) + "\r\n");
  return Read();
}

bool TlsClient::Closed() {
  while (Fill()) {
  }
  const int error = errno;
  return error != EAGAIN && error != EWOULDBLOCK;
}

}  // namespace minikube::api::testing
