#include "api/world/world_view.h"

#include <algorithm>

#include "api/world/served.h"

namespace minikube::api {

namespace {

// Null for what cannot be shown in that version: there is nothing of the kind.
ObjectRef Shown(const Entry& entry, const ResourceDesc& resource) {
  Result<ObjectRef> shown = InServedType(entry.object, *resource.message);
  return shown ? *std::move(shown) : nullptr;
}

}  // namespace

ObjectRef WorldView::Find(const ResourceDesc& resource, std::string_view ns, std::string_view name) const {
  const StoredKind* kind = world_->catalogue->Find(resource);
  const Entry* entry = kind != nullptr ? world_->Find(kind->index, ns, name) : nullptr;
  return entry != nullptr ? Shown(*entry, resource) : nullptr;
}

void WorldView::ForEach(const ResourceDesc& resource, std::string_view ns, const Each& each) const {
  const StoredKind* kind = world_->catalogue->Find(resource);
  if (kind == nullptr) return;
  const ObjectTable& table = world_->kinds[kind->index];
  for (auto it = ns.empty() ? table.Begin() : table.LowerBound({ns, {}}); it; ++it) {
    if (!ns.empty() && !(it->object->meta().namespace_ == ns)) break;
    if (const ObjectRef object = Shown(*it, resource)) each(object);
  }
}

void WorldView::ForEachBy(const ResourceDesc& resource, const Index& index, std::string_view value,
                          const Each& each) const {
  const StoredKind* kind = world_->catalogue->Find(resource);
  if (kind == nullptr) return;
  const ObjectTable& table = world_->kinds[kind->index];
  if (const IndexMap* map = table.FindIndex(index.name)) {
    client::ForEachBy(table, *map, value, [&](const Entry& entry) {
      if (const ObjectRef object = Shown(entry, resource)) each(object);
    });
    return;
  }
  ForEach(resource, {}, [&](const ObjectRef& object) {
    const std::vector<std::string> keys = index.keys(*object);
    if (std::find(keys.begin(), keys.end(), value) != keys.end()) each(object);
  });
}

}  // namespace minikube::api
