#include "kube/cron.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "model/field_errors.h"

namespace minikube::kube {

struct CronSchedule::Field {
  int min;
  int max;
  std::string_view names;  // of the values from min on, three letters each
};

namespace {

constexpr std::int64_t kDay = 24 * 60 * 60;
constexpr int kYears = 5;

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

Status Bad(std::string why) { return {Code::kBadRequest, std::move(why)}; }

std::int64_t DaysOf(std::int64_t local) { return local / kDay - (local % kDay < 0 ? 1 : 0); }

Result<int> ValueOf(std::string_view names, int min, std::string_view text) {
  if (text.size() == 3 && !names.empty()) {
    const std::size_t at = names.find(Lower(text));
    if (at != std::string_view::npos && at % 3 == 0) return min + static_cast<int>(at / 3);
  }
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Bad(
        fmt::format("failed to parse int from {}: strconv.Atoi: parsing {}: invalid syntax", text, GoQuote(text)));
  }
  if (value < 0) return Bad(fmt::format("negative number ({}) not allowed: {}", value, text));
  return value;
}

// Go's durations, numbers each with a unit, in seconds; nullopt if it is none.
std::optional<double> DurationOf(std::string_view text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3},
                                                            {"s", 1},     {"m", 60},    {"h", 3600}};
  double sum = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    const std::size_t digits = text.find_first_not_of("0123456789.");
    if (digits == 0 || digits == std::string_view::npos) return std::nullopt;
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + digits, number, std::chars_format::fixed);
    if (error != std::errc() || end != text.data() + digits) return std::nullopt;
    text.remove_prefix(digits);
    const auto* unit =
        std::find_if(std::begin(kUnits), std::end(kUnits), [&](const auto& u) { return text.starts_with(u.first); });
    if (unit == std::end(kUnits)) return std::nullopt;
    text.remove_prefix(unit->first.size());
    sum += number * unit->second;
  }
  return sum;
}

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t from = text.find_first_not_of(" \t\n\r");
    if (from == std::string_view::npos) return words;
    text.remove_prefix(from);
    const std::size_t to = text.find_first_of(" \t\n\r");
    words.push_back(text.substr(0, to));
    text.remove_prefix(std::min(to, text.size()));
  }
}

// The five fields that a macro stands for; "" if it is none.
std::string_view MacroOf(std::string_view text) {
  constexpr std::pair<std::string_view, std::string_view> kMacros[] = {
      {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
      {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@hourly", "0 * * * *"}};
  for (const auto& [name, fields] : kMacros) {
    if (text == name) return fields;
  }
  return {};
}

}  // namespace

const std::array<CronSchedule::Field, 5> CronSchedule::kFields = {{{0, 59, ""},
                                                                   {0, 23, ""},
                                                                   {1, 31, ""},
                                                                   {1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
                                                                   {0, 6, "sunmontuewedthufrisat"}}};

// One of the comma-separated parts: a value, a range or a star, each with a step or without.
Status CronSchedule::ParsePart(const Field& field, std::string_view part, std::uint64_t& bits, bool& star) {
  const std::size_t slash = part.find('/');
  const std::string_view range = part.substr(0, slash);
  int low = field.min;
  int high = field.max;
  int step = 1;
  const bool all = range == "*" || range == "?";
  if (!all) {
    const std::size_t dash = range.find('-');
    const Result<int> first = ValueOf(field.names, field.min, range.substr(0, dash));
    if (!first) return first.status();
    low = high = *first;
    if (dash != std::string_view::npos) {
      if (range.find('-', dash + 1) != std::string_view::npos) return Bad(fmt::format("too many hyphens: {}", part));
      const Result<int> last = ValueOf(field.names, field.min, range.substr(dash + 1));
      if (!last) return last.status();
      high = *last;
    } else if (slash != std::string_view::npos) {
      high = field.max;
    }
  }
  if (slash != std::string_view::npos) {
    if (part.find('/', slash + 1) != std::string_view::npos) return Bad(fmt::format("too many slashes: {}", part));
    const Result<int> given = ValueOf({}, 0, part.substr(slash + 1));
    if (!given) return given.status();
    if (*given == 0) return Bad(fmt::format("step of range should be a positive number: {}", part));
    step = *given;
  }
  if (low < field.min) {
    return Bad(fmt::format("beginning of range ({}) below minimum ({}): {}", low, field.min, part));
  }
  if (high > field.max) return Bad(fmt::format("end of range ({}) above maximum ({}): {}", high, field.max, part));
  if (low > high) {
    return Bad(fmt::format("beginning of range ({}) beyond end of range ({}): {}", low, high, part));
  }
  for (int value = low; value <= high; value += std::min(step, 64)) bits |= std::uint64_t{1} << value;
  star = star || (all && step == 1);
  return {};
}

Result<CronSchedule> CronSchedule::Parse(std::string_view text) {
  CronSchedule out;
  if (text.starts_with('@')) {
    constexpr std::string_view kEvery = "@every ";
    if (text.starts_with(kEvery)) {
      const std::string_view duration = text.substr(kEvery.size());
      const std::optional<double> seconds = DurationOf(duration);
      if (!seconds || !(*seconds < 1e12)) {
        return Bad(fmt::format("failed to parse duration {}: time: invalid duration {}", text, GoQuote(duration)));
      }
      out.every_ = std::max<std::int64_t>(1, static_cast<std::int64_t>(*seconds));
      return out;
    }
    const std::string_view fields = MacroOf(text);
    if (fields.empty()) return Bad(fmt::format("unrecognized descriptor: {}", text));
    text = fields;
  }
  const std::vector<std::string_view> words = Words(text);
  if (words.size() != kFields.size()) {
    return Bad(fmt::format("expected exactly 5 fields, found {}: [{}]", words.size(), fmt::join(words, " ")));
  }
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string_view rest = words[i];
    bool star = false;
    while (true) {
      const std::size_t comma = rest.find(',');
      MINIKUBE_RETURN_IF_ERROR(ParsePart(kFields[i], rest.substr(0, comma), out.bits_[i], star));
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
    if (i == 2) out.any_day_ = star;
    if (i == 4) out.any_weekday_ = star;
  }
  return out;
}

bool CronSchedule::MatchesDay(std::int64_t days) const {
  const std::chrono::sys_days date{std::chrono::days(days)};
  const std::chrono::year_month_day ymd{date};
  const auto has = [&](std::size_t field, unsigned value) { return (bits_[field] >> value & 1) != 0; };
  if (!has(3, static_cast<unsigned>(ymd.month()))) return false;
  const bool day = has(2, static_cast<unsigned>(ymd.day()));
  const bool weekday = has(4, std::chrono::weekday(date).c_encoding());
  // Where both say something, either will do.
  return any_day_ || any_weekday_ ? day && weekday : day || weekday;
}

// The first minute after `after` that the wall shows on that day and that the fields mean.
std::optional<std::int64_t> CronSchedule::FirstOn(std::int64_t days, std::int64_t after, const ZoneOffset& zone) const {
  // The day begins some offset away from UTC's, which may change on that very day.
  const std::int64_t around = days * kDay - zone(days * kDay);
  std::int64_t at = std::max(around - kDay / 6, after + 1);
  at += (60 - (at + zone(at)) % 60) % 60;
  for (; at < around + kDay + kDay / 6; at += 60) {
    const std::int64_t local = at + zone(at);
    if (DaysOf(local) != days) continue;
    const std::int64_t minutes = (local - days * kDay) / 60;
    if ((bits_[0] >> (minutes % 60) & 1) != 0 && (bits_[1] >> (minutes / 60) & 1) != 0) return at;
  }
  return std::nullopt;
}

std::optional<std::int64_t> CronSchedule::Next(std::int64_t after, const ZoneOffset& zone) const {
  if (every_ != 0) return after + every_;
  const std::int64_t today = DaysOf(after + zone(after));
  for (std::int64_t days = today; days < today + kYears * 366; ++days) {
    if (!MatchesDay(days)) continue;
    if (const auto at = FirstOn(days, after, zone)) return at;
  }
  return std::nullopt;
}

}  // namespace minikube::kube
