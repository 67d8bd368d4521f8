// DefaultIngressClass: an Ingress that names no class is of the default one.
// https://kubernetes.io/docs/concepts/services-networking/ingress/#default-ingress-class
#include <minikube/api/networking/v1.h>

#include "api/admission/plugins.h"

namespace minikube::api {

namespace {

using networking::v1::Ingress;

bool IsNewIngress(const AdmissionTarget& target) {
  return target.operation == AdmissionOperation::kCreate && target.subresource.empty() &&
         IsResource(target, "networking.k8s.io", "ingresses");
}

// The newest of several defaults.
Status GiveClass(Attempt& attempt) {
  auto& ingress = attempt.next->As<Ingress>();
  // The annotation is how a class was named before there was a field.
  if (ingress.spec.ingressClassName || ingress.metadata.annotations.Find("kubernetes.io/ingress.class") != nullptr) {
    return {};
  }
  const StoredKind& classes = attempt.world->catalogue->Get("networking.k8s.io", "ingressclasses");
  const meta::v1::ObjectMeta* best = nullptr;
  for (auto it = attempt.world->kinds[classes.index].Begin(); it; ++it) {  // in the order of their names
    const meta::v1::ObjectMeta& candidate = it->object->meta();
    const Str* is_default = candidate.annotations.Find("ingressclass.kubernetes.io/is-default-class");
    if (is_default == nullptr || !(*is_default == "true")) continue;
    if (best == nullptr || best->creationTimestamp < candidate.creationTimestamp) best = &candidate;
  }
  if (best != nullptr) ingress.spec.ingressClassName = best->name;
  return {};
}

}  // namespace

const PlainPlugin kDefaultIngressClass{"DefaultIngressClass", IsNewIngress, GiveClass};

}  // namespace minikube::api
