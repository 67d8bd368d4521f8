// Kinds of the other groups: mostly switches.
#include <minikube/api/scheduling/v1.h>

#include "api/kinds/kinds.h"
#include "api/kinds/metadata.h"
#include "api/kinds/policy_expressions.h"

namespace minikube::api {

namespace {

Messages PathName(std::string_view name, NameUse use) { return NameIsPathSegment(name, use); }

constexpr std::int32_t kHighestUserPriority = 1'000'000'000;

void ValidatePriorityClass(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const auto& priority = next.As<scheduling::v1::PriorityClass>();
  const bool system = priority.metadata.name.view().starts_with("system-");
  if (before == nullptr) {
    if (system) {
      errors.Forbidden(FieldPath("metadata.name"),
                       "priority class names with 'system-' prefix are reserved for system use "
                       "only");
    }
    if (priority.value > kHighestUserPriority) {
      errors.Forbidden(FieldPath("value"), "maximum allowed value of a user defined priority is 1000000000");
    }
    return;
  }
  const auto& old = before->As<scheduling::v1::PriorityClass>();
  if (priority.value != old.value) errors.Forbidden(FieldPath("value"), "may not be changed in an update.");
  if (priority.preemptionPolicy != old.preemptionPolicy) {
    errors.Immutable(FieldPath("preemptionPolicy"), priority.preemptionPolicy.value_or(Str()));
  }
}

constexpr SelectableField kSliceSelectors[] = {"spec.nodeName", "spec.driver"};

const Strategy kKinds[] = {
    {.group = "scheduling.k8s.io",
     .plural = "priorityclasses",
     .generation = true,
     .create_on_update = true,
     .validate = ValidatePriorityClass},
    {.group = "networking.k8s.io", .plural = "ipaddresses", .name = PathName},
    {.group = "coordination.k8s.io", .plural = "leases", .create_on_update = true, .unconditional_update = false},
    {.group = "resource.k8s.io", .plural = "resourceslices", .generation = true, .field_selectors = kSliceSelectors},
    {.group = "flowcontrol.apiserver.k8s.io", .plural = "flowschemas", .generation = true},
    {.group = "flowcontrol.apiserver.k8s.io", .plural = "prioritylevelconfigurations", .generation = true},
    {.group = "admissionregistration.k8s.io", .plural = "validatingwebhookconfigurations", .generation = true},
    {.group = "admissionregistration.k8s.io", .plural = "mutatingwebhookconfigurations", .generation = true},
    {.group = "admissionregistration.k8s.io",
     .plural = "validatingadmissionpolicies",
     .generation = true,
     .validate = ValidatePolicyExpressions},
    {.group = "admissionregistration.k8s.io", .plural = "validatingadmissionpolicybindings", .generation = true},
    {.group = "admissionregistration.k8s.io",
     .plural = "mutatingadmissionpolicies",
     .generation = true,
     .validate = ValidateMutatingPolicy},
    {.group = "admissionregistration.k8s.io",
     .plural = "mutatingadmissionpolicybindings",
     .generation = true,
     .validate = ValidateMutatingBinding},
    {.group = "apiregistration.k8s.io",
     .plural = "apiservices",
     .name = PathName,
     .unconditional_update = false,
     .inert = true},
    {.group = "internal.apiserver.k8s.io", .plural = "storageversions", .name = PathName},
};

}  // namespace

std::span<const Strategy> OtherKinds() { return kKinds; }

}  // namespace minikube::api
