// Certificate signing requests and trust bundles. Semantics:
// https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/
#include <algorithm>

#include <fmt/format.h>

#include <minikube/api/certificates/v1.h>

#include "api/kinds/kinds.h"
#include "api/kinds/metadata.h"
#include "crypto/base64.h"
#include "crypto/signing_request.h"
#include "kube/conditions.h"
#include "kube/times.h"
#include "model/validation_names.h"

namespace minikube::api {

namespace {

using certificates::v1::CertificateSigningRequest;
using certificates::v1::CertificateSigningRequestCondition;
using Conditions = List<CertificateSigningRequestCondition>;

constexpr std::string_view kApproved = "Approved";
constexpr std::string_view kDenied = "Denied";
constexpr std::string_view kFailed = "Failed";
constexpr std::string_view kLegacySigner = "kubernetes.io/legacy-unknown";
constexpr std::int32_t kLeastSeconds = 600;

Messages PathName(std::string_view name, NameUse use) { return NameIsPathSegment(name, use); }

// Who asks is not for the asker to say.
void PrepareRequest(Object& next, const Object* before, const HookContext& context) {
  auto& request = next.As<CertificateSigningRequest>();
  if (before != nullptr) {
    request.spec = before->As<CertificateSigningRequest>().spec;
    return;
  }
  request.spec.username = context.user.name;
  request.spec.uid = context.user.uid;
  request.spec.groups = List<Str>(context.user.groups.begin(), context.user.groups.end());
  request.spec.extra.clear();
  for (const auto& [key, values] : context.user.extra) {
    request.spec.extra[key].items = List<Str>(values.begin(), values.end());
  }
}

std::vector<const CertificateSigningRequestCondition*> OfType(const Conditions& conditions, std::string_view type) {
  std::vector<const CertificateSigningRequestCondition*> out;
  for (const CertificateSigningRequestCondition& condition : conditions) {
    if (condition.type == type) out.push_back(&condition);
  }
  return out;
}

// Conditions bear the time when they came, and a writer of the status leaves the decision as it is.
void PrepareDecision(Object& next, const Object& before, std::string_view subresource, const HookContext& context) {
  Conditions& conditions = next.As<CertificateSigningRequest>().status.conditions;
  const Conditions& old = before.As<CertificateSigningRequest>().status.conditions;
  const Time now = kube::ToTime(context.now);
  for (const std::string_view type : {kApproved, kDenied}) {
    const auto kept = OfType(old, type);
    if (subresource != "status" || kept.size() != OfType(conditions, type).size()) continue;
    std::size_t at = 0;
    for (std::size_t i = 0; i < conditions.size(); ++i) {
      if (conditions[i].type == type) conditions.Mutable(i) = *kept[at++];
    }
  }
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    if (conditions[i].lastUpdateTime.empty()) conditions.Mutable(i).lastUpdateTime = now;
    if (!conditions[i].lastTransitionTime.empty()) continue;
    const auto same = std::find_if(old.begin(), old.end(), [&](const CertificateSigningRequestCondition& condition) {
      return condition.type == conditions[i].type && condition.status == conditions[i].status &&
             !condition.lastTransitionTime.empty();
    });
    conditions.Mutable(i).lastTransitionTime = same != old.end() ? same->lastTransitionTime : now;
  }
}

void ValidateSignerName(const Str& name, const FieldPath& path, ErrorList& errors) {
  if (name.empty()) return errors.Required(path, "");
  const std::string_view text = name.view();
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || text.find('/', slash + 1) != std::string_view::npos) {
    return errors.Invalid(path, name,
                          "must be a fully qualified domain and path of the form 'example.com/signer-name'");
  }
  const std::string_view domain = text.substr(0, slash);
  const auto check = [&](std::string_view segment, Messages (*rule)(std::string_view)) {
    for (std::string_view rest = segment;;) {
      const std::size_t dot = rest.find('.');
      const std::string_view label = rest.substr(0, dot);
      const Messages wrong = rule(label);
      for (const std::string& why : wrong) {
        errors.Invalid(path, segment, fmt::format("validating label \"{}\": {}", label, why));
      }
      if (!wrong.empty() || dot == std::string_view::npos) return;
      rest.remove_prefix(dot + 1);
    }
  };
  check(domain, &IsDns1123Label);
  if (domain.find('.') == std::string_view::npos) {
    errors.Invalid(path, domain, "should be a domain with at least two segments separated by dots");
  }
  check(text.substr(slash + 1), &IsDns1123Subdomain);
}

void ValidateUsages(const List<Str>& usages, const FieldPath& path, ErrorList& errors) {
  const std::span<const std::string_view> known = KeyUsages();
  if (usages.empty()) errors.Required(path, "");
  for (std::size_t i = 0; i < usages.size(); ++i) {
    if (std::find(known.begin(), known.end(), usages[i].view()) == known.end()) {
      errors.NotSupported(path.Index(i), usages[i], known);
    }
    if (std::find(usages.begin(), usages.begin() + static_cast<std::ptrdiff_t>(i), usages[i]) !=
        usages.begin() + static_cast<std::ptrdiff_t>(i)) {
      errors.Duplicate(path.Index(i), usages[i]);
    }
  }
}

void ValidateConditions(const Conditions& conditions, const FieldPath& path, ErrorList& errors) {
  bool approved = false;
  bool denied = false;
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    const CertificateSigningRequestCondition& condition = conditions[i];
    const bool decides = condition.type == kApproved || condition.type == kDenied || condition.type == kFailed;
    if (decides && !condition.status.empty() && condition.status != "True") {
      errors.NotSupported(path.Index(i, "status"), condition.status, {"True"});
    } else if (!decides && condition.status != "True" && condition.status != "False" && condition.status != "Unknown" &&
               !condition.status.empty()) {
      errors.NotSupported(path.Index(i, "status"), condition.status, {"False", "True", "Unknown"});
    }
    approved = approved || condition.type == kApproved;
    denied = denied || condition.type == kDenied;
    if ((condition.type == kApproved || condition.type == kDenied) && approved && denied) {
      errors.Invalid(path, condition.type, "Approved and Denied conditions are mutually exclusive");
    }
  }
}

// What each writer may change of a decision and its outcome.
void ValidateChange(const CertificateSigningRequest& next, const CertificateSigningRequest& before,
                    std::string_view subresource, ErrorList& errors) {
  const FieldPath path("status.conditions");
  for (const std::string_view type : {kApproved, kDenied, kFailed}) {
    const auto old = OfType(before.status.conditions, type);
    const auto now = OfType(next.status.conditions, type);
    const auto refuse = [&](std::string_view what) {
      errors.Forbidden(path, fmt::format("updates may not {} a condition of type \"{}\"", what, type));
    };
    if (now.size() < old.size()) {
      refuse("remove");
    } else if (type != kFailed && subresource != "approval") {
      const bool same =
          std::equal(old.begin(), old.end(), now.begin(), now.begin() + static_cast<std::ptrdiff_t>(old.size()),
                     [](const auto* a, const auto* b) { return DeepEqual(*a, *b); });
      if (now.size() > old.size()) {
        refuse("add");
      } else if (!same) {
        refuse("modify");
      }
    }
  }
  const FieldPath certificate("status.certificate");
  if (next.status.certificate == before.status.certificate) return;
  if (subresource != "status") {
    errors.Forbidden(certificate, "updates may not set certificate content");
  } else if (!before.status.certificate.data.empty()) {
    errors.Forbidden(certificate, "updates may not modify existing certificate content");
  }
}

void ValidateRequest(const Object& next, const Object* before, std::string_view subresource, ErrorList& errors) {
  const auto& request = next.As<CertificateSigningRequest>();
  const FieldPath spec("spec");
  if (before == nullptr) {  // what is asked for never changes
    if (const auto parsed = ParseSigningRequest(request.spec.request.data.view()); !parsed) {
      // As JSON has it.
      const BadValue shown = BadValue::Json("\"" + Base64(request.spec.request.view()) + "\"");
      errors.Invalid(spec.Child("request"), shown, parsed.status().message());
    }
    ValidateUsages(request.spec.usages, spec.Child("usages"), errors);
    if (request.spec.signerName == kLegacySigner) {
      errors.Invalid(spec.Child("signerName"), request.spec.signerName,
                     "the legacy signerName is not allowed via this API version");
    } else {
      ValidateSignerName(request.spec.signerName, spec.Child("signerName"), errors);
    }
    const std::int32_t seconds = request.spec.expirationSeconds.value_or(kLeastSeconds);
    if (seconds < kLeastSeconds) {
      errors.Invalid(spec.Child("expirationSeconds"), seconds,
                     "may not specify a duration less than 600 seconds (10 minutes)");
    }
  }
  ValidateConditions(request.status.conditions, FieldPath("status.conditions"), errors);
  const std::string_view certificate = request.status.certificate.data.view();
  const bool new_one =
      before == nullptr || before->As<CertificateSigningRequest>().status.certificate.data != certificate;
  if (!certificate.empty() && new_one) {
    if (const std::string why = WhyNoCertificates(certificate); !why.empty()) {
      errors.Invalid(FieldPath("status.certificate"), "<certificate data>", why);
    }
  }
  if (before != nullptr) ValidateChange(request, before->As<CertificateSigningRequest>(), subresource, errors);
}

constexpr SelectableField kSignerSelectors[] = {"spec.signerName"};

const Strategy kKinds[] = {
    {.group = "certificates.k8s.io",
     .plural = "certificatesigningrequests",
     .name = PathName,
     .status_writes_metadata = kMetadataParts,
     .field_selectors = kSignerSelectors,
     .prepare = PrepareRequest,
     .prepare_part = PrepareDecision,
     .validate = ValidateRequest},
    {.group = "certificates.k8s.io",
     .plural = "clustertrustbundles",
     .name = PathName,
     .field_selectors = kSignerSelectors},
};

}  // namespace

std::span<const Strategy> CertificateKinds() { return kKinds; }

}  // namespace minikube::api
