// metadata.managedFields as a map from manager to field set.
//
// Thread safety: values.
#pragma once

#include <compare>
#include <map>
#include <optional>
#include <string>

#include <minikube/api/meta/v1.h>
#include <minikube/status.h>
#include <minikube/types.h>

#include "model/field_set.h"

namespace minikube {

enum class ManagerOperation : std::uint8_t { kApply, kUpdate };

// Who has set fields. An updater is another one for each apiVersion it writes in; an applier is not.
struct ManagerId {
  std::string name;
  ManagerOperation operation = ManagerOperation::kApply;
  std::string api_version;  // "" for kApply
  std::string subresource;
  friend auto operator<=>(const ManagerId&, const ManagerId&) = default;
};

struct ManagedSet {
  FieldSet fields;
  std::string api_version;  // that the fields are of
  std::optional<Time> time;
};

using ManagedFields = std::map<ManagerId, ManagedSet>;

// Errors: kBadRequest (an entry without version, operation or valid fields).
Result<ManagedFields> ReadManagedFields(const List<meta::v1::ManagedFieldsEntry>& entries);
// In Kubernetes' order: appliers first, then by time and name.
List<meta::v1::ManagedFieldsEntry> WriteManagedFields(const ManagedFields& managers);

// Merges the oldest updaters into "ancient-changes" (one per apiVersion) until at most `max_updaters` are left, as far
// as versions allow.
void CapUpdaters(ManagedFields& managers, std::size_t max_updaters);

// `"kubectl-edit" with subresource "status" using apps/v1 at 2026-01-02T03:04:05Z`
std::string DescribeManager(const ManagerId& id, const ManagedSet& set);

}  // namespace minikube
