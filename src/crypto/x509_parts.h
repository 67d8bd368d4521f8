// What certificates are read and made with: OpenSSL's objects as owned handles, and the small steps that pki,
// signing requests and the TLS server share. Internal to them (includes OpenSSL).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/openssl_deleter.h"

namespace minikube {

using BioHandle = std::unique_ptr<BIO, OpensslDeleter<BIO_free>>;
using CertHandle = std::unique_ptr<X509, OpensslDeleter<X509_free>>;
using KeyHandle = std::unique_ptr<EVP_PKEY, OpensslDeleter<EVP_PKEY_free>>;

// The first key or certificate of a PEM text; null if there is none. Nothing is left on OpenSSL's queue of errors.
KeyHandle ParseKey(std::string_view pem);
CertHandle ParseCert(std::string_view pem);
// All certificates of a PEM text; nullopt if what looks like one cannot be read.
std::optional<std::vector<CertHandle>> ParseCerts(std::string_view pem);

// The values of a name's entries of that type, as UTF-8.
std::vector<std::string> EntriesOf(const X509_NAME* name, int nid);

// As openssl.cnf spells extensions. False if it cannot be.
bool AddExtension(X509* cert, X509* issuer, int nid, const std::string& value);

// What was written to a memory BIO.
std::string Drain(BIO* bio);

}  // namespace minikube
