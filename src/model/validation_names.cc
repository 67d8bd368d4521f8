#include "model/validation_names.h"

#include <algorithm>
#include <initializer_list>
#include <limits>

#include <fmt/format.h>

#include "model/field_errors.h"

namespace minikube {
namespace {

// The regular expressions are part of the messages; matching is done by hand, which is smaller and faster.
constexpr std::string_view kDns1123LabelRegex = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
constexpr std::string_view kDns1123SubdomainRegex =
    R"([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)";
constexpr std::string_view kUnderscoreSubdomainRegex =
    R"(_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*)";
constexpr std::string_view kDns1035LabelRegex = "[a-z]([-a-z0-9]*[a-z0-9])?";
constexpr std::string_view kWildcardRegex = R"(\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)";
constexpr std::string_view kLabelNameRegex = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
constexpr std::string_view kLabelValueRegex = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";
constexpr std::string_view kLabelNameRule =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
constexpr std::string_view kSubdomainRule =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character";

bool Lower(char c) { return c >= 'a' && c <= 'z'; }
bool Digit(char c) { return c >= '0' && c <= '9'; }
bool LowerAlnum(char c) { return Lower(c) || Digit(c); }
bool Alpha(char c) { return Lower(c) || (c >= 'A' && c <= 'Z'); }
bool Alnum(char c) { return Alpha(c) || Digit(c); }

template <typename Predicate>
bool All(std::string_view s, Predicate p) {
  return std::all_of(s.begin(), s.end(), p);
}

bool MatchesDns1123Label(std::string_view s) {
  return !s.empty() && LowerAlnum(s.front()) && LowerAlnum(s.back()) &&
         All(s, [](char c) { return LowerAlnum(c) || c == '-'; });
}

template <typename Predicate>
bool EachSegment(std::string_view s, char separator, Predicate p) {
  while (true) {
    const std::size_t end = s.find(separator);
    if (!p(s.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    s.remove_prefix(end + 1);
  }
}

bool MatchesDns1123Subdomain(std::string_view s) { return EachSegment(s, '.', MatchesDns1123Label); }

bool MatchesUnderscoreLabel(std::string_view s) {
  if (!s.empty() && s.front() == '_') s.remove_prefix(1);
  return !s.empty() && LowerAlnum(s.front()) && LowerAlnum(s.back()) &&
         All(s, [](char c) { return LowerAlnum(c) || c == '-' || c == '_'; });
}

bool MatchesLabelName(std::string_view s) {
  return !s.empty() && Alnum(s.front()) && Alnum(s.back()) &&
         All(s, [](char c) { return Alnum(c) || c == '-' || c == '_' || c == '.'; });
}

std::string RegexMessage(std::string_view rule, std::string_view regex,
                         std::initializer_list<std::string_view> examples) {
  std::string out(rule);
  out += " (";
  std::string_view before = "e.g. ";
  for (std::string_view example : examples) {
    out.append(before).append("'").append(example).append("', ");
    before = "or ";
  }
  return out.append("regex used for validation is '").append(regex).append("')");
}

std::string MaxCharacters(std::size_t n) { return fmt::format("must be no more than {} characters", n); }
std::string MaxBytes(std::size_t n) { return fmt::format("must be no more than {} bytes", n); }

void AppendParentDirectory(std::string_view value, Messages& out) {
  if (value == ".") {
    out.emplace_back("must not be '.'");
  } else if (value == "..") {
    out.emplace_back("must not be '..'");
  } else if (value.starts_with("..")) {
    out.emplace_back("must not start with '..'");
  }
}

// A generateName gets characters appended, so its trailing dash stands for something valid.
std::string MaskTrailingDash(std::string_view name, NameUse use) {
  std::string out(name);
  if (use == NameUse::kPrefix && out.size() > 1 && out.back() == '-') {
    out.pop_back();
    out.back() = 'a';
  }
  return out;
}

}  // namespace

Messages IsDns1123Label(std::string_view value) {
  Messages out;
  if (value.size() > kDns1123LabelMaxLength) out.push_back(MaxCharacters(kDns1123LabelMaxLength));
  if (!MatchesDns1123Label(value)) {
    if (MatchesDns1123Subdomain(value)) {
      out.emplace_back("must not contain dots");
    } else {
      out.push_back(
          RegexMessage("a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
                       "start and end "
                       "with an alphanumeric character",
                       kDns1123LabelRegex, {"my-name", "123-abc"}));
    }
  }
  return out;
}

Messages IsDns1123Subdomain(std::string_view value) {
  Messages out;
  if (value.size() > kDns1123SubdomainMaxLength) out.push_back(MaxCharacters(kDns1123SubdomainMaxLength));
  if (!MatchesDns1123Subdomain(value)) {
    out.push_back(RegexMessage(kSubdomainRule, kDns1123SubdomainRegex, {"example.com"}));
  }
  return out;
}

Messages IsDns1123SubdomainWithUnderscore(std::string_view value) {
  Messages out;
  if (value.size() > kDns1123SubdomainMaxLength) out.push_back(MaxCharacters(kDns1123SubdomainMaxLength));
  if (!EachSegment(value, '.', MatchesUnderscoreLabel)) {
    out.push_back(RegexMessage(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must "
        "start and end with an alphanumeric character",
        kUnderscoreSubdomainRegex, {"example.com"}));
  }
  return out;
}

Messages IsDns1035Label(std::string_view value) {
  Messages out;
  if (value.size() > kDns1035LabelMaxLength) out.push_back(MaxCharacters(kDns1035LabelMaxLength));
  if (!MatchesDns1123Label(value) || !Lower(value.front())) {
    out.push_back(RegexMessage(
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
        "character, and end with an alphanumeric character",
        kDns1035LabelRegex, {"my-name", "abc-123"}));
  }
  return out;
}

Messages IsWildcardDns1123Subdomain(std::string_view value) {
  Messages out;
  if (value.size() > kDns1123SubdomainMaxLength) out.push_back(MaxCharacters(kDns1123SubdomainMaxLength));
  if (!value.starts_with("*.") || !MatchesDns1123Subdomain(value.substr(2))) {
    out.push_back(RegexMessage(
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
        "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
        kWildcardRegex, {"*.example.com"}));
  }
  return out;
}

Messages IsFullyQualifiedDomainName(std::string_view value) {
  if (value.ends_with('.')) value.remove_suffix(1);
  Messages out = IsDns1123Subdomain(value);
  if (!out.empty()) return out;
  if (value.find('.') == std::string_view::npos) {
    return {"should be a domain with at least two segments separated by dots"};
  }
  EachSegment(value, '.', [&](std::string_view label) {
    out = IsDns1123Label(label);
    return out.empty();
  });
  return out;
}

Messages NameIsDnsSubdomain(std::string_view name, NameUse use) {
  return IsDns1123Subdomain(MaskTrailingDash(name, use));
}
Messages NameIsDnsLabel(std::string_view name, NameUse use) { return IsDns1123Label(MaskTrailingDash(name, use)); }
Messages NameIsDns1035Label(std::string_view name, NameUse use) { return IsDns1035Label(MaskTrailingDash(name, use)); }

Messages NameIsPathSegment(std::string_view name, NameUse use) {
  if (use == NameUse::kName && (name == "." || name == "..")) return {fmt::format("may not be '{}'", name)};
  Messages out;
  for (char c : {'/', '%'}) {
    if (name.find(c) != std::string_view::npos) out.push_back(fmt::format("may not contain '{}'", c));
  }
  return out;
}

Messages IsQualifiedName(std::string_view value) {
  Messages out;
  const std::string name_rule = RegexMessage(kLabelNameRule, kLabelNameRegex, {"MyName", "my.name", "123-abc"});
  std::string_view name = value;
  if (const std::size_t slash = value.find('/'); slash != std::string_view::npos) {
    const std::string_view prefix = value.substr(0, slash);
    name = value.substr(slash + 1);
    if (name.find('/') != std::string_view::npos) {
      return {"a valid label key " + name_rule +
              " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"};
    }
    if (prefix.empty()) {
      out.emplace_back("prefix part must be non-empty");
    } else {
      if (prefix.size() > kDns1123SubdomainMaxLength) {
        out.push_back("prefix part " + MaxBytes(kDns1123SubdomainMaxLength));
      }
      if (!MatchesDns1123Subdomain(prefix)) {
        out.push_back("prefix part " + RegexMessage(kSubdomainRule, kDns1123SubdomainRegex, {"example.com"}));
      }
    }
  }
  if (name.empty()) {
    out.emplace_back("name part must be non-empty");
  } else if (name.size() > 63) {
    out.push_back("name part " + MaxBytes(63));
  }
  if (!MatchesLabelName(name)) out.push_back("name part " + name_rule);
  return out;
}

Messages IsLabelValue(std::string_view value) {
  Messages out;
  if (value.size() > kLabelValueMaxLength) out.push_back(MaxBytes(kLabelValueMaxLength));
  if (!value.empty() && !MatchesLabelName(value)) {
    out.push_back(RegexMessage(
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
        "and end with an alphanumeric character",
        kLabelValueRegex, {"MyValue", "my_value", "12345"}));
  }
  return out;
}

Messages IsDomainPrefixedKey(std::string_view value) {
  Messages out = IsQualifiedName(value);
  if (out.empty() && value.find('/') == std::string_view::npos) {
    out.emplace_back("must be a domain-prefixed key (such as \"acme.io/foo\")");
  }
  return out;
}

Messages IsDomainPrefixedPath(std::string_view value) {
  const std::size_t slash = value.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == value.size()) {
    return {"must be a domain-prefixed path (such as \"acme.io/foo\")"};
  }
  Messages out = IsDns1123Subdomain(value.substr(0, slash));
  constexpr std::string_view kAllowed = "/-._~%!$&'()*+,;=:";
  if (!All(value.substr(slash + 1), [&](char c) { return Alnum(c) || kAllowed.find(c) != std::string_view::npos; })) {
    out.push_back(RegexMessage("Invalid path", R"([A-Za-z0-9/\-._~%!$&'()*+,;=:]+)", {}));
  }
  return out;
}

Messages IsInRange(std::int64_t value, std::int64_t min, std::int64_t max) {
  if (value >= min && value <= max) return {};
  return {fmt::format("must be between {} and {}, inclusive", min, max)};
}

Messages IsPortNumber(std::int64_t value) { return IsInRange(value, 1, 65535); }
Messages IsUserId(std::int64_t value) { return IsInRange(value, 0, std::numeric_limits<std::int32_t>::max()); }
Messages IsGroupId(std::int64_t value) { return IsInRange(value, 0, std::numeric_limits<std::int32_t>::max()); }

Messages IsNonNegative(std::int64_t value) {
  if (value >= 0) return {};
  return {"must be greater than or equal to 0"};
}

Messages IsPortName(std::string_view value) {
  Messages out;
  if (value.size() > 15) out.push_back(MaxCharacters(15));
  if (value.empty() || !All(value, [](char c) { return LowerAlnum(c) || c == '-'; })) {
    out.emplace_back("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (std::none_of(value.begin(), value.end(), Lower)) out.emplace_back("must contain at least one letter (a-z)");
  if (value.find("--") != std::string_view::npos) out.emplace_back("must not contain consecutive hyphens");
  if (value.starts_with('-') || value.ends_with('-')) out.emplace_back("must not begin or end with a hyphen");
  return out;
}

Messages IsPercent(std::string_view value) {
  if (value.size() >= 2 && value.ends_with('%') && All(value.substr(0, value.size() - 1), Digit)) return {};
  return {RegexMessage("a valid percent string must be a numeric string followed by an ending '%'", "[0-9]+%",
                       {"1%", "93%"})};
}

Messages IsHttpHeaderName(std::string_view value) {
  if (!value.empty() && All(value, [](char c) { return Alnum(c) || c == '-'; })) return {};
  return {RegexMessage("a valid HTTP header must consist of alphanumeric characters or '-'", "[-A-Za-z0-9]+",
                       {"X-Header-Name"})};
}

Messages IsCIdentifier(std::string_view value) {
  if (!value.empty() && !Digit(value.front()) && All(value, [](char c) { return Alnum(c) || c == '_'; })) return {};
  return {RegexMessage(
      "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric "
      "characters or '_'",
      "[A-Za-z_][A-Za-z0-9_]*", {"my_name", "MY_NAME", "MyName"})};
}

Messages IsEnvVarName(std::string_view value) {
  Messages out;
  const auto allowed = [](char c) { return Alnum(c) || c == '-' || c == '.' || c == '_'; };
  if (value.empty() || Digit(value.front()) || !All(value, allowed)) {
    out.push_back(RegexMessage(
        "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must "
        "not start with a digit",
        "[-._a-zA-Z][-._a-zA-Z0-9]*", {"my.env-name", "MY_ENV.NAME", "MyEnvName1"}));
  }
  AppendParentDirectory(value, out);
  return out;
}

Messages IsRelaxedEnvVarName(std::string_view value) {
  if (value.empty()) return {"environment variable name must be non-empty"};
  if (All(value, [](char c) { return c >= 0x20 && c < 0x7F && c != '='; })) return {};
  return {"a valid environment variable name must consist only of printable ASCII characters other than '='"};
}

Messages IsConfigMapKey(std::string_view value) {
  Messages out;
  if (value.size() > kDns1123SubdomainMaxLength) out.push_back(MaxCharacters(kDns1123SubdomainMaxLength));
  if (value.empty() || !All(value, [](char c) { return Alnum(c) || c == '-' || c == '.' || c == '_'; })) {
    out.push_back(RegexMessage("a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
                               "[-._a-zA-Z0-9]+", {"key.name", "KEY_NAME", "key-name"}));
  }
  AppendParentDirectory(value, out);
  return out;
}

}  // namespace minikube
