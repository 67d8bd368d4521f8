#include "http/tls_writer.h"

#include <new>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace minikube {
namespace {

// OpenSSL's own memory BIO clears all that it ever held each time it is emptied.
const BIO_METHOD* AppendingMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "records");
    if (made == nullptr) throw std::bad_alloc();
    BIO_meth_set_write_ex(made, [](BIO* bio, const char* data, std::size_t size, std::size_t* written) {
      static_cast<std::string*>(BIO_get_data(bio))->append(data, size);
      *written = size;
      return 1;
    });
    BIO_meth_set_ctrl(made, [](BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1L : 0L; });
    return made;
  }();
  return method;
}

bool WriteAll(SSL* ssl, std::string_view text) {
  while (!text.empty()) {
    // A record at a time: see SSL_MODE_ENABLE_PARTIAL_WRITE.
    std::size_t written = 0;
    if (SSL_write_ex(ssl, text.data(), text.size(), &written) != 1) return false;
    text.remove_prefix(written);
  }
  return true;
}

}  // namespace

TlsWriter::TlsWriter() : bio_(BIO_new(AppendingMethod())) {
  if (bio_ == nullptr) throw std::bad_alloc();
  BIO_set_data(bio_, &records_);
  BIO_set_init(bio_, 1);
}

TlsWriter::~TlsWriter() { BIO_free(bio_); }

std::optional<std::string_view> TlsWriter::Encrypt(SSL* ssl, std::string_view first, std::string_view second) {
  ERR_clear_error();
  records_.clear();
  // Where the connection itself writes to, when it reads or says goodbye. Each "set" takes a reference.
  BIO* const own = SSL_get_wbio(ssl);
  BIO_up_ref(own);
  BIO_up_ref(bio_);
  SSL_set0_wbio(ssl, bio_);
  const bool written = WriteAll(ssl, first) && WriteAll(ssl, second);
  SSL_set0_wbio(ssl, own);
  if (!written) return std::nullopt;
  return records_;
}

}  // namespace minikube
