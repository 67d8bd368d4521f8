// Lists that are sets or maps, the values that belong together across a change, and objects inside objects.
#include <cstdint>
#include <set>
#include <string>

#include <fmt/format.h>
#include <minikube/api/meta/v1.h>
#include <minikube/codec.h>

#include "model/validation_names.h"
#include "structural/schema_validator.h"

namespace minikube {
namespace {

// The keys of an item of a list of type map, defaults of the schema included.
Json KeysOf(const SchemaNode& list, const Json& item) {
  Json keys = Json::Object();
  for (const Str& key : list.map_keys) {
    const Json* value = item.Find(key);
    if (value != nullptr) {
      keys.Set(key, *value);
    } else if (list.items != nullptr) {
      const SchemaNode* property = list.items->Property(key);
      if (property != nullptr && !property->default_value.absent()) keys.Set(key, property->default_value);
    }
  }
  return keys;
}

void ListOfMaps(const SchemaNode& schema, const Json& value, const FieldPath& path, ErrorList& errors) {
  for (std::size_t i = 0; i < value.size(); ++i) {
    const Json& item = value.items()[i];
    if (item.is_object() || item.is_null()) continue;
    return errors.Invalid(path.Index(i), BadValue::Json(item.ToString()),
                          "must be an object for an array of list-type map");
  }
  std::set<std::string> seen;
  std::set<std::string> told;
  for (std::size_t i = 0; i < value.size(); ++i) {
    Json keys = Json::Object();
    for (const Str& key : schema.map_keys) {
      if (const Json* part = value.items()[i].Find(key)) keys.Set(key, *part);
    }
    std::string identity = keys.ToString();
    if (seen.insert(identity).second || !told.insert(identity).second) continue;
    errors.Duplicate(path.Index(i), BadValue::Json(std::move(identity)));
  }
}

void SetOfValues(const Json& value, const FieldPath& path, ErrorList& errors) {
  std::set<std::string> seen;
  std::set<std::string> told;
  for (std::size_t i = 0; i < value.size(); ++i) {
    std::string identity = value.items()[i].ToString();
    if (seen.insert(identity).second || !told.insert(identity).second) continue;
    errors.Duplicate(path.Index(i), BadValue::Json(std::move(identity)));
  }
}

void CheckApiVersion(const Json& value, const FieldPath& path, ErrorList& errors) {
  if (!value.is_string()) return errors.Invalid(path, BadValue::Json(value.ToString()), "must be a string");
  const std::string_view text = value.text();
  if (text.empty()) return errors.Invalid(path, text, "must not be empty");
  const std::size_t slash = text.find('/');
  if (slash != std::string_view::npos && text.find('/', slash + 1) != std::string_view::npos) {
    errors.Invalid(path, text, fmt::format("unexpected GroupVersion string: {}", text));
  }
}

void CheckKind(const Json& value, const FieldPath& path, ErrorList& errors) {
  if (!value.is_string()) return errors.Invalid(path, BadValue::Json(value.ToString()), "must be a string");
  if (value.text().empty()) return errors.Invalid(path, value.text(), "must not be empty");
  std::string lower(value.text());
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  const Messages wrong = IsDns1035Label(lower);
  if (wrong.empty()) return;
  errors.Invalid(path, value.text(),
                 fmt::format("may have mixed case, but should otherwise match: {}", fmt::join(wrong, ",")));
}

void CheckMetadata(const Json& value, const FieldPath& path, ErrorList& errors) {
  meta::v1::ObjectMeta meta;
  const Status decoded = DecodeJsonMessage(DescriptorOf<meta::v1::ObjectMeta>(), value.ToString(), &meta);
  if (!decoded.ok()) return errors.Invalid(path, BadValue::Json(value.ToString()), decoded.message());
  if (!meta.name.empty()) errors.InvalidEach(path.Child("name"), meta.name, NameIsPathSegment(meta.name));
  if (!meta.generateName.empty()) {
    errors.InvalidEach(path.Child("generateName"), meta.generateName,
                       NameIsPathSegment(meta.generateName, NameUse::kPrefix));
  }
  if (!meta.namespace_.empty())
    errors.InvalidEach(path.Child("namespace"), meta.namespace_, IsDns1123Label(meta.namespace_));
  for (const auto& [key, text] : meta.labels) {
    errors.InvalidEach(path.Child("labels"), key, IsQualifiedName(key));
    errors.InvalidEach(path.Child("labels"), text, IsLabelValue(text));
  }
  for (const auto& annotation : meta.annotations) {
    errors.InvalidEach(path.Child("annotations"), annotation.key, IsQualifiedName(annotation.key));
  }
}

}  // namespace

bool SameValue(const Json& a, const Json& b) {
  if (a == b) return true;
  if (a.is_number() && b.is_number()) {
    const auto whole_a = a.AsInt64();
    const auto whole_b = b.AsInt64();
    return whole_a && whole_b ? *whole_a == *whole_b : *a.AsDouble() == *b.AsDouble();
  }
  if (a.kind() != b.kind() || a.size() != b.size()) return false;
  if (!a.is_array() && !a.is_object()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a.is_array() && !SameValue(a.items()[i], b.items()[i])) return false;
    if (!a.is_object()) continue;
    if (a.members()[i].key != b.members()[i].key) return false;
    if (!SameValue(a.members()[i].value, b.members()[i].value)) return false;
  }
  return true;
}

const Json* OldMember(const SchemaNode& object, const Json* old_object, std::string_view name) {
  if (old_object == nullptr || object.map_atomic) return nullptr;
  return old_object->Find(name);
}

OldItems::OldItems(const SchemaNode& list, const Json* old_list) : list_(list) {
  if (old_list == nullptr || list.list_type != ListType::kMap) return;
  for (const Json& item : old_list->items()) {
    const auto [it, fresh] = by_keys_.emplace(KeysOf(list, item).ToString(), &item);
    if (!fresh) it->second = nullptr;  // which of them it was cannot be told
  }
}

const Json* OldItems::Find(const Json& item) const {
  if (by_keys_.empty() || !item.is_object()) return nullptr;
  const auto it = by_keys_.find(KeysOf(list_, item).ToString());
  return it != by_keys_.end() ? it->second : nullptr;
}

void ValidateListTypes(const SchemaNode& schema, const Json& value, const FieldPath& path, ErrorList& errors) {
  if (errors.size() >= kMaxSchemaErrors) return;
  if (value.is_array()) {
    if (schema.list_type == ListType::kSet) SetOfValues(value, path, errors);
    if (schema.list_type == ListType::kMap) ListOfMaps(schema, value, path, errors);
    if (schema.items == nullptr) return;
    for (std::size_t i = 0; i < value.size(); ++i) {
      ValidateListTypes(*schema.items, value.items()[i], path.Index(i), errors);
    }
    return;
  }
  for (const JsonMember& member : value.members()) {
    if (const SchemaNode* property = schema.Property(member.key)) {
      ValidateListTypes(*property, member.value, path.Child(member.key), errors);
    } else if (schema.additional != nullptr) {
      ValidateListTypes(*schema.additional, member.value, path.Key(member.key), errors);
    }
  }
}

void ValidateEmbedded(const SchemaNode& schema, const Json& value, bool root, const FieldPath& path,
                      ErrorList& errors) {
  if (errors.size() >= kMaxSchemaErrors) return;
  if (schema.embedded && !root && value.is_object()) {
    const Json* api_version = value.Find("apiVersion");
    const Json* kind = value.Find("kind");
    const Json* metadata = value.Find("metadata");
    api_version != nullptr ? CheckApiVersion(*api_version, path.Child("apiVersion"), errors)
                           : errors.Required(path.Child("apiVersion"), "");
    kind != nullptr ? CheckKind(*kind, path.Child("kind"), errors) : errors.Required(path.Child("kind"), "");
    if (metadata != nullptr) CheckMetadata(*metadata, path.Child("metadata"), errors);
  }
  for (const JsonMember& member : value.members()) {
    if (const SchemaNode* property = schema.Property(member.key)) {
      ValidateEmbedded(*property, member.value, false, path.Child(member.key), errors);
    } else if (schema.additional != nullptr) {
      ValidateEmbedded(*schema.additional, member.value, false, path.Key(member.key), errors);
    }
  }
  if (schema.items == nullptr || !value.is_array()) return;
  for (std::size_t i = 0; i < value.size(); ++i) {
    ValidateEmbedded(*schema.items, value.items()[i], false, path.Index(i), errors);
  }
}

}  // namespace minikube
