#include "model/field_set.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "model/field_errors.h"
#include "model/json_text.h"

namespace minikube {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kMember = ".";
constexpr int kMaxDepth = 200;

bool ReadInto(const Json& json, FieldSet& out) {
  if (!json.is_object()) return false;
  if (json.empty()) {
    out.set_member();
    return true;
  }
  for (const auto& [key, value] : json.items()) {
    if (key == kMember) {
      out.set_member();
    } else if (key.size() < 2 || key[1] != ':' || std::string_view("fkvi").find(key[0]) == std::string_view::npos) {
      return false;
    } else if (!ReadInto(value, out.At(key))) {
      return false;
    }
  }
  return true;
}

Json Write(const FieldSet& set) {
  Json out = Json::object();
  if (set.member() && !set.children().empty()) out[std::string(kMember)] = Json::object();
  for (const auto& [element, below] : set.children()) out[element] = Write(below);
  return out;
}

// An element as messages show it.
std::string Shown(std::string_view element) {
  const std::string_view rest = element.substr(2);
  switch (element[0]) {
    case 'f':
      return fmt::format(".{}", rest);
    case 'i':
      return fmt::format("[{}]", rest);
    case 'v': {
      const Result<Json> value = ParseJson(rest, kMaxDepth);
      return fmt::format("[={}]", value && value->is_string() ? GoQuote(value->get<std::string>()) : std::string(rest));
    }
    default:
      break;
  }
  std::string out = "[";
  const Result<Json> keys = ParseJson(rest, kMaxDepth);
  if (!keys || !keys->is_object()) return fmt::format("[{}]", rest);
  for (const auto& [key, value] : keys->items()) {
    if (out.size() > 1) out += ',';
    out.append(key).append("=").append(value.is_string() ? GoQuote(value.get<std::string>()) : JsonText(value));
  }
  return out + "]";
}

void Visit(const FieldSet& set, const std::string& prefix, const std::function<void(const std::string&)>& visit) {
  for (const auto& [element, below] : set.children()) {
    const std::string path = prefix + Shown(element);
    if (below.member()) visit(path);
    Visit(below, path, visit);
  }
}

}  // namespace

Result<FieldSet> FieldSet::Parse(std::string_view fields_v1) {
  const Result<Json> json = ParseJson(fields_v1, kMaxDepth);
  if (!json) return json.status();
  FieldSet out;
  if (!ReadInto(*json, out)) return Status(Code::kBadRequest, "not a FieldsV1 value");
  out.member_ = false;  // the root is no field
  return out;
}

std::string FieldSet::ToJson() const { return JsonText(Write(*this)); }

const FieldSet* FieldSet::Find(std::string_view element) const {
  const auto it = children_.find(element);
  return it != children_.end() ? &it->second : nullptr;
}

FieldSet& FieldSet::At(std::string_view element) {
  const auto it = children_.find(element);
  return it != children_.end() ? it->second : children_[std::string(element)];
}

void FieldSet::Erase(std::string_view element) {
  if (const auto it = children_.find(element); it != children_.end()) children_.erase(it);
}

void FieldSet::Prune() {
  for (auto it = children_.begin(); it != children_.end();) {
    it->second.Prune();
    it = it->second.empty() ? children_.erase(it) : std::next(it);
  }
}

void FieldSet::Union(const FieldSet& other) {
  member_ = member_ || other.member_;
  for (const auto& [element, below] : other.children_) At(element).Union(below);
}

void FieldSet::Intersect(const FieldSet& other) {
  member_ = member_ && other.member_;
  for (auto it = children_.begin(); it != children_.end();) {
    const FieldSet* theirs = other.Find(it->first);
    if (theirs != nullptr) it->second.Intersect(*theirs);
    it = theirs == nullptr || it->second.empty() ? children_.erase(it) : std::next(it);
  }
}

void FieldSet::Subtract(const FieldSet& other) {
  member_ = member_ && !other.member_;
  for (auto it = children_.begin(); it != children_.end();) {
    if (const FieldSet* theirs = other.Find(it->first)) it->second.Subtract(*theirs);
    it = it->second.empty() ? children_.erase(it) : std::next(it);
  }
}

std::size_t FieldSet::size() const {
  std::size_t n = member_ ? 1 : 0;
  for (const auto& [element, below] : children_) n += below.size();
  return n;
}

void FieldSet::ForEachPath(const std::function<void(const std::string&)>& visit) const { Visit(*this, "", visit); }

}  // namespace minikube
