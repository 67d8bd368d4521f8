// What containers ask for: names of resources, amounts, requests within limits.
#include "api/kinds/resources.h"

#include <array>

#include <fmt/format.h>

#include "api/kinds/pod_rules.h"

namespace minikube::api {

namespace {

constexpr std::string_view kHugePages = "hugepages-";

// Resources that nobody can get more of than there is: a request is what one gets.
bool Overcommits(std::string_view name) { return !IsExtendedResource(name) && !name.starts_with(kHugePages); }

void ValidateResourceName(std::string_view name, const FieldPath& path, ErrorList& errors) {
  const Messages messages = IsQualifiedName(name);
  errors.InvalidEach(path, name, messages);
  if (!messages.empty()) return;
  const bool standard =
      name == "cpu" || name == "memory" || name == "ephemeral-storage" || name.starts_with(kHugePages);
  if (name.find('/') == std::string_view::npos) {
    if (standard) return;
    if (!IsStandardResource(name)) errors.Invalid(path, name, "must be a standard resource type or fully qualified");
    errors.Invalid(path, name, "must be a standard resource for containers");
  } else if (!IsNativeResource(name) && !IsExtendedResource(name)) {
    errors.Invalid(path, name, "doesn't follow extended resource name standard");
  }
}

// Whole pages only.
void ValidatePages(std::string_view name, const Quantity& quantity, const FieldPath& path, ErrorList& errors) {
  if (!name.starts_with(kHugePages)) return;
  const Quantity page(name.substr(kHugePages.size()));
  const std::int64_t size = page.Value();
  if (size > 0 && quantity.Value() % size == 0) return;
  errors.Invalid(path, quantity,
                 fmt::format("{} is not positive integer multiple of {}", quantity.text.view(), page.text.view()));
}

}  // namespace

bool IsNativeResource(std::string_view name) {
  return name.find('/') == std::string_view::npos || name.find("kubernetes.io/") != std::string_view::npos;
}

bool IsExtendedResource(std::string_view name) {
  if (IsNativeResource(name) || name.starts_with("requests.")) return false;
  return IsQualifiedName("requests." + std::string(name)).empty();
}

bool IsStandardResource(std::string_view name) {
  static constexpr std::array<std::string_view, 20> kNames = {
      "cpu",
      "memory",
      "ephemeral-storage",
      "requests.cpu",
      "requests.memory",
      "requests.ephemeral-storage",
      "limits.cpu",
      "limits.memory",
      "limits.ephemeral-storage",
      "pods",
      "resourcequotas",
      "services",
      "replicationcontrollers",
      "secrets",
      "configmaps",
      "persistentvolumeclaims",
      "storage",
      "requests.storage",
      "services.nodeports",
      "services.loadbalancers",
  };
  for (const std::string_view known : kNames) {
    if (known == name) return true;
  }
  return name.starts_with(kHugePages) || name.starts_with("requests.hugepages-");
}

bool CountsWhole(std::string_view name) {
  return IsExtendedResource(name) || name == "pods" || name == "resourcequotas" || name == "services" ||
         name == "replicationcontrollers" || name == "secrets" || name == "configmaps" ||
         name == "persistentvolumeclaims" || name == "services.nodeports" || name == "services.loadbalancers";
}

void ValidateAmount(std::string_view name, const Quantity& quantity, const FieldPath& path, ErrorList& errors) {
  if (quantity.Compare(Quantity::FromInt(0)) < 0) {
    errors.Invalid(path, quantity, "must be greater than or equal to 0");
  }
  if (CountsWhole(name) && quantity.Compare(Quantity::FromInt(quantity.Value())) != 0) {
    errors.Invalid(path, quantity, "must be an integer");
  }
}

void ValidateContainerResources(const core::v1::ResourceRequirements& resources, const FieldPath& path,
                                ErrorList& errors) {
  bool pages = false;
  bool basis = false;
  const auto check = [&](const Map<Quantity>& quantities, const FieldPath& where) {
    for (const auto& [key, quantity] : quantities) {
      const std::string_view name = key.view();
      ValidateResourceName(name, where.Key(name), errors);
      ValidateAmount(name, quantity, where.Key(name), errors);
      ValidatePages(name, quantity, where.Key(name), errors);
      pages |= name.starts_with(kHugePages);
      basis |= name == "cpu" || name == "memory";
    }
  };
  const FieldPath requests = path.Child("requests");
  const FieldPath limits = path.Child("limits");
  check(resources.limits, limits);
  check(resources.requests, requests);
  for (const auto& [name, request] : resources.requests) {
    const Quantity* limit = resources.limits.Find(name.view());
    if (limit == nullptr) {
      if (!Overcommits(name.view())) errors.Required(limits, "Limit must be set for non overcommitable resources");
    } else if (request.Compare(*limit) > 0) {
      errors.Invalid(requests, request,
                     fmt::format("must be less than or equal to {} limit of {}", name.view(), limit->text.view()));
    } else if (request.Compare(*limit) != 0 && !Overcommits(name.view())) {
      errors.Invalid(requests, request,
                     fmt::format("must be equal to {} limit of {}", name.view(), limit->text.view()));
    }
  }
  if (pages && !basis) errors.Forbidden(path, "HugePages require cpu or memory");
}

}  // namespace minikube::api
