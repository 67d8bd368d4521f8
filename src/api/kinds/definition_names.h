// Which names a CustomResourceDefinition gets: those it asks for, unless another one of its group has them.
//
// Kubernetes decides this in a controller, some time after the definition was written; here it is part of the write.
// Two definitions written at once cannot both get a name: each name is a claim in the transaction.
#pragma once

#include <set>
#include <string>
#include <vector>

#include <minikube/api/apiextensions/v1.h>

#include "api/world/stored_kind.h"

namespace minikube::api {

// The finalizer that waits for the objects of a definition.
inline constexpr std::string_view kCustomResourceCleanup = "customresourcecleanup.apiextensions.k8s.io";

// What the other definitions of a group have been given.
struct NamesInUse {
  std::set<std::string, std::less<>> resources;  // plural, singular and short names
  std::set<std::string, std::less<>> kinds;      // kinds and kinds of lists
};

bool IsConditionTrue(const apiextensions::v1::CustomResourceDefinition& definition, std::string_view type);
// Keeps the time of the last transition if the status is as it was.
void SetCondition(apiextensions::v1::CustomResourceDefinition& definition, std::string_view type, bool status,
                  std::string_view reason, std::string_view message, WallTime now);

// Fills in status.acceptedNames and the conditions NamesAccepted and Established. What was established stays so.
void AcceptNames(apiextensions::v1::CustomResourceDefinition& definition, const NamesInUse& others, WallTime now);

// Claims for what `next` has been given and `before` had not, and the reverse given back; either may be null.
std::vector<Claim> NameClaims(const apiextensions::v1::CustomResourceDefinition* next,
                              const apiextensions::v1::CustomResourceDefinition* before);

}  // namespace minikube::api
