#include "controllers/gc/served_resources.h"

#include <algorithm>
#include <map>
#include <utility>

#include "client/state_source.h"

namespace minikube::controllers {

std::vector<const ResourceDesc*> ServedResources(Client& client, std::initializer_list<std::string_view> verbs) {
  std::map<std::pair<std::string_view, std::string_view>, const ResourceDesc*> chosen;
  for (const ResourceDesc* resource : client::ServedBy(client)) {
    const bool has_all = std::all_of(verbs.begin(), verbs.end(), [resource](std::string_view verb) {
      return std::find(resource->verbs.begin(), resource->verbs.end(), verb) != resource->verbs.end();
    });
    if (!has_all) continue;
    const ResourceDesc*& slot = chosen[{resource->group, resource->plural}];
    if (slot == nullptr || resource->version == resource->storage_version) slot = resource;
  }
  std::vector<const ResourceDesc*> out;
  out.reserve(chosen.size());
  for (const auto& [name, resource] : chosen) out.push_back(resource);
  return out;
}

}  // namespace minikube::controllers
