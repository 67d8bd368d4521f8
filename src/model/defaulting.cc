#include "model/defaulting.h"

#include <charconv>
#include <cstddef>
#include <memory>
#include <string>

#include <minikube/codec.h>

#include "model/access.h"

namespace minikube {
namespace {

using model::As;

// A default that sets a plain field to its empty value says only what absence means.
bool HasEffect(const FieldDesc& field) {
  const std::string_view json = field.default_json;
  if (json.empty()) return false;
  return field.shape != Shape::kPlain || !(json == "\"\"" || json == "0" || json == "false" || json == "{}");
}

bool LacksDefaults(const MessageDesc& desc, const void* message);

bool FieldLacksDefaults(const FieldDesc& field, const void* message) {
  if (HasEffect(field) && !model::IsSet(field, message)) return true;
  if (field.type != FieldType::kMessage) return false;
  switch (field.shape) {
    case Shape::kList:
      for (std::size_t i = 0, n = model::ListSize(field, message); i < n; ++i) {
        if (LacksDefaults(*field.message, model::ListAt(field, message, i))) return true;
      }
      return false;
    case Shape::kMap:
      for (std::size_t i = 0, n = model::MapSize(field, message); i < n; ++i) {
        if (LacksDefaults(*field.message, model::MapValueAt(field, message, i))) return true;
      }
      return false;
    default: {
      const void* value = model::Get(field, message);
      return value != nullptr && LacksDefaults(*field.message, value);
    }
  }
}

bool LacksDefaults(const MessageDesc& desc, const void* message) {
  for (const FieldDesc& field : desc.fields) {
    if (FieldLacksDefaults(field, message)) return true;
  }
  return false;
}

// Literals of the common scalar types without the decoder; false if this is not one.
bool SetLiteral(const FieldDesc& field, void* message) {
  if (field.shape == Shape::kList || field.shape == Shape::kMap) return false;
  const std::string_view json = field.default_json;
  const auto number = [&](auto& out) {
    const auto [end, error] = std::from_chars(json.data(), json.data() + json.size(), out);
    return error == std::errc() && end == json.data() + json.size();
  };
  switch (field.type) {
    case FieldType::kString:
      if (json.size() < 2 || json.front() != '"' || json.find('\\') != std::string_view::npos) return false;
      As<Str>(model::Mutable(field, message)) = Str(json.substr(1, json.size() - 2));
      return true;
    case FieldType::kBool:
      if (json != "true" && json != "false") return false;
      As<bool>(model::Mutable(field, message)) = json == "true";
      return true;
    case FieldType::kInt32: {
      std::int32_t value = 0;
      if (!number(value)) return false;
      As<std::int32_t>(model::Mutable(field, message)) = value;
      return true;
    }
    case FieldType::kInt64: {
      std::int64_t value = 0;
      if (!number(value)) return false;
      As<std::int64_t>(model::Mutable(field, message)) = value;
      return true;
    }
    case FieldType::kMessage:
      if (json != "{}") return false;
      model::Mutable(field, message);
      return true;
    default:
      return false;
  }
}

// Any other literal: decoded as the only field of an empty message of the same type, and taken over from there.
void SetDecoded(const MessageDesc& desc, const FieldDesc& field, void* message) {
  const auto words = std::make_unique<std::uint64_t[]>((desc.size + 7) / 8);
  std::string json = "{\"";
  json.append(field.name).append("\":").append(field.default_json).append("}");
  if (DecodeJsonMessage(desc, json, words.get()).ok()) model::Assign(field, words.get(), message);
  model::DestroyMessage(desc, words.get());
}

}  // namespace

void ApplyDefaults(const MessageDesc& desc, void* message) {
  for (const FieldDesc& field : desc.fields) {
    if (HasEffect(field) && !model::IsSet(field, message) && !SetLiteral(field, message)) {
      SetDecoded(desc, field, message);
    }
    if (field.type != FieldType::kMessage) continue;
    // Writing detaches what other versions of the object share, so look before descending.
    switch (field.shape) {
      case Shape::kPlain:
        ApplyDefaults(*field.message, model::SlotOf(field, message));
        break;
      case Shape::kList:
        for (std::size_t i = 0, n = model::ListSize(field, message); i < n; ++i) {
          if (!LacksDefaults(*field.message, model::ListAt(field, message, i))) continue;
          ApplyDefaults(*field.message, model::MutableListAt(field, message, i));
        }
        break;
      case Shape::kMap:
        for (std::size_t i = 0, n = model::MapSize(field, message); i < n; ++i) {
          if (!LacksDefaults(*field.message, model::MapValueAt(field, message, i))) continue;
          const Str key = model::MapKeyAt(field, message, i);
          ApplyDefaults(*field.message, model::MapMutable(field, message, key));
        }
        break;
      default: {
        const void* value = model::Get(field, message);
        if (value == nullptr || !LacksDefaults(*field.message, value)) continue;
        ApplyDefaults(*field.message, model::Mutable(field, message));
      }
    }
  }
}

}  // namespace minikube
