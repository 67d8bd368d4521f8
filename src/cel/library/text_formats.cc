#include "cel/library/text_formats.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <functional>
#include <string>

#include <re2/re2.h>

#include "cel/library/url.h"
#include "model/scalar_text.h"
#include "model/validation_names.h"

namespace minikube::text_formats {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool Match(const re2::RE2& regex, std::string_view text) {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), regex);
}

// Digits at text[at..at+n) as a number, or -1.
int Number(std::string_view text, std::size_t at, std::size_t n) {
  if (at + n > text.size()) return -1;
  int value = 0;
  for (std::size_t i = at; i < at + n; ++i) {
    if (!IsDigit(text[i])) return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

std::string Digits(std::string_view text) {
  std::string out;
  std::copy_if(text.begin(), text.end(), std::back_inserter(out), IsDigit);
  return out;
}

bool IsHostname(std::string_view text) {
  static const re2::RE2 kLabel(
      R"(^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$)",
      re2::RE2::Quiet);
  if (text.size() > 255 || !Match(kLabel, text)) return false;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t dot = std::min(text.find('.', start), text.size());
    if (dot - start > 63) return false;
    start = dot + 1;
  }
  return true;
}

// addr-spec of RFC 5322 in its common form, perhaps with a display name before <...>.
bool IsEmail(std::string_view text) {
  static const re2::RE2 kAddress(
      R"(^(?:[^<>]*<)?(?:[A-Za-z0-9.!#$%&'*+/=?^_`{|}~\x80-\x{10FFFF}-]+|"(?:[^"\\]|\\.)*")@[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+>?$)",
      re2::RE2::Quiet);
  if (!Match(kAddress, text)) return false;
  const bool opened = text.find('<') != std::string_view::npos;
  const std::string_view domain = text.substr(text.rfind('@') + 1);
  return opened == text.ends_with('>') && !domain.starts_with('.') && domain.find("..") == std::string_view::npos &&
         !text.starts_with('.');
}

bool IsIpv4(std::string_view text) {
  // Leading zeros are tolerated, as they were by Go before 1.17.
  static const re2::RE2 kOctets(R"(^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$)");
  std::array<int, 4> octets{};
  if (!re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), kOctets, &octets[0], &octets[1], &octets[2],
                           &octets[3])) {
    return false;
  }
  return std::all_of(octets.begin(), octets.end(), [](int octet) { return octet <= 255; });
}

bool IsIpv6(std::string_view text) {
  const auto ip = ParseIp(text);
  return ip && text.find(':') != std::string_view::npos;
}

bool IsCidrBlock(std::string_view text) {
  if (ParseCidr(text)) return true;
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || !IsIpv4(text.substr(0, slash))) return false;
  const std::string_view length = text.substr(slash + 1);
  const int bits = length.empty() || length.size() > 2 ? -1 : Number(length, 0, length.size());
  return bits >= 0 && bits <= 32;
}

bool IsMac(std::string_view text) {
  static const re2::RE2 kMac(
      "^(?:[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5}|(?::[0-9A-Fa-f]{2}){7}|(?::[0-9A-Fa-f]{2}){19}|(?:-[0-9A-Fa-f]{2}){"
      "5}|(?:-[0-9A-Fa-f]{2}){7}|(?:-[0-9A-Fa-f]{2}){19})|[0-9A-Fa-f]{4}(?:(?:\\.[0-9A-Fa-f]{4}){2}|(?:\\.[0-9A-Fa-f]{"
      "4})"
      "{3}|(?:\\.[0-9A-Fa-f]{4}){9}))$");
  return Match(kMac, text);
}

bool IsIsbn10(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != ' ' && c != '-') digits += c;
  }
  if (digits.size() != 10) return false;
  int sum = 0;
  for (int i = 0; i < 10; ++i) {
    const char c = digits[static_cast<std::size_t>(i)];
    if (!IsDigit(c) && !(i == 9 && c == 'X')) return false;
    sum += (c == 'X' ? 10 : c - '0') * (i + 1);
  }
  return sum % 11 == 0;
}

bool IsIsbn13(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != ' ' && c != '-') digits += c;
  }
  if (digits.size() != 13 || !std::all_of(digits.begin(), digits.end(), IsDigit)) return false;
  int sum = 0;
  for (std::size_t i = 0; i < 13; ++i) sum += (digits[i] - '0') * (i % 2 == 0 ? 1 : 3);
  return sum % 10 == 0;
}

bool IsCreditCard(std::string_view text) {
  static const re2::RE2 kCard(
      R"(^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})$)");
  const std::string digits = Digits(text);
  if (!Match(kCard, digits)) return false;
  int sum = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    int digit = digits[digits.size() - 1 - i] - '0';
    if (i % 2 == 1) digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return sum % 10 == 0;
}

bool IsRgb(std::string_view text) {
  static const re2::RE2 kRgb(R"(^rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)$)");
  std::array<int, 3> parts{};
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), kRgb, &parts[0], &parts[1], &parts[2]) &&
         std::all_of(parts.begin(), parts.end(), [](int part) { return part <= 255; });
}

// Go's durations, and Scala's ("22 ns", "3 weeks").
bool IsDuration(std::string_view text) {
  if (model::ParseSpan(text)) return true;
  static const re2::RE2 kScala(
      R"((?i)(\d+)\s*(ns|nanos?|nanoseconds?|us|µs|micros?|microseconds?|ms|millis?|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?))");
  return Match(kScala, text);
}

// The version, and for most the variant, are digits of their own.
bool IsUuidOf(std::string_view text, char version) {
  if (!IsUuid(text)) return false;
  std::size_t digit = 0;
  for (const char c : text) {
    if (c == '-') continue;
    if (digit == 12 && c != version) return false;
    if (digit == 16 && version != '3' && std::string_view("89abAB").find(c) == std::string_view::npos) return false;
    ++digit;
  }
  return true;
}

struct Format {
  std::string_view name;
  bool (*matches)(std::string_view);
};

constexpr Format kFormats[] = {
    {"bsonobjectid",
     [](std::string_view s) {
       return s.size() == 24 &&
              std::all_of(s.begin(), s.end(), [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; });
     }},
    {"byte", IsBase64},
    {"cidr", IsCidrBlock},
    {"creditcard", IsCreditCard},
    {"date", IsDate},
    {"datetime", IsDateTime},
    {"duration", IsDuration},
    {"email", IsEmail},
    {"hexcolor",
     [](std::string_view s) {
       static const re2::RE2 kHex("^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$");
       return Match(kHex, s);
     }},
    {"hostname", IsHostname},
    {"ipv4", IsIpv4},
    {"ipv6", IsIpv6},
    {"isbn", [](std::string_view s) { return IsIsbn10(s) || IsIsbn13(s); }},
    {"isbn10", IsIsbn10},
    {"isbn13", IsIsbn13},
    {"k8s-long-name", [](std::string_view s) { return IsDns1123Subdomain(s).empty(); }},
    {"k8s-short-name", [](std::string_view s) { return IsDns1123Label(s).empty(); }},
    {"mac", IsMac},
    {"password", [](std::string_view) { return true; }},
    {"rgbcolor", IsRgb},
    {"ssn",
     [](std::string_view s) {
       static const re2::RE2 kSsn(R"(^\d{3}[- ]?\d{2}[- ]?\d{4}$)");
       return Match(kSsn, s);
     }},
    {"uri", IsRequestUri},
    {"uuid", IsUuid},
    {"uuid3", [](std::string_view s) { return IsUuidOf(s, '3'); }},
    {"uuid4", [](std::string_view s) { return IsUuidOf(s, '4'); }},
    {"uuid5", [](std::string_view s) { return IsUuidOf(s, '5'); }},
};

const Format* Find(std::string_view name) {
  std::string plain(name);
  if (!name.starts_with("k8s-")) std::erase(plain, '-');
  for (const Format& format : kFormats) {
    if (format.name == plain) return &format;
  }
  return nullptr;
}

}  // namespace

bool Matches(std::string_view format, std::string_view text) {
  const Format* found = Find(format);
  return found == nullptr || found->matches(text);
}

bool IsKnown(std::string_view format) { return Find(format) != nullptr; }

bool IsDate(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  const int year = Number(text, 0, 4);
  const int month = Number(text, 5, 2);
  const int day = Number(text, 8, 2);
  if (year < 0 || month < 1 || month > 12 || day < 1) return false;
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return day <= kDays[month - 1] + (month == 2 && leap ? 1 : 0);
}

bool IsDateTime(std::string_view text) {
  static const re2::RE2 kTime(R"(^(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:.\d+)?(?:[zZ]|[+-]\d{2}:\d{2})$)");
  if (text.size() < 11 || (text[10] != 'T' && text[10] != 't')) return false;
  return IsDate(text.substr(0, 10)) && Match(kTime, text.substr(11));
}

bool IsRequestUri(std::string_view text) {
  const auto url = cel::ParseUrl(text);
  return url && (!url->scheme.empty() || text.starts_with('/'));
}

bool IsUuid(std::string_view text) {
  static const re2::RE2 kUuid("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$");
  return Match(kUuid, text);
}

bool IsBase64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return false;
  return model::DecodeBase64(text).has_value();
}

}  // namespace minikube::text_formats
