// When CronJobs run: cron's five fields, macros such as @daily, and "@every 90m". Pure functions.
// Semantics: crontab(5), as Kubernetes reads it
// (https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include <minikube/status.h>

namespace minikube::kube {

class CronSchedule {
 public:
  // Seconds east of UTC at an instant.
  using ZoneOffset = std::function<std::int64_t(std::int64_t unix_seconds)>;

  // Errors: kBadRequest, with what kube-apiserver says of the text.
  static Result<CronSchedule> Parse(std::string_view text);

  // The first time after that one, both in seconds since the epoch; nullopt if there is none within five years. The
  // fields mean the clock on the wall: what it leaves out when summer begins does not happen, what it shows twice does
  // twice.
  std::optional<std::int64_t> Next(std::int64_t after, const ZoneOffset& zone) const;

 private:
  struct Field;
  static const std::array<Field, 5> kFields;
  static Status ParsePart(const Field& field, std::string_view part, std::uint64_t& bits, bool& star);
  bool MatchesDay(std::int64_t days) const;
  std::optional<std::int64_t> FirstOn(std::int64_t days, std::int64_t after, const ZoneOffset& zone) const;

  std::array<std::uint64_t, 5> bits_{};  // minute, hour, day of month, month, day of week
  bool any_day_ = false;                 // the day of month is a star
  bool any_weekday_ = false;
  std::int64_t every_ = 0;  // seconds; 0: the fields count
};

}  // namespace minikube::kube
