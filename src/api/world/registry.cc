#include "api/world/registry.h"

#include <cassert>

namespace minikube::api {

namespace {

constexpr std::string_view kRoot = "/registry/";

Behaviour BehaviourOf(const ResourceDesc& resource, std::span<const std::span<const Behaviour>> all) {
  for (const std::span<const Behaviour> kinds : all) {
    for (const Behaviour& behaviour : kinds) {
      if (behaviour.group == resource.group && behaviour.plural == resource.plural) return behaviour;
    }
  }
  Behaviour generic;
  generic.group = resource.group;
  generic.plural = resource.plural;
  return generic;
}

}  // namespace

std::string Unit::Key(std::string_view ns, std::string_view name) const {
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

Registry::Registry(std::span<const std::span<const Behaviour>> behaviours) {
  // Units point into units_, so it must not move while they are made.
  units_.reserve(AllResources().size());
  for (const ResourceDesc& resource : AllResources()) {
    if (resource.storage_message == nullptr) continue;
    std::string prefix = std::string(kRoot) + std::string(resource.storage_prefix) + "/";
    auto [it, fresh] = by_prefix_.try_emplace(std::move(prefix), nullptr);
    if (fresh) {
      Unit unit;
      unit.index = units_.size();
      unit.prefix = it->first;
      unit.message = resource.storage_message;
      unit.resource = &resource;
      unit.spec = unit.message->Find("spec");
      unit.status = unit.message->Find("status");
      units_.push_back(std::move(unit));
      it->second = &units_.back();
    }
    Unit& unit = units_[it->second->index];
    assert(unit.message == resource.storage_message);  // one prefix, one type: the schema says so
    if (resource.message == unit.message) unit.resource = &resource;
    by_resource_[&resource] = &unit;
  }
  for (Unit& unit : units_) {
    unit.behaviour = BehaviourOf(*unit.resource, behaviours);
    for (const SubresourceDesc& sub : unit.resource->subresources) {
      if (sub.name == "status") unit.has_status_subresource = true;
    }
  }
}

const Unit* Registry::Find(const ResourceDesc& resource) const {
  const auto it = by_resource_.find(&resource);
  return it != by_resource_.end() ? it->second : nullptr;
}

const Unit& Registry::Get(std::string_view group, std::string_view plural) const {
  for (const Unit& unit : units_) {
    if (unit.resource->group == group && unit.resource->plural == plural) return unit;
  }
  assert(false && "a built-in resource is missing from schema/");
  return units_.front();
}

const Unit* Registry::FindByKey(std::string_view key) const {
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
