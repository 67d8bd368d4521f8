// Registry: the stored kinds and what is special about each.
//
// Thread safety: immutable after construction.
#pragma once

#include <map>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "api/world/stored_kind.h"

namespace minikube::api {

class Registry {
 public:
  // Of all resources of the schema; `strategies` says what is special about some.
  explicit Registry(std::span<const std::span<const Strategy>> strategies);
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  const std::vector<StoredKind>& kinds() const { return kinds_; }
  // The kind that a served resource is stored in; null for those that are not stored.
  const StoredKind* Find(const ResourceDesc& resource) const;
  // The kind of a group's resource, in whatever version. Must exist: for resources the server itself relies on.
  const StoredKind& Get(std::string_view group, std::string_view plural) const;
  // The kind of a store key, or null.
  const StoredKind* FindByKey(std::string_view key) const;

 private:
  std::vector<StoredKind> kinds_;
  std::unordered_map<const ResourceDesc*, const StoredKind*> by_resource_;
  std::map<std::string, const StoredKind*, std::less<>> by_prefix_;
};

}  // namespace minikube::api
