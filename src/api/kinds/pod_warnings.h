// What the author of a pod should know although it is valid (k8s.io/kubernetes pkg/api/pod/warnings.go).
#pragma once

#include <minikube/api/core/v1.h>

#include "api/world/stored_kind.h"

namespace minikube::api {

// `path` is where the template is, "" for a pod itself.
void WarnOfPod(const core::v1::PodSpec& spec, const meta::v1::ObjectMeta& meta, std::string_view path,
               std::vector<std::string>& warnings);
// The hook of a kind whose pods are in spec.template.
template <typename T>
void WarnOfTemplate(const Object& next, const Object* before, std::vector<std::string>& warnings) {
  const auto& pods = next.As<T>().spec.template_;
  if (before != nullptr && DeepEqual(pods, before->As<T>().spec.template_)) return;
  WarnOfPod(pods.spec, pods.metadata, "spec.template.", warnings);
}

}  // namespace minikube::api
