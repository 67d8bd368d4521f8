#include "model/yaml_scalar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "model/json_codec.h"

namespace minikube::model {
namespace {

using Words = std::initializer_list<std::string_view>;

bool IsOneOf(std::string_view text, Words words) { return std::find(words.begin(), words.end(), text) != words.end(); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Go's ParseInt(text, 0, 64) or ParseUint: 0x, 0o, 0b and a mere 0 for octal.
bool IsInteger(std::string_view text, std::string* json) {
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char kind = static_cast<char>(text[1] | 0x20);
    base = kind == 'x' ? 16 : kind == 'b' ? 2 : 8;
    text.remove_prefix(kind == 'x' || kind == 'b' || kind == 'o' ? 2 : 1);
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || end != text.data() + text.size()) return false;
  if (error != std::errc()) {
    // Larger than 64 bits: kept as it is if it is decimal, which JSON can say too.
    if (base != 10) return false;
    if (json != nullptr) *json = (negative ? "-" : "") + std::string(text);
    return true;
  }
  if (negative && value > std::uint64_t{1} << 63) return false;
  if (json != nullptr) *json = (negative && value != 0 ? "-" : "") + std::to_string(value);
  return true;
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool IsFloat(std::string_view text) {
  std::size_t pos = 0;
  const auto digits = [&] {
    const std::size_t first = pos;
    while (pos < text.size() && IsDigit(text[pos])) ++pos;
    return pos - first;
  };
  if (pos < text.size() && (text[pos] == '-' || text[pos] == '+')) ++pos;
  const std::size_t whole = digits();
  std::size_t fraction = 0;
  if (pos < text.size() && text[pos] == '.') {
    ++pos;
    fraction = digits();
  }
  if (whole + fraction == 0) return false;
  if (pos < text.size() && (text[pos] == 'e' || text[pos] == 'E')) {
    ++pos;
    if (pos < text.size() && (text[pos] == '-' || text[pos] == '+')) ++pos;
    if (digits() == 0) return false;
  }
  return pos == text.size();
}

// Dates and times of the YAML 1.1 timestamp type begin with a year and a dash; nothing else that does is a number.
bool IsTimestamp(std::string_view text) {
  const auto digits = [&](std::size_t min, std::size_t max) {
    std::size_t n = 0;
    while (n < text.size() && IsDigit(text[n])) ++n;
    text.remove_prefix(n);
    return n >= min && n <= max;
  };
  const auto one_of = [&](std::string_view chars) {
    if (text.empty() || chars.find(text[0]) == std::string_view::npos) return false;
    text.remove_prefix(1);
    return true;
  };
  if (!digits(4, 4) || !one_of("-") || !digits(1, 2) || !one_of("-") || !digits(1, 2)) return false;
  if (text.empty()) return true;
  if (!one_of("Tt ") || !digits(1, 2) || !one_of(":") || !digits(1, 2) || !one_of(":") || !digits(1, 2)) return false;
  if (one_of(".") && !digits(1, 100)) return false;
  if (text.empty() || text == "Z") return true;
  return one_of("+-") && digits(2, 2) && one_of(":") && digits(2, 2) && text.empty();
}

}  // namespace

YamlScalar ResolveYamlScalar(std::string_view text, std::string* json) {
  if (IsOneOf(text, {"", "~", "null", "Null", "NULL"})) return YamlScalar::kNull;
  if (text == "<<") return YamlScalar::kMerge;
  if (IsOneOf(text, {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"})) {
    if (json != nullptr) *json = "true";
    return YamlScalar::kBool;
  }
  if (IsOneOf(text, {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"})) {
    if (json != nullptr) *json = "false";
    return YamlScalar::kBool;
  }
  if (IsOneOf(text,
              {".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF"})) {
    return YamlScalar::kNotFinite;
  }
  const char first = text[0];
  if (!IsDigit(first) && first != '-' && first != '+' && first != '.') return YamlScalar::kString;
  if (IsTimestamp(text)) return YamlScalar::kTimestamp;
  std::string plain(text);
  if (first != '.') std::erase(plain, '_');
  if (IsInteger(plain, json)) return YamlScalar::kNumber;
  if (!IsFloat(plain)) return YamlScalar::kString;
  const char* begin = plain.data() + (plain[0] == '+' ? 1 : 0);
  double value = 0;
  const auto [end, error] = std::from_chars(begin, plain.data() + plain.size(), value);
  if (error != std::errc()) return YamlScalar::kString;
  if (json != nullptr) {
    json->clear();
    AppendJsonDouble(value == 0 ? 0 : value, *json);  // no -0, which reads as an integer
  }
  return YamlScalar::kNumber;
}

}  // namespace minikube::model
