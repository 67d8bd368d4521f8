// What volumes and claims have in common with what makes claims.
#pragma once

#include <minikube/api/core/v1.h>

#include "api/world/stored_kind.h"

namespace minikube::api {

void ValidateClaimSpec(const core::v1::PersistentVolumeClaimSpec& spec, const FieldPath& path, ErrorList& errors);
// The name of a CSI driver: a DNS name of at most 63 characters.
void ValidateDriverName(std::string_view name, const FieldPath& path, ErrorList& errors);
// What users should know about a claim's spec.
void WarnOfClaimSpec(const core::v1::PersistentVolumeClaimSpec& spec, const FieldPath& path,
                     std::vector<std::string>& warnings);

}  // namespace minikube::api
