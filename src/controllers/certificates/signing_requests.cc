// Certificate signing requests: approves what nodes ask for themselves, signs for Kubernetes' own signers, and cleans
// up. Semantics: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/
#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <minikube/api/authorization/v1.h>

#include "controllers/controllers.h"
#include "crypto/signing_request.h"
#include "kube/conditions.h"
#include "kube/times.h"

namespace minikube::controllers {
namespace {

using authorization::v1::SubjectAccessReview;
using certificates::v1::CertificateSigningRequest;
using certificates::v1::CertificateSigningRequestCondition;

constexpr std::string_view kIdentity = "certificate-controller";
constexpr std::string_view kForClients = "kubernetes.io/kube-apiserver-client";
constexpr std::string_view kForNodes = "kubernetes.io/kube-apiserver-client-kubelet";
constexpr std::string_view kForNodesServing = "kubernetes.io/kubelet-serving";

constexpr Duration kLifetime = std::chrono::hours(24 * 365);
constexpr Duration kLeastLifetime = std::chrono::minutes(10);
constexpr Duration kAskAgain = std::chrono::minutes(1);
constexpr Duration kKeepDecided = std::chrono::hours(1);
constexpr Duration kKeepPending = std::chrono::hours(24);

using Usages = std::set<std::string_view>;

Usages UsagesOf(const CertificateSigningRequest& request) {
  Usages usages;
  for (const Str& usage : request.spec.usages) usages.insert(usage.view());
  return usages;
}

bool Has(const CertificateSigningRequest& request, std::string_view type) {
  return kube::FindCondition(request.status.conditions, type) != nullptr;
}

// Each of these says why a request is none of its kind; "" if it is one.
std::string WhyNotOfNode(const SigningRequest& asked, const Usages& usages, std::string_view auth) {
  const Usages with_rsa = {"digital signature", "key encipherment", auth};
  const Usages without = {"digital signature", auth};
  if (usages != with_rsa && usages != without)
    return fmt::format("usages did not match [{}]", fmt::join(with_rsa, " "));
  if (!asked.common_name.starts_with("system:node:")) return "subject common name does not begin with system:node:";
  return {};
}

std::string WhyNotNodeClient(const SigningRequest& asked, const Usages& usages) {
  if (asked.organizations != std::vector<std::string>{"system:nodes"}) {
    return "subject organization is not system:nodes";
  }
  if (!asked.dns_names.empty()) return "DNS subjectAltNames are not allowed";
  if (!asked.emails.empty()) return "Email subjectAltNames are not allowed";
  if (!asked.addresses.empty()) return "IP subjectAltNames are not allowed";
  if (!asked.uris.empty()) return "URI subjectAltNames are not allowed";
  return WhyNotOfNode(asked, usages, "client auth");
}

std::string WhyNotNodeServing(const SigningRequest& asked, const Usages& usages) {
  if (asked.organizations != std::vector<std::string>{"system:nodes"}) {
    return "subject organization is not system:nodes";
  }
  if (asked.dns_names.empty() && asked.addresses.empty()) return "DNS or IP subjectAltName is required";
  if (!asked.emails.empty()) return "Email subjectAltNames are not allowed";
  if (!asked.uris.empty()) return "URI subjectAltNames are not allowed";
  return WhyNotOfNode(asked, usages, "server auth");
}

std::string WhyNotClient(const SigningRequest&, const Usages& usages) {
  for (const std::string_view usage : usages) {
    if (usage != "digital signature" && usage != "key encipherment" && usage != "client auth") {
      return fmt::format("invalid usage for client certificate: {}", usage);
    }
  }
  return usages.contains("client auth") ? "" : "missing required usage for client certificate: client auth";
}

struct Signer {
  std::string_view name;
  std::string (*why_not)(const SigningRequest&, const Usages&);
};
constexpr Signer kSigners[] = {
    {kForClients, &WhyNotClient}, {kForNodes, &WhyNotNodeClient}, {kForNodesServing, &WhyNotNodeServing}};

// May who asked have such certificates?
ApiRequest Ask(const CertificateSigningRequest& request, std::string_view subresource) {
  SubjectAccessReview review;
  review.spec.user = request.spec.username;
  review.spec.uid = request.spec.uid;
  review.spec.groups = request.spec.groups;
  for (const auto& [key, values] : request.spec.extra) review.spec.extra[key.view()].items = values.items;
  auto& attributes = review.spec.resourceAttributes.Mutable();
  attributes.group = "certificates.k8s.io";
  attributes.version = "*";
  attributes.resource = "certificatesigningrequests";
  attributes.subresource = subresource;
  attributes.verb = "create";
  ApiRequest out = Client::NamedRequest<SubjectAccessReview>(Verb::kCreate, "", "");
  out.object = Share(review);
  return out;
}

// What was answered to it; nullopt if it was not asked.
std::optional<bool> Answered(const View& view, std::string_view subresource) {
  for (const LastRun::Answer& answer : view.last().answers) {
    if (answer.request.resource != &Client::ResourceOf<SubjectAccessReview>() || !answer.response) continue;
    const auto& asked = answer.request.object->As<SubjectAccessReview>();
    if (asked.spec.resourceAttributes->subresource == subresource) {
      return answer.response->object->As<SubjectAccessReview>().status.allowed;
    }
  }
  return std::nullopt;
}

void AddCondition(CertificateSigningRequest& request, std::string_view type, std::string_view reason,
                  std::string_view message) {
  CertificateSigningRequestCondition condition;
  condition.type = type;
  condition.status = "True";
  condition.reason = reason;
  condition.message = message;
  request.status.conditions.push_back(condition);
}

}  // namespace

Plan ApproveSigningRequest(const View& view, const CertificateSigningRequest& request) {
  Plan plan;
  if (!request.status.certificate.empty() || Has(request, "Approved") || Has(request, "Denied")) return plan;
  if (request.spec.signerName != kForNodes) return plan;
  const Result<SigningRequest> asked = ParseSigningRequest(request.spec.request.view());
  if (!asked || !WhyNotNodeClient(*asked, UsagesOf(request)).empty()) return plan;

  struct Way {
    bool taken;
    std::string_view subresource;
    std::string_view message;
  };
  const Way ways[] = {{request.spec.username == asked->common_name, "selfnodeclient",
                       "Auto approving self kubelet client certificate after SubjectAccessReview."},
                      {true, "nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview."}};
  for (const Way& way : ways) {
    if (!way.taken) continue;
    const std::optional<bool> allowed = Answered(view, way.subresource);
    if (!allowed) {
      plan.Add(Ask(request, way.subresource));
    } else if (*allowed) {
      CertificateSigningRequest next = request;
      AddCondition(next, "Approved", "AutoApproved", way.message);
      Plan approval;
      approval.Update(next, "approval").IgnoreGone();
      return approval;
    }
  }
  if (plan.empty()) plan.Again(kAskAgain);  // its roles may change
  return plan;
}

Plan SignSigningRequest(const View&, const CertificateSigningRequest& request, const CertificateAuthority& sign) {
  Plan plan;
  if (!Has(request, "Approved") || Has(request, "Denied") || Has(request, "Failed")) return plan;
  if (!request.status.certificate.empty()) return plan;
  const auto* const signer = std::find_if(std::begin(kSigners), std::end(kSigners),
                                          [&](const Signer& known) { return request.spec.signerName == known.name; });
  if (signer == std::end(kSigners)) return plan;  // somebody else's
  CertificateSigningRequest next = request;
  const Result<SigningRequest> asked = ParseSigningRequest(request.spec.request.view());
  const std::string why = asked ? signer->why_not(*asked, UsagesOf(request)) : asked.status().message();
  if (!why.empty()) {
    AddCondition(next, "Failed", "SignerValidationFailure", why);
  } else {
    Duration lifetime = kLifetime;
    if (request.spec.expirationSeconds) {
      const Duration wanted = std::chrono::seconds(*request.spec.expirationSeconds);
      lifetime = std::clamp(wanted, kLeastLifetime, kLifetime);
    }
    const Usages usages = UsagesOf(request);
    Result<std::string> certificate = sign(request.spec.request.view(), {usages.begin(), usages.end()}, lifetime);
    if (!certificate) {
      plan.Warning("FailedSigning", certificate.status().message());
      plan.Again(kAskAgain);
      return plan;
    }
    next.status.certificate = Bytes{Str(*certificate)};
  }
  plan.Status(request, next.status);
  return plan;
}

Plan CleanSigningRequest(const View& view, const CertificateSigningRequest& request) {
  std::optional<WallTime> end;
  const auto until = [&](Instant from, Duration time) {
    const WallTime then = kube::ToWallTime(from) + time;
    end = end ? std::min(*end, then) : then;
  };
  const bool issued = !request.status.certificate.empty();
  if (request.status.conditions.empty()) until(request.metadata.creationTimestamp, kKeepPending);
  for (const CertificateSigningRequestCondition& condition : request.status.conditions) {
    if (condition.lastUpdateTime.empty()) continue;
    if (condition.type == "Denied" || condition.type == "Failed") until(condition.lastUpdateTime, kKeepDecided);
    if (condition.type != "Approved") continue;
    until(condition.lastUpdateTime, issued ? kKeepDecided : kKeepPending);
    if (const Result<WallTime> expires = EndOfCertificate(request.status.certificate.view())) {
      end = std::min(*end, *expires);
    }
  }
  Plan plan;
  if (!end || request.metadata.deletionTimestamp) return plan;
  if (view.WallNow() > *end) {
    plan.Delete(request).IgnoreGone();
  } else {
    plan.Again(*end - view.WallNow() + std::chrono::seconds(1));
  }
  return plan;
}

ControllerEntry SigningRequestApprover() {
  return For<CertificateSigningRequest>("csrapproving-controller")
      .As(std::string(kIdentity))
      .Reconciles(&ApproveSigningRequest);
}

ControllerEntry SigningRequestSigner(CertificateAuthority sign) {
  return For<CertificateSigningRequest>("csrsigning-controller")
      .As(std::string(kIdentity))
      .Reconciles([sign = std::move(sign)](const View& view, const CertificateSigningRequest& request) {
        return SignSigningRequest(view, request, sign);
      });
}

ControllerEntry SigningRequestCleaner() {
  return For<CertificateSigningRequest>("csrcleaner-controller")
      .As(std::string(kIdentity))
      .Reconciles(&CleanSigningRequest);
}

}  // namespace minikube::controllers
