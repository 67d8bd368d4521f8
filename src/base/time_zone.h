// Time zones by name, from the machine's database (/usr/share/zoneinfo, RFC 8536). Beyond the last change that a file
// lists, its rule for the time to come counts (a TZ string of POSIX).
//
// Thread safety: any thread. What was read is kept for the life of the process, a bounded number of zones; a missing
// database has no zones but UTC.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace minikube::base {

// Seconds east of UTC at that instant; nullopt if there is no such zone.
std::optional<std::int64_t> NamedZoneOffset(std::string_view zone, std::int64_t unix_seconds);

}  // namespace minikube::base
