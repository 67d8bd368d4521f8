// Certificate signing requests: who approves them, and how long they are kept.
#include <catch2/catch.hpp>

#include <minikube/api/authorization/v1.h>
#include <minikube/simulated_env.h>

#include "controllers/controllers.h"
#include "crypto/pki.h"
#include "crypto/signing_request.h"
#include "helpers/fixed_view.h"
#include "helpers/signing_request.h"
#include "kube/times.h"

namespace minikube::controllers {
namespace {

using authorization::v1::SubjectAccessReview;
using certificates::v1::CertificateSigningRequest;
using test::FixedView;
using test::Lines;
using Writes = std::vector<std::string>;

// The request of a node, without the alternative names that clients do not have.
constexpr std::string_view kClientRequest = R"(-----BEGIN CERTIFICATE REQUEST-----
MIHqMIGRAgEAMC8xFTATBgNVBAoMDHN5c3RlbTpub2RlczEWMBQGA1UEAwwNc3lz
dGVtOm5vZGU6YTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABGqStbJIXKwKLh02
iiWP52YekF/fdxqMBt8nzmQLrravnaKf9tpGKgCpi/xiYy/emtR6K2xVFdWlMEN9
ZdoKeuqgADAKBggqhkjOPQQDAgNIADBFAiABVJ2jwQAZ55QUvd+PEcC9tRKa4Mno
B6QJqBx1eXacRgIhAJOFO1WarAiGH6XrxfX+DaPC5Ty5jcKLgLfkuZZvH9Aq
-----END CERTIFICATE REQUEST-----
)";

CertificateSigningRequest MakeRequest(std::string_view user) {
  CertificateSigningRequest request;
  request.metadata.name = "please";
  request.metadata.uid = "r-1";
  request.spec.username = user;
  request.spec.request = Bytes{Str(kClientRequest)};
  request.spec.signerName = "kubernetes.io/kube-apiserver-client-kubelet";
  request.spec.usages.push_back("digital signature");
  request.spec.usages.push_back("client auth");
  return request;
}

std::vector<std::string> Asked(const Plan& plan) {
  std::vector<std::string> out;
  for (const Step& step : plan.steps()) {
    const auto& review = step.request.object->As<SubjectAccessReview>();
    out.push_back(review.spec.user.str() + " " + review.spec.resourceAttributes->subresource.str());
  }
  return out;
}

void Answer(FixedView& view, const Plan& plan, std::vector<bool> allowed) {
  view.last.answers.clear();
  for (std::size_t i = 0; i < plan.steps().size(); ++i) {
    SubjectAccessReview review = plan.steps()[i].request.object->As<SubjectAccessReview>();
    review.status.allowed = allowed[i];
    ApiResponse response;
    response.object = Share(review);
    view.last.answers.push_back({plan.steps()[i].request, response});
  }
}

TEST_CASE("a node's request for its own certificate is approved if it may have it") {
  FixedView view;
  const auto request = MakeRequest("system:node:a");
  const Plan asks = ApproveSigningRequest(view.view(), request);
  REQUIRE(Asked(asks) == std::vector<std::string>{"system:node:a selfnodeclient", "system:node:a nodeclient"});

  Answer(view, asks, {true, false});
  const Plan approves = ApproveSigningRequest(view.view(), request);
  CHECK(Lines(approves) == Writes{"update certificatesigningrequests/approval please"});
  const auto& condition = approves.steps()[0].request.object->As<CertificateSigningRequest>().status.conditions[0];
  CHECK(condition.type == "Approved");
  CHECK(condition.reason == "AutoApproved");

  Answer(view, asks, {false, false});
  const Plan waits = ApproveSigningRequest(view.view(), request);
  CHECK(waits.empty());
  CHECK(waits.again());
}

TEST_CASE("a request for another node, and one that is none of a node's") {
  FixedView view;
  CHECK(Asked(ApproveSigningRequest(view.view(), MakeRequest("bootstrapper"))) ==
        std::vector<std::string>{"bootstrapper nodeclient"});
  const auto change = [&](auto&& how) {
    CertificateSigningRequest request = MakeRequest("system:node:a");
    how(request);
    return ApproveSigningRequest(view.view(), request).empty();
  };
  CHECK(change([](auto& r) { r.spec.signerName = "kubernetes.io/kubelet-serving"; }));
  CHECK(change([](auto& r) { r.spec.usages.push_back("server auth"); }));
  CHECK(change([](auto& r) { r.spec.request = Bytes{Str(test::kNodeRequest)}; }));  // it has alternative names
  CHECK(change([](auto& r) { r.status.conditions.push_back({.type = "Denied", .status = "True"}); }));
}

TEST_CASE("requests are kept for a while") {
  struct Row {
    const char* condition;
    Duration kept;
  };
  const Row rows[] = {{"", std::chrono::hours(24)},
                      {"Denied", std::chrono::hours(1)},
                      {"Failed", std::chrono::hours(1)},
                      {"Approved", std::chrono::hours(24)}};
  for (const Row& row : rows) {
    CAPTURE(row.condition);
    FixedView view;
    const Time start = kube::ToTime(view.now);
    auto request = MakeRequest("system:node:a");
    request.metadata.creationTimestamp = start;
    if (*row.condition != '\0') {
      request.status.conditions.push_back({.type = row.condition, .status = "True", .lastUpdateTime = start});
    }
    view.now += row.kept - std::chrono::seconds(1);
    const Plan early = CleanSigningRequest(view.view(), request);
    CHECK(early.empty());
    CHECK(early.again());
    view.now += std::chrono::seconds(2);
    CHECK(Lines(CleanSigningRequest(view.view(), request)) == Writes{"delete certificatesigningrequests please"});
  }
}

TEST_CASE("an issued certificate's request is kept for an hour, and not beyond its end") {
  SimulatedEnv env;
  const KeyPair ca = LoadOrCreatePki({.dir = "", .sans = {"localhost"}}, env).value().ca;
  FixedView view(env.clock().Now());
  auto request = MakeRequest("system:node:a");
  request.status.conditions.push_back({.type = "Approved", .status = "True", .lastUpdateTime = kube::ToTime(view.now)});
  const auto issue = [&](Duration lifetime) {
    request.status.certificate = Bytes{Str(SignRequest(kClientRequest, ca, {"client auth"}, lifetime, env).value())};
  };
  issue(std::chrono::minutes(10));
  CHECK(CleanSigningRequest(view.view(), request).empty());
  view.now += std::chrono::minutes(11);
  CHECK_FALSE(CleanSigningRequest(view.view(), request).empty());
  issue(std::chrono::hours(24));
  CHECK(CleanSigningRequest(view.view(), request).empty());
  view.now += std::chrono::minutes(50);
  CHECK_FALSE(CleanSigningRequest(view.view(), request).empty());
}

}  // namespace
}  // namespace minikube::controllers
