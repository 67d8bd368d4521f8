// TlsWriter: encrypts what many connections send into one buffer, which stays in the processor's caches, instead of
// into several of each connection's own.
//
// Thread safety: none; one for each I/O thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

using BIO = struct bio_st;
using SSL = struct ssl_st;

namespace minikube {

class TlsWriter {
 public:
  TlsWriter();
  ~TlsWriter();
  TlsWriter(const TlsWriter&) = delete;
  TlsWriter& operator=(const TlsWriter&) = delete;

  // The TLS records of `first` and then `second`, ready to be sent; valid until the next call. All of them must be
  // sent, and before anything else that `ssl` has to say. Nullopt if the connection cannot go on. The handshake is
  // over.
  std::optional<std::string_view> Encrypt(SSL* ssl, std::string_view first, std::string_view second);

 private:
  std::string records_;
  BIO* bio_;  // appends to records_
};

}  // namespace minikube
