#include "base/time_zone.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace minikube::base {
namespace {

constexpr std::size_t kMaxFile = 64 * 1024;
constexpr std::size_t kMaxZones = 1000;  // there are some 600 names

constexpr std::int64_t kDay = 24 * 60 * 60;

// When summer time begins or ends: a day of the year, and seconds after its midnight by the time until then.
struct DayRule {
  enum class Kind : std::uint8_t { kMonthWeekDay, kDayWithoutLeap, kDay } kind = Kind::kMonthWeekDay;
  int month = 0;  // 1..12
  int week = 0;   // 1..5; 5 = the last
  int day = 0;    // of the week, Sunday = 0; of the year, from 1 without leap days or from 0 with them
  std::int64_t time = 2 * 60 * 60;

  // Seconds from the epoch to that moment in the year, were the clock on UTC.
  std::int64_t In(int year) const {
    using namespace std::chrono;  // NOLINT(google-build-using-namespace): calendar types
    const sys_days first = std::chrono::year(year) / 1 / 1;
    sys_days at = first;
    if (kind == Kind::kDay) {
      at = first + days(day);
    } else if (kind == Kind::kDayWithoutLeap) {
      at = first + days(day - 1 + (std::chrono::year(year).is_leap() && day >= 60 ? 1 : 0));
    } else {
      const auto in_month = std::chrono::year(year) / std::chrono::month(static_cast<unsigned>(month));
      const weekday wanted(static_cast<unsigned>(day));
      at = week == 5 ? sys_days(in_month / wanted[last]) : sys_days(in_month / wanted[static_cast<unsigned>(week)]);
    }
    return at.time_since_epoch().count() * kDay + time;
  }
};

// "CET-1CEST,M3.5.0,M10.5.0/3": what holds from some time on for ever.
struct Rule {
  std::int64_t standard = 0;  // offsets
  std::int64_t summer = 0;
  bool has_summer = false;
  DayRule begin;
  DayRule end;

  std::int64_t OffsetAt(std::int64_t unix_seconds) const {
    if (!has_summer) return standard;
    const std::int64_t local = unix_seconds + standard;
    const std::int64_t days = local / kDay - (local % kDay < 0 ? 1 : 0);
    const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(days))};
    const int year = static_cast<int>(date.year());
    const std::int64_t from = begin.In(year) - standard;
    const std::int64_t to = end.In(year) - summer;
    const bool in_summer = from < to ? unix_seconds >= from && unix_seconds < to  // the south has it over New Year
                                     : unix_seconds >= from || unix_seconds < to;
    return in_summer ? summer : standard;
  }
};

class RuleReader {
 public:
  explicit RuleReader(std::string_view text) : text_(text) {}

  std::optional<Rule> Read() {
    Rule rule;
    if (!Name() || !Time(rule.standard)) return std::nullopt;
    rule.standard = -rule.standard;  // POSIX counts westward
    if (text_.empty()) return rule;
    rule.has_summer = true;
    if (!Name()) return std::nullopt;
    rule.summer = rule.standard + 60 * 60;
    if (!text_.starts_with(',')) {
      if (!Time(rule.summer)) return std::nullopt;
      rule.summer = -rule.summer;
    }
    if (!Day(rule.begin) || !Day(rule.end) || !text_.empty()) return std::nullopt;
    return rule;
  }

 private:
  bool Take(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool Name() {
    const bool quoted = Take('<');
    const std::size_t end = quoted ? text_.find('>') : text_.find_first_of("+-0123456789,");
    const std::size_t size = std::min(end, text_.size());
    if (size == 0 || (quoted && end == std::string_view::npos)) return false;
    text_.remove_prefix(size + (quoted ? 1 : 0));
    return true;
  }
  bool Number(int& out) {
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), out);
    if (error != std::errc() || out < 0) return false;
    text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
    return true;
  }
  // [+-]hh[:mm[:ss]]
  bool Time(std::int64_t& out) {
    const bool negative = Take('-');
    if (!negative) Take('+');
    int part = 0;
    if (!Number(part) || part > 167) return false;
    out = std::int64_t{part} * 3600;
    for (const int unit : {60, 1}) {
      if (!Take(':')) break;
      if (!Number(part) || part > 59) return false;
      out += std::int64_t{part} * unit;
    }
    if (negative) out = -out;
    return true;
  }
  bool Day(DayRule& out) {
    if (!Take(',')) return false;
    if (Take('M')) {
      if (!Number(out.month) || !Take('.') || !Number(out.week) || !Take('.') || !Number(out.day)) return false;
      if (out.month < 1 || out.month > 12 || out.week < 1 || out.week > 5 || out.day > 6) return false;
    } else {
      out.kind = Take('J') ? DayRule::Kind::kDayWithoutLeap : DayRule::Kind::kDay;
      if (!Number(out.day) || out.day > 365) return false;
    }
    return !Take('/') || Time(out.time);
  }

  std::string_view text_;
};

struct Zone {
  std::vector<std::int64_t> transitions;  // instants, ascending
  std::vector<std::int64_t> offsets;      // from each on
  std::int64_t first_offset = 0;
  std::optional<Rule> rule;  // after the last transition

  std::int64_t OffsetAt(std::int64_t unix_seconds) const {
    if (rule && (transitions.empty() || unix_seconds >= transitions.back())) return rule->OffsetAt(unix_seconds);
    const auto after = std::upper_bound(transitions.begin(), transitions.end(), unix_seconds);
    if (after == transitions.begin()) return first_offset;
    return offsets[static_cast<std::size_t>(after - transitions.begin()) - 1];
  }
};

bool IsZoneName(std::string_view name) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '+' || c == '/';
  };
  return !name.empty() && name.size() < 64 && name.front() != '/' && std::all_of(name.begin(), name.end(), good);
}

std::int64_t BigEndian(std::string_view data, std::size_t at, std::size_t bytes) {
  std::uint64_t value = (static_cast<unsigned char>(data[at]) & 0x80) != 0 ? ~std::uint64_t{0} : 0;
  for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<unsigned char>(data[at + i]);
  return static_cast<std::int64_t>(value);
}

struct Header {
  std::size_t transitions, types, abbreviations, leaps, standard, universal;
  std::size_t Size(std::size_t time_bytes) const {
    return 44 + transitions * (time_bytes + 1) + types * 6 + abbreviations + leaps * (time_bytes + 4) + standard +
           universal;
  }
};

bool ReadHeader(std::string_view data, Header* out) {
  if (data.size() < 44 || !data.starts_with("TZif")) return false;
  const auto count = [&](std::size_t i) { return static_cast<std::size_t>(BigEndian(data, 20 + i * 4, 4)); };
  *out = {count(3), count(4), count(5), count(2), count(1), count(0)};
  // Counts beyond the file's size are no counts.
  return std::max({out->transitions, out->types, out->abbreviations, out->leaps, out->standard, out->universal}) <
         kMaxFile;
}

// The second, 64-bit part of the file (versions 2 and later), else the first.
std::shared_ptr<const Zone> ParseZone(std::string_view data) {
  Header header{};
  if (!ReadHeader(data, &header)) return nullptr;
  std::size_t time_bytes = 4;
  if (data[4] >= '2' && data.size() > header.Size(4)) {
    data.remove_prefix(header.Size(4));
    time_bytes = 8;
    if (!ReadHeader(data, &header)) return nullptr;
  }
  if (header.types == 0 || data.size() < header.Size(time_bytes)) return nullptr;
  const std::size_t indexes = 44 + header.transitions * time_bytes;
  const std::size_t types = indexes + header.transitions;
  const auto offset_of = [&](std::size_t type) { return BigEndian(data, types + type * 6, 4); };
  auto zone = std::make_shared<Zone>();
  zone->first_offset = offset_of(0);
  for (std::size_t i = 0; i < header.transitions; ++i) {
    const auto type = static_cast<unsigned char>(data[indexes + i]);
    if (type >= header.types) return nullptr;
    zone->transitions.push_back(BigEndian(data, 44 + i * time_bytes, time_bytes));
    zone->offsets.push_back(offset_of(type));
  }
  if (time_bytes == 8) {
    std::string_view footer = data.substr(header.Size(time_bytes));
    if (footer.starts_with('\n') && footer.size() > 2 && footer.ends_with('\n')) {
      zone->rule = RuleReader(footer.substr(1, footer.size() - 2)).Read();
    }
  }
  return zone;
}

std::shared_ptr<const Zone> FindZone(std::string_view name) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const Zone>, std::less<>> zones;
  const std::lock_guard lock(mutex);
  if (const auto it = zones.find(name); it != zones.end()) return it->second;
  std::ifstream file("/usr/share/zoneinfo/" + std::string(name), std::ios::binary);
  // Through the stream, which only fails where its buffer would throw: the name may be that of a directory.
  std::string data(kMaxFile + 1, '\0');
  file.read(data.data(), static_cast<std::streamsize>(data.size()));
  data.resize(static_cast<std::size_t>(file.gcount()));
  if (data.size() > kMaxFile) data.clear();
  std::shared_ptr<const Zone> zone = ParseZone(data);
  if (zones.size() < kMaxZones) zones.emplace(name, zone);
  return zone;
}

}  // namespace

std::optional<std::int64_t> NamedZoneOffset(std::string_view name, std::int64_t unix_seconds) {
  if (!IsZoneName(name)) return std::nullopt;
  const std::shared_ptr<const Zone> zone = FindZone(name);
  if (zone == nullptr) return std::nullopt;
  return zone->OffsetAt(unix_seconds);
}

}  // namespace minikube::base
