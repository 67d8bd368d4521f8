#include "api/world/catalogue.h"

#include <algorithm>
#include <cassert>
#include <tuple>

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

auto PathOf(const ResourceDesc* resource) { return std::tie(resource->group, resource->version, resource->plural); }

}  // namespace

std::shared_ptr<const Catalogue> Catalogue::BuiltIn(std::span<const std::span<const Strategy>> strategies) {
  const std::shared_ptr<Catalogue> out(new Catalogue());
  std::map<std::string, StoredKind*, std::less<>> made;
  for (const ResourceDesc& resource : AllResources()) {
    out->resources_.push_back(&resource);
    if (resource.storage_message == nullptr) continue;
    std::string prefix = std::string(kRoot) + std::string(resource.storage_prefix) + "/";
    StoredKind*& kind = made[prefix];
    if (kind == nullptr) {
      kind = out->own_kinds_.emplace_back(std::make_unique<StoredKind>()).get();
      kind->index = out->kinds_.size();
      kind->prefix = std::move(prefix);
      kind->message = resource.storage_message;
      kind->resource = &resource;
      kind->spec = kind->message->Find("spec");
      kind->status = kind->message->Find("status");
      out->kinds_.push_back(kind);
      out->by_prefix_[kind->prefix] = kind;
    }
    assert(kind->message == resource.storage_message);  // one prefix, one type: the schema says so
    if (resource.message == kind->message) kind->resource = &resource;
    out->by_resource_[&resource] = kind;
  }
  for (const auto& [prefix, kind] : made) {
    kind->strategy = StrategyOf(*kind->resource, strategies);
    for (const SubresourceDesc& sub : kind->resource->subresources) {
      if (sub.name == "status") kind->has_status_subresource = true;
    }
    if (kind->strategy.indexes.empty()) continue;
    client::TableIndexes indexes;
    for (const StoredIndex& stored : kind->strategy.indexes) {
      indexes.push_back({std::string(stored.index->name), stored.index->keys});
    }
    kind->indexes = std::make_shared<const client::TableIndexes>(std::move(indexes));
  }
  out->group_versions_.assign(AllGroupVersions().begin(), AllGroupVersions().end());
  return out;
}

std::shared_ptr<const Catalogue> Catalogue::With(std::shared_ptr<const Catalogue> built_in, std::vector<Custom> custom,
                                                 std::string fingerprint) {
  const std::shared_ptr<Catalogue> out(new Catalogue());
  out->kinds_ = built_in->kinds_;
  out->resources_ = built_in->resources_;
  out->group_versions_ = built_in->group_versions_;
  out->built_in_ = std::move(built_in);
  out->fingerprint_ = std::move(fingerprint);
  out->custom_ = std::move(custom);
  for (const Custom& each : out->custom_) {
    out->kinds_.push_back(each.kind);
    out->by_prefix_[each.kind->prefix] = each.kind;
    for (std::size_t i = 0; i < each.known.size(); ++i) {
      out->by_resource_[each.known[i]] = each.kind;
      if (i < each.schemas.size()) out->schemas_[each.known[i]] = each.schemas[i].get();
    }
    for (const ResourceDesc* resource : each.resources) {
      if (out->built_in_->FindResource(resource->group, resource->version, resource->plural) != nullptr) continue;
      out->resources_.push_back(resource);
      out->by_path_.push_back(resource);
      // What an APIService that Kubernetes makes for a definition says.
      out->AddGroupVersion({resource->group, resource->version, 1000, 100});
    }
  }
  std::sort(out->by_path_.begin(), out->by_path_.end(),
            [](const ResourceDesc* a, const ResourceDesc* b) { return PathOf(a) < PathOf(b); });
  return out;
}

// Versions of one group stand together.
void Catalogue::AddGroupVersion(const GroupVersionDesc& added) {
  auto after = group_versions_.end();
  for (auto it = group_versions_.begin(); it != group_versions_.end(); ++it) {
    if (it->group != added.group) continue;
    if (it->version == added.version) return;
    after = it + 1;
  }
  group_versions_.insert(after, added);
}

const ResourceDesc* Catalogue::FindResource(std::string_view group, std::string_view version,
                                            std::string_view plural) const {
  if (const ResourceDesc* found = minikube::FindResource(group, version, plural)) return found;
  const auto path = std::tie(group, version, plural);
  const auto it = std::lower_bound(by_path_.begin(), by_path_.end(), path,
                                   [](const ResourceDesc* resource, const auto& p) { return PathOf(resource) < p; });
  return it != by_path_.end() && PathOf(*it) == path ? *it : nullptr;
}

const StoredKind* Catalogue::Find(const ResourceDesc& resource) const {
  const auto it = by_resource_.find(&resource);
  if (it != by_resource_.end()) return it->second;
  return built_in_ != nullptr ? built_in_->Find(resource) : nullptr;
}

const StructuralSchema* Catalogue::SchemaOf(const ResourceDesc& resource) const {
  const auto it = schemas_.find(&resource);
  return it != schemas_.end() ? it->second : nullptr;
}

const StoredKind& Catalogue::Get(std::string_view group, std::string_view plural) const {
  for (const StoredKind* kind : kinds_) {
    if (kind->resource->group == group && kind->resource->plural == plural) return *kind;
  }
  assert(false && "a built-in resource is missing from schema/");
  return *kinds_.front();
}

const StoredKind* Catalogue::FindByKey(std::string_view key) const {
  if (!key.starts_with(kRoot)) return nullptr;
  if (built_in_ != nullptr) {
    if (const StoredKind* kind = built_in_->FindByKey(key)) return kind;
  }
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
