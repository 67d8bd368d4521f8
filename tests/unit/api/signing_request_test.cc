// Certificate signing requests: what is read of them, and what is signed.
#include <catch2/catch.hpp>

#include <minikube/simulated_env.h>

#include "crypto/signing_request.h"
#include "helpers/signing_request.h"

namespace minikube {
namespace {

using test::kNodeRequest;

TEST_CASE("a signing request says who it is for") {
  const SigningRequest request = ParseSigningRequest(kNodeRequest).value();
  CHECK(request.common_name == "system:node:a");
  CHECK(request.organizations == std::vector<std::string>{"system:nodes"});
  CHECK(request.dns_names == std::vector<std::string>{"a.example"});
  CHECK(request.addresses == std::vector<std::string>{"10.0.0.1"});
  CHECK(request.emails.empty());
}

TEST_CASE("what is no signing request is refused") {
  CHECK(ParseSigningRequest("").status().message() == "PEM block type must be CERTIFICATE REQUEST");
  CHECK(ParseSigningRequest("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n")
            .status()
            .code() == Code::kBadRequest);
  // A byte of the key, the subject or the signature that is another: nobody has signed that.
  std::string changed(kNodeRequest);
  const std::size_t middle = changed.size() - 100;
  changed[middle] = changed[middle] == 'A' ? 'B' : 'A';
  CHECK_FALSE(ParseSigningRequest(changed).ok());
}

TEST_CASE("a signed certificate has the request's names, and ends in time") {
  SimulatedEnv env;
  const KeyPair ca = LoadOrCreatePki({.dir = "", .sans = {"localhost"}}, env).value().ca;
  const auto sign = [&](std::vector<std::string> usages, Duration lifetime) {
    return SignRequest(kNodeRequest, ca, usages, lifetime, env);
  };
  const WallTime now = std::chrono::floor<std::chrono::seconds>(env.clock().Now());
  const std::string year = sign({"digital signature", "client auth"}, std::chrono::hours(24 * 365)).value();
  CHECK(WhyNoCertificates(year).empty());
  CHECK(EndOfCertificate(year).value() == now + std::chrono::hours(24 * 365) - std::chrono::minutes(5));
  const std::string hour = sign({"client auth"}, std::chrono::hours(1)).value();
  CHECK(EndOfCertificate(hour).value() == now + std::chrono::hours(1));
  // Not beyond the authority.
  const std::string century = sign({"client auth"}, std::chrono::hours(24 * 365 * 100)).value();
  CHECK(EndOfCertificate(century).value() == EndOfCertificate(ca.cert_pem).value());
  CHECK(sign({"flying"}, std::chrono::hours(1)).status().message() == "unrecognized key usages: [flying]");
}

TEST_CASE("chains of certificates") {
  SimulatedEnv env;
  const KeyPair ca = LoadOrCreatePki({.dir = "", .sans = {"localhost"}}, env).value().ca;
  CHECK(WhyNoCertificates(ca.cert_pem + ca.cert_pem).empty());
  CHECK(WhyNoCertificates("nothing") == "must contain at least one CERTIFICATE PEM block");
  CHECK(WhyNoCertificates(kNodeRequest) == "only CERTIFICATE PEM blocks are allowed, found \"CERTIFICATE REQUEST\"");
  CHECK(WhyNoCertificates("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n") ==
        "x509: malformed certificate");
}

}  // namespace
}  // namespace minikube
