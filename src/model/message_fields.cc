#include "model/message_fields.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "model/access.h"
#include "model/equality.h"
#include "model/json_codec.h"
#include "model/json_text.h"

namespace minikube {
namespace {

using Json = nlohmann::json;
using model::Get;
using model::ListAt;
using model::ListSize;
using model::MapKeyAt;
using model::MapSize;
using model::MapValueAt;
using model::SlotOf;
using model::ValueType;

constexpr int kMaxDepth = 200;

// How a field merges.
enum class Merging : std::uint8_t {
  kLeaf,       // as a whole
  kMessage,    // by field
  kMap,        // by key
  kSet,        // a list of scalars without repetition
  kKeyedList,  // a list of messages, by their keys
  kRaw,        // JSON of any shape: objects by member
};

Merging MergingOfValue(ValueType type) {
  if (type.type == FieldType::kRawJson) return Merging::kRaw;
  if (type.type != FieldType::kMessage) return Merging::kLeaf;
  return type.message->atomic || type.message->json_form != JsonForm::kObject ? Merging::kLeaf : Merging::kMessage;
}

Merging MergingOf(const FieldDesc& field) {
  if (field.shape == Shape::kList) {
    if (field.list_type == ListType::kSet) return Merging::kSet;
    const bool keyed = field.list_type == ListType::kMap && field.type == FieldType::kMessage;
    return keyed ? Merging::kKeyedList : Merging::kLeaf;
  }
  if (field.has(kFieldAtomic)) return Merging::kLeaf;
  return field.shape == Shape::kMap ? Merging::kMap : MergingOfValue(model::TypeOf(field));
}

// What JSON shows of a field: nothing, null, or a value.
enum class Presence : std::uint8_t { kAbsent, kNull, kThere };

Presence PresenceOf(const FieldDesc& field, const void* message) {
  if (message == nullptr) return Presence::kAbsent;
  const bool always = field.has(kFieldAlways);
  if (field.shape == Shape::kPlain) {
    if (always) return Presence::kThere;
    return model::IsZeroValue(model::TypeOf(field), SlotOf(field, message)) ? Presence::kAbsent : Presence::kThere;
  }
  if (model::IsSet(field, message)) return Presence::kThere;
  return always ? Presence::kNull : Presence::kAbsent;
}

bool IsHollowRaw(std::string_view json) { return json.empty() || json == "null" || json == "{}" || json == "[]"; }

bool IsHollowMessage(const MessageDesc& desc, const void* message) {
  return std::all_of(desc.fields.begin(), desc.fields.end(),
                     [&](const FieldDesc& field) { return PresenceOf(field, message) == Presence::kAbsent; });
}

// True if there is nothing in the value: null, {} or []. Such a one is a single field.
bool IsHollowValue(ValueType type, const void* value) {
  if (value == nullptr) return true;
  if (type.type == FieldType::kRawJson) return IsHollowRaw(model::As<RawJson>(value).json.view());
  if (type.type != FieldType::kMessage) return false;
  return type.message->json_form == JsonForm::kObject && IsHollowMessage(*type.message, value);
}

bool IsHollow(const FieldDesc& field, const void* message) {
  if (message == nullptr) return true;
  if (field.shape == Shape::kList || field.shape == Shape::kMap) return ListSize(field, message) == 0;
  return IsHollowValue(model::TypeOf(field), Get(field, message));
}

// ---- Path elements ------------------------------------------------------------------------------------------------

std::string ElementOfSetItem(const FieldDesc& field, const void* item) {
  std::string out = "v:";
  model::EncodeJsonValue(model::TypeOf(field), item, out);
  return out;
}

std::string ElementOfKeyedItem(const FieldDesc& field, const void* item) {
  std::vector<std::string_view> keys(field.list_map_keys.begin(), field.list_map_keys.end());
  std::sort(keys.begin(), keys.end());
  std::string out = "k:";
  char separator = '{';
  for (std::string_view key : keys) {
    const FieldDesc* desc = field.message->Find(key);
    const bool there = desc != nullptr && PresenceOf(*desc, item) == Presence::kThere;
    if (!there && (desc == nullptr || desc->default_json.empty())) continue;
    out += separator;
    separator = ',';
    model::AppendJsonString(key, out);
    out += ':';
    if (there) {
      model::EncodeJsonField(*desc, item, out);
    } else {
      out += desc->default_json;
    }
  }
  if (separator == '{') out += '{';
  return out + "}";
}

std::string ElementOfItem(const FieldDesc& field, const void* item) {
  return MergingOf(field) == Merging::kSet ? ElementOfSetItem(field, item) : ElementOfKeyedItem(field, item);
}

// The items of a list by their path element; several of them if the list is not as its type says.
using Items = std::map<std::string, std::vector<const void*>, FieldSet::ElementOrder>;

Items ItemsOf(const FieldDesc& field, const void* message) {
  Items out;
  if (message == nullptr) return out;
  for (std::size_t i = 0; i < ListSize(field, message); ++i) {
    const void* item = ListAt(field, message, i);
    out[ElementOfItem(field, item)].push_back(item);
  }
  return out;
}

// ---- What a new object sets ---------------------------------------------------------------------------------------

// Whether what is around a field has been there before: an empty object has its plain structs.
enum class Around : std::uint8_t { kOld, kNew };

class Writer {
 public:
  Writer(std::span<const std::string_view> ignored, std::string& out) : ignored_(ignored), out_(out) {}

  void Root(const MessageDesc& desc, const void* message) {
    out_ += '{';
    for (const std::uint16_t index : desc.by_name) {
      const FieldDesc& field = desc.fields[index];
      if (IsIgnored(field.name)) continue;
      if (desc.metadata_field == static_cast<std::int32_t>(index)) {
        Metadata(field, message);
      } else {
        Field(field, message, Around::kOld);
      }
    }
    out_ += '}';
  }

 private:
  static bool IsNobodys(std::string_view name) {
    const std::span<const std::string_view> names = NobodysNames();
    return std::find(names.begin(), names.end(), name) != names.end();
  }
  bool IsIgnored(std::string_view path) const {
    return std::find(ignored_.begin(), ignored_.end(), path) != ignored_.end();
  }

  void Metadata(const FieldDesc& metadata, const void* message) {
    const std::size_t begin = Open("f:metadata");
    const void* value = Get(metadata, message);
    for (const std::uint16_t index : metadata.message->by_name) {
      const FieldDesc& field = metadata.message->fields[index];
      if (!IsNobodys(field.name) && !IsIgnored(std::string("metadata.").append(field.name))) {
        Field(field, value, Around::kOld);
      }
    }
    Close(begin, Around::kOld);
  }

  // Begins an element; Close takes it back if nothing came of it and it is no field of its own.
  std::size_t Open(std::string_view element) {
    const std::size_t begin = out_.size();
    if (out_.back() != '{') out_ += ',';
    model::AppendJsonString(element, out_);
    out_ += ":{";
    return begin;
  }
  std::size_t OpenField(std::string_view name) {
    const std::size_t begin = out_.size();
    if (out_.back() != '{') out_ += ',';
    out_.append("\"f:").append(name).append("\":{");
    return begin;
  }
  void Close(std::size_t begin, Around around) {
    if (out_.back() != '{' || around == Around::kNew) {
      out_ += '}';
    } else {
      out_.resize(begin);
    }
  }
  void Leaf() { out_ += '}'; }
  void Self() { out_ += "\".\":{}"; }

  void Field(const FieldDesc& field, const void* message, Around around) {
    const Presence now = PresenceOf(field, message);
    if (now == Presence::kAbsent) return;
    const bool is_new = around == Around::kNew || !field.has(kFieldAlways);
    const Merging merging = MergingOf(field);
    const bool hollow = IsHollow(field, message);
    if (merging == Merging::kLeaf || hollow) {
      if (is_new || (!hollow && model::IsSet(field, message))) {
        OpenField(field.name);
        Leaf();
      }
      return;
    }
    const std::size_t begin = OpenField(field.name);
    if (is_new) Self();
    Inside(field, merging, message, is_new ? Around::kNew : Around::kOld);
    Close(begin, Around::kOld);
  }

  void Inside(const FieldDesc& field, Merging merging, const void* message, Around around) {
    switch (merging) {
      case Merging::kMessage:
        return Members(*field.message, Get(field, message), around);
      case Merging::kMap:
        for (std::size_t i = 0; i < MapSize(field, message); ++i) {
          const std::string element = std::string("f:").append(MapKeyAt(field, message, i).view());
          Value(element, model::TypeOf(field), MapValueAt(field, message, i));
        }
        return;
      case Merging::kRaw:
        return Raw(model::As<RawJson>(Get(field, message)).json.view());
      default:
        return Elements(field, message);
    }
  }

  void Members(const MessageDesc& desc, const void* message, Around around) {
    for (const std::uint16_t index : desc.by_name) Field(desc.fields[index], message, around);
  }

  void Elements(const FieldDesc& field, const void* message) {
    for (const auto& [element, items] : ItemsOf(field, message)) {
      if (items.size() == 1) {
        Value(element, model::TypeOf(field), items.front());
      } else {
        Open(element);
        Leaf();
      }
    }
  }

  // A value that was not there before.
  void Value(std::string_view element, ValueType type, const void* value) {
    const std::size_t begin = Open(element);
    const Merging merging = MergingOfValue(type);
    if (merging == Merging::kLeaf || IsHollowValue(type, value)) return Leaf();
    if (merging == Merging::kRaw) {
      const std::string_view json = model::As<RawJson>(value).json.view();
      if (json.starts_with('{')) Self();
      Raw(json);
    } else {
      Self();
      Members(*type.message, value, Around::kNew);
    }
    Close(begin, Around::kNew);
  }

  void Raw(std::string_view text) {
    const Result<Json> json = ParseJson(text, kMaxDepth);
    if (json && json->is_object()) RawMembers(*json);
  }
  void RawMembers(const Json& object) {
    for (const auto& [name, value] : object.items()) {
      const std::size_t begin = Open("f:" + name);
      if (value.is_object() && !value.empty()) {
        Self();
        RawMembers(value);
      }
      Close(begin, Around::kNew);
    }
  }

  const std::span<const std::string_view> ignored_;
  std::string& out_;
};

// ---- The shape of a new object ------------------------------------------------------------------------------------

// What FieldsOfNew's text depends on, as bytes: which fields are there, the keys of maps and keyed lists, the values of
// sets; not the values of fields. Far shorter than the text, and made without sorting or quoting.
class ShapeKey {
 public:
  explicit ShapeKey(std::string& out) : out_(out) {}

  void Message(const MessageDesc& desc, const void* message) {
    for (std::size_t i = 0; i < desc.fields.size(); ++i) {
      const FieldDesc& field = desc.fields[i];
      if (PresenceOf(field, message) == Presence::kAbsent) continue;
      out_ += static_cast<char>(i + 1);
      Field(field, message);
    }
    out_ += '\0';
  }

 private:
  void Bytes(std::string_view bytes) {
    const auto size = static_cast<std::uint32_t>(bytes.size());
    out_.append(reinterpret_cast<const char*>(&size), sizeof(size)).append(bytes);
  }

  void Field(const FieldDesc& field, const void* message) {
    const Merging merging = MergingOf(field);
    const bool hollow = IsHollow(field, message);
    if (merging == Merging::kLeaf || hollow) {
      out_ += !hollow && model::IsSet(field, message) ? 's' : 'h';
      return;
    }
    const ValueType type = model::TypeOf(field);
    switch (merging) {
      case Merging::kMessage:
        return Message(*field.message, Get(field, message));
      case Merging::kRaw:
        return Bytes(model::As<RawJson>(Get(field, message)).json.view());
      case Merging::kMap:
        for (std::size_t i = 0; i < MapSize(field, message); ++i) {
          Bytes(MapKeyAt(field, message, i).view());
          Value(type, MapValueAt(field, message, i));
        }
        break;
      default:
        for (std::size_t i = 0; i < ListSize(field, message); ++i) Item(field, ListAt(field, message, i));
    }
    Bytes("");
  }

  void Item(const FieldDesc& field, const void* item) {
    out_ += 'i';
    if (field.type != FieldType::kMessage) {
      if (field.type == FieldType::kString) return Bytes(model::As<Str>(item).view());
      return Bytes(ElementOfSetItem(field, item));
    }
    for (std::string_view key : field.list_map_keys) Key(*field.message, key, item);
    Value(model::TypeOf(field), item);
  }

  void Key(const MessageDesc& desc, std::string_view key, const void* item) {
    const FieldDesc* field = desc.Find(key);
    const void* value = field != nullptr ? Get(*field, item) : nullptr;
    if (value == nullptr) {
      out_ += 'n';
    } else if (field->type == FieldType::kString) {
      Bytes(model::As<Str>(value).view());
    } else {
      std::string text;
      model::EncodeJsonValue(model::TypeOf(*field), value, text);
      Bytes(text);
    }
  }

  void Value(ValueType type, const void* value) {
    const Merging merging = MergingOfValue(type);
    if (merging == Merging::kLeaf || IsHollowValue(type, value)) {
      out_ += 'h';
    } else if (merging == Merging::kRaw) {
      Bytes(model::As<RawJson>(value).json.view());
    } else {
      Message(*type.message, value);
    }
  }

  std::string& out_;
};

// ---- What changes -------------------------------------------------------------------------------------------------

// Where the comparison is; spelled out only where something differs.
struct Place {
  const Place* parent = nullptr;
  std::string_view element;  // without the "f:" if `is_member`
  bool is_member = false;
};

FieldSet& At(FieldSet& root, const Place& place) {
  if (place.parent == nullptr) return root;
  FieldSet& above = At(root, *place.parent);
  return place.is_member ? above.At(std::string("f:").append(place.element)) : above.At(place.element);
}

// Messages, values or parents that may be null are not there.
class Comparer {
 public:
  explicit Comparer(FieldChanges& out) : out_(out) {}

  void Members(const MessageDesc& desc, const void* before, const void* after, const Place& place) {
    for (const FieldDesc& field : desc.fields) Field(field, before, after, {&place, field.name, true});
  }

  void Field(const FieldDesc& field, const void* before, const void* after, const Place& place) {
    if (before != nullptr && after != nullptr && IsShared(field, before, after)) return;
    const Presence then = PresenceOf(field, before);
    const Presence now = PresenceOf(field, after);
    if (then == Presence::kAbsent && now == Presence::kAbsent) return;
    const Merging merging = MergingOf(field);
    if (merging == Merging::kLeaf || (IsHollow(field, before) && IsHollow(field, after))) {
      const bool same =
          then != Presence::kAbsent && now != Presence::kAbsent && model::EqualFields(field, before, after);
      return Whole(then != Presence::kAbsent, now != Presence::kAbsent, same, place);
    }
    const void* from = then == Presence::kThere ? before : nullptr;
    const void* to = now == Presence::kThere ? after : nullptr;
    switch (merging) {
      case Merging::kMessage:
        Members(*field.message, from != nullptr ? Get(field, from) : nullptr, to != nullptr ? Get(field, to) : nullptr,
                place);
        break;
      case Merging::kRaw:
        return RawField(from != nullptr ? model::As<RawJson>(Get(field, from)).json.view() : std::string_view(),
                        to != nullptr ? model::As<RawJson>(Get(field, to)).json.view() : std::string_view(), place);
      case Merging::kMap:
        Entries(field, from, to, place);
        break;
      default:
        Elements(field, from, to, place);
    }
    if (then == Presence::kAbsent) At(out_.added, place).set_member();
    if (now == Presence::kAbsent) At(out_.removed, place).set_member();
  }

 private:
  // One representation in both, so nothing differs.
  static bool IsShared(const FieldDesc& field, const void* before, const void* after) {
    const bool pointer = field.shape == Shape::kBox || field.shape == Shape::kList || field.shape == Shape::kMap ||
                         (field.shape == Shape::kPlain && field.type == FieldType::kString);
    return pointer && std::memcmp(SlotOf(field, before), SlotOf(field, after), sizeof(void*)) == 0;
  }

  void Whole(bool then, bool now, bool same, const Place& place) {
    if (!then && now) {
      At(out_.added, place).set_member();
    } else if (then && !now) {
      At(out_.removed, place).set_member();
    } else if (then && now && !same) {
      At(out_.modified, place).set_member();
    }
  }

  // One element of a list or entry of a map.
  void Value(ValueType type, const void* before, const void* after, const Place& place) {
    const Merging merging = MergingOfValue(type);
    if (merging == Merging::kRaw) {
      return RawField(before != nullptr ? model::As<RawJson>(before).json.view() : std::string_view(),
                      after != nullptr ? model::As<RawJson>(after).json.view() : std::string_view(), place);
    }
    if (merging == Merging::kLeaf || (IsHollowValue(type, before) && IsHollowValue(type, after))) {
      const bool both = before != nullptr && after != nullptr;
      return Whole(before != nullptr, after != nullptr, both && EqualValue(type, before, after), place);
    }
    Members(*type.message, before, after, place);
    if (before == nullptr) At(out_.added, place).set_member();
    if (after == nullptr) At(out_.removed, place).set_member();
  }

  static bool EqualValue(ValueType type, const void* a, const void* b) {
    if (type.type == FieldType::kMessage) return EqualMessages(*type.message, a, b);
    std::string text_a;
    std::string text_b;
    model::EncodeJsonValue(type, a, text_a);
    model::EncodeJsonValue(type, b, text_b);
    return text_a == text_b;
  }

  void Entries(const FieldDesc& field, const void* before, const void* after, const Place& place) {
    const ValueType type = model::TypeOf(field);
    const std::size_t olds = before != nullptr ? MapSize(field, before) : 0;
    const std::size_t news = after != nullptr ? MapSize(field, after) : 0;
    std::size_t i = 0;
    std::size_t k = 0;
    while (i < olds || k < news) {
      const Str* from = i < olds ? &MapKeyAt(field, before, i) : nullptr;
      const Str* to = k < news ? &MapKeyAt(field, after, k) : nullptr;
      const bool take_from = to == nullptr || (from != nullptr && from->view() <= to->view());
      const bool take_to = from == nullptr || (to != nullptr && to->view() <= from->view());
      Value(type, take_from ? MapValueAt(field, before, i) : nullptr, take_to ? MapValueAt(field, after, k) : nullptr,
            {&place, take_from ? from->view() : to->view(), true});
      if (take_from) ++i;
      if (take_to) ++k;
    }
  }

  void Elements(const FieldDesc& field, const void* before, const void* after, const Place& place) {
    const Items olds = ItemsOf(field, before);
    const Items news = ItemsOf(field, after);
    const std::vector<const void*> none;
    const auto in = [&](const Items& items, const std::string& element) -> const std::vector<const void*>& {
      const auto it = items.find(element);
      return it != items.end() ? it->second : none;
    };
    for (const auto& [element, items] : olds) Element(field, items, in(news, element), {&place, element});
    for (const auto& [element, items] : news) {
      if (!olds.contains(element)) Element(field, none, items, {&place, element});
    }
  }

  // Elements that come more than once are one field together.
  void Element(const FieldDesc& field, const std::vector<const void*>& olds, const std::vector<const void*>& news,
               const Place& place) {
    const ValueType type = model::TypeOf(field);
    const auto first = [](const std::vector<const void*>& items) { return items.empty() ? nullptr : items.front(); };
    if (olds.size() <= 1 && news.size() <= 1) {
      Value(type, first(olds), first(news), place);
    } else if (olds.size() >= 2 && news.size() >= 2) {
      const bool same = std::equal(olds.begin(), olds.end(), news.begin(), news.end(),
                                   [&](const void* a, const void* b) { return EqualValue(type, a, b); });
      Whole(true, true, same, place);
    } else if (olds.size() >= 2) {
      if (!news.empty()) Value(type, nullptr, first(news), place);
      At(out_.removed, place).set_member();
    } else {
      if (!olds.empty()) Value(type, first(olds), nullptr, place);
      At(out_.added, place).set_member();
    }
  }

  void RawField(std::string_view before, std::string_view after, const Place& place) {
    if (before == after) return;
    const Result<Json> from = before.empty() ? Result<Json>(Json()) : ParseJson(before, kMaxDepth);
    const Result<Json> to = after.empty() ? Result<Json>(Json()) : ParseJson(after, kMaxDepth);
    Raw(before.empty() || !from ? nullptr : &*from, after.empty() || !to ? nullptr : &*to, place);
  }
  void Raw(const Json* before, const Json* after, const Place& place) {
    const auto members = [](const Json* json) { return json != nullptr && json->is_object() && !json->empty(); };
    const auto fits = [](const Json* json) { return json == nullptr || json->is_object() || json->is_null(); };
    if (!(members(before) || members(after)) || !fits(before) || !fits(after)) {
      const bool both = before != nullptr && after != nullptr;
      return Whole(before != nullptr, after != nullptr, both && *before == *after, place);
    }
    if (members(before)) {
      for (const auto& [name, value] : before->items()) {
        const bool stays = members(after) && after->contains(name);
        Raw(&value, stays ? &after->at(name) : nullptr, {&place, name, true});
      }
    }
    if (members(after)) {
      for (const auto& [name, value] : after->items()) {
        if (!members(before) || !before->contains(name)) Raw(nullptr, &value, {&place, name, true});
      }
    }
    if (before == nullptr) At(out_.added, place).set_member();
    if (after == nullptr) At(out_.removed, place).set_member();
  }

  FieldChanges& out_;
};

}  // namespace

std::span<const std::string_view> NobodysNames() {
  static constexpr std::array<std::string_view, 9> kNames = {"name",       "namespace",     "creationTimestamp",
                                                             "selfLink",   "uid",           "clusterName",
                                                             "generation", "managedFields", "resourceVersion"};
  return kNames;
}

FieldChanges CompareMessages(const MessageDesc& desc, const void* before, const void* after) {
  FieldChanges out;
  Comparer comparer(out);
  const Place root;
  for (std::size_t i = 0; i < desc.fields.size(); ++i) {
    const FieldDesc& field = desc.fields[i];
    const Place place{&root, field.name, true};
    if (desc.metadata_field != static_cast<std::int32_t>(i)) {
      comparer.Field(field, before, after, place);
      continue;
    }
    // Field sets do not speak of themselves.
    for (const FieldDesc& inner : field.message->fields) {
      if (inner.name == "managedFields") continue;
      comparer.Field(inner, Get(field, before), Get(field, after), {&place, inner.name, true});
    }
  }
  return out;
}

Str FieldsOfNew(const MessageDesc& desc, const void* message, std::span<const std::string_view> ignored) {
  struct Known {
    std::string shape;
    Str fields;
  };
  constexpr std::size_t kKnown = 128;
  static thread_local std::array<Known, kKnown> known;
  static thread_local std::string shape;
  shape.assign(desc.name);
  for (std::string_view path : ignored) shape.append("\n").append(path);
  shape += '\n';
  ShapeKey(shape).Message(desc, message);
  Known& slot = known[std::hash<std::string_view>()(shape) % kKnown];
  if (slot.shape != shape) {
    std::string text;
    text.reserve(2048);
    Writer(ignored, text).Root(desc, message);
    slot = {shape, Str(text)};
  }
  return slot.fields;
}

}  // namespace minikube
