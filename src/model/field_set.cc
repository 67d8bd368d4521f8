#include "model/field_set.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "model/field_errors.h"
#include "model/json_codec.h"
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

void Write(const FieldSet& set, std::string& out) {
  out += '{';
  if (set.member() && !set.children().empty()) out += "\".\":{}";
  for (const auto& [element, below] : set.children()) {
    if (out.back() != '{') out += ',';
    model::AppendJsonString(element, out);
    out += ':';
    Write(below, out);
  }
  out += '}';
}

int Rank(std::string_view element) {
  return element.empty() ? 0 : static_cast<int>(std::string_view("fkvi").find(element[0]));
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

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

std::string FieldSet::ToJson() const {
  std::string out;
  Write(*this, out);
  return out;
}

bool FieldSet::ElementOrder::operator()(std::string_view a, std::string_view b) const {
  if (const int rank = Rank(a) - Rank(b); rank != 0) return rank < 0;
  const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  const auto at = static_cast<std::size_t>(x - a.begin());
  // Within a number (`:8080`, not inside a string that begins with a quote): the one with more digits is greater.
  std::size_t begin = at;
  while (begin > 0 && IsDigit(a[begin - 1])) --begin;
  if (begin > 0 && a[begin - 1] == ':' && Rank(a) > 0) {
    const auto digits = [begin](std::string_view text) {
      std::size_t end = begin;
      while (end < text.size() && IsDigit(text[end])) ++end;
      return end - begin;
    };
    if (digits(a) != digits(b)) return digits(a) < digits(b);
  }
  return a < b;
}

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

void FieldSet::ErasePath(std::string_view dotted) {
  const std::size_t dot = dotted.find('.');
  const std::string element = std::string("f:").append(dotted.substr(0, dot));
  if (dot == std::string_view::npos) return Erase(element);
  const auto it = children_.find(element);
  if (it == children_.end()) return;
  it->second.ErasePath(dotted.substr(dot + 1));
  if (it->second.empty()) children_.erase(it);
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
