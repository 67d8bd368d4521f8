// Resources that are questions: they are answered and nothing is stored.
#pragma once

#include "api/subresources/subresources.h"

namespace minikube::api {

// Null if that resource is not served.
const VirtualResource* FindVirtualResource(const ResourceDesc& resource);

// access_reviews.cc
Status ReviewSubjectAccess(Operation& op);
Status ReviewLocalSubjectAccess(Operation& op);
Status ReviewSelfSubjectAccess(Operation& op);
Status ReviewSelfSubjectRules(Operation& op);
// subject_reviews.cc
Status ReviewSelfSubject(Operation& op);
Status ReviewToken(Operation& op);
// component_status.cc
Status ShowComponentStatus(Operation& op);

}  // namespace minikube::api
