// Timestamps and durations: their text forms, arithmetic, calendar fields.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cel/value.h"

namespace minikube::cel {

// RFC 3339, in the years 1 to 9999; nanoseconds are kept. An error if it is none.
Value ParseTimestamp(std::string_view text);
// "1h2m3.5s" as Go spells it; beyond 292 years an error.
Value ParseDuration(std::string_view text);
// The text of either: "2026-01-02T03:04:05.5Z", "3.5s".
std::string TimeText(const Value& value);
// a + sign * b, normalised; an error beyond the range of `result`.
Value AddTimes(const Value& a, const Value& b, Kind result, int sign);

struct CivilTime {
  std::int64_t year = 0;
  int month = 0;        // 1 to 12
  int day = 0;          // 1 to 31
  int day_of_week = 0;  // 0: Sunday
  int day_of_year = 0;  // from 0
  int hour = 0;
  int minute = 0;
  int second = 0;
};
CivilTime ToCivil(std::int64_t unix_seconds);
// The offset of a time zone from UTC at that instant: "+02:00", "-8:00", "UTC", or a name of the machine's zone
// database.
std::optional<std::int64_t> ZoneOffset(std::string_view zone, std::int64_t unix_seconds);

}  // namespace minikube::cel
