#include "model/typed_json.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "model/json_text.h"

namespace minikube {
namespace {

using Json = nlohmann::json;

// How a value merges.
struct Schema {
  enum class Kind : std::uint8_t {
    kLeaf,       // as a whole: scalars, atomic lists, maps and structs
    kObject,     // by the fields of `message`
    kMap,        // by key; values as ValueOf
    kSet,        // a list of scalars without repetition
    kKeyedList,  // a list of `message`s, by the keys of `field`
    kUnknown,    // objects by member, anything else as a whole
  };
  Kind kind = Kind::kLeaf;
  const MessageDesc* message = nullptr;
  const FieldDesc* field = nullptr;
};

Schema SchemaOfMessage(const MessageDesc& message) {
  const bool leaf = message.atomic || message.json_form != JsonForm::kObject;
  return {leaf ? Schema::Kind::kLeaf : Schema::Kind::kObject, &message, nullptr};
}

// Of one value of the field, whatever its shape.
Schema SchemaOfValue(const FieldDesc& field) {
  if (field.type == FieldType::kMessage) return SchemaOfMessage(*field.message);
  const bool open = field.type == FieldType::kRawJson || field.type == FieldType::kJson;
  return {open ? Schema::Kind::kUnknown : Schema::Kind::kLeaf, nullptr, nullptr};
}

Schema SchemaOfField(const FieldDesc& field) {
  if (field.shape == Shape::kList) {
    if (field.list_type == ListType::kSet) return {Schema::Kind::kSet, nullptr, &field};
    const bool keyed = field.list_type == ListType::kMap && field.type == FieldType::kMessage;
    return {keyed ? Schema::Kind::kKeyedList : Schema::Kind::kLeaf, field.message, &field};
  }
  if (field.has(kFieldAtomic)) return {};
  if (field.shape == Shape::kMap) return {Schema::Kind::kMap, nullptr, &field};
  return SchemaOfValue(field);
}

// The kind that the values at hand actually have: a list where an object should be is a single odd value.
Schema Effective(Schema schema, const Json& value) {
  switch (schema.kind) {
    case Schema::Kind::kObject:
    case Schema::Kind::kMap:
    case Schema::Kind::kUnknown:
      if (!value.is_object()) return {};
      break;
    case Schema::Kind::kSet:
    case Schema::Kind::kKeyedList:
      if (!value.is_array()) return {};
      break;
    default:
      break;
  }
  return schema;
}

bool MergesByMember(const Schema& schema) {
  return schema.kind == Schema::Kind::kObject || schema.kind == Schema::Kind::kMap ||
         schema.kind == Schema::Kind::kUnknown;
}

// Of the member `name` of an object.
Schema SchemaOfMember(const Schema& schema, std::string_view name) {
  if (schema.kind == Schema::Kind::kMap) return SchemaOfValue(*schema.field);
  if (schema.kind == Schema::Kind::kUnknown) return {Schema::Kind::kUnknown, nullptr, nullptr};
  const FieldDesc* field = schema.message->Find(name);
  return field != nullptr ? SchemaOfField(*field) : Schema{Schema::Kind::kUnknown, nullptr, nullptr};
}

bool IsField(const Schema& schema, std::string_view name) {
  return schema.kind == Schema::Kind::kObject && schema.message->Find(name) != nullptr;
}

Schema SchemaOfElement(const Schema& schema) {
  return schema.kind == Schema::Kind::kKeyedList ? SchemaOfMessage(*schema.message) : Schema{};
}

std::string MemberElement(std::string_view name) { return std::string("f:").append(name); }

// The path element of a list element; `missing` is set to a key that it lacks, if it does.
std::string ListElement(const Schema& schema, const Json& item, std::string_view* missing = nullptr) {
  if (schema.kind == Schema::Kind::kSet) return "v:" + JsonText(item);
  Json keys = Json::object();
  for (std::string_view key : schema.field->list_map_keys) {
    const auto it = item.is_object() ? item.find(key) : item.end();
    if (item.is_object() && it != item.end() && !it->is_null()) {
      keys[std::string(key)] = *it;
      continue;
    }
    const FieldDesc* field = schema.message->Find(key);
    if (field != nullptr && !field->default_json.empty()) {
      if (const Result<Json> value = ParseJson(field->default_json, 10)) keys[std::string(key)] = *value;
    } else if (missing != nullptr) {
      *missing = key;
    }
  }
  return "k:" + JsonText(keys);
}

Status Collect(const Schema& schema, const Json& value, const std::string& path, FieldSet& out) {
  const Schema effective = Effective(schema, value);
  if (effective.kind == Schema::Kind::kLeaf) {
    out.set_member();
    return {};
  }
  if (MergesByMember(effective)) {
    for (const auto& [name, member] : value.items()) {
      FieldSet& below = out.At(MemberElement(name));
      MINIKUBE_RETURN_IF_ERROR(Collect(SchemaOfMember(effective, name), member, path + "." + name, below));
      const bool hollow = member.is_null() || (member.is_object() && member.empty());
      if (hollow || !IsField(effective, name)) below.set_member();
    }
    return {};
  }
  std::set<std::string> seen;
  for (const Json& item : value) {
    std::string_view missing;
    const std::string element = ListElement(effective, item, &missing);
    if (!missing.empty()) {
      return {Code::kBadRequest,
              fmt::format("{}: element 0: associative list with keys has an element that omits key field \"{}\" (and "
                          "doesn't have default value)",
                          path, missing)};
    }
    if (!seen.insert(element).second) {
      FieldSet one;
      one.At(element).set_member();
      std::string shown;
      one.ForEachPath([&](const std::string& p) { shown = p; });
      return {Code::kBadRequest, fmt::format("{}: duplicate entries for key {}", path, shown)};
    }
    FieldSet& below = out.At(element);
    MINIKUBE_RETURN_IF_ERROR(Collect(SchemaOfElement(effective), item, path, below));
    below.set_member();
  }
  return {};
}

void Merge(const Schema& schema, Json& live, const Json& config);

void MergeLists(const Schema& schema, Json& live, const Json& config) {
  std::map<std::string, std::size_t> live_at;
  std::vector<std::string> live_elements;
  for (const Json& item : live) {
    live_elements.push_back(ListElement(schema, item));
    live_at.emplace(live_elements.back(), live_elements.size() - 1);
  }
  std::set<std::string> named;
  for (const Json& item : config) named.insert(ListElement(schema, item));

  // Elements that only `live` has come when their turn in `live` comes, which an element that both have delays.
  Json out = Json::array();
  std::set<std::string> done;
  std::size_t next_config = 0;
  std::size_t next_live = 0;
  while (next_live < live.size() || next_config < config.size()) {
    if (next_live < live.size()) {
      const std::string& element = live_elements[next_live];
      if (!named.contains(element)) {
        out.push_back(std::move(live[next_live++]));
        continue;
      }
      if (done.contains(element)) {
        ++next_live;
        continue;
      }
    }
    if (next_config == config.size()) {
      ++next_live;  // repeated in live
      continue;
    }
    const Json& item = config[next_config++];
    const std::string element = ListElement(schema, item);
    if (!done.insert(element).second) continue;
    const auto it = live_at.find(element);
    if (it == live_at.end() || schema.kind == Schema::Kind::kSet) {
      Json fresh;
      Merge(SchemaOfElement(schema), fresh, item);
      out.push_back(std::move(fresh));
    } else {
      Json merged = std::move(live[it->second]);
      Merge(SchemaOfElement(schema), merged, item);
      out.push_back(std::move(merged));
    }
  }
  live = std::move(out);
}

void Merge(const Schema& schema, Json& live, const Json& config) {
  const Schema effective = Effective(schema, config);
  if (effective.kind == Schema::Kind::kLeaf) {
    live = config;
  } else if (MergesByMember(effective)) {
    if (!live.is_object()) live = Json::object();
    for (const auto& [name, value] : config.items()) {
      if (value.is_null()) {
        live.erase(name);
      } else {
        Merge(SchemaOfMember(effective, name), live[name], value);
      }
    }
  } else {
    if (!live.is_array()) live = Json::array();
    MergeLists(effective, live, config);
  }
}

enum class Level : std::uint8_t { kRoot, kBelow };

void Remove(const Schema& schema, Json& value, const FieldSet& doomed, const FieldSet& owned, Level level);

// Whether the child goes as a whole; otherwise what is doomed inside it has gone.
bool RemoveChild(const Schema& child_schema, Json& child, const FieldSet& doomed, const FieldSet* owned,
                 bool is_field) {
  static const FieldSet kNone;
  const bool free = owned == nullptr || owned->empty();
  // A field of which the last configuration set parts, and nobody sets anything now, goes with the defaults it got.
  if (free && (doomed.member() || is_field)) return true;
  Remove(child_schema, child, doomed, owned != nullptr ? *owned : kNone, Level::kBelow);
  return false;
}

void Remove(const Schema& schema, Json& value, const FieldSet& doomed, const FieldSet& owned, Level level) {
  const Schema effective = Effective(schema, value);
  if (MergesByMember(effective)) {
    for (const auto& [element, below] : doomed.children()) {
      if (!element.starts_with("f:")) continue;
      const std::string name = element.substr(2);
      const auto it = value.find(name);
      if (it == value.end()) continue;
      const bool is_field = level == Level::kBelow && IsField(effective, name);
      if (RemoveChild(SchemaOfMember(effective, name), *it, below, owned.Find(element), is_field)) value.erase(it);
    }
  } else if (effective.kind == Schema::Kind::kSet || effective.kind == Schema::Kind::kKeyedList) {
    Json kept = Json::array();
    for (Json& item : value) {
      const std::string element = ListElement(effective, item);
      const FieldSet* below = doomed.Find(element);
      const bool gone =
          below != nullptr && RemoveChild(SchemaOfElement(effective), item, *below, owned.Find(element), false);
      if (!gone) kept.push_back(std::move(item));
    }
    value = std::move(kept);
  }
}

}  // namespace

Result<FieldSet> FieldsOf(const MessageDesc& desc, const Json& document) {
  FieldSet out;
  MINIKUBE_RETURN_IF_ERROR(Collect(SchemaOfMessage(desc), document, "", out));
  out.Prune();
  return out;
}

void MergeFields(const MessageDesc& desc, Json& live, const Json& config) {
  Merge(SchemaOfMessage(desc), live, config);
}

void RemoveFields(const MessageDesc& desc, Json& document, const FieldSet& doomed, const FieldSet& owned) {
  Remove(SchemaOfMessage(desc), document, doomed, owned, Level::kRoot);
}

}  // namespace minikube
