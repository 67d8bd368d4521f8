// Who may speak for a signer of certificates, and whom no signer makes. Semantics:
// https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#authorization
#include <algorithm>

#include <fmt/format.h>

#include <minikube/api/certificates/v1.h>
#include <minikube/api/certificates/v1beta1.h>

#include "api/admission/plugins.h"
#include "api/wire/errors.h"
#include "crypto/signing_request.h"

namespace minikube::api {

namespace {

using certificates::v1::CertificateSigningRequest;
using certificates::v1beta1::ClusterTrustBundle;

constexpr std::string_view kGroup = "certificates.k8s.io";
constexpr std::string_view kClientSigner = "kubernetes.io/kube-apiserver-client";

// On that signer, or on all of its domain.
bool MaySpeakFor(const Attempt& attempt, std::string_view verb, std::string_view signer) {
  const auto may = [&](std::string_view name) {
    return attempt.core.authorization.Allows(*attempt.world, attempt.user(),
                                             {verb, kGroup, "signers", {}, {}, name, {}});
  };
  return may(signer) || may(fmt::format("{}/*", signer.substr(0, signer.find('/'))));
}

Status Refuse(const Attempt& attempt, std::string_view why) {
  return ForbiddenError(attempt.resource(), attempt.next->meta().name.view(), why);
}

Status Approval(Attempt& attempt) {
  const std::string_view signer = attempt.before->As<CertificateSigningRequest>().spec.signerName.view();
  if (MaySpeakFor(attempt, "approve", signer)) return {};
  return Refuse(attempt, fmt::format("user not permitted to approve requests with signerName \"{}\"", signer));
}

Status Signing(Attempt& attempt) {
  const auto& before = attempt.before->As<CertificateSigningRequest>();
  const auto& next = attempt.next->As<CertificateSigningRequest>();
  if (before.status.certificate == next.status.certificate &&
      std::equal(before.status.conditions.begin(), before.status.conditions.end(), next.status.conditions.begin(),
                 next.status.conditions.end(), [](const auto& a, const auto& b) { return DeepEqual(a, b); })) {
    return {};
  }
  const std::string_view signer = before.spec.signerName.view();
  if (MaySpeakFor(attempt, "sign", signer)) return {};
  return Refuse(attempt, fmt::format("user not permitted to sign requests with signerName \"{}\"", signer));
}

Status Attesting(Attempt& attempt) {
  const std::string_view signer = attempt.next->As<ClusterTrustBundle>().spec.signerName.view();
  if (signer.empty() || ChangesOwnersAlone(attempt) || MaySpeakFor(attempt, "attest", signer)) return {};
  return Refuse(attempt, fmt::format("user not permitted to attest for signerName \"{}\"", signer));
}

Status Subject(Attempt& attempt) {
  const auto& spec = attempt.next->As<CertificateSigningRequest>().spec;
  if (!(spec.signerName == kClientSigner)) return {};
  const Result<SigningRequest> request = ParseSigningRequest(spec.request.view());
  if (!request) return Refuse(attempt, "failed to parse CSR: " + request.status().message());
  const auto& groups = request->organizations;
  if (std::find(groups.begin(), groups.end(), kMastersGroup) == groups.end()) return {};
  return Refuse(attempt, fmt::format("use of {} signer with {} group is not allowed", kClientSigner, kMastersGroup));
}

bool IsSigningRequest(const AdmissionTarget& target, AdmissionOperation operation, std::string_view subresource) {
  return target.operation == operation && target.subresource == subresource &&
         IsResource(target, kGroup, "certificatesigningrequests");
}
bool IsApproval(const AdmissionTarget& target) {
  return IsSigningRequest(target, AdmissionOperation::kUpdate, "approval");
}
bool IsStatus(const AdmissionTarget& target) { return IsSigningRequest(target, AdmissionOperation::kUpdate, "status"); }
bool IsNewRequest(const AdmissionTarget& target) { return IsSigningRequest(target, AdmissionOperation::kCreate, ""); }
bool IsBundle(const AdmissionTarget& target) {
  return target.operation != AdmissionOperation::kDelete && IsResource(target, kGroup, "clustertrustbundles");
}

}  // namespace

const PlainPlugin kCertificateApproval{"CertificateApproval", IsApproval, nullptr, Approval};
const PlainPlugin kCertificateSigning{"CertificateSigning", IsStatus, nullptr, Signing};
const PlainPlugin kClusterTrustBundleAttest{"ClusterTrustBundleAttest", IsBundle, nullptr, Attesting};
const PlainPlugin kCertificateSubjectRestriction{"CertificateSubjectRestriction", IsNewRequest, nullptr, Subject};

}  // namespace minikube::api
