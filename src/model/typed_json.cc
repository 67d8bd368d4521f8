#include "model/typed_json.h"

#include <cstdint>
#include <map>
#include <set>
#include <span>
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
  const MergeShape* shape = nullptr;  // in place of `message`, or for members that `message` does not have
};

Schema SchemaOfShape(const MergeShape* shape) {
  if (shape == nullptr) return {Schema::Kind::kUnknown};
  switch (shape->MergeKind()) {
    case MergeShape::Kind::kLeaf:
      return {};
    case MergeShape::Kind::kObject:
      return {Schema::Kind::kObject, nullptr, nullptr, shape};
    case MergeShape::Kind::kSet:
      return {Schema::Kind::kSet, nullptr, nullptr, shape};
    case MergeShape::Kind::kKeyedList:
      return {Schema::Kind::kKeyedList, nullptr, nullptr, shape};
    case MergeShape::Kind::kUnknown:
      break;
  }
  return {Schema::Kind::kUnknown};
}

Schema SchemaOfMessage(const MessageDesc& message, const MergeShape* shape = nullptr) {
  const bool leaf = message.atomic || message.json_form != JsonForm::kObject;
  return {leaf ? Schema::Kind::kLeaf : Schema::Kind::kObject, &message, nullptr, shape};
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
  const FieldDesc* field = schema.message != nullptr ? schema.message->Find(name) : nullptr;
  if (field != nullptr) return SchemaOfField(*field);
  return SchemaOfShape(schema.shape != nullptr ? schema.shape->MergeMember(name) : nullptr);
}

bool IsField(const Schema& schema, std::string_view name) {
  if (schema.kind != Schema::Kind::kObject) return false;
  if (schema.message != nullptr && schema.message->Find(name) != nullptr) return true;
  return schema.shape != nullptr && schema.shape->MergeDeclares(name);
}

Schema SchemaOfElement(const Schema& schema) {
  if (schema.shape != nullptr && schema.kind == Schema::Kind::kKeyedList) {
    return SchemaOfShape(schema.shape->MergeItem());
  }
  return schema.kind == Schema::Kind::kKeyedList ? SchemaOfMessage(*schema.message) : Schema{};
}

std::string MemberElement(std::string_view name) { return std::string("f:").append(name); }

std::vector<std::string_view> KeysOf(const Schema& list) {
  if (list.shape == nullptr) return {list.field->list_map_keys.begin(), list.field->list_map_keys.end()};
  const std::span<const Str> keys = list.shape->MergeKeys();
  return {keys.begin(), keys.end()};
}

// The JSON of what a key is if an element lacks it; "" if there is no such default.
std::string DefaultOf(const Schema& list, std::string_view key) {
  if (list.shape != nullptr) {
    const MergeShape* item = list.shape->MergeItem();
    return item != nullptr ? item->MergeDefault(key) : "";
  }
  const FieldDesc* field = list.message->Find(key);
  return field != nullptr ? std::string(field->default_json) : "";
}

// The path element of a list element; `missing` is set to a key that it lacks, if it does.
std::string ListElement(const Schema& schema, const Json& item, std::string_view* missing = nullptr) {
  if (schema.kind == Schema::Kind::kSet) return "v:" + JsonText(item);
  Json keys = Json::object();
  for (std::string_view key : KeysOf(schema)) {
    const auto it = item.is_object() ? item.find(key) : item.end();
    if (item.is_object() && it != item.end() && !it->is_null()) {
      keys[std::string(key)] = *it;
      continue;
    }
    if (const std::string literal = DefaultOf(schema, key); !literal.empty()) {
      if (const Result<Json> value = ParseJson(literal, 10)) keys[std::string(key)] = *value;
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

void CollectAtomic(const Schema& schema, const Json& value, const std::string& path, std::vector<std::string>& out) {
  const Schema effective = Effective(schema, value);
  const bool whole = effective.kind == Schema::Kind::kLeaf || (value.is_array() && MergesByMember(effective));
  if (whole && (value.is_object() || value.is_array())) out.push_back(path);
  if (value.is_object()) {
    // An atomic struct's members are its schema's still.
    const Schema& within = effective.kind == Schema::Kind::kLeaf && schema.message != nullptr ? schema : effective;
    if (within.kind == Schema::Kind::kMap) return;
    for (const auto& [name, member] : value.items()) {
      CollectAtomic(SchemaOfMember(within, name), member, path + "." + name, out);
    }
  }
  if (!value.is_array()) return;
  for (std::size_t i = 0; i < value.size(); ++i) {
    CollectAtomic(schema.message != nullptr ? SchemaOfMessage(*schema.message) : SchemaOfElement(effective), value[i],
                  fmt::format("{}[{}]", path, i), out);
  }
}

// One of `before` and `after` may be null: not there.
class Comparer {
 public:
  void Compare(const Schema& schema, const Json* before, const Json* after, FieldSet& added, FieldSet& modified,
               FieldSet& removed) {
    if (before != nullptr && after != nullptr && *before == *after) return;
    const bool empty = IsEmpty(before) && IsEmpty(after);
    const Json& sample = after != nullptr && !after->is_null() ? *after : before != nullptr ? *before : *after;
    const Schema effective = empty ? Schema{} : Effective(schema, sample);
    const bool alike = before == nullptr || after == nullptr || before->is_null() || after->is_null() ||
                       before->type() == after->type();
    if (effective.kind == Schema::Kind::kLeaf || !alike) {
      if (before == nullptr) {
        added.set_member();
      } else if (after == nullptr) {
        removed.set_member();
      } else if (*before != *after) {
        modified.set_member();
      }
      return;
    }
    static const Json kNothing = Json::object();
    if (MergesByMember(effective)) {
      const Json& old_object = before != nullptr && before->is_object() ? *before : kNothing;
      const Json& new_object = after != nullptr && after->is_object() ? *after : kNothing;
      for (const auto& [name, value] : old_object.items()) {
        const auto it = new_object.find(name);
        Member(effective, name, &value, it != new_object.end() ? &*it : nullptr, added, modified, removed);
      }
      for (const auto& [name, value] : new_object.items()) {
        if (!old_object.contains(name)) Member(effective, name, nullptr, &value, added, modified, removed);
      }
    } else {
      const auto old_items = Index(effective, before);
      const auto new_items = Index(effective, after);
      const Schema item = SchemaOfElement(effective);
      for (const auto& [element, value] : old_items) {
        const auto it = new_items.find(element);
        Compare(item, value, it != new_items.end() ? it->second : nullptr, added.At(element), modified.At(element),
                removed.At(element));
      }
      for (const auto& [element, value] : new_items) {
        if (old_items.contains(element)) continue;
        Compare(item, nullptr, value, added.At(element), modified.At(element), removed.At(element));
      }
    }
    if (before == nullptr) {
      added.set_member();
    } else if (after == nullptr) {
      removed.set_member();
    }
  }

 private:
  static bool IsEmpty(const Json* value) {
    return value == nullptr || value->is_null() || (value->is_structured() && value->empty());
  }
  void Member(const Schema& schema, const std::string& name, const Json* before, const Json* after, FieldSet& added,
              FieldSet& modified, FieldSet& removed) {
    const std::string element = MemberElement(name);
    Compare(SchemaOfMember(schema, name), before, after, added.At(element), modified.At(element), removed.At(element));
  }
  static std::map<std::string, const Json*> Index(const Schema& schema, const Json* list) {
    std::map<std::string, const Json*> out;
    if (list == nullptr || !list->is_array()) return out;
    for (const Json& item : *list) out.emplace(ListElement(schema, item), &item);
    return out;
  }
};

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

Result<FieldSet> FieldsOf(const MessageDesc& desc, const Json& document, const MergeShape* shape) {
  FieldSet out;
  MINIKUBE_RETURN_IF_ERROR(Collect(SchemaOfMessage(desc, shape), document, "", out));
  out.Prune();
  return out;
}

std::vector<std::string> AtomicFields(const MessageDesc& desc, const Json& document, const MergeShape* shape) {
  std::vector<std::string> out;
  CollectAtomic(SchemaOfMessage(desc, shape), document, "", out);
  return out;
}

FieldChanges CompareDocuments(const MessageDesc& desc, const Json& before, const Json& after, const MergeShape* shape) {
  FieldChanges out;
  Comparer().Compare(SchemaOfMessage(desc, shape), &before, &after, out.added, out.modified, out.removed);
  out.added.Prune();
  out.modified.Prune();
  out.removed.Prune();
  return out;
}

void MergeFields(const MessageDesc& desc, Json& live, const Json& config, const MergeShape* shape) {
  Merge(SchemaOfMessage(desc, shape), live, config);
}

void RemoveFields(const MessageDesc& desc, Json& document, const FieldSet& doomed, const FieldSet& owned,
                  const MergeShape* shape) {
  Remove(SchemaOfMessage(desc, shape), document, doomed, owned, Level::kRoot);
}

}  // namespace minikube
