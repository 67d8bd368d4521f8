// Admission: what the cluster adds to a request (mutate) and what it refuses here and now (validate). A short, visible
// list of plugins, each one thing; they see the next state of the object, whatever verb made it.
#pragma once

#include <span>
#include <string_view>

#include "api/registry/attempt.h"

namespace minikube::api {

struct AdmissionPlugin {
  std::string_view name;  // as Kubernetes names it
  Status (*run)(Attempt& attempt);
};

std::span<const AdmissionPlugin> MutatingPlugins();
std::span<const AdmissionPlugin> ValidatingPlugins();

// The two stages.
Status AdmitMutate(Attempt& attempt);
Status AdmitValidate(Attempt& attempt);

}  // namespace minikube::api
