#include "api/kinds/schedule.h"

#include <fmt/format.h>

#include "base/time_zone.h"
#include "kube/cron.h"

namespace minikube::api {

void ValidateSchedule(const Str& schedule, const FieldPath& path, ErrorList& errors) {
  if (schedule.empty()) return;  // required by the tables
  const std::string_view text = schedule.view();
  if (text.starts_with("TZ=") || text.starts_with("CRON_TZ=")) return;  // refused in its own words
  const Result<kube::CronSchedule> parsed = kube::CronSchedule::Parse(text);
  if (!parsed) errors.Invalid(path, schedule, parsed.status().message());
}

void ValidateTimeZone(const Str& zone, const FieldPath& path, ErrorList& errors) {
  std::string lower = zone.str();
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (zone.empty()) {
    errors.Invalid(path, zone, "timeZone must be nil or non-empty string");
  } else if (lower == "local") {
    errors.Invalid(path, zone, "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones");
  } else if (!base::NamedZoneOffset(zone.view(), 0)) {
    errors.Invalid(path, zone, fmt::format("unknown time zone {}", zone.view()));
  }
}

}  // namespace minikube::api
