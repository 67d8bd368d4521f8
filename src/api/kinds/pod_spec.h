// What a pod's spec means: defaults that depend on other fields, validation, quality of service. Shared by Pods and by
// everything that has a pod template.
#pragma once

#include <minikube/api/core/v1.h>

#include "api/world/stored_kind.h"

namespace minikube::api {

// Where a pod's spec is: some defaults are for real pods only, since a template's would change its hash.
enum class PodSpecUse : std::uint8_t { kPod, kTemplate };

void DefaultPodSpec(core::v1::PodSpec& spec, PodSpecUse use);
void ValidatePodSpec(const core::v1::PodSpec& spec, const FieldPath& path, ErrorList& errors);
void ValidatePodTemplate(const core::v1::PodTemplateSpec& pod_template, const FieldPath& path, ErrorList& errors);
// Guaranteed, Burstable or BestEffort.
std::string_view QosClassOf(const core::v1::PodSpec& spec);

}  // namespace minikube::api
