// Who may approve and sign certificates, whom no signer makes, and the class that an Ingress is given.
#include <minikube/api/certificates/v1.h>
#include <minikube/api/certificates/v1beta1.h>
#include <minikube/api/networking/v1.h>
#include <minikube/api/rbac/v1.h>

#include "helpers/signing_request.h"
#include "unit/api/engine_fixture.h"

namespace minikube::api::testing {
namespace {

using certificates::v1::CertificateSigningRequest;
using certificates::v1::CertificateSigningRequestCondition;
using certificates::v1beta1::ClusterTrustBundle;
using networking::v1::Ingress;
using networking::v1::IngressClass;

constexpr std::string_view kRequests = "certificatesigningrequests.certificates.k8s.io";

void Grant(Fixture& f, std::string_view user, std::vector<rbac::v1::PolicyRule> rules) {
  rbac::v1::ClusterRole role;
  role.metadata.name = user;
  role.rules = List<rbac::v1::PolicyRule>(rules.begin(), rules.end());
  REQUIRE(f.client->Create(role).ok());
  rbac::v1::ClusterRoleBinding binding;
  binding.metadata.name = user;
  binding.roleRef.apiGroup = "rbac.authorization.k8s.io";
  binding.roleRef.kind = "ClusterRole";
  binding.roleRef.name = user;
  rbac::v1::Subject subject;
  subject.kind = "User";
  subject.apiGroup = "rbac.authorization.k8s.io";
  subject.name = user;
  binding.subjects.push_back(subject);
  REQUIRE(f.client->Create(binding).ok());
}

rbac::v1::PolicyRule Rule(std::vector<std::string_view> resources, std::vector<std::string_view> verbs,
                          std::vector<std::string_view> names = {}) {
  rbac::v1::PolicyRule rule;
  rule.apiGroups = {"certificates.k8s.io"};
  for (const auto& resource : resources) rule.resources.push_back(resource);
  for (const auto& verb : verbs) rule.verbs.push_back(verb);
  for (const auto& name : names) rule.resourceNames.push_back(name);
  return rule;
}

CertificateSigningRequest MakeRequest(std::string_view name, std::string_view signer) {
  CertificateSigningRequest request;
  request.metadata.name = name;
  request.spec.request = Bytes{Str(test::kNodeRequest)};
  request.spec.signerName = signer;
  request.spec.usages.push_back("client auth");
  return request;
}

CertificateSigningRequestCondition Condition(std::string_view type) {
  CertificateSigningRequestCondition condition;
  condition.type = type;
  condition.status = "True";
  condition.reason = "Test";
  return condition;
}

Status Write(Client& client, std::string_view subresource, const CertificateSigningRequest& next) {
  ApiRequest request = Request<CertificateSigningRequest>(Verb::kUpdate, "", next.metadata.name.view());
  request.subresource = subresource;
  request.object = Share(next);
  return client.DoSync(request).status();
}

TEST_CASE("CertificateApproval: who approves needs the verb approve, for the signer or for all of its domain") {
  Fixture f;
  const std::vector<std::string_view> kDoor = {"certificatesigningrequests/approval",
                                               "certificatesigningrequests/status"};
  Grant(f, "door", {Rule(kDoor, {"update"})});
  Grant(f, "one", {Rule(kDoor, {"update"}), Rule({"signers"}, {"approve"}, {"example.com/a"})});
  Grant(f, "all", {Rule(kDoor, {"update"}), Rule({"signers"}, {"approve"}, {"example.com/*"})});
  Grant(f, "signs", {Rule(kDoor, {"update"}), Rule({"signers"}, {"sign"}, {"example.com/*"})});
  for (const auto& [user, name, signer, allowed] :
       std::vector<std::tuple<std::string, std::string_view, std::string_view, bool>>{
           {"door", "r1", "example.com/a", false},
           {"one", "r2", "example.com/a", true},
           {"one", "r3", "example.com/b", false},
           {"all", "r4", "example.com/b", true},
           {"all", "r5", "example.org/b", false},
           {"signs", "r6", "example.com/a", false}}) {
    CAPTURE(user, signer);
    CertificateSigningRequest request = f.client->Create(MakeRequest(name, signer)).value();
    request.status.conditions.push_back(Condition("Approved"));
    const Status said = Write(*f.As(user), "approval", request);
    CHECK(said.ok() == allowed);
    const auto stored = f.client->Get<CertificateSigningRequest>("", name).value();
    CHECK(stored.status.conditions.size() == (allowed ? 1u : 0u));
    if (allowed) continue;
    CHECK(said.code() == Code::kForbidden);
    CHECK(said.message() == fmt::format("{} \"{}\" is forbidden: user not permitted to approve requests with "
                                        "signerName \"{}\"",
                                        kRequests, name, signer));
  }
}

TEST_CASE("CertificateSigning: who signs or fails a request needs the verb sign") {
  Fixture f;
  Grant(f, "door", {Rule({"certificatesigningrequests/status"}, {"update"})});
  Grant(f, "signer",
        {Rule({"certificatesigningrequests/status"}, {"update"}), Rule({"signers"}, {"sign"}, {"example.com/a"})});
  CertificateSigningRequest request = f.client->Create(MakeRequest("r", "example.com/a")).value();
  const auto door = f.As("door");
  // Who changes neither certificate nor conditions signs nothing.
  CHECK(Write(*door, "status", request).ok());
  CertificateSigningRequest failed = request;
  failed.status.conditions.push_back(Condition("Failed"));
  const Status refused = Write(*door, "status", failed);
  CHECK(refused.code() == Code::kForbidden);
  CHECK(refused.message() == fmt::format("{} \"r\" is forbidden: user not permitted to sign requests with signerName "
                                         "\"example.com/a\"",
                                         kRequests));
  CHECK(Write(*f.As("signer"), "status", failed).ok());
  CHECK(f.client->Get<CertificateSigningRequest>("", "r").value().status.conditions.size() == 1);
}

TEST_CASE("the bootstrap roles let the certificate controllers approve and sign") {
  Fixture f;
  const auto controller = f.As("system:serviceaccount:kube-system:certificate-controller",
                               {"system:serviceaccounts", "system:serviceaccounts:kube-system"});
  CertificateSigningRequest request =
      f.client->Create(MakeRequest("r", "kubernetes.io/kube-apiserver-client-kubelet")).value();
  request.status.conditions.push_back(Condition("Approved"));
  CHECK(Write(*controller, "approval", request).message() == "");
  request = f.client->Get<CertificateSigningRequest>("", "r").value();
  request.status.conditions.push_back(Condition("Failed"));
  CHECK(Write(*controller, "status", request).message() == "");
  // Approving server certificates is for people.
  CertificateSigningRequest serving = MakeRequest("s", "kubernetes.io/kubelet-serving");
  serving = f.client->Create(serving).value();
  serving.status.conditions.push_back(Condition("Approved"));
  CHECK(Write(*controller, "approval", serving).code() == Code::kForbidden);
}

TEST_CASE("CertificateSubjectRestriction: nobody is signed into system:masters") {
  Fixture f;
  CertificateSigningRequest request = MakeRequest("r", "kubernetes.io/kube-apiserver-client");
  request.spec.request = Bytes{Str(test::kMastersRequest)};
  const Status refused = f.client->Create(request).status();
  CHECK(refused.code() == Code::kForbidden);
  CHECK(refused.message() == fmt::format("{} \"r\" is forbidden: use of kubernetes.io/kube-apiserver-client signer "
                                         "with system:masters group is not allowed",
                                         kRequests));
  // Of other signers' certificates the API server knows nothing.
  request.spec.signerName = "example.com/a";
  CHECK(f.client->Create(request).ok());
}

TEST_CASE("ClusterTrustBundleAttest: who vouches for a signer's roots needs the verb attest") {
  Fixture f;
  Grant(f, "door", {Rule({"clustertrustbundles"}, {"create", "update"})});
  Grant(f, "attests",
        {Rule({"clustertrustbundles"}, {"create", "update"}), Rule({"signers"}, {"attest"}, {"example.com/*"})});
  ClusterTrustBundle bundle;
  bundle.metadata.name = "example.com:a:roots";
  bundle.spec.signerName = "example.com/a";
  bundle.spec.trustBundle = "-";
  const Status refused = f.As("door")->Create(bundle).status();
  CHECK(refused.code() == Code::kForbidden);
  CHECK(refused.message().find("user not permitted to attest for signerName \"example.com/a\"") != std::string::npos);
  CHECK(f.As("attests")->Create(bundle).status().code() != Code::kForbidden);
}

TEST_CASE("DefaultIngressClass: an Ingress without a class is given the newest default one") {
  Fixture f;
  Ingress ingress;
  ingress.metadata.name = "a";
  ingress.metadata.namespace_ = "default";
  ingress.spec.defaultBackend.Mutable().service.Mutable().name = "web";
  ingress.spec.defaultBackend.Mutable().service.Mutable().port.number = 80;
  CHECK_FALSE(f.client->Create(ingress).value().spec.ingressClassName);
  for (const std::string_view name : {"plain", "standard"}) {
    IngressClass made;
    made.metadata.name = name;
    made.spec.controller = "example.com/ingress";
    if (name == "standard") made.metadata.annotations["ingressclass.kubernetes.io/is-default-class"] = "true";
    REQUIRE(f.client->Create(made).ok());
  }
  ingress.metadata.name = "b";
  CHECK(f.client->Create(ingress).value().spec.ingressClassName->view() == "standard");
  ingress.metadata.name = "c";
  ingress.metadata.annotations["kubernetes.io/ingress.class"] = "nginx";
  CHECK_FALSE(f.client->Create(ingress).value().spec.ingressClassName);
}

}  // namespace
}  // namespace minikube::api::testing
