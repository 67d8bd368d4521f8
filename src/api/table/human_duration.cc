#include "api/table/human_duration.h"

#include <fmt/format.h>

namespace minikube::api {

std::string HumanDuration(Duration duration) {
  using std::chrono::duration_cast;
  const std::int64_t seconds = duration_cast<std::chrono::seconds>(duration).count();
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return fmt::format("{}s", seconds);
  // The larger unit, and the smaller one if there is any of it.
  const auto two = [](std::int64_t large, char large_unit, std::int64_t small, char small_unit) {
    return small == 0 ? fmt::format("{}{}", large, large_unit)
                      : fmt::format("{}{}{}{}", large, large_unit, small, small_unit);
  };
  const std::int64_t minutes = seconds / 60;
  if (minutes < 10) return two(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return fmt::format("{}m", minutes);
  const std::int64_t hours = minutes / 60;
  if (hours < 8) return two(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return fmt::format("{}h", hours);
  const std::int64_t days = hours / 24;
  if (days < 8) return two(days, 'd', hours % 24, 'h');
  if (days < 2 * 365) return fmt::format("{}d", days);
  const std::int64_t years = days / 365;
  if (years < 8) return two(years, 'y', days % 365, 'd');
  return fmt::format("{}y", years);
}

std::string Age(Instant since, WallTime now) {
  if (since.empty()) return "<unknown>";
  const std::int64_t now_micros = std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
  // Microseconds of any two instants that Instant can hold differ by less than int64 nanoseconds only within 292 years.
  const std::int64_t micros = now_micros - since.unix_micros();
  constexpr std::int64_t kLimit = std::int64_t{9'000'000'000} * 1'000'000;
  if (micros > kLimit || micros < -kLimit) return micros < 0 ? "<invalid>" : "285y";
  return HumanDuration(std::chrono::microseconds(micros));
}

}  // namespace minikube::api
