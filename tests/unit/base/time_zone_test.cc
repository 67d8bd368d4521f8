// Offsets of named time zones, before and after the last change that the database lists.
#include <catch2/catch.hpp>

#include "base/time_zone.h"

namespace minikube::base {
namespace {

constexpr std::int64_t kHour = 3600;

TEST_CASE("a zone's offset at an instant") {
  CHECK(NamedZoneOffset("UTC", 0) == 0);
  // 2026-03-29T01:00:00Z and 2026-10-25T01:00:00Z are when Europe changes its clocks.
  CHECK(NamedZoneOffset("Europe/Berlin", 1'774'745'999) == kHour);
  CHECK(NamedZoneOffset("Europe/Berlin", 1'774'746'000) == 2 * kHour);
  CHECK(NamedZoneOffset("Europe/Berlin", 1'792'889'999) == 2 * kHour);
  CHECK(NamedZoneOffset("Europe/Berlin", 1'792'890'000) == kHour);
  CHECK(NamedZoneOffset("Asia/Kolkata", 1'792'890'000) == 5 * kHour + kHour / 2);
  // July and January 2100, by the rule at the end of the file.
  CHECK(NamedZoneOffset("Europe/Berlin", 4'118'256'000) == 2 * kHour);
  CHECK(NamedZoneOffset("Europe/Berlin", 4'102'444'800) == kHour);
  // Southern summers go over the new year.
  CHECK(NamedZoneOffset("Pacific/Auckland", 4'102'444'800) == 13 * kHour);
  CHECK(NamedZoneOffset("Pacific/Auckland", 4'118'256'000) == 12 * kHour);
  for (const char* none : {"", "Atlantis/Center", "../../etc/passwd", "/etc/localtime", "Europe/"}) {
    CAPTURE(none);
    CHECK_FALSE(NamedZoneOffset(none, 0));
  }
}

}  // namespace
}  // namespace minikube::base
