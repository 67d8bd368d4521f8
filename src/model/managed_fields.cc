#include "model/managed_fields.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <minikube/env.h>

#include "model/field_errors.h"
#include "model/intern.h"

namespace minikube {
namespace {

constexpr std::string_view kAncient = "ancient-changes";

std::int64_t Seconds(const std::optional<Time>& time) { return time ? time->unix_micros() / 1'000'000 : 0; }

using Entries = List<meta::v1::ManagedFieldsEntry>;

// Of what a thread has lately seen; a newer one takes the place of an older one with the same hash.
template <typename T, std::size_t kSlots>
T& SlotOf(std::size_t hash) {
  static thread_local std::array<T, kSlots> slots;
  return slots[hash % kSlots];
}

struct ParsedText {
  Str text;
  std::shared_ptr<const FieldSet> set;
};

bool SameEntry(const meta::v1::ManagedFieldsEntry& a, const meta::v1::ManagedFieldsEntry& b) {
  const auto micros = [](const std::optional<Time>& time) { return time ? time->micros : 0; };
  return a.fieldsV1.has_value() == b.fieldsV1.has_value() && (!a.fieldsV1 || a.fieldsV1->json.same(b.fieldsV1->json)) &&
         micros(a.time) == micros(b.time) && a.manager == b.manager && a.operation == b.operation &&
         a.apiVersion == b.apiVersion && a.fieldsType == b.fieldsType && a.subresource == b.subresource;
}

std::size_t HashOf(const Entries& entries) {
  std::size_t hash = entries.size();
  const auto mix = [&hash](std::size_t value) { hash = (hash ^ value) * 0x9e3779b97f4a7c15; };
  for (const auto& entry : entries) {
    mix(std::hash<std::string_view>()(entry.manager.view()));
    mix(static_cast<std::size_t>(Seconds(entry.time)));
    if (entry.fieldsV1) mix(reinterpret_cast<std::uintptr_t>(entry.fieldsV1->json.view().data()));
  }
  return hash ^ (hash >> 32);
}

// Shares the list itself; its texts are shared already.
void ShareList(Entries& entries) {
  Entries& slot = SlotOf<Entries, 256>(HashOf(entries));
  if (slot.same(entries)) return;
  if (std::equal(slot.begin(), slot.end(), entries.begin(), entries.end(), SameEntry)) {
    entries = slot;
  } else {
    slot = entries;
  }
}

meta::v1::ManagedFieldsEntry EntryOf(const ManagerId& id, std::string_view api_version, Str fields,
                                     std::optional<Time> time) {
  static const Str kFieldsV1 = "FieldsV1";
  meta::v1::ManagedFieldsEntry entry;
  entry.manager = model::ThreadStrCache().Get(id.name);
  entry.operation = id.operation == ManagerOperation::kApply ? "Apply" : "Update";
  entry.apiVersion = model::ThreadStrCache().Get(api_version);
  entry.time = time;
  entry.fieldsType = kFieldsV1;
  entry.fieldsV1 = RawJson{std::move(fields)};
  entry.subresource = id.subresource;
  return entry;
}

}  // namespace

List<meta::v1::ManagedFieldsEntry> OneEntry(const ManagerId& id, const Str& fields_v1, std::optional<Time> time) {
  Entries out = {EntryOf(id, id.api_version, fields_v1, time)};
  ShareList(out);
  return out;
}

bool IsEmptyEntry(const meta::v1::ManagedFieldsEntry& entry) {
  return entry.manager.empty() && entry.operation.empty() && entry.apiVersion.empty() && !entry.time &&
         entry.fieldsType.empty() && !entry.fieldsV1 && entry.subresource.empty();
}

Result<SharedFields> SharedFields::Parse(const Str& fields_v1) {
  ParsedText& slot = SlotOf<ParsedText, 64>(std::hash<std::string_view>()(fields_v1.view()));
  if (slot.set == nullptr || !(slot.text == fields_v1)) {
    Result<FieldSet> set = FieldSet::Parse(fields_v1.view());
    if (!set) return set.status();
    slot = {fields_v1, std::make_shared<const FieldSet>(std::move(*set))};
  }
  SharedFields out;
  out.set_ = slot.set;
  out.text_ = slot.text;
  return out;
}

FieldSet& SharedFields::Mutable() {
  auto copy = std::make_shared<FieldSet>(*set_);
  FieldSet& writable = *copy;
  set_ = std::move(copy);
  text_ = {};
  return writable;
}

Str SharedFields::text() const { return text_.empty() ? SharedText(set_->ToJson()) : text_; }

Str SharedText(std::string_view fields_v1) {
  if (fields_v1.size() <= Str::kInline) return Str(fields_v1);
  Str& slot = SlotOf<Str, 256>(std::hash<std::string_view>()(fields_v1));
  if (slot.view() != fields_v1) slot = Str(fields_v1);
  return slot;
}

void ShareManagedFields(Entries& entries) {
  if (entries.empty()) return;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!entries[i].fieldsV1) continue;
    const Str shared = SharedText(entries[i].fieldsV1->json.view());
    if (!shared.same(entries[i].fieldsV1->json)) entries.Mutable(i).fieldsV1->json = shared;
  }
  ShareList(entries);
}

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
    Result<SharedFields> fields = SharedFields::Parse(entry.fieldsV1 ? entry.fieldsV1->json : Str("{}"));
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
  out.Reserve(sorted.size());
  for (const auto* manager : sorted) {
    const ManagedSet& set = manager->second;
    out.push_back(EntryOf(manager->first, set.api_version, set.fields.text(), set.time));
  }
  ShareManagedFields(out);
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
      into.fields.Mutable().Union(*node.mapped().fields);
      into.api_version = id.api_version;
      it->second = bucket;
    }
    if (id == bucket) continue;
    auto node = managers.extract(id);
    managers[bucket].fields.Mutable().Union(*node.mapped().fields);
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
