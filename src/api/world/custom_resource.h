// CustomResourceDesc: what a definition says of a version beyond what every ResourceDesc does.
#pragma once

#include <optional>
#include <vector>

#include <minikube/custom_object.h>
#include <minikube/descriptor.h>

#include "api/wire/json_path.h"

namespace minikube::api {

struct CustomResourceDesc : ResourceDesc {
  // Where the cells of `columns` are found, without the first, the name. nullopt: such a path is not understood.
  std::vector<std::optional<JsonPath>> column_paths;
};

// Null for a resource of the schema. Those of a Catalogue only.
inline const CustomResourceDesc* AsCustomResource(const ResourceDesc& resource) {
  return IsCustom(*resource.message) ? static_cast<const CustomResourceDesc*>(&resource) : nullptr;
}

}  // namespace minikube::api
