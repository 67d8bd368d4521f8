// Conversions between types, size(), type(), dyn().
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>

#include <fmt/format.h>

#include "cel/function.h"
#include "cel/library/format_text.h"
#include "cel/library/time.h"
#include "cel/utf8.h"

namespace minikube::cel {
namespace {

using Args = std::span<const Value>;

Value Same(Args a) { return a[0]; }

Value IntFromUint(Args a) {
  return a[0].uinteger() > INT64_MAX ? Value::Error("integer overflow")
                                     : Value::Int(static_cast<std::int64_t>(a[0].uinteger()));
}
Value IntFromDouble(Args a) {
  const double d = a[0].number();
  // Beyond these a double names no integer of 64 bits for certain.
  if (!std::isfinite(d) || d <= -9223372036854775808.0 || d >= 9223372036854775807.0) {
    return Value::Error("integer overflow");
  }
  return Value::Int(static_cast<std::int64_t>(d));
}
Value IntFromString(Args a) {
  std::string_view text = a[0].text();
  if (text.starts_with('+')) text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() ||
      (a[0].text().size() > text.size() && text.starts_with('-'))) {
    return Value::Error(fmt::format("type conversion error from 'string' to 'int': {}", a[0].text()));
  }
  return Value::Int(value);
}
Value IntFromTimestamp(Args a) { return Value::Int(a[0].seconds()); }
Value IntFromDuration(Args a) { return Value::Int(a[0].seconds() * 1'000'000'000 + a[0].nanos()); }

Value UintFromInt(Args a) {
  return a[0].integer() < 0 ? Value::Error("unsigned integer overflow")
                            : Value::Uint(static_cast<std::uint64_t>(a[0].integer()));
}
Value UintFromDouble(Args a) {
  const double d = a[0].number();
  if (!std::isfinite(d) || d < 0 || d >= 18446744073709551615.0) return Value::Error("unsigned integer overflow");
  return Value::Uint(static_cast<std::uint64_t>(d));
}
Value UintFromString(Args a) {
  const std::string_view text = a[0].text();
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Value::Error(fmt::format("type conversion error from 'string' to 'uint': {}", text));
  }
  return Value::Uint(value);
}

Value DoubleFromInt(Args a) { return Value::Double(static_cast<double>(a[0].integer())); }
Value DoubleFromUint(Args a) { return Value::Double(static_cast<double>(a[0].uinteger())); }
Value DoubleFromString(Args a) {
  const std::string text(a[0].text());
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || end != text.c_str() + text.size() || std::isspace(static_cast<unsigned char>(text[0])) != 0) {
    return Value::Error(fmt::format("type conversion error from 'string' to 'double': {}", text));
  }
  return Value::Double(value);
}

Value StringFromInt(Args a) { return Value::String(std::to_string(a[0].integer())); }
Value StringFromUint(Args a) { return Value::String(std::to_string(a[0].uinteger())); }
Value StringFromDouble(Args a) { return Value::String(DoubleText(a[0].number())); }
Value StringFromBool(Args a) { return Value::String(a[0].boolean() ? "true" : "false"); }
Value StringFromTime(Args a) { return Value::String(TimeText(a[0])); }
Value StringFromBytes(Args a) {
  if (!IsUtf8(a[0].text())) return Value::Error("invalid UTF-8 in bytes, cannot convert to string");
  return Value::String(a[0].text());
}
Value BytesFromString(Args a) { return Value::Bytes(a[0].text()); }

Value BoolFromString(Args a) {
  const std::string_view text = a[0].text();
  for (const std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == yes) return Value::Bool(true);
  }
  for (const std::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == no) return Value::Bool(false);
  }
  return Value::Error(fmt::format("type conversion error from 'string' to 'bool': {}", text));
}

Value TimestampFromString(Args a) { return ParseTimestamp(a[0].text()); }
Value TimestampFromInt(Args a) {
  return AddTimes(Value::Timestamp(0, 0), Value::Duration(a[0].integer(), 0), Kind::kTimestamp, 1);
}
Value DurationFromString(Args a) { return ParseDuration(a[0].text()); }
Value DurationFromInt(Args a) {
  return Value::Duration(a[0].integer() / 1'000'000'000, static_cast<std::int32_t>(a[0].integer() % 1'000'000'000));
}

Value Size(Args a) { return Value::Int(static_cast<std::int64_t>(a[0].Size())); }
Value TypeOfValue(Args a) { return Value::Type(a[0].TypeName()); }

constexpr FunctionDefinition kDefinitions[] = {
    {"size", "string -> int", Size},
    {"size", "bytes -> int", Size},
    {"size", "list(A) -> int", Size},
    {"size", "map(A, B) -> int", Size},
    {".size", "string -> int", Size},
    {".size", "bytes -> int", Size},
    {".size", "list(A) -> int", Size},
    {".size", "map(A, B) -> int", Size},
    {"int", "int -> int", Same},
    {"int", "uint -> int", IntFromUint},
    {"int", "double -> int", IntFromDouble},
    {"int", "string -> int", IntFromString},
    {"int", "timestamp -> int", IntFromTimestamp},
    {"int", "duration -> int", IntFromDuration},
    {"uint", "uint -> uint", Same},
    {"uint", "int -> uint", UintFromInt},
    {"uint", "double -> uint", UintFromDouble},
    {"uint", "string -> uint", UintFromString},
    {"double", "double -> double", Same},
    {"double", "int -> double", DoubleFromInt},
    {"double", "uint -> double", DoubleFromUint},
    {"double", "string -> double", DoubleFromString},
    {"string", "string -> string", Same},
    {"string", "int -> string", StringFromInt},
    {"string", "uint -> string", StringFromUint},
    {"string", "double -> string", StringFromDouble},
    {"string", "bool -> string", StringFromBool},
    {"string", "bytes -> string", StringFromBytes, CallCost::kTraverseFirst},
    {"string", "timestamp -> string", StringFromTime},
    {"string", "duration -> string", StringFromTime},
    {"bytes", "bytes -> bytes", Same},
    {"bytes", "string -> bytes", BytesFromString, CallCost::kTraverseFirst},
    {"bool", "bool -> bool", Same},
    {"bool", "string -> bool", BoolFromString},
    {"timestamp", "timestamp -> timestamp", Same},
    {"timestamp", "string -> timestamp", TimestampFromString},
    {"timestamp", "int -> timestamp", TimestampFromInt},
    {"duration", "duration -> duration", Same},
    {"duration", "string -> duration", DurationFromString},
    {"duration", "int -> duration", DurationFromInt},
    {"dyn", "A -> dyn", Same},
    {"type", "A -> type(A)", TypeOfValue},
};

}  // namespace

// Go's %g with the shortest digits.
std::string DoubleText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char buffer[40];
  const double magnitude = std::fabs(value);
  const bool exponent = magnitude != 0 && (magnitude < 1e-4 || magnitude >= 1e21);
  const auto form = exponent ? std::chars_format::scientific : std::chars_format::fixed;
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value, form).ptr};
}

std::span<const FunctionDefinition> library::Conversions() { return kDefinitions; }

}  // namespace minikube::cel
