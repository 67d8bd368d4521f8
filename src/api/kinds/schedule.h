// When CronJobs run: cron's five fields, and time zones.
#pragma once

#include "api/world/stored_kind.h"

namespace minikube::api {

// Minute, hour, day of month, month, day of week, as crontab(5) has them; or @hourly and its like, or @every.
void ValidateSchedule(const Str& schedule, const FieldPath& path, ErrorList& errors);
// A name of the IANA database.
void ValidateTimeZone(const Str& zone, const FieldPath& path, ErrorList& errors);

}  // namespace minikube::api
