#include "cel/library/time.h"

#include <charconv>
#include <cstdio>

#include <fmt/format.h>

#include "base/time_zone.h"

namespace minikube::cel {
namespace {

constexpr std::int64_t kMinSeconds = -62'135'596'800;  // 0001-01-01T00:00:00Z
constexpr std::int64_t kMaxSeconds = 253'402'300'799;  // 9999-12-31T23:59:59Z
constexpr std::int64_t kBillion = 1'000'000'000;
// What a signed 64-bit number of nanoseconds can hold, as in Go.
constexpr std::int64_t kMaxDuration = INT64_MAX / kBillion;

std::int64_t FloorDiv(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

// Days since the epoch of a date of the Gregorian calendar (Howard Hinnant's days_from_civil).
std::int64_t DaysFromCivil(std::int64_t year, int month, int day) {
  year -= month <= 2 ? 1 : 0;
  const std::int64_t era = FloorDiv(year, 400);
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

bool IsLeap(std::int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

// Reads `n` digits at text[at].
bool Digits(std::string_view text, std::size_t at, std::size_t n, int* out) {
  if (at + n > text.size()) return false;
  int value = 0;
  for (std::size_t i = at; i < at + n; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + (text[i] - '0');
  }
  *out = value;
  return true;
}

bool ParseZoneSuffix(std::string_view text, std::int64_t* offset) {
  if (text == "Z" || text == "z") return *offset = 0, true;
  int hours = 0;
  int minutes = 0;
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return false;
  if (!Digits(text, 1, 2, &hours) || !Digits(text, 4, 2, &minutes) || hours > 23 || minutes > 59) return false;
  *offset = (hours * 3600 + minutes * 60) * (text[0] == '-' ? -1 : 1);
  return true;
}

std::string Fraction(std::int32_t nanos) {
  if (nanos == 0) return "";
  std::string out = fmt::format(".{:09}", nanos);
  out.erase(out.find_last_not_of('0') + 1);
  return out;
}

Value BadTimestamp(std::string_view text) { return Value::Error(fmt::format("invalid timestamp: '{}'", text)); }
Value BadDuration(std::string_view text) { return Value::Error(fmt::format("invalid duration: '{}'", text)); }

}  // namespace

Value ParseTimestamp(std::string_view text) {
  int year = 0;
  int month = 0;
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  const bool shape = text.size() >= 20 && text[4] == '-' && text[7] == '-' && (text[10] | 0x20) == 't' &&
                     text[13] == ':' && text[16] == ':';
  if (!shape || !Digits(text, 0, 4, &year) || !Digits(text, 5, 2, &month) || !Digits(text, 8, 2, &day) ||
      !Digits(text, 11, 2, &hour) || !Digits(text, 14, 2, &minute) || !Digits(text, 17, 2, &second)) {
    return BadTimestamp(text);
  }
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return BadTimestamp(text);
  if (day > kDays[month - 1] + (month == 2 && IsLeap(year) ? 1 : 0)) return BadTimestamp(text);
  std::string_view rest = text.substr(19);
  std::int32_t nanos = 0;
  if (rest.starts_with('.')) {
    std::size_t digits = 0;
    std::int32_t unit = 100'000'000;
    while (digits + 1 < rest.size() && rest[digits + 1] >= '0' && rest[digits + 1] <= '9') {
      nanos += (rest[digits + 1] - '0') * unit;
      unit /= 10;
      ++digits;
    }
    if (digits == 0) return BadTimestamp(text);
    rest.remove_prefix(digits + 1);
  }
  std::int64_t offset = 0;
  if (!ParseZoneSuffix(rest, &offset)) return BadTimestamp(text);
  const std::int64_t seconds = DaysFromCivil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
  if (seconds < kMinSeconds || seconds > kMaxSeconds) return Value::Error("timestamp overflow");
  return Value::Timestamp(seconds, nanos);
}

// A number and a unit, again and again, as an exact count of nanoseconds.
Value ParseDuration(std::string_view text) {
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return Value::Duration(0, 0);
  if (rest.empty()) return BadDuration(text);
  __int128 total = 0;
  while (!rest.empty()) {
    __int128 whole = 0;
    __int128 fraction = 0;
    __int128 scale = 1;
    std::size_t digits = 0;
    bool point = false;
    for (; !rest.empty(); rest.remove_prefix(1)) {
      const char c = rest.front();
      if (c == '.' && !point) {
        point = true;
      } else if (c < '0' || c > '9') {
        break;
      } else {
        ++digits;
        if (!point) {
          whole = whole * 10 + (c - '0');
          if (whole > INT64_MAX) return BadDuration(text);
        } else if (scale < kBillion * kBillion) {
          fraction = fraction * 10 + (c - '0');
          scale *= 10;
        }
      }
    }
    if (digits == 0) return BadDuration(text);
    constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
        {"ns", 1},         {"us", 1000},    {"µs", 1000},         {"μs", 1000},
        {"ms", 1'000'000}, {"s", kBillion}, {"m", 60 * kBillion}, {"h", 3600 * kBillion}};
    std::int64_t unit = 0;
    for (const auto& [name, nanos] : kUnits) {
      if (!rest.starts_with(name)) continue;
      unit = nanos;
      rest.remove_prefix(name.size());
      break;
    }
    if (unit == 0) return BadDuration(text);
    total += whole * unit + fraction * unit / scale;
    if (total > INT64_MAX) return BadDuration(text);
  }
  if (negative) total = -total;
  return Value::Duration(static_cast<std::int64_t>(total / kBillion), static_cast<std::int32_t>(total % kBillion));
}

std::string TimeText(const Value& value) {
  if (value.is(Kind::kDuration)) {
    const bool negative = value.seconds() < 0 || value.nanos() < 0;
    const auto seconds = static_cast<std::uint64_t>(value.seconds() < 0 ? -value.seconds() : value.seconds());
    const std::int32_t nanos = value.nanos() < 0 ? -value.nanos() : value.nanos();
    return fmt::format("{}{}{}s", negative ? "-" : "", seconds, Fraction(nanos));
  }
  const CivilTime t = ToCivil(value.seconds());
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z", t.year, t.month, t.day, t.hour, t.minute, t.second,
                     Fraction(value.nanos()));
}

Value AddTimes(const Value& a, const Value& b, Kind result, int sign) {
  const __int128 nanos = (static_cast<__int128>(a.seconds()) + sign * static_cast<__int128>(b.seconds())) * kBillion +
                         a.nanos() + sign * b.nanos();
  if (result == Kind::kDuration) {
    const auto seconds = static_cast<std::int64_t>(nanos / kBillion);
    const auto rest = static_cast<std::int32_t>(nanos % kBillion);
    if (nanos > INT64_MAX || nanos < INT64_MIN || seconds > kMaxDuration) return Value::Error("duration overflow");
    return Value::Duration(seconds, rest);
  }
  __int128 seconds = nanos / kBillion;
  __int128 rest = nanos % kBillion;
  if (rest < 0) {
    rest += kBillion;
    --seconds;
  }
  if (seconds < kMinSeconds || seconds > kMaxSeconds) return Value::Error("timestamp overflow");
  return Value::Timestamp(static_cast<std::int64_t>(seconds), static_cast<std::int32_t>(rest));
}

CivilTime ToCivil(std::int64_t unix_seconds) {
  CivilTime t;
  const std::int64_t days = FloorDiv(unix_seconds, 86400);
  const auto in_day = static_cast<int>(unix_seconds - days * 86400);
  t.hour = in_day / 3600;
  t.minute = in_day / 60 % 60;
  t.second = in_day % 60;
  t.day_of_week = static_cast<int>(((days + 4) % 7 + 7) % 7);
  const std::int64_t z = days + 719468;
  const std::int64_t era = FloorDiv(z, 146097);
  const std::int64_t day_of_era = z - era * 146097;
  const std::int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::int64_t day = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t month = (5 * day + 2) / 153;
  t.day = static_cast<int>(day - (153 * month + 2) / 5 + 1);
  t.month = static_cast<int>(month < 10 ? month + 3 : month - 9);
  t.year = year_of_era + era * 400 + (t.month <= 2 ? 1 : 0);
  t.day_of_year = static_cast<int>(days - DaysFromCivil(t.year, 1, 1));
  return t;
}

std::optional<std::int64_t> ZoneOffset(std::string_view zone, std::int64_t unix_seconds) {
  if (zone.empty() || zone == "UTC") return 0;
  const bool negative = zone.starts_with('-');
  std::string_view digits = zone;
  if (negative || zone.starts_with('+')) digits.remove_prefix(1);
  if (const std::size_t colon = digits.find(':'); colon != std::string_view::npos) {
    int hours = 0;
    int minutes = 0;
    if (colon < 1 || colon > 2 || digits.size() != colon + 3) return std::nullopt;
    if (!Digits(digits, 0, colon, &hours) || !Digits(digits, colon + 1, 2, &minutes)) return std::nullopt;
    if (hours > 23 || minutes > 59) return std::nullopt;
    return (hours * 3600 + minutes * 60) * (negative ? -1 : 1);
  }
  return base::NamedZoneOffset(zone, unix_seconds);
}

}  // namespace minikube::cel
