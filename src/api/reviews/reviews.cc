#include "api/reviews/reviews.h"

namespace minikube::api {

namespace {

constexpr VirtualResource kVirtualResources[] = {
    {"", "bindings", DeriveBindingByName},
    {"", "componentstatuses", ShowComponentStatus},
    {"authorization.k8s.io", "subjectaccessreviews", ReviewSubjectAccess},
    {"authorization.k8s.io", "localsubjectaccessreviews", ReviewLocalSubjectAccess},
    {"authorization.k8s.io", "selfsubjectaccessreviews", ReviewSelfSubjectAccess},
    {"authorization.k8s.io", "selfsubjectrulesreviews", ReviewSelfSubjectRules},
    {"authentication.k8s.io", "selfsubjectreviews", ReviewSelfSubject},
    {"authentication.k8s.io", "tokenreviews", ReviewToken},
};

}  // namespace

const VirtualResource* FindVirtualResource(const ResourceDesc& resource) {
  for (const VirtualResource& served : kVirtualResources) {
    if (served.group == resource.group && served.plural == resource.plural) return &served;
  }
  return nullptr;
}

}  // namespace minikube::api
