// Schedules: what they mean, on which clock, and what is none.
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <minikube/env.h>

#include "base/time_zone.h"
#include "kube/cron.h"

namespace minikube::kube {
namespace {

std::int64_t At(std::string_view text) {
  const WallTime time = ParseTime(text).value();
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

std::string Text(std::int64_t time) { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time_t(time))); }

CronSchedule::ZoneOffset Zone(std::string name) {
  return [name](std::int64_t at) { return name.empty() ? 0 : base::NamedZoneOffset(name, at).value(); };
}

// The first times after that one, in UTC.
std::vector<std::string> Times(std::string_view schedule, std::string_view after, int count, std::string zone = "") {
  const CronSchedule parsed = CronSchedule::Parse(schedule).value();
  std::vector<std::string> out;
  std::int64_t at = At(after);
  for (int i = 0; i < count; ++i) {
    const auto next = parsed.Next(at, Zone(zone));
    if (!next) return out;
    at = *next;
    out.push_back(Text(at));
  }
  return out;
}
using List = std::vector<std::string>;

TEST_CASE("fields mean what cron means by them") {
  CHECK(Times("*/20 * * * *", "2026-01-01T00:00:00Z", 3) ==
        List{"2026-01-01T00:20:00Z", "2026-01-01T00:40:00Z", "2026-01-01T01:00:00Z"});
  CHECK(Times("5 4 * * sun", "2026-01-01T00:00:00Z", 2) == List{"2026-01-04T04:05:00Z", "2026-01-11T04:05:00Z"});
  CHECK(Times("0 22 * * 1-5", "2026-01-02T21:59:59Z", 2) == List{"2026-01-02T22:00:00Z", "2026-01-05T22:00:00Z"});
  CHECK(Times("0 0,12 1 */2 *", "2026-01-01T00:00:00Z", 2) == List{"2026-01-01T12:00:00Z", "2026-03-01T00:00:00Z"});
  CHECK(Times("30 6-16/4 * * *", "2026-01-01T07:00:00Z", 3) ==
        List{"2026-01-01T10:30:00Z", "2026-01-01T14:30:00Z", "2026-01-02T06:30:00Z"});
  CHECK(Times("3/30 * * * *", "2026-01-01T00:03:00Z", 2) == List{"2026-01-01T00:33:00Z", "2026-01-01T01:03:00Z"});
  // Day of month or day of week, where both say something.
  CHECK(Times("0 0 13 * fri", "2026-01-01T00:00:00Z", 3) ==
        List{"2026-01-02T00:00:00Z", "2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z"});
  CHECK(Times("0 0 29 feb *", "2026-01-01T00:00:00Z", 1) == List{"2028-02-29T00:00:00Z"});
  CHECK(Times("0 0 31 2 *", "2026-01-01T00:00:00Z", 1).empty());
  CHECK(Times("* * * * *", "2026-01-01T00:00:30Z", 1) == List{"2026-01-01T00:01:00Z"});
}

TEST_CASE("macros and intervals") {
  CHECK(Times("@hourly", "2026-01-01T00:10:00Z", 1) == List{"2026-01-01T01:00:00Z"});
  CHECK(Times("@daily", "2026-01-01T00:10:00Z", 1) == List{"2026-01-02T00:00:00Z"});
  CHECK(Times("@weekly", "2026-01-01T00:10:00Z", 1) == List{"2026-01-04T00:00:00Z"});
  CHECK(Times("@monthly", "2026-01-01T00:10:00Z", 1) == List{"2026-02-01T00:00:00Z"});
  CHECK(Times("@yearly", "2026-01-01T00:10:00Z", 1) == List{"2027-01-01T00:00:00Z"});
  CHECK(Times("@every 1h30m", "2026-01-01T00:10:07Z", 2) == List{"2026-01-01T01:40:07Z", "2026-01-01T03:10:07Z"});
  CHECK(Times("@every 10ms", "2026-01-01T00:00:00Z", 1) == List{"2026-01-01T00:00:01Z"});
}

TEST_CASE("the clock on the wall counts, when it is put forward and back") {
  if (!base::NamedZoneOffset("Europe/Berlin", 0)) return;
  CHECK(Times("0 9 * * *", "2026-03-28T00:00:00Z", 3, "Europe/Berlin") ==
        List{"2026-03-28T08:00:00Z", "2026-03-29T07:00:00Z", "2026-03-30T07:00:00Z"});
  // Half past two is left out on the 29th of March, and shown twice on the 25th of October.
  CHECK(Times("30 2 * * *", "2026-03-28T00:00:00Z", 2, "Europe/Berlin") ==
        List{"2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z"});
  CHECK(Times("30 2 * * *", "2026-10-24T12:00:00Z", 3, "Europe/Berlin") ==
        List{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"});
  CHECK(Times("0 * * * *", "2026-03-29T00:30:00Z", 2, "Europe/Berlin") ==
        List{"2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"});
  // A day that begins at one o'clock.
  CHECK(Times("0 0 * * *", "2026-09-05T12:00:00Z", 2, "America/Santiago") ==
        List{"2026-09-07T03:00:00Z", "2026-09-08T03:00:00Z"});
  // A quarter of an hour off, and a day ahead.
  CHECK(Times("0 0 * * *", "2026-01-01T00:00:00Z", 1, "Asia/Kathmandu") == List{"2026-01-01T18:15:00Z"});
  CHECK(Times("0 0 * * *", "2026-01-01T00:00:00Z", 1, "Pacific/Kiritimati") == List{"2026-01-01T10:00:00Z"});
}

TEST_CASE("zones go on beyond what their files list") {
  if (!base::NamedZoneOffset("Europe/Berlin", 0)) return;
  CHECK(base::NamedZoneOffset("Europe/Berlin", At("2090-01-15T00:00:00Z")) == 3600);
  CHECK(base::NamedZoneOffset("Europe/Berlin", At("2090-07-15T00:00:00Z")) == 7200);
  CHECK(base::NamedZoneOffset("Australia/Sydney", At("2090-01-15T00:00:00Z")) == 39600);
  CHECK(base::NamedZoneOffset("Australia/Sydney", At("2090-07-15T00:00:00Z")) == 36000);
  CHECK(base::NamedZoneOffset("America/Sao_Paulo", At("2090-01-15T00:00:00Z")) == -10800);
  CHECK_FALSE(base::NamedZoneOffset("../etc/passwd", 0));
  CHECK_FALSE(base::NamedZoneOffset("Mars/Olympus", 0));
}

TEST_CASE("what is no schedule says why") {
  struct Row {
    const char* text;
    const char* why;
  };
  const Row row =
      GENERATE(Row{"* * * *", "expected exactly 5 fields, found 4: [* * * *]"},
               Row{"60 * * * *", "end of range (60) above maximum (59): 60"},
               Row{"* * 0 * *", "beginning of range (0) below minimum (1): 0"},
               Row{"x * * * *", "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax"},
               Row{"5-3 * * * *", "beginning of range (5) beyond end of range (3): 5-3"},
               Row{"*/0 * * * *", "step of range should be a positive number: */0"},
               Row{"1-2-3 * * * *", "too many hyphens: 1-2-3"}, Row{"1/2/3 * * * *", "too many slashes: 1/2/3"},
               Row{"@often", "unrecognized descriptor: @often"},
               Row{"@every soon", "failed to parse duration @every soon: time: invalid duration \"soon\""});
  const auto parsed = CronSchedule::Parse(row.text);
  REQUIRE_FALSE(parsed.ok());
  CHECK(parsed.status().message() == row.why);
}

}  // namespace
}  // namespace minikube::kube
