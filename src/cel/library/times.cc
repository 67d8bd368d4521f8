// The calendar and clock fields of timestamps and durations.
#include "cel/function.h"
#include "cel/library/time.h"

namespace minikube::cel {
namespace {

using Args = std::span<const Value>;

template <typename Read>
Value Field(Args a, Read read) {
  const std::string_view zone = a.size() > 1 ? a[1].text() : "UTC";
  const std::optional<std::int64_t> offset = ZoneOffset(zone, a[0].seconds());
  if (!offset) return Value::Error(std::string("unknown time zone ").append(zone));
  return Value::Int(read(ToCivil(a[0].seconds() + *offset)));
}

Value FullYear(Args a) {
  return Field(a, [](const CivilTime& t) { return t.year; });
}
Value Month(Args a) {
  return Field(a, [](const CivilTime& t) { return t.month - 1; });
}
Value DayOfYear(Args a) {
  return Field(a, [](const CivilTime& t) { return t.day_of_year; });
}
Value DayOfMonth(Args a) {
  return Field(a, [](const CivilTime& t) { return t.day - 1; });
}
Value Date(Args a) {
  return Field(a, [](const CivilTime& t) { return t.day; });
}
Value DayOfWeek(Args a) {
  return Field(a, [](const CivilTime& t) { return t.day_of_week; });
}
Value Hours(Args a) {
  return Field(a, [](const CivilTime& t) { return t.hour; });
}
Value Minutes(Args a) {
  return Field(a, [](const CivilTime& t) { return t.minute; });
}
Value Seconds(Args a) {
  return Field(a, [](const CivilTime& t) { return t.second; });
}
Value Milliseconds(Args a) { return Value::Int(a[0].nanos() / 1'000'000); }

Value HoursOf(Args a) { return Value::Int(a[0].seconds() / 3600); }
Value MinutesOf(Args a) { return Value::Int(a[0].seconds() / 60); }
Value SecondsOf(Args a) { return Value::Int(a[0].seconds()); }

constexpr FunctionDefinition kDefinitions[] = {
    {".getFullYear", "timestamp -> int", FullYear},
    {".getFullYear", "timestamp, string -> int", FullYear},
    {".getMonth", "timestamp -> int", Month},
    {".getMonth", "timestamp, string -> int", Month},
    {".getDayOfYear", "timestamp -> int", DayOfYear},
    {".getDayOfYear", "timestamp, string -> int", DayOfYear},
    {".getDayOfMonth", "timestamp -> int", DayOfMonth},
    {".getDayOfMonth", "timestamp, string -> int", DayOfMonth},
    {".getDate", "timestamp -> int", Date},
    {".getDate", "timestamp, string -> int", Date},
    {".getDayOfWeek", "timestamp -> int", DayOfWeek},
    {".getDayOfWeek", "timestamp, string -> int", DayOfWeek},
    {".getHours", "timestamp -> int", Hours},
    {".getHours", "timestamp, string -> int", Hours},
    {".getHours", "duration -> int", HoursOf},
    {".getMinutes", "timestamp -> int", Minutes},
    {".getMinutes", "timestamp, string -> int", Minutes},
    {".getMinutes", "duration -> int", MinutesOf},
    {".getSeconds", "timestamp -> int", Seconds},
    {".getSeconds", "timestamp, string -> int", Seconds},
    {".getSeconds", "duration -> int", SecondsOf},
    {".getMilliseconds", "timestamp -> int", Milliseconds},
    {".getMilliseconds", "timestamp, string -> int", Milliseconds},
    {".getMilliseconds", "duration -> int", Milliseconds},
};

}  // namespace

std::span<const FunctionDefinition> library::Times() { return kDefinitions; }

}  // namespace minikube::cel
