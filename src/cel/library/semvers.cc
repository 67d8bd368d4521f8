// Semantic versions (https://semver.org/spec/v2.0.0.html).
#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "cel/function.h"

namespace minikube::cel {
namespace {

using Args = std::span<const Value>;

struct Version {
  std::uint64_t numbers[3] = {};
  std::vector<std::string> pre_release;
};

bool IsDigits(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) { return c >= '0' && c <= '9'; });
}
bool IsIdentifier(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-';
  });
}

std::vector<std::string_view> SplitAt(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<Version> Parse(std::string_view text) {
  Version version;
  if (const std::size_t plus = text.find('+'); plus != std::string_view::npos) {
    const auto parts = SplitAt(text.substr(plus + 1), '.');
    if (!std::all_of(parts.begin(), parts.end(), IsIdentifier)) return std::nullopt;
    text = text.substr(0, plus);
  }
  if (const std::size_t dash = text.find('-'); dash != std::string_view::npos) {
    for (const std::string_view part : SplitAt(text.substr(dash + 1), '.')) {
      if (!IsIdentifier(part) || (IsDigits(part) && part.size() > 1 && part[0] == '0')) return std::nullopt;
      version.pre_release.emplace_back(part);
    }
    text = text.substr(0, dash);
  }
  const auto parts = SplitAt(text, '.');
  if (parts.size() != 3) return std::nullopt;
  for (std::size_t i = 0; i < 3; ++i) {
    if (!IsDigits(parts[i]) || (parts[i].size() > 1 && parts[i][0] == '0')) return std::nullopt;
    const auto read = std::from_chars(parts[i].data(), parts[i].data() + parts[i].size(), version.numbers[i]);
    if (read.ec != std::errc()) return std::nullopt;
  }
  return version;
}

// v1.2 becomes 1.2.0, 01.2.3 becomes 1.2.3.
std::string Normalize(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  if (text.starts_with('v')) text.remove_prefix(1);
  const std::size_t end = std::min(text.find_first_of("-+"), text.size());
  std::string out;
  std::size_t count = 0;
  for (std::string_view part : SplitAt(text.substr(0, end), '.')) {
    while (part.size() > 1 && part[0] == '0') part.remove_prefix(1);
    if (count++ > 0) out += '.';
    out += part;
  }
  for (; count < 3; ++count) out += ".0";
  return out.append(text.substr(end));
}

int CompareIdentifiers(const std::string& a, const std::string& b) {
  const bool number_a = IsDigits(a);
  const bool number_b = IsDigits(b);
  if (number_a != number_b) return number_a ? -1 : 1;
  if (number_a && a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

int CompareVersions(const Version& a, const Version& b) {
  for (int i = 0; i < 3; ++i) {
    if (a.numbers[i] != b.numbers[i]) return a.numbers[i] < b.numbers[i] ? -1 : 1;
  }
  // A version without a pre-release comes after those with one.
  if (a.pre_release.empty() || b.pre_release.empty()) {
    return static_cast<int>(a.pre_release.empty()) - static_cast<int>(b.pre_release.empty());
  }
  for (std::size_t i = 0; i < std::min(a.pre_release.size(), b.pre_release.size()); ++i) {
    if (const int order = CompareIdentifiers(a.pre_release[i], b.pre_release[i]); order != 0) return order;
  }
  return a.pre_release.size() < b.pre_release.size() ? -1 : a.pre_release.size() > b.pre_release.size() ? 1 : 0;
}

class SemverValue final : public Opaque {
 public:
  explicit SemverValue(Version v) : version(std::move(v)) {}
  std::string_view type_name() const override { return "kubernetes.Semver"; }
  bool Equals(const Opaque& other) const override {
    return CompareVersions(static_cast<const SemverValue&>(other).version, version) == 0;
  }
  const Version version;
};
const Version& VersionOf(const Value& v) { return static_cast<const SemverValue&>(v.opaque()).version; }

std::optional<Version> ParseArgs(Args a) {
  return a.size() > 1 && a[1].boolean() ? Parse(Normalize(a[0].text())) : Parse(a[0].text());
}
Value MakeSemver(Args a) {
  auto version = ParseArgs(a);
  if (!version) return Value::Error(fmt::format("invalid semantic version: {}", a[0].text()));
  return Value::OfOpaque(new SemverValue(*std::move(version)));
}
Value IsSemver(Args a) { return Value::Bool(ParseArgs(a).has_value()); }
Value IsGreater(Args a) { return Value::Bool(CompareVersions(VersionOf(a[0]), VersionOf(a[1])) > 0); }
Value IsLess(Args a) { return Value::Bool(CompareVersions(VersionOf(a[0]), VersionOf(a[1])) < 0); }
Value CompareTo(Args a) { return Value::Int(CompareVersions(VersionOf(a[0]), VersionOf(a[1]))); }
Value Major(Args a) { return Value::Int(static_cast<std::int64_t>(VersionOf(a[0]).numbers[0])); }
Value Minor(Args a) { return Value::Int(static_cast<std::int64_t>(VersionOf(a[0]).numbers[1])); }
Value Patch(Args a) { return Value::Int(static_cast<std::int64_t>(VersionOf(a[0]).numbers[2])); }

constexpr FunctionDefinition kDefinitions[] = {
    {"semver", "string -> kubernetes.Semver", MakeSemver, CallCost::kTraverseFirst},
    {"semver", "string, bool -> kubernetes.Semver", MakeSemver, CallCost::kTraverseFirst},
    {"isSemver", "string -> bool", IsSemver, CallCost::kTraverseFirst},
    {"isSemver", "string, bool -> bool", IsSemver, CallCost::kTraverseFirst},
    {".isGreaterThan", "kubernetes.Semver, kubernetes.Semver -> bool", IsGreater},
    {".isLessThan", "kubernetes.Semver, kubernetes.Semver -> bool", IsLess},
    {".compareTo", "kubernetes.Semver, kubernetes.Semver -> int", CompareTo},
    {".major", "kubernetes.Semver -> int", Major},
    {".minor", "kubernetes.Semver -> int", Minor},
    {".patch", "kubernetes.Semver -> int", Patch},
};

}  // namespace

std::span<const FunctionDefinition> library::Semvers() { return kDefinitions; }

}  // namespace minikube::cel
