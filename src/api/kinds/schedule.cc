#include "api/kinds/schedule.h"

#include <array>
#include <charconv>

#include <fmt/format.h>

#include "cel/library/time_zone.h"

namespace minikube::api {

namespace {

struct Field {
  int min;
  int max;
  std::string_view names;  // of the values from min on, three letters each
};

constexpr std::array<Field, 5> kFields = {{{0, 59, ""},
                                           {0, 23, ""},
                                           {1, 31, ""},
                                           {1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
                                           {0, 6, "sunmontuewedthufrisat"}}};

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

// A value of the field; nullopt with `why` set if it is none.
std::optional<int> ValueOf(const Field& field, std::string_view text, std::string& why) {
  if (text.size() == 3 && !field.names.empty()) {
    const std::size_t at = field.names.find(Lower(text));
    if (at != std::string_view::npos && at % 3 == 0) return field.min + static_cast<int>(at / 3);
  }
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    why = fmt::format("failed to parse int from {}: strconv.Atoi: parsing {}: invalid syntax", text, GoQuote(text));
    return std::nullopt;
  }
  if (value < 0) {
    why = fmt::format("negative number ({}) not allowed: {}", value, text);
    return std::nullopt;
  }
  return value;
}

// One of the comma-separated parts: a value, a range or a star, each with a step or without. What is wrong, or "".
std::string CheckPart(const Field& field, std::string_view part) {
  std::string why;
  const std::size_t slash = part.find('/');
  const std::string_view range = part.substr(0, slash);
  int low = field.min;
  int high = field.max;
  if (range != "*" && range != "?") {
    const std::size_t dash = range.find('-');
    const std::optional<int> first = ValueOf(field, range.substr(0, dash), why);
    if (!first) return why;
    low = high = *first;
    if (dash != std::string_view::npos) {
      if (range.find('-', dash + 1) != std::string_view::npos) return fmt::format("too many hyphens: {}", part);
      const std::optional<int> last = ValueOf(field, range.substr(dash + 1), why);
      if (!last) return why;
      high = *last;
    } else if (slash != std::string_view::npos) {
      high = field.max;
    }
  }
  if (slash != std::string_view::npos) {
    if (part.find('/', slash + 1) != std::string_view::npos) return fmt::format("too many slashes: {}", part);
    const std::optional<int> step = ValueOf({0, 0, ""}, part.substr(slash + 1), why);
    if (!step) return why;
    if (*step == 0) return fmt::format("step of range should be a positive number: {}", part);
  }
  if (low < field.min) return fmt::format("beginning of range ({}) below minimum ({}): {}", low, field.min, part);
  if (high > field.max) return fmt::format("end of range ({}) above maximum ({}): {}", high, field.max, part);
  if (low > high) return fmt::format("beginning of range ({}) beyond end of range ({}): {}", low, high, part);
  return {};
}

std::string CheckDescriptor(std::string_view schedule) {
  for (const std::string_view known :
       {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}) {
    if (schedule == known) return {};
  }
  constexpr std::string_view kEvery = "@every ";
  if (!schedule.starts_with(kEvery)) return fmt::format("unrecognized descriptor: {}", schedule);
  // Go's durations: numbers, each with a unit.
  std::string_view rest = schedule.substr(kEvery.size());
  const std::string bad =
      fmt::format("failed to parse duration {}: time: invalid duration {}", schedule, GoQuote(rest));
  if (rest.empty()) return bad;
  while (!rest.empty()) {
    const std::size_t digits = rest.find_first_not_of("0123456789.");
    if (digits == 0 || digits == std::string_view::npos) return bad;
    rest.remove_prefix(digits);
    bool unit = false;
    for (const std::string_view name : {"ns", "us", "ms", "s", "m", "h"}) {
      if (unit || !rest.starts_with(name)) continue;
      rest.remove_prefix(name.size());
      unit = true;
    }
    if (!unit) return bad;
  }
  return {};
}

std::string CheckSchedule(std::string_view schedule) {
  if (schedule.starts_with("TZ=") || schedule.starts_with("CRON_TZ=")) return {};  // refused in its own words
  if (schedule.starts_with('@')) return CheckDescriptor(schedule);
  std::vector<std::string_view> fields;
  while (true) {
    const std::size_t from = schedule.find_first_not_of(" \t\n\r");
    if (from == std::string_view::npos) break;
    schedule.remove_prefix(from);
    const std::size_t to = schedule.find_first_of(" \t\n\r");
    fields.push_back(schedule.substr(0, to));
    schedule.remove_prefix(std::min(to, schedule.size()));
  }
  if (fields.size() != kFields.size()) {
    return fmt::format("expected exactly 5 fields, found {}: [{}]", fields.size(), fmt::join(fields, " "));
  }
  for (std::size_t i = 0; i < fields.size(); ++i) {
    std::string_view rest = fields[i];
    while (true) {
      const std::size_t comma = rest.find(',');
      if (std::string why = CheckPart(kFields[i], rest.substr(0, comma)); !why.empty()) return why;
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return {};
}

}  // namespace

void ValidateSchedule(const Str& schedule, const FieldPath& path, ErrorList& errors) {
  if (schedule.empty()) return;  // required by the tables
  if (const std::string why = CheckSchedule(schedule.view()); !why.empty()) errors.Invalid(path, schedule, why);
}

void ValidateTimeZone(const Str& zone, const FieldPath& path, ErrorList& errors) {
  if (zone.empty()) {
    errors.Invalid(path, zone, "timeZone must be nil or non-empty string");
  } else if (Lower(zone.view()) == "local") {
    errors.Invalid(path, zone, "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones");
  } else if (!cel::NamedZoneOffset(zone.view(), 0)) {
    errors.Invalid(path, zone, fmt::format("unknown time zone {}", zone.view()));
  }
}

}  // namespace minikube::api
