// Catalogue: what is served and what is stored, as of one revision: the resources of the schema, and those that
// CustomResourceDefinitions add while the server runs. Every World has one, so a request sees kinds and objects of one
// revision.
//
// Thread safety: immutable once made. Lifetime: resources and kinds of the schema live for ever, those defined at run
// time as long as the server (custom/definitions.h), so a request may keep pointers to them.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "api/world/stored_kind.h"

namespace minikube {
class StructuralSchema;
}

namespace minikube::api {

class Catalogue {
 public:
  // What one definition adds.
  struct Custom {
    const StoredKind* kind = nullptr;
    std::vector<const ResourceDesc*> resources;  // its versions that are served, the preferred one first
    std::vector<const ResourceDesc*> known;      // all of them
    std::vector<std::shared_ptr<const StructuralSchema>> schemas;  // of `known`, in that order
    ObjectRef definition;  // what all this was made of: it has the schemas as they were written
  };

  // What the schema declares; `strategies` says what is special about some kinds.
  static std::shared_ptr<const Catalogue> BuiltIn(std::span<const std::span<const Strategy>> strategies);
  // `built_in` and `custom`. Of a resource that both have, the built-in one is served. `fingerprint` differs for
  // whatever differs in documents about `custom`.
  static std::shared_ptr<const Catalogue> With(std::shared_ptr<const Catalogue> built_in, std::vector<Custom> custom,
                                               std::string fingerprint);

  // All of them, in the order of discovery.
  std::span<const ResourceDesc* const> resources() const { return resources_; }
  std::span<const GroupVersionDesc> group_versions() const { return group_versions_; }
  std::span<const StoredKind* const> kinds() const { return kinds_; }
  // Those beyond the schema.
  std::span<const Custom> custom() const { return custom_; }
  const std::string& fingerprint() const { return fingerprint_; }

  // Null if it is not served.
  const ResourceDesc* FindResource(std::string_view group, std::string_view version, std::string_view plural) const;
  // The kind that a resource is stored in; null for those that are not stored, or not served any more.
  const StoredKind* Find(const ResourceDesc& resource) const;
  // What objects of a custom resource look like; null for others.
  const StructuralSchema* SchemaOf(const ResourceDesc& resource) const;
  // The kind of a group's resource, in whatever version. Must exist: for resources the server itself relies on.
  const StoredKind& Get(std::string_view group, std::string_view plural) const;
  // The kind of a store key, or null.
  const StoredKind* FindByKey(std::string_view key) const;

 private:
  Catalogue() = default;
  void AddGroupVersion(const GroupVersionDesc& added);

  std::shared_ptr<const Catalogue> built_in_;           // null for the built-in one itself
  std::vector<std::unique_ptr<StoredKind>> own_kinds_;  // of the built-in one
  std::vector<const StoredKind*> kinds_;
  std::vector<const ResourceDesc*> resources_;
  std::vector<GroupVersionDesc> group_versions_;
  std::vector<Custom> custom_;
  std::string fingerprint_;
  // The indexes are over what the built-in one does not have.
  std::unordered_map<const ResourceDesc*, const StoredKind*> by_resource_;
  std::unordered_map<const ResourceDesc*, const StructuralSchema*> schemas_;
  std::map<std::string, const StoredKind*, std::less<>> by_prefix_;
  std::vector<const ResourceDesc*> by_path_;  // sorted by group, version, plural
};

}  // namespace minikube::api
