// CustomResourceDesc: what a definition says of a version beyond what every ResourceDesc does.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <minikube/custom_object.h>
#include <minikube/descriptor.h>

#include "api/wire/json_path.h"
#include "api/world/stored_kind.h"

namespace minikube::api {

// Where a version of a custom kind has what its Scale says: dotted paths, without the first dot.
struct CustomScale {
  std::string spec_replicas;
  std::string status_replicas;
  std::string selector;  // "" = nowhere
};

struct CustomResourceDesc : ResourceDesc {
  // Where the cells of `columns` are found, without the first, the name. nullopt: such a path is not understood.
  std::vector<std::optional<JsonPath>> column_paths;
  std::vector<SelectableField> field_selectors;
  // Of the versions that have a scale subresource, by version; shared by all of them.
  const std::map<std::string, CustomScale, std::less<>>* scales = nullptr;

  // Null if this version has no scale subresource.
  const CustomScale* Scale() const {
    const auto found = scales->find(version);
    return found != scales->end() ? &found->second : nullptr;
  }
};

// Null for a resource of the schema. Those of a Catalogue only.
inline const CustomResourceDesc* AsCustomResource(const ResourceDesc& resource) {
  return IsCustom(*resource.message) ? static_cast<const CustomResourceDesc*>(&resource) : nullptr;
}

}  // namespace minikube::api
