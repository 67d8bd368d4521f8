#include <minikube/descriptor.h>

#include <algorithm>
#include <tuple>

#include "model/registry.h"

namespace minikube {
namespace {

using tables::kRegistry;

auto KeyOf(const GroupVersionKind& gvk) { return std::tie(gvk.group, gvk.version, gvk.kind); }
auto KeyOf(const ResourceDesc& r) { return std::tie(r.group, r.version, r.plural); }

}  // namespace

const FieldDesc* MessageDesc::Find(std::string_view json_name) const {
  const auto it = std::lower_bound(by_name.begin(), by_name.end(), json_name,
                                   [this](std::uint16_t i, std::string_view name) { return fields[i].name < name; });
  return it != by_name.end() && fields[*it].name == json_name ? &fields[*it] : nullptr;
}

std::span<const MessageDesc* const> AllMessages() { return kRegistry.messages; }
std::span<const GroupVersionDesc> AllGroupVersions() { return kRegistry.group_versions; }
std::span<const ResourceDesc> AllResources() { return kRegistry.resources; }

const MessageDesc* FindMessage(std::string_view openapi_name) {
  const auto it = std::lower_bound(kRegistry.by_name.begin(), kRegistry.by_name.end(), openapi_name,
                                   [](const MessageDesc* m, std::string_view name) { return m->name < name; });
  return it != kRegistry.by_name.end() && (*it)->name == openapi_name ? *it : nullptr;
}

const MessageDesc* FindKind(std::string_view group, std::string_view version, std::string_view kind) {
  const auto key = std::tie(group, version, kind);
  const auto it = std::lower_bound(kRegistry.by_kind.begin(), kRegistry.by_kind.end(), key,
                                   [](const MessageDesc* m, const auto& k) { return KeyOf(m->gvk) < k; });
  return it != kRegistry.by_kind.end() && KeyOf((*it)->gvk) == key ? *it : nullptr;
}

const ResourceDesc* FindResource(std::string_view group, std::string_view version, std::string_view plural) {
  const auto key = std::tie(group, version, plural);
  const auto it = std::lower_bound(kRegistry.by_path.begin(), kRegistry.by_path.end(), key,
                                   [](std::uint16_t i, const auto& k) { return KeyOf(kRegistry.resources[i]) < k; });
  return it != kRegistry.by_path.end() && KeyOf(kRegistry.resources[*it]) == key ? &kRegistry.resources[*it] : nullptr;
}

}  // namespace minikube
