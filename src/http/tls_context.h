// TLS for the server side: version, ALPN, our certificate, and what we make of the client's.
//
// Thread safety: a finished context is read by every connection.
#pragma once

#include <memory>
#include <string_view>

#include <minikube/status.h>

#include "crypto/pki.h"
#include "http/message.h"

using SSL = struct ssl_st;
using SSL_CTX = struct ssl_ctx_st;

namespace minikube {

struct SslContextFree {
  void operator()(SSL_CTX* context) const;
};
using SslContext = std::unique_ptr<SSL_CTX, SslContextFree>;

// TLS 1.2 or later, ALPN http/1.1. Client certificates are asked for but not required; one that does not verify does
// not fail the handshake, so that the request can be answered 401 with a Status. Errors: kInternal (unreadable PEM).
Result<SslContext> NewServerTls(const KeyPair& serving, std::string_view client_ca_pem);

// After a handshake: the client's certificate, if any.
PeerCertificate PeerOf(SSL* ssl);

}  // namespace minikube
