// What ResourceQuotas count, and how: for admission, which charges them, and for the controller, which counts anew.
// Semantics: https://kubernetes.io/docs/concepts/policy/resource-quotas/
//
// Pure functions. Objects are of the types they are stored in.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/api/core/v1.h>
#include <minikube/env.h>
#include <minikube/object.h>

#include "kube/amounts.h"

namespace minikube::kube {

// A resource as quotas name it.
struct QuotaSubject {
  std::string_view group;
  std::string_view plural;
};

// What a counter of a quota ("requests.cpu", "count/deployments.apps") counts; nullopt for one that nothing counts
// towards. Borrows `counter`.
std::optional<QuotaSubject> SubjectOf(std::string_view counter);
// Those of `hard` that objects of this resource count towards.
std::vector<Str> CountersOf(const QuotaSubject& subject, const Amounts& hard);
// What this object counts for each of its counters, whether a quota has them or not.
Amounts UsageOf(const QuotaSubject& subject, const Object& object, WallTime now);
// Whether it is in all scopes of the quota.
bool InScopes(const core::v1::ResourceQuotaSpec& quota, const Object& object);
// Whether a quota that counts these counters refuses the pod, for containers that do not say what they need: "must
// specify ..."; "" if not.
std::string MissingOfPod(const core::v1::Pod& pod, const std::vector<Str>& counters);

}  // namespace minikube::kube
