#include "model/strategic_merge.h"

#include <algorithm>
#include <functional>
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

constexpr std::string_view kDirective = "$patch";
constexpr std::string_view kRetainKeys = "$retainKeys";
constexpr std::string_view kDeletePrefix = "$deleteFromPrimitiveList/";
constexpr std::string_view kOrderPrefix = "$setElementOrder/";

Status BadDeleteList() { return {Code::kBadRequest, "invalid patch format of primitive list"}; }
Status BadRetainKeys() { return {Code::kBadRequest, "invalid patch format of retainKeys"}; }
Status BadOrderList() { return {Code::kBadRequest, "invalid patch format of setElementOrder list"}; }
Status NoMergeKey(const Json& item, std::string_view key) {
  return {Code::kInvalid, fmt::format("map: {} does not contain declared merge key: {}", GoValueText(item), key)};
}
Status BadDirective(const Json& directive, const Json& item) {
  return {Code::kInvalid, fmt::format("unknown patch type: {} in map: {}", GoValueText(directive), GoValueText(item))};
}
Status NotAnObject(const Json& item) {
  return {Code::kInvalid, fmt::format("expected a map[string]interface {{}}, but received a {}", GoTypeName(item))};
}

// What the tables say about a member of an object.
struct Meta {
  const MessageDesc* message = nullptr;  // of the member, its elements or its values; null if they are not messages
  bool merge = false;                    // lists: merge rather than replace
  bool replace = false;                  // objects: replace rather than merge
  bool is_map = false;                   // the member is a map: its own members are all alike
  std::string_view key;                  // merge key
};

// The type of an object in the document: a message, a map of messages, or unknown.
struct Type {
  const MessageDesc* message = nullptr;
  bool is_map = false;  // a map with values of type `message`
};

Meta Lookup(const Type& type, std::string_view member) {
  Meta out;
  if (type.is_map) {
    out.message = type.message;
    return out;
  }
  const FieldDesc* field = type.message != nullptr ? type.message->Find(member) : nullptr;
  if (field == nullptr) return out;
  out.merge = (field->patch_strategy & static_cast<int>(PatchStrategy::kMerge)) != 0;
  out.replace = (field->patch_strategy & static_cast<int>(PatchStrategy::kReplace)) != 0;
  out.is_map = field->shape == Shape::kMap;
  out.key = field->patch_merge_key;
  if (field->type == FieldType::kMessage) out.message = field->message;
  return out;
}

// The identity of a list element: its merge key's value, or itself if it is a scalar. Null if it has none.
const Json* IdentityOf(const Json& item, std::string_view key) {
  if (key.empty()) return &item;
  if (!item.is_object()) return nullptr;
  const auto it = item.find(key);
  return it != item.end() ? &*it : nullptr;
}

// Scalars are compared as JSON text, which tells 1 from "1" and needs no order between types.
std::string IdentityText(const Json& identity) { return JsonText(identity); }

// The first position of every identity in a list.
class Positions {
 public:
  Positions(const Json& list, std::string_view key) : key_(key) {
    std::size_t i = 0;
    for (const Json& item : list) {
      if (const Json* identity = IdentityOf(item, key)) at_.emplace(IdentityText(*identity), i);
      ++i;
    }
  }
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t Of(const Json& item) const {
    const Json* identity = IdentityOf(item, key_);
    if (identity == nullptr) return kNone;
    const auto it = at_.find(IdentityText(*identity));
    return it != at_.end() ? it->second : kNone;
  }
  void Add(const Json& item, std::size_t position) {
    if (const Json* identity = IdentityOf(item, key_)) at_.emplace(IdentityText(*identity), position);
  }

 private:
  std::string_view key_;
  std::map<std::string, std::size_t> at_;
};

// A value that enters the document as new: directives inside have nothing to act on and go, and so do nulls.
// False if the value itself is nothing but a directive.
bool Adopt(Json& value) {
  if (value.is_object()) {
    if (value.contains(kDirective)) return false;
    for (auto it = value.begin(); it != value.end();) {
      const bool keep = !it->is_null() && !it.key().starts_with(kOrderPrefix) && !it.key().starts_with(kDeletePrefix) &&
                        it.key() != kRetainKeys && Adopt(*it);
      it = keep ? std::next(it) : value.erase(it);
    }
  } else if (value.is_array()) {
    Json kept = Json::array();
    for (Json& item : value) {
      if (Adopt(item)) kept.push_back(std::move(item));
    }
    value = std::move(kept);
  }
  return true;
}

// All elements of both lists are of one kind, and none is a list.
Status CheckElements(const Json& a, const Json& b) {
  const Json* first = nullptr;
  for (const Json* list : {&a, &b}) {
    for (const Json& item : *list) {
      if (item.is_array()) return {Code::kInvalid, "lists of lists are not supported"};
      if (first == nullptr) first = &item;
      const bool numbers = first->is_number() && item.is_number();
      if (!numbers && first->type() != item.type()) {
        return {Code::kInvalid,
                fmt::format("list element types are not identical: [{} {}]", GoValueText(a), GoValueText(b))};
      }
    }
  }
  return {};
}

// Puts the elements of `merged` in order: those named in `order` as they are there, the others as in `live`; both
// sequences keep their order, and an element of the second goes before one of the first if it does so in `live`.
Json Reorder(Json merged, const Json& order, const Json& live, std::string_view key) {
  const Positions wanted(order, key);
  const Positions lived(live, key);
  std::vector<Json*> named;
  std::vector<Json*> others;
  for (Json& item : merged) (wanted.Of(item) != Positions::kNone ? named : others).push_back(&item);
  std::stable_sort(named.begin(), named.end(), [&](Json* a, Json* b) { return wanted.Of(*a) < wanted.Of(*b); });
  std::stable_sort(others.begin(), others.end(), [&](Json* a, Json* b) { return lived.Of(*a) < lived.Of(*b); });
  Json out = Json::array();
  std::size_t i = 0;
  std::size_t k = 0;
  while (i < others.size() || k < named.size()) {
    bool take_other = k == named.size();
    if (i < others.size() && k < named.size()) {
      const std::size_t a = lived.Of(*others[i]);
      const std::size_t b = lived.Of(*named[k]);
      take_other = a != Positions::kNone && b != Positions::kNone && a < b;
    }
    out.push_back(std::move(take_other ? *others[i++] : *named[k++]));
  }
  return out;
}

Status MergeObject(const Type& type, Json& document, Json patch);

// Elements with a $patch directive act and are removed from `patch`; the rest is merged by key. `live` is the list that
// tells the order of elements the patch does not name.
Status MergeByKey(const Meta& meta, Json& document, Json& patch, Json& live) {
  bool replace = false;
  Json plain = Json::array();
  std::set<std::string> deleted;
  for (Json& item : patch) {
    const auto directive = item.find(kDirective);
    if (directive == item.end()) {
      plain.push_back(std::move(item));
    } else if (*directive == "delete") {
      const Json* identity = IdentityOf(item, meta.key);
      if (identity == nullptr) return NoMergeKey(item, meta.key);
      deleted.insert(IdentityText(*identity));
    } else if (*directive == "replace") {
      replace = true;
    } else if (*directive == "merge") {
      return {Code::kInvalid, "merging lists cannot yet be specified in the patch"};
    } else {
      return BadDirective(*directive, item);
    }
  }
  patch = std::move(plain);
  if (replace) {
    Json fresh = patch;
    Adopt(fresh);
    live = fresh;
    document = std::move(fresh);
    patch = Json::array();
    return {};
  }
  if (!deleted.empty()) {
    Json kept = Json::array();
    for (Json& item : document) {
      const Json* identity = IdentityOf(item, meta.key);
      if (identity == nullptr || !deleted.contains(IdentityText(*identity))) kept.push_back(std::move(item));
    }
    document = std::move(kept);
  }
  Positions present(document, meta.key);
  for (const Json& item : patch) {
    if (IdentityOf(item, meta.key) == nullptr) return NoMergeKey(item, meta.key);
    const std::size_t at = present.Of(item);
    if (at != Positions::kNone) {
      MINIKUBE_RETURN_IF_ERROR(MergeObject({meta.message, false}, document[at], item));
    } else {
      Json fresh = item;
      Adopt(fresh);
      present.Add(item, document.size());
      document.push_back(std::move(fresh));
    }
  }
  for (const Json& item : document) {
    if (IdentityOf(item, meta.key) == nullptr) return NoMergeKey(item, meta.key);
  }
  return {};
}

// A list with patch strategy "merge". `order` (an array, or null for none) is the $setElementOrder list.
Status MergeList(const Meta& meta, Json& document, Json patch, const Json& order) {
  MINIKUBE_RETURN_IF_ERROR(CheckElements(document, patch));
  if (document.empty() && patch.empty()) return {};
  Json live = document;
  const bool objects = (document.empty() ? patch : document).front().is_object();
  std::string_view key;
  if (objects) {
    key = meta.key;
    if (key.empty()) return {Code::kInvalid, "cannot merge lists without merge key for struct"};
    MINIKUBE_RETURN_IF_ERROR(MergeByKey(meta, document, patch, live));
  } else {
    Json merged = Json::array();
    std::set<std::string> seen;
    for (Json* list : {&document, &patch}) {
      for (const Json& item : *list) {
        if (seen.insert(IdentityText(item)).second) merged.push_back(item);
      }
    }
    document = std::move(merged);
  }
  document = Reorder(std::move(document), order.is_null() ? patch : order, live, key);
  return {};
}

// $setElementOrder must name every element of the patch list that is not a deletion, in the same order.
Status CheckOrder(const Json& patch, const Json& order, std::string_view key) {
  if (patch.empty() || order.empty()) return {};
  std::size_t at = 0;
  for (const Json& item : patch) {
    if (item.is_object() && item.contains(kDirective)) continue;
    const Json* wanted = IdentityOf(item, key);
    if (wanted == nullptr) return item.is_object() ? NoMergeKey(item, key) : NotAnObject(item);
    bool found = false;
    for (; at < order.size() && !found; ++at) {
      const Json* named = IdentityOf(order[at], key);
      if (named == nullptr) return order[at].is_object() ? NoMergeKey(order[at], key) : NotAnObject(order[at]);
      found = *named == *wanted;
    }
    if (!found) {
      return {Code::kInvalid, fmt::format("The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n",
                                          GoValueText(patch), GoValueText(order))};
    }
  }
  return {};
}

// Takes the directive out of `patch`, and from `document` every member that the directive does not name.
Status ApplyRetainKeys(Json& document, Json& patch) {
  const auto it = patch.find(kRetainKeys);
  if (it == patch.end()) return {};
  const Json keys = std::move(*it);
  patch.erase(it);
  if (!keys.is_array()) return BadRetainKeys();
  std::set<std::string, std::less<>> kept;
  for (const Json& key : keys) {
    if (!key.is_string()) return BadRetainKeys();
    kept.insert(key.get<std::string>());
  }
  for (const auto& [name, value] : patch.items()) {
    if (value.is_null() || name.starts_with(kDeletePrefix) || name.starts_with(kOrderPrefix)) continue;
    if (!kept.contains(name)) return BadRetainKeys();
  }
  for (auto member = document.begin(); member != document.end();) {
    member = kept.contains(member.key()) ? std::next(member) : document.erase(member);
  }
  return {};
}

// Merges every list that has a $setElementOrder, and takes both out of `patch`.
Status ApplyOrders(const Type& type, Json& document, Json& patch) {
  std::vector<std::string> names;
  for (const auto& [name, value] : patch.items()) {
    if (name.starts_with(kOrderPrefix)) names.push_back(name.substr(kOrderPrefix.size()));
  }
  for (const std::string& name : names) {
    const std::string directive = std::string(kOrderPrefix) + name;
    const Json order = std::move(patch[directive]);
    patch.erase(directive);
    if (!order.is_array()) return BadOrderList();
    const Meta meta = Lookup(type, name);
    Json list = Json::array();
    if (const auto it = patch.find(name); it != patch.end() && !it->is_null()) {
      if (!it->is_array()) return BadOrderList();
      list = std::move(*it);
      patch.erase(it);
    } else if (it != patch.end()) {
      continue;  // the list is deleted; nothing to order
    }
    MINIKUBE_RETURN_IF_ERROR(CheckOrder(list, order, meta.key));
    const auto live = document.find(name);
    if (live != document.end() && !live->is_array()) return BadOrderList();
    if (live == document.end() && list.empty()) continue;
    Json& target = live != document.end() ? *live : (document[name] = Json::array());
    if (!meta.merge) {
      if (list.empty()) continue;
      Adopt(list);
      target = std::move(list);
    } else {
      MINIKUBE_RETURN_IF_ERROR(MergeList(meta, target, std::move(list), order));
    }
  }
  return {};
}

Status DeleteFromList(Json& document, std::string_view name, const Json& values) {
  if (!values.is_array()) return BadDeleteList();
  const auto it = document.find(name);
  if (it == document.end() || !it->is_array()) return {};
  std::set<std::string> gone;
  for (const Json& value : values) {
    if (value.is_structured()) return BadDeleteList();
    gone.insert(IdentityText(value));
  }
  Json kept = Json::array();
  for (Json& item : *it) {
    if (!gone.contains(IdentityText(item))) kept.push_back(std::move(item));
  }
  *it = std::move(kept);
  return {};
}

Status MergeMember(const Type& type, Json& document, const std::string& name, Json value) {
  const auto it = document.find(name);
  if (value.is_null()) {
    if (it != document.end()) document.erase(it);
    return {};
  }
  const bool alike = it != document.end() && it->type() == value.type() && value.is_structured();
  if (alike) {
    const Meta meta = Lookup(type, name);
    if (value.is_object()) {
      if (!meta.replace) return MergeObject({meta.message, meta.is_map}, *it, std::move(value));
    } else if (meta.merge) {
      return MergeList(meta, *it, std::move(value), Json());
    }
  }
  if (Adopt(value)) {
    document[name] = std::move(value);
  } else if (it != document.end()) {
    document.erase(it);
  }
  return {};
}

Status MergeObject(const Type& type, Json& document, Json patch) {
  if (const auto directive = patch.find(kDirective); directive != patch.end()) {
    if (*directive == "replace") {
      patch.erase(directive);
      Adopt(patch);
      document = std::move(patch);
      return {};
    }
    if (*directive == "delete") {
      document = Json::object();
      return {};
    }
    if (*directive != "merge") return BadDirective(*directive, patch);
    patch.erase(directive);
  }
  MINIKUBE_RETURN_IF_ERROR(ApplyRetainKeys(document, patch));
  MINIKUBE_RETURN_IF_ERROR(ApplyOrders(type, document, patch));
  for (auto& [name, value] : patch.items()) {
    if (name.starts_with(kDeletePrefix)) {
      MINIKUBE_RETURN_IF_ERROR(DeleteFromList(document, std::string_view(name).substr(kDeletePrefix.size()), value));
    } else {
      MINIKUBE_RETURN_IF_ERROR(MergeMember(type, document, name, std::move(value)));
    }
  }
  return {};
}

}  // namespace

Status StrategicMerge(const MessageDesc& desc, Json& document, Json patch) {
  return MergeObject({&desc, false}, document, std::move(patch));
}

}  // namespace minikube
