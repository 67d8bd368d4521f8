#include "api/world/registry.h"

#include <cassert>

namespace minikube::api {

namespace {

constexpr std::string_view kRoot = "/registry/";

Strategy StrategyOf(const ResourceDesc& resource, std::span<const std::span<const Strategy>> all) {
  for (const std::span<const Strategy> kinds : all) {
    for (const Strategy& strategy : kinds) {
      if (strategy.group == resource.group && strategy.plural == resource.plural) return strategy;
    }
  }
  Strategy generic;
  generic.group = resource.group;
  generic.plural = resource.plural;
  return generic;
}

}  // namespace

std::string StoredKind::Key(std::string_view ns, std::string_view name) const {
  std::string key;
  key.reserve(prefix.size() + ns.size() + 1 + name.size());
  key += prefix;
  if (!ns.empty()) {
    key += ns;
    key += '/';
  }
  key += name;
  return key;
}

Registry::Registry(std::span<const std::span<const Strategy>> strategies) {
  // by_prefix_ and by_resource_ point into kinds_, so it must not move while they are made.
  kinds_.reserve(AllResources().size());
  for (const ResourceDesc& resource : AllResources()) {
    if (resource.storage_message == nullptr) continue;
    std::string prefix = std::string(kRoot) + std::string(resource.storage_prefix) + "/";
    auto [it, fresh] = by_prefix_.try_emplace(std::move(prefix), nullptr);
    if (fresh) {
      StoredKind kind;
      kind.index = kinds_.size();
      kind.prefix = it->first;
      kind.message = resource.storage_message;
      kind.resource = &resource;
      kind.spec = kind.message->Find("spec");
      kind.status = kind.message->Find("status");
      kinds_.push_back(std::move(kind));
      it->second = &kinds_.back();
    }
    StoredKind& kind = kinds_[it->second->index];
    assert(kind.message == resource.storage_message);  // one prefix, one type: the schema says so
    if (resource.message == kind.message) kind.resource = &resource;
    by_resource_[&resource] = &kind;
  }
  for (StoredKind& kind : kinds_) {
    kind.strategy = StrategyOf(*kind.resource, strategies);
    for (const SubresourceDesc& sub : kind.resource->subresources) {
      if (sub.name == "status") kind.has_status_subresource = true;
    }
    if (kind.strategy.indexes.empty()) continue;
    client::TableIndexes indexes;
    for (const StoredIndex& stored : kind.strategy.indexes) {
      indexes.push_back({std::string(stored.index->name), stored.index->keys});
    }
    kind.indexes = std::make_shared<const client::TableIndexes>(std::move(indexes));
  }
}

const StoredKind* Registry::Find(const ResourceDesc& resource) const {
  const auto it = by_resource_.find(&resource);
  return it != by_resource_.end() ? it->second : nullptr;
}

const StoredKind& Registry::Get(std::string_view group, std::string_view plural) const {
  for (const StoredKind& kind : kinds_) {
    if (kind.resource->group == group && kind.resource->plural == plural) return kind;
  }
  assert(false && "a built-in resource is missing from schema/");
  return kinds_.front();
}

const StoredKind* Registry::FindByKey(std::string_view key) const {
  if (!key.starts_with(kRoot)) return nullptr;
  // A prefix has one part below the root, or two ("services/specs", "apiextensions.k8s.io/...").
  std::size_t slash = key.find('/', kRoot.size());
  for (int parts = 0; parts < 2 && slash != std::string_view::npos; ++parts) {
    const auto it = by_prefix_.find(key.substr(0, slash + 1));
    if (it != by_prefix_.end()) return it->second;
    slash = key.find('/', slash + 1);
  }
  return nullptr;
}

}  // namespace minikube::api
