// The cluster's own small certificate authority: EC P-256 keys and X.509 v3 certificates (RFC 5280) by OpenSSL 3.
//
// The CA is made once and kept; the serving certificate is renewed when it nears its end, when its names change or when
// it was signed by another CA; likewise the administrator's client certificate.
// Thread safety: functions of their arguments and the directory; one caller per directory at a time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <minikube/env.h>
#include <minikube/status.h>

#include "crypto/signing_key.h"

namespace minikube {

struct KeyPair {
  std::string cert_pem;
  std::string key_pem;
};

struct PkiOptions {
  std::string dir;                // made with mode 0700 if missing; "" = keep everything in memory
  std::vector<std::string> sans;  // DNS names and IP addresses of the serving certificate
};

struct Pki {
  KeyPair ca;
  KeyPair serving;
  KeyPair admin;  // O=system:masters, CN=kubernetes-admin
};

// Loads what is in `options.dir` and makes what is missing or due. Keys have mode 0600; files appear whole or not at
// all. Errors: kInternal naming the file: unreadable, unwritable, or a CA whose key and certificate do not belong
// together (a CA is never replaced silently: every client would lose trust).
Result<Pki> LoadOrCreatePki(const PkiOptions& options, Env& env);

// The key of service account tokens, DIR/sa.key (mode 0600), made if it is missing; only in memory without `dir`.
// Errors: kInternal naming the file (it is never replaced: every token would become worthless).
Result<SigningKey> LoadOrCreateSigningKey(const std::string& dir);

// What is in a file of certificates or keys (at most 1 MiB). Errors: kInternal naming the file: missing, unreadable.
Result<std::string> ReadPemFile(const std::string& path);

// A client certificate signed by `ca`, valid for a year, whose subject is CN=`user`, O=each of `groups`.
Result<KeyPair> SignClientCertificate(const KeyPair& ca, std::string_view user, const std::vector<std::string>& groups,
                                      Env& env);

// Names every API server answers to: localhost, the loopback addresses, the kubernetes service's names, the first
// address of `service_range`, `listen_host` unless it is a wildcard, and `extra`. Without duplicates, in a fixed order.
std::vector<std::string> ServingNames(std::string_view service_range, std::string_view listen_host,
                                      const std::vector<std::string>& extra);

}  // namespace minikube
