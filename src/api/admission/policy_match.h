// Whether a policy or webhook is about a request: rules, selectors, versions that mean the same.
// Semantics: admissionregistration.k8s.io/v1 MatchResources.
#pragma once

#include <optional>

#include <minikube/admission.h>
#include <minikube/api/admissionregistration/v1.h>

#include "api/world/catalogue.h"

namespace minikube::api {

// The resource in whose version the request matches: its own, or an equivalent one; null: it does not match.
// Errors: kInternal (a selector that does not parse).
Result<const ResourceDesc*> MatchOf(const AdmissionRequest& request, const Catalogue& catalogue,
                                    const admissionregistration::v1::MatchResources& constraints);

// "CREATE" ...
std::string_view NameOf(AdmissionOperation operation);

}  // namespace minikube::api
