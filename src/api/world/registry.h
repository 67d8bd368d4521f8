// Registry: the stored kinds and what is special about each.
//
// Thread safety: immutable after construction.
#pragma once

#include <map>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "api/world/unit.h"

namespace minikube::api {

class Registry {
 public:
  // Of all resources of the schema; `behaviours` says what is special about some.
  explicit Registry(std::span<const std::span<const Behaviour>> behaviours);
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  const std::vector<Unit>& units() const { return units_; }
  // The unit that a served resource is stored in; null for those that are not stored.
  const Unit* Find(const ResourceDesc& resource) const;
  // The unit of a group's resource, in whatever version. Must exist: for resources the server itself relies on.
  const Unit& Get(std::string_view group, std::string_view plural) const;
  // The unit of a store key, or null.
  const Unit* FindByKey(std::string_view key) const;

 private:
  std::vector<Unit> units_;
  std::unordered_map<const ResourceDesc*, const Unit*> by_resource_;
  std::map<std::string, const Unit*, std::less<>> by_prefix_;
};

}  // namespace minikube::api
