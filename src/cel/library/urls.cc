#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "cel/function.h"
#include "cel/library/url.h"

namespace minikube::cel {
namespace {

using Args = std::span<const Value>;

bool IsHex(char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }
int HexDigit(char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; }
bool IsLetter(char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsHost(std::string_view host) {
  if (host.starts_with('[')) {
    const std::size_t close = host.find(']');
    if (close == std::string_view::npos) return false;
    host.remove_prefix(close + 1);
    if (host.empty()) return true;
    return host.front() == ':' && std::all_of(host.begin() + 1, host.end(), IsDigit);
  }
  const std::size_t colon = host.find(':');
  if (colon != std::string_view::npos &&
      !std::all_of(host.begin() + static_cast<std::ptrdiff_t>(colon) + 1, host.end(), IsDigit)) {
    return false;
  }
  return host.find_first_of(" \"<>\\^`{|}#") == std::string_view::npos;
}

class UrlValue final : public Opaque {
 public:
  explicit UrlValue(Url u, std::string_view t) : url(std::move(u)), text(t) {}
  std::string_view type_name() const override { return "kubernetes.URL"; }
  bool Equals(const Opaque& other) const override { return static_cast<const UrlValue&>(other).text == text; }
  const Url url;
  const std::string text;
};
const Url& UrlOf(const Value& v) { return static_cast<const UrlValue&>(v.opaque()).url; }

Value MakeUrl(Args a) {
  auto url = ParseUrl(a[0].text());
  if (!url)
    return Value::Error(fmt::format(
        "URL parse error during conversion from string: parse \"{}\": invalid URI for request", a[0].text()));
  return Value::OfOpaque(new UrlValue(*std::move(url), a[0].text()));
}
Value IsUrl(Args a) { return Value::Bool(ParseUrl(a[0].text()).has_value()); }
Value Scheme(Args a) { return Value::String(UrlOf(a[0]).scheme); }
Value Host(Args a) { return Value::String(UrlOf(a[0]).host); }
Value Hostname(Args a) { return Value::String(UrlOf(a[0]).Hostname()); }
Value Port(Args a) { return Value::String(UrlOf(a[0]).Port()); }
Value EscapedPath(Args a) { return Value::String(UrlOf(a[0]).path); }
Value Query(Args a) {
  std::map<std::string, std::vector<Value>> values;
  std::string_view rest = UrlOf(a[0]).query;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (pair.empty() || pair.find(';') != std::string_view::npos) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    auto key = PercentDecode(pair.substr(0, equals), true);
    auto value = PercentDecode(equals < pair.size() ? pair.substr(equals + 1) : "", true);
    if (key && value) values[*key].push_back(Value::String(*value));
  }
  std::vector<std::pair<Value, Value>> entries;
  for (auto& [key, list] : values) entries.emplace_back(Value::String(key), Value::List(std::move(list)));
  return Value::Map(std::move(entries));
}

constexpr FunctionDefinition kDefinitions[] = {
    {"url", "string -> kubernetes.URL", MakeUrl, CallCost::kTraverseFirst},
    {"isURL", "string -> bool", IsUrl},
    {".getScheme", "kubernetes.URL -> string", Scheme},
    {".getHost", "kubernetes.URL -> string", Host},
    {".getHostname", "kubernetes.URL -> string", Hostname},
    {".getPort", "kubernetes.URL -> string", Port},
    {".getEscapedPath", "kubernetes.URL -> string", EscapedPath},
    {".getQuery", "kubernetes.URL -> map(string, list(string))", Query},
};

}  // namespace

std::string_view Url::Hostname() const {
  std::string_view name = host;
  if (name.starts_with('[')) return name.substr(1, name.find(']') - 1);
  return name.substr(0, name.find(':'));
}

std::string_view Url::Port() const {
  const std::size_t close = host.find(']');
  const std::size_t colon = host.find(':', close == std::string::npos ? 0 : close);
  return colon == std::string::npos ? std::string_view() : std::string_view(host).substr(colon + 1);
}

std::optional<std::string> PercentDecode(std::string_view text, bool query) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size() || !IsHex(text[i + 1]) || !IsHex(text[i + 2])) return std::nullopt;
      out += static_cast<char>(HexDigit(text[i + 1]) << 4 | HexDigit(text[i + 2]));
      i += 2;
    } else {
      out += query && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::optional<Url> ParseUrl(std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
    return std::nullopt;
  }
  Url url;
  std::string_view rest = text;
  std::size_t end = 0;
  while (end < rest.size() && (IsLetter(rest[end]) || (end > 0 && (IsDigit(rest[end]) || rest[end] == '+' ||
                                                                   rest[end] == '-' || rest[end] == '.')))) {
    ++end;
  }
  if (end > 0 && end < rest.size() && rest[end] == ':') {
    url.scheme = rest.substr(0, end);
    for (char& c : url.scheme) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    rest.remove_prefix(end + 1);
  } else if (rest.front() != '/') {
    return std::nullopt;
  }
  if (const std::size_t mark = rest.find('?'); mark != std::string_view::npos) {
    url.query = rest.substr(mark + 1);
    rest = rest.substr(0, mark);
  }
  if (rest.starts_with("//") && !url.scheme.empty()) {
    rest.remove_prefix(2);
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    std::string_view authority = rest.substr(0, slash);
    if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) authority.remove_prefix(at + 1);
    if (!IsHost(authority)) return std::nullopt;
    url.host = authority;
    rest.remove_prefix(slash);
  } else if (!rest.empty() && rest.front() != '/' && !url.scheme.empty()) {
    return url;  // an opaque part, as in mailto:
  }
  if (!PercentDecode(rest, false)) return std::nullopt;
  url.path = rest;
  return url;
}

std::span<const FunctionDefinition> library::Urls() { return kDefinitions; }

}  // namespace minikube::cel
