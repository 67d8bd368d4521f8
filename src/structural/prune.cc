// Pruning and defaulting: what Kubernetes does to a custom object when it is read from a request.
#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "structural/structural_schema.h"

namespace minikube {
namespace {

bool IsMetaField(std::string_view name) { return name == "apiVersion" || name == "kind" || name == "metadata"; }

// A place below the root; rendered only when something is pruned there.
struct Place {
  const Place* parent;
  std::string_view key;  // of a member; no data: an element
  std::size_t index;
};

void AppendPlace(const Place* place, std::string& out) {
  if (place == nullptr) return;
  AppendPlace(place->parent, out);
  if (place->key.data() == nullptr) {
    out += fmt::format("[{}]", place->index);
  } else {
    out.append(out.empty() ? "" : ".").append(place->key);
  }
}

// Walks the tree read-only and copies what changes: most objects have nothing to prune, and then keep their sharing.
class Pruner {
 public:
  explicit Pruner(std::vector<std::string>* pruned) : pruned_(pruned) {}

  // Whether `value` is as it should be; else `value` has been replaced.
  // `schema` null: nothing is known. `keep`: below a value that keeps what is unknown.
  void Value(Json& value, const SchemaNode* schema, bool root, const Place* place) {
    const bool keep = schema != nullptr && schema->preserve_unknown;
    if (value.is_object()) {
      Object(value, schema, keep, root || (schema != nullptr && schema->embedded), place);
    } else if (value.is_array()) {
      Array(value, schema, keep, place);
    }
  }

 private:
  void Object(Json& value, const SchemaNode* schema, bool keep, bool embedded, const Place* place) {
    std::vector<JsonMember> changed;
    std::vector<Str> doomed;
    for (const JsonMember& member : value.members()) {
      if (embedded && IsMetaField(member.key)) continue;
      const Place here{place, member.key.view(), 0};
      const SchemaNode* property = schema != nullptr ? schema->Property(member.key) : nullptr;
      const bool additional = schema != nullptr && property == nullptr && schema->additional_set;
      if (property == nullptr && !additional) {
        if (keep) continue;
        Report(&here);
        doomed.push_back(member.key);
        continue;
      }
      Json copy = member.value;
      Value(copy, property != nullptr ? property : schema->additional.get(), false, &here);
      if (!copy.same(member.value)) changed.push_back({member.key, std::move(copy)});
    }
    for (const Str& key : doomed) value.Erase(key);
    for (JsonMember& member : changed) value.MutableInterned(member.key) = std::move(member.value);
  }

  // Below x-kubernetes-preserve-unknown-fields, items keep what is unknown too.
  void Array(Json& value, const SchemaNode* schema, bool keep, const Place* place) {
    const SchemaNode* items = schema != nullptr ? schema->items.get() : nullptr;
    if (keep && items == nullptr) return;
    for (std::size_t i = 0; i < value.size(); ++i) {
      const Place here{place, {}, i};
      Json copy = value.items()[i];
      if (keep && copy.is_object()) {
        Object(copy, items, true, items->embedded, &here);
      } else if (keep && copy.is_array()) {
        Array(copy, items, true, &here);
      } else {
        Value(copy, items, false, &here);
      }
      if (!copy.same(value.items()[i])) value.MutableItem(i) = std::move(copy);
    }
  }

  void Report(const Place* place) {
    if (pruned_ == nullptr) return;
    std::string path;
    AppendPlace(place, path);
    pruned_->push_back(std::move(path));
  }

  std::vector<std::string>* pruned_;
};

bool IsForbiddenNull(const Json& value, const SchemaNode* schema) {
  return value.is_null() && schema != nullptr && !schema->nullable;
}

bool HasDefaults(const SchemaNode& schema) {
  return std::any_of(schema.properties.begin(), schema.properties.end(),
                     [](const SchemaProperty& p) { return !p.node.default_value.absent(); });
}

void DefaultValue(Json& value, const SchemaNode* schema, bool root) {
  if (value.is_array()) {
    const SchemaNode* items = schema != nullptr ? schema->items.get() : nullptr;
    for (std::size_t i = 0; items != nullptr && i < value.size(); ++i) {
      Json copy = value.items()[i];
      if (IsForbiddenNull(copy, items) && !items->default_value.absent()) copy = items->default_value;
      DefaultValue(copy, items, false);
      if (!copy.same(value.items()[i])) value.MutableItem(i) = std::move(copy);
    }
    return;
  }
  if (!value.is_object() || schema == nullptr) return;
  std::vector<JsonMember> changed;
  std::vector<Str> doomed;
  for (const JsonMember& member : value.members()) {
    if (root && IsMetaField(member.key)) continue;
    const SchemaNode* below = schema->Member(member.key);
    Json copy = member.value;
    if (IsForbiddenNull(copy, below)) {
      if (below->default_value.absent()) {
        doomed.push_back(member.key);
        continue;
      }
      copy = below->default_value;
    }
    DefaultValue(copy, below, false);
    if (!copy.same(member.value)) changed.push_back({member.key, std::move(copy)});
  }
  if (HasDefaults(*schema)) {
    for (const SchemaProperty& property : schema->properties) {
      if (property.node.default_value.absent() || (root && IsMetaField(property.name))) continue;
      if (value.Find(property.name) != nullptr) continue;
      Json fresh = property.node.default_value;
      DefaultValue(fresh, &property.node, false);
      changed.push_back({property.name, std::move(fresh)});
    }
  }
  for (const Str& key : doomed) value.Erase(key);
  for (JsonMember& member : changed) value.MutableInterned(member.key) = std::move(member.value);
}

}  // namespace

void StructuralSchema::Prune(Json& object, std::vector<std::string>* pruned) const {
  const std::size_t before = pruned != nullptr ? pruned->size() : 0;
  Pruner(pruned).Value(object, &root_, true, nullptr);
  if (pruned != nullptr) std::sort(pruned->begin() + static_cast<std::ptrdiff_t>(before), pruned->end());
}

void StructuralSchema::Default(Json& object) const { DefaultValue(object, &root_, true); }

}  // namespace minikube
