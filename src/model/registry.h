// The indexes over all generated descriptors, filled in by the generated src/registry.cc.
#pragma once

#include <cstdint>
#include <span>

#include <minikube/descriptor.h>

namespace minikube::tables {

struct Registry {
  std::span<const MessageDesc* const> messages;
  std::span<const MessageDesc* const> by_name;  // sorted by OpenAPI name
  std::span<const MessageDesc* const> by_kind;  // root types, sorted by (group, version, kind)
  std::span<const ResourceDesc> resources;      // in the order of discovery
  std::span<const std::uint16_t> by_path;       // indexes into resources, sorted by (group, version, plural)
  std::span<const GroupVersionDesc> group_versions;
};

extern const Registry kRegistry;

}  // namespace minikube::tables
