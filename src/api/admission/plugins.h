// The built-in admission plugins, named and ordered as kube-apiserver's.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include <minikube/admission.h>

#include "api/registry/attempt.h"
#include "api/registry/core_options.h"

namespace minikube::api {

// In order: all that do not have to be last.
std::vector<std::shared_ptr<AdmissionPlugin>> PluginsBeforeHost(std::shared_ptr<AdmissionPlugin> pod_security);
// Those that judge what all others have made of an object.
std::vector<std::shared_ptr<AdmissionPlugin>> PluginsAfterHost();

// A plugin of two functions of an attempt, for what needs to see no more of it than that.
struct PlainPlugin {
  std::string_view name;
  bool (*handles)(const AdmissionTarget& target);
  Status (*mutate)(Attempt& attempt) = nullptr;
  Status (*validate)(Attempt& attempt) = nullptr;
};
std::shared_ptr<AdmissionPlugin> MakePlugin(const PlainPlugin& plugin);

// What most plugins want to see.
inline bool IsResource(const AdmissionTarget& target, std::string_view group, std::string_view plural) {
  return target.resource.group == group && target.resource.plural == plural;
}
inline bool IsPodCreate(const AdmissionTarget& target) {
  return target.operation == AdmissionOperation::kCreate && target.subresource.empty() &&
         IsResource(target, "", "pods");
}

std::shared_ptr<AdmissionPlugin> NewLimitRanger();
std::shared_ptr<AdmissionPlugin> NewNodeRestriction();
// Errors: kBadRequest.
Result<std::shared_ptr<AdmissionPlugin>> NewPodSecurity(const PodSecurityOptions& options);
std::shared_ptr<AdmissionPlugin> NewMutatingPolicies();
std::shared_ptr<AdmissionPlugin> NewMutatingWebhooks();
std::shared_ptr<AdmissionPlugin> NewValidatingPolicies();
std::shared_ptr<AdmissionPlugin> NewValidatingWebhooks();
std::shared_ptr<AdmissionPlugin> NewResourceQuotas();

// namespace_lifecycle.cc
extern const PlainPlugin kNamespaceLifecycle;
// pod_defaults.cc
extern const PlainPlugin kServiceAccount;
extern const PlainPlugin kPriority;
extern const PlainPlugin kRuntimeClass;
extern const PlainPlugin kDefaultTolerationSeconds;
extern const PlainPlugin kTaintNodesByCondition;
// storage.cc
extern const PlainPlugin kStorageObjectInUseProtection;
extern const PlainPlugin kDefaultStorageClass;
extern const PlainPlugin kPersistentVolumeClaimResize;
// certificates.cc
extern const PlainPlugin kCertificateApproval;
extern const PlainPlugin kCertificateSigning;
extern const PlainPlugin kClusterTrustBundleAttest;
extern const PlainPlugin kCertificateSubjectRestriction;
// ingress_class.cc
extern const PlainPlugin kDefaultIngressClass;
// rbac_escalation.cc
extern const PlainPlugin kRbacEscalation;
// Whether an update changes nothing but what the garbage collector goes by.
bool ChangesOwnersAlone(const Attempt& attempt);

}  // namespace minikube::api
