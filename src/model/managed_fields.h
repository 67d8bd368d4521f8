// metadata.managedFields as a map from manager to field set.
//
// Objects that are alike have the same field sets, and many the same list of managers: texts and lists are shared among
// the objects that one thread has lately made or read, and each text is parsed once.
// Thread safety: values.
#pragma once

#include <compare>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

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

// A field set that is shared with others until it is changed.
class SharedFields {
 public:
  SharedFields() : set_(std::make_shared<const FieldSet>()) {}
  explicit SharedFields(FieldSet set) : set_(std::make_shared<const FieldSet>(std::move(set))) {}
  // Errors: as FieldSet::Parse.
  static Result<SharedFields> Parse(const Str& fields_v1);

  const FieldSet& operator*() const { return *set_; }
  const FieldSet* operator->() const { return set_.get(); }
  FieldSet& Mutable();
  // FieldsV1 JSON, shared.
  Str text() const;

 private:
  std::shared_ptr<const FieldSet> set_;
  Str text_;  // empty: not known
};

struct ManagedSet {
  SharedFields fields;
  std::string api_version;  // that the fields are of
  std::optional<Time> time;
};

using ManagedFields = std::map<ManagerId, ManagedSet>;

// Errors: kBadRequest (an entry without version, operation or valid fields).
Result<ManagedFields> ReadManagedFields(const List<meta::v1::ManagedFieldsEntry>& entries);
// In Kubernetes' order: appliers first, then by time and name.
List<meta::v1::ManagedFieldsEntry> WriteManagedFields(const ManagedFields& managers);

// Lets `entries` share texts, and itself, with those of objects that are alike; changes no value.
void ShareManagedFields(List<meta::v1::ManagedFieldsEntry>& entries);
// A FieldsV1 text, shared.
Str SharedText(std::string_view fields_v1);

// A list of one manager, shared.
List<meta::v1::ManagedFieldsEntry> OneEntry(const ManagerId& id, const Str& fields_v1, std::optional<Time> time);
// True of an entry in which nothing is set: alone in a list, it resets managedFields.
bool IsEmptyEntry(const meta::v1::ManagedFieldsEntry& entry);

// Merges the oldest updaters into "ancient-changes" (one per apiVersion) until at most `max_updaters` are left, as far
// as versions allow.
void CapUpdaters(ManagedFields& managers, std::size_t max_updaters);

// `"kubectl-edit" with subresource "status" using apps/v1 at 2026-01-02T03:04:05Z`
std::string DescribeManager(const ManagerId& id, const ManagedSet& set);

}  // namespace minikube
