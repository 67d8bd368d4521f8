// What the kinds that make pods have in common.
#pragma once

#include <minikube/api/core/v1.h>

#include "api/world/stored_kind.h"

namespace minikube::api {

// spec.selector exists, selects something, and selects the template's pods.
void ValidateSelectorAndTemplate(const Box<meta::v1::LabelSelector>& selector, const core::v1::PodTemplateSpec& pods,
                                 std::string_view kind, ErrorList& errors);
// Pods of the template run for ever.
void ValidateRestartAlways(const core::v1::PodTemplateSpec& pods, ErrorList& errors);
void ValidateSelectorUnchanged(const Box<meta::v1::LabelSelector>& next, const Box<meta::v1::LabelSelector>& before,
                               ErrorList& errors);
// A number of pods or a percentage; not negative, and not more than all of them.
void ValidateShare(const std::optional<IntOrString>& value, const FieldPath& path, ErrorList& errors);
void ValidateNotMoreThanAll(const std::optional<IntOrString>& value, const FieldPath& path, ErrorList& errors);

}  // namespace minikube::api
