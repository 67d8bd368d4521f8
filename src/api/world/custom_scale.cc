#include "api/world/custom_scale.h"

#include <limits>

#include <fmt/format.h>

namespace minikube::api {

namespace {

// What Go calls the type of a value read from JSON.
std::string_view TypeName(const Json& value) {
  switch (value.kind()) {
    case Json::Kind::kBool:
      return "bool";
    case Json::Kind::kNumber:
      return value.AsInt64() ? "int64" : "float64";
    case Json::Kind::kString:
      return "string";
    case Json::Kind::kArray:
      return "[]interface {}";
    case Json::Kind::kObject:
      return "map[string]interface {}";
    default:
      return "<nil>";
  }
}

Status Mismatch(std::string_view path, const Json& found, std::string_view expected) {
  const std::string shown = found.is_string() || found.is_number() ? std::string(found.text()) : found.ToString();
  return {Code::kInternal,
          fmt::format(".{} accessor error: {} is of the type {}, expected {}", path, shown, TypeName(found), expected)};
}

// Null if it is not there.
Result<const Json*> Find(const Json& rest, std::string_view path) {
  const Json* at = &rest;
  for (const std::string_view member : SplitPath(path)) {
    if (at == nullptr || at->is_null()) return nullptr;
    if (!at->is_object() && !at->absent()) return Mismatch(path, *at, "map[string]interface{}");
    at = at->Find(member);
  }
  return at;
}

}  // namespace

std::vector<std::string_view> SplitPath(std::string_view dotted) {
  std::vector<std::string_view> out;
  while (true) {
    const std::size_t dot = dotted.find('.');
    out.push_back(dotted.substr(0, dot));
    if (dot == std::string_view::npos) return out;
    dotted.remove_prefix(dot + 1);
  }
}

Result<std::optional<std::int64_t>> ReadReplicas(const Json& rest, std::string_view path) {
  const Result<const Json*> found = Find(rest, path);
  if (!found) return found.status();
  if (*found == nullptr) return std::optional<std::int64_t>();
  const std::optional<std::int64_t> number = (*found)->is_number() ? (*found)->AsInt64() : std::nullopt;
  if (!number) return Mismatch(path, **found, "int64");
  return number;
}

Result<std::string> ReadSelector(const Json& rest, std::string_view path) {
  if (path.empty()) return std::string();
  const Result<const Json*> found = Find(rest, path);
  if (!found) return found.status();
  if (*found == nullptr) return std::string();
  if (!(*found)->is_string()) return Mismatch(path, **found, "string");
  return std::string((*found)->text());
}

Status WriteReplicas(Json& rest, std::string_view path, std::int64_t replicas) {
  const std::vector<std::string_view> members = SplitPath(path);
  Json* at = &rest;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (!at->is_object() && !at->absent()) {
      return {Code::kInternal, fmt::format("value cannot be set because .{} is not a map[string]interface{{}}",
                                           fmt::join(members.begin(), members.begin() + static_cast<int>(i), "."))};
    }
    at = &at->Mutable(members[i]);
  }
  *at = Json::Int(replicas);
  return {};
}

void ValidateCustomScale(const CustomScale& scale, const Json& rest, bool status_only, ErrorList& errors) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  const auto check = [&](std::string_view path) {
    const std::string dotted = fmt::format(".{}", path);
    const FieldPath at(dotted);
    const Result<std::optional<std::int64_t>> found = ReadReplicas(rest, path);
    if (!found) return errors.Invalid(at, 0, found.status().message());
    const std::int64_t number = found->value_or(0);
    if (number < 0) return errors.Invalid(at, number, "should be a non-negative integer");
    if (number > kMost) errors.Invalid(at, number, fmt::format("should be less than or equal to {}", kMost));
  };
  if (!status_only) check(scale.spec_replicas);
  check(scale.status_replicas);
  const Result<std::string> selector = ReadSelector(rest, scale.selector);
  if (selector) return;
  const std::string dotted = fmt::format(".{}", scale.selector);
  errors.Invalid(FieldPath(dotted), "", selector.status().message());
}

}  // namespace minikube::api
