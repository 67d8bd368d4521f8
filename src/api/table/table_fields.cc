// Columns that are fields: for the many kinds whose cells need no thought, and for all their versions at once.
#include <fmt/format.h>

#include <minikube/codec.h>

#include "api/table/table_cells.h"
#include "model/access.h"

namespace minikube::api {
namespace {

// Where a column's value is. Alternatives are separated by '|': the first that is set counts. '#' counts a list's or
// map's entries; '+' joins a list's texts; '?' gives the text after the colon if the field is set.
struct FieldColumn {
  std::string_view kind;
  std::string_view column;
  std::string_view path;
  std::string_view if_empty;
};

constexpr FieldColumn kFieldColumns[] = {
    {"MutatingWebhookConfiguration", "Webhooks", "#webhooks", "0"},
    {"ValidatingWebhookConfiguration", "Webhooks", "#webhooks", "0"},
    {"MutatingAdmissionPolicy", "Mutations", "#spec.mutations", "0"},
    {"MutatingAdmissionPolicy", "ParamKind", "spec.paramKind.kind", kUnset},
    {"ValidatingAdmissionPolicy", "Validations", "#spec.validations", "0"},
    {"ValidatingAdmissionPolicy", "ParamKind", "spec.paramKind.kind", kUnset},
    {"MutatingAdmissionPolicyBinding", "PolicyName", "spec.policyName", ""},
    {"MutatingAdmissionPolicyBinding", "ParamRef", "spec.paramRef.name", kUnset},
    {"ValidatingAdmissionPolicyBinding", "PolicyName", "spec.policyName", ""},
    {"ValidatingAdmissionPolicyBinding", "ParamRef", "spec.paramRef.name", kUnset},
    {"StorageVersion", "CommonEncodingVersion", "status.commonEncodingVersion", kUnset},
    {"StorageVersion", "StorageVersions", "#status.storageVersions", "0"},
    {"ClusterTrustBundle", "SignerName", "spec.signerName", kNone},
    {"Lease", "Holder", "spec.holderIdentity", ""},
    {"LeaseCandidate", "LeaseName", "spec.leaseName", ""},
    {"LeaseCandidate", "BinaryVersion", "spec.binaryVersion", ""},
    {"LeaseCandidate", "EmulationVersion", "spec.emulationVersion", ""},
    {"FlowSchema", "PriorityLevel", "spec.priorityLevelConfiguration.name", kNone},
    {"FlowSchema", "MatchingPrecedence", "spec.matchingPrecedence", "0"},
    {"FlowSchema", "DistinguisherMethod", "spec.distinguisherMethod.type", kNone},
    {"FlowSchema", "MissingPL", "", "False"},
    {"PriorityLevelConfiguration", "Type", "spec.type", ""},
    {"PriorityLevelConfiguration", "NominalConcurrencyShares",
     "spec.limited.nominalConcurrencyShares|spec.exempt.nominalConcurrencyShares", kNone},
    {"PriorityLevelConfiguration", "Queues", "spec.limited.limitResponse.queuing.queues", kNone},
    {"PriorityLevelConfiguration", "HandSize", "spec.limited.limitResponse.queuing.handSize", kNone},
    {"PriorityLevelConfiguration", "QueueLengthLimit", "spec.limited.limitResponse.queuing.queueLengthLimit", kNone},
    {"IPAddress", "ParentRef", "spec.parentRef.name", kNone},
    {"ServiceCIDR", "CIDRs", "+spec.cidrs", ""},
    {"RuntimeClass", "Handler", "handler", ""},
    {"ResourceClaim", "State", "?status.reservedFor:allocated,reserved|?status.allocation:allocated", "pending"},
    {"ResourceSlice", "Node", "spec.nodeName", kUnset},
    {"ResourceSlice", "Driver", "spec.driver", ""},
    {"ResourceSlice", "Pool", "spec.pool.name", ""},
    {"PriorityClass", "Value", "value", "0"},
    {"PriorityClass", "Global-Default", "globalDefault", "false"},
    {"PriorityClass", "PreemptionPolicy", "preemptionPolicy", ""},
    {"CSIDriver", "AttachRequired", "spec.attachRequired", "true"},
    {"CSIDriver", "PodInfoOnMount", "spec.podInfoOnMount", "false"},
    {"CSIDriver", "StorageCapacity", "spec.storageCapacity", "false"},
    {"CSIDriver", "TokenRequests", "+spec.tokenRequests.audience", kUnset},
    {"CSIDriver", "RequiresRepublish", "spec.requiresRepublish", "false"},
    {"CSIDriver", "Modes", "+spec.volumeLifecycleModes", kNone},
    {"CSINode", "Drivers", "#spec.drivers", "0"},
    {"CSIStorageCapacity", "StorageClassName", "storageClassName", ""},
    {"CSIStorageCapacity", "Capacity", "capacity", ""},
    {"VolumeAttachment", "Attacher", "spec.attacher", ""},
    {"VolumeAttachment", "PV", "spec.source.persistentVolumeName", ""},
    {"VolumeAttachment", "Node", "spec.nodeName", ""},
    {"VolumeAttachment", "Attached", "status.attached", "false"},
    {"VolumeAttributesClass", "DriverName", "driverName", ""},
    {"StorageVersionMigration", "Resource", "spec.resource.resource", ""},
};

std::string ScalarText(const FieldDesc& field, const void* value) {
  switch (field.type) {
    case FieldType::kBool:
      return *static_cast<const bool*>(value) ? "true" : "false";
    case FieldType::kInt32:
      return fmt::format("{}", *static_cast<const std::int32_t*>(value));
    case FieldType::kInt64:
      return fmt::format("{}", *static_cast<const std::int64_t*>(value));
    case FieldType::kString:
      return static_cast<const Str*>(value)->str();
    case FieldType::kQuantity:
      return static_cast<const Quantity*>(value)->text.str();
    default:
      return "";
  }
}

// The field that `path` leads to and the message it is in; a null field if something on the way is absent. Lists end
// the way.
struct Found {
  const FieldDesc* field = nullptr;
  const void* message = nullptr;
  std::string_view rest;
};

Found Follow(const MessageDesc& desc, const void* message, std::string_view path) {
  const MessageDesc* at = &desc;
  for (;;) {
    const std::size_t dot = path.find('.');
    const FieldDesc* field = at->Find(path.substr(0, dot));
    if (field == nullptr) return {};
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
    if (path.empty() || field->shape == Shape::kList || field->shape == Shape::kMap) return {field, message, path};
    message = model::Get(*field, message);
    if (message == nullptr || field->message == nullptr) return {};
    at = field->message;
  }
}

std::string Join(const Found& found) {
  std::string out;
  for (std::size_t i = 0; i < model::ListSize(*found.field, found.message); ++i) {
    const void* element = model::ListAt(*found.field, found.message, i);
    if (i > 0) out += ',';
    if (found.rest.empty()) {
      out += ScalarText(*found.field, element);
    } else if (const Found inner = Follow(*found.field->message, element, found.rest); inner.field != nullptr) {
      if (const void* value = model::Get(*inner.field, inner.message)) out += ScalarText(*inner.field, value);
    }
  }
  return out;
}

std::string ReadOne(const Object& object, std::string_view path) {
  const char sign = path.empty() ? '\0' : path.front();
  std::string_view text;
  if (sign == '?') {
    const std::size_t colon = path.find(':');
    text = path.substr(colon + 1);
    path = path.substr(0, colon);
  }
  if (sign == '#' || sign == '+' || sign == '?') path.remove_prefix(1);
  const Found found = Follow(object.desc(), object.data(), path);
  if (found.field == nullptr) return "";
  const bool array = found.field->shape == Shape::kList || found.field->shape == Shape::kMap;
  switch (sign) {
    case '#':
      return array ? fmt::format("{}", model::ListSize(*found.field, found.message)) : "";
    case '+':
      return found.field->shape == Shape::kList ? Join(found) : "";
    case '?':
      return model::IsSet(*found.field, found.message) ? std::string(text) : "";
    default:
      break;
  }
  if (array) return "";
  const void* value = model::Get(*found.field, found.message);
  return value != nullptr ? ScalarText(*found.field, value) : "";
}

std::string ReadColumn(const Object& object, const ColumnDesc& column) {
  for (const FieldColumn& entry : kFieldColumns) {
    if (entry.kind != object.kind() || entry.column != column.name) continue;
    std::string_view paths = entry.path;
    while (!paths.empty()) {
      const std::size_t bar = paths.find('|');
      if (std::string text = ReadOne(object, paths.substr(0, bar)); !text.empty()) return text;
      paths.remove_prefix(bar == std::string_view::npos ? paths.size() : bar + 1);
    }
    return std::string(entry.if_empty);
  }
  return std::string(kNone);
}

}  // namespace

void PrintFields(const ResourceDesc& resource, const Object& object, WallTime now, Cells& cells) {
  for (const ColumnDesc& column : resource.columns) {
    if (column.name == "Name") {
      cells.Text(object.meta().name);
    } else if (column.name == "Age") {
      cells.Text(AgeOf(object, now));
    } else if (column.name == "Created At") {
      const Time created = object.meta().creationTimestamp;
      cells.Text(created.empty() ? "" : FormatTime(WallTime(std::chrono::microseconds(created.unix_micros()))));
    } else {
      const std::string text = ReadColumn(object, column);
      const bool number = !text.empty() && text.find_first_not_of("-0123456789") == std::string::npos;
      if (column.type == "integer" && number) {
        cells.Int(std::stoll(text));
      } else if (column.type == "boolean" && (text == "true" || text == "false")) {
        cells.Bool(text == "true");
      } else {
        cells.Text(text);
      }
    }
  }
}

}  // namespace minikube::api
