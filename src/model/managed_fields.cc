#include "model/managed_fields.h"

#include <algorithm>
#include <chrono>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <minikube/env.h>

#include "model/field_errors.h"

namespace minikube {
namespace {

constexpr std::string_view kAncient = "ancient-changes";

std::int64_t Seconds(const std::optional<Time>& time) { return time ? time->unix_micros() / 1'000'000 : 0; }

}  // namespace

Result<ManagedFields> ReadManagedFields(const List<meta::v1::ManagedFieldsEntry>& entries) {
  ManagedFields out;
  for (const auto& entry : entries) {
    ManagerId id;
    id.name = entry.manager.str();
    id.subresource = entry.subresource.str();
    if (entry.operation == "Update") {
      id.operation = ManagerOperation::kUpdate;
      id.api_version = entry.apiVersion.str();
    } else if (entry.operation != "Apply") {
      return Status(Code::kBadRequest, "operation must be `Apply` or `Update`");
    }
    if (entry.apiVersion.empty()) return Status(Code::kBadRequest, "apiVersion must not be empty");
    if (entry.fieldsType != "FieldsV1") {
      return Status(Code::kBadRequest, fmt::format("invalid fieldsType {}", GoQuote(entry.fieldsType)));
    }
    Result<FieldSet> fields = FieldSet::Parse(entry.fieldsV1 ? entry.fieldsV1->json.view() : std::string_view("{}"));
    if (!fields) return fields.status();
    out[id] = {std::move(*fields), entry.apiVersion.str(), entry.time};
  }
  return out;
}

List<meta::v1::ManagedFieldsEntry> WriteManagedFields(const ManagedFields& managers) {
  std::vector<const ManagedFields::value_type*> sorted;
  for (const auto& manager : managers) sorted.push_back(&manager);
  const auto key = [](const ManagedFields::value_type* m) {
    return std::make_tuple(m->first.operation, Seconds(m->second.time), std::string_view(m->first.name),
                           std::string_view(m->second.api_version), std::string_view(m->first.subresource));
  };
  std::sort(sorted.begin(), sorted.end(), [&](const auto* a, const auto* b) { return key(a) < key(b); });
  List<meta::v1::ManagedFieldsEntry> out;
  for (const auto* manager : sorted) {
    meta::v1::ManagedFieldsEntry entry;
    entry.manager = manager->first.name;
    entry.operation = manager->first.operation == ManagerOperation::kApply ? "Apply" : "Update";
    entry.apiVersion = manager->second.api_version;
    entry.time = manager->second.time;
    entry.fieldsType = "FieldsV1";
    entry.fieldsV1 = RawJson{manager->second.fields.ToJson()};
    entry.subresource = manager->first.subresource;
    out.push_back(std::move(entry));
  }
  return out;
}

void CapUpdaters(ManagedFields& managers, std::size_t max_updaters) {
  std::vector<ManagerId> updaters;
  for (const auto& [id, set] : managers) {
    if (id.operation == ManagerOperation::kUpdate) updaters.push_back(id);
  }
  std::stable_sort(updaters.begin(), updaters.end(), [&](const ManagerId& a, const ManagerId& b) {
    return Seconds(managers[a].time) < Seconds(managers[b].time);
  });
  std::size_t count = updaters.size();
  std::map<std::string, ManagerId> oldest;  // by apiVersion: where the next one of it is merged into
  for (const ManagerId& id : updaters) {
    if (count <= max_updaters) return;
    const auto [it, first] = oldest.emplace(id.api_version, id);
    if (first) continue;
    const ManagerId bucket{std::string(kAncient), ManagerOperation::kUpdate, id.api_version, ""};
    if (!(it->second == bucket)) {
      auto node = managers.extract(it->second);
      ManagedSet& into = managers[bucket];
      into.fields.Union(node.mapped().fields);
      into.api_version = id.api_version;
      it->second = bucket;
    }
    if (id == bucket) continue;
    auto node = managers.extract(id);
    managers[bucket].fields.Union(node.mapped().fields);
    managers[bucket].time = node.mapped().time;  // the more recent of the two
    --count;
  }
}

std::string DescribeManager(const ManagerId& id, const ManagedSet& set) {
  std::string out = GoQuote(id.name);
  if (!id.subresource.empty()) out += fmt::format(" with subresource {}", GoQuote(id.subresource));
  if (id.operation == ManagerOperation::kApply) return out;
  out += fmt::format(" using {}", set.api_version);
  if (set.time) {
    out += fmt::format(" at {}", FormatTime(WallTime(std::chrono::microseconds(set.time->unix_micros()))));
  }
  return out;
}

}  // namespace minikube
