// Certificate signing requests (PKCS#10, RFC 2986) and the certificates they ask for.
//
// Thread safety: pure functions, but for the time and the serial number that SignRequest takes from Env.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/env.h>
#include <minikube/status.h>

#include "crypto/pki.h"

namespace minikube {

// What a request says of its subject. Its signature has been verified.
struct SigningRequest {
  std::string common_name;
  std::vector<std::string> organizations;
  // Subject alternative names, by their kind.
  std::vector<std::string> dns_names;
  std::vector<std::string> addresses;
  std::vector<std::string> emails;
  std::vector<std::string> uris;
};

// Reads the first PEM block. Errors: kBadRequest saying what is wrong.
Result<SigningRequest> ParseSigningRequest(std::string_view pem);

// What a certificate can be good for, by Kubernetes' names (KeyUsage of certificates.k8s.io), in alphabetical order.
std::span<const std::string_view> KeyUsages();

// The certificate (PEM) that `pem` asks for: its subject, key and alternative names, and nothing else that it says.
// `usages` are of KeyUsages. It is valid from five minutes ago
// for `lifetime`, but not beyond the authority's own end. Errors: kBadRequest (the request, a usage that does not
// exist), kInternal (the authority; it has ended).
Result<std::string> SignRequest(std::string_view pem, const KeyPair& ca, const std::vector<std::string>& usages,
                                Duration lifetime, Env& env);

// When the first certificate in a PEM text ends. Errors: kBadRequest: there is none.
Result<WallTime> EndOfCertificate(std::string_view pem);

// What is wrong with a chain of certificates in PEM form, in Go's words where it has some; "" if nothing is.
std::string WhyNoCertificates(std::string_view pem);

}  // namespace minikube
