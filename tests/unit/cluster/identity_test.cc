// Identities on a whole cluster: tokens that people keep in Secrets, and certificates that are asked for.
#include <chrono>
#include <string>

#include <catch2/catch.hpp>

#include <minikube/api/authentication/v1.h>
#include <minikube/api/certificates/v1.h>
#include <minikube/minikube.h>

#include "crypto/signing_request.h"
#include "helpers/signing_request.h"

namespace minikube {
namespace {

using authentication::v1::TokenReview;
using certificates::v1::CertificateSigningRequest;
using core::v1::Secret;
using core::v1::ServiceAccount;

struct Fixture {
  Fixture() {
    auto started = Cluster::Start({.scheduler = std::nullopt});
    REQUIRE(started.status().ToString() == "OK");
    cluster = *std::move(started);
  }
  Client& client() { return cluster->client(); }
  template <typename T>
  T Until(std::string_view ns, std::string_view name, const std::function<bool(const T&)>& holds) {
    REQUIRE(WaitFor<T>(client(), cluster->env(), ns, name, holds, std::chrono::seconds(30)).status().ToString() ==
            "OK");
    return client().Get<T>(ns, name).value();
  }

  std::unique_ptr<Cluster> cluster;
};

TEST_CASE("a Secret for a service account's token is filled, and ends with it") {
  Fixture f;
  ServiceAccount account;
  account.metadata.name = "robot";
  account.metadata.namespace_ = "default";
  account = f.client().Create(account).value();
  Secret secret;
  secret.metadata.name = "robot-token";
  secret.metadata.namespace_ = "default";
  secret.metadata.annotations["kubernetes.io/service-account.name"] = "robot";
  secret.type = "kubernetes.io/service-account-token";
  (void)f.client().Create(secret).value();
  secret = f.Until<Secret>("default", "robot-token", [](const Secret& s) { return s.data.Contains("token"); });
  CHECK(*secret.metadata.annotations.Find("kubernetes.io/service-account.uid") == account.metadata.uid);
  CHECK(secret.data.Find("namespace")->view() == "default");
  CHECK(secret.data.Find("ca.crt")->view().starts_with("-----BEGIN CERTIFICATE-----"));

  const auto review = [&] {
    TokenReview asked;
    asked.spec.token = secret.data.Find("token")->data;
    return f.client().Create(asked).value().status;
  };
  CHECK(review().authenticated);
  CHECK(review().user.username == "system:serviceaccount:default:robot");
  REQUIRE(f.client().Delete<ServiceAccount>("default", "robot").ok());
  CHECK(WaitUntilGone<Secret>(f.client(), f.cluster->env(), "default", "robot-token").ok());
  CHECK_FALSE(review().authenticated);
}

TEST_CASE("a Secret for the token of nobody goes") {
  Fixture f;
  Secret secret;
  secret.metadata.name = "lost";
  secret.metadata.namespace_ = "default";
  secret.metadata.annotations["kubernetes.io/service-account.name"] = "nobody";
  secret.type = "kubernetes.io/service-account-token";
  (void)f.client().Create(secret).value();
  CHECK(WaitUntilGone<Secret>(f.client(), f.cluster->env(), "default", "lost").ok());
}

CertificateSigningRequest MakeRequest(std::string_view signer, std::vector<std::string> usages) {
  CertificateSigningRequest request;
  request.metadata.name = "please";
  request.spec.request = Bytes{Str(test::kNodeRequest)};
  request.spec.signerName = signer;
  for (const std::string& usage : usages) request.spec.usages.push_back(Str(usage));
  return request;
}

void Approve(Client& client, CertificateSigningRequest request) {
  request.status.conditions.push_back({.type = "Approved", .status = "True", .reason = "Tested"});
  ApiRequest update = Client::RequestFor(Verb::kUpdate, request);
  update.subresource = "approval";
  REQUIRE(client.DoSync(update).status().ToString() == "OK");
}

TEST_CASE("an approved request is signed") {
  Fixture f;
  auto request = MakeRequest("kubernetes.io/kubelet-serving", {"digital signature", "server auth"});
  request.spec.expirationSeconds = 3600;
  request = f.client().Create(request).value();
  CHECK(request.spec.username == "kubernetes-admin");
  Approve(f.client(), request);
  request = f.Until<CertificateSigningRequest>(
      "", "please", [](const CertificateSigningRequest& r) { return !r.status.certificate.empty(); });
  REQUIRE(request.status.conditions.size() == 1);
  CHECK_FALSE(request.status.conditions[0].lastUpdateTime.empty());
  CHECK(request.status.conditions[0].lastTransitionTime == request.status.conditions[0].lastUpdateTime);
  CHECK(WhyNoCertificates(request.status.certificate.view()).empty());
  const Duration left = EndOfCertificate(request.status.certificate.view()).value() - f.cluster->env().clock().Now();
  CHECK(left <= std::chrono::hours(1));
  CHECK(left > std::chrono::minutes(50));
}

TEST_CASE("a request that its signer does not sign fails and says why") {
  Fixture f;
  auto request = f.client().Create(MakeRequest("kubernetes.io/kube-apiserver-client", {"server auth"})).value();
  Approve(f.client(), request);
  request = f.Until<CertificateSigningRequest>(
      "", "please", [](const CertificateSigningRequest& r) { return r.status.conditions.size() == 2; });
  CHECK(request.status.conditions[1].type == "Failed");
  CHECK(request.status.conditions[1].reason == "SignerValidationFailure");
  CHECK(request.status.conditions[1].message == "invalid usage for client certificate: server auth");
  CHECK(request.status.certificate.empty());
}

TEST_CASE("a signing request is told what is wrong, and a decision stays") {
  Fixture f;
  const auto invalid = [](const Status& status, std::string_view text) {
    CAPTURE(status.message());
    CHECK(status.code() == Code::kInvalid);
    CHECK(status.message().find(text) != std::string::npos);
  };
  auto bad = MakeRequest("example", {"flying", "client auth", "client auth"});
  bad.spec.request = Bytes{"nonsense"};
  const Status status = f.client().Create(bad).status();
  invalid(status, "spec.request: Invalid value: \"bm9uc2Vuc2U=\": PEM block type must be CERTIFICATE REQUEST");
  invalid(status, "spec.usages[0]: Unsupported value: \"flying\": supported values: \"any\", \"cert sign\"");
  invalid(status, "spec.usages[2]: Duplicate value: \"client auth\"");
  invalid(status, "spec.signerName: Invalid value: \"example\": must be a fully qualified domain and path");

  auto request = f.client().Create(MakeRequest("example.com/mine", {"client auth"})).value();
  request.status.conditions.push_back({.type = "Approved", .status = "False"});
  ApiRequest update = Client::RequestFor(Verb::kUpdate, request);
  update.subresource = "approval";
  invalid(f.client().DoSync(update).status(), "status.conditions[0].status: Unsupported value: \"False\"");
  update.subresource = "status";
  request.status.conditions.Mutable(0).status = "True";
  update.object = Share(request);
  invalid(f.client().DoSync(update).status(),
          "status.conditions: Forbidden: updates may not add a condition of type \"Approved\"");
  request.status.conditions.clear();
  Approve(f.client(), request);
  request = f.client().Get<CertificateSigningRequest>("", "please").value();
  request.status.conditions.clear();
  update.subresource = "approval";
  update.object = Share(request);
  invalid(f.client().DoSync(update).status(),
          "status.conditions: Forbidden: updates may not remove a condition of type \"Approved\"");
}

}  // namespace
}  // namespace minikube
