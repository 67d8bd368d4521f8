// Resources that are questions: they are answered and nothing is stored.
#pragma once

#include "api/subresources/subresources.h"

namespace minikube::api {

// Null if that resource is not served.
const VirtualResource* FindVirtualResource(const ResourceDesc& resource);

// access_reviews.cc
Status ReviewSubjectAccess(Attempt& attempt);
Status ReviewLocalSubjectAccess(Attempt& attempt);
Status ReviewSelfSubjectAccess(Attempt& attempt);
Status ReviewSelfSubjectRules(Attempt& attempt);
// subject_reviews.cc
Status ReviewSelfSubject(Attempt& attempt);
Status ReviewToken(Attempt& attempt);
// component_status.cc
Status ShowComponentStatus(Attempt& attempt);

}  // namespace minikube::api
