#include "cel/library/format_text.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "cel/library/time.h"
#include "cel/utf8.h"

namespace minikube::cel {
namespace {

constexpr std::size_t kMaxText = std::size_t{16} * 1024 * 1024;
constexpr int kMaxPrecision = 100;

// What %s makes of any value; false for those without such a form.
bool AppendText(const Value& v, std::string& out) {
  switch (v.kind()) {
    case Kind::kString:
    case Kind::kType:
      out += v.text();
      return true;
    case Kind::kBytes:
      out += v.text();
      return IsUtf8(v.text());
    case Kind::kBool:
      out += v.boolean() ? "true" : "false";
      return true;
    case Kind::kInt:
      out += std::to_string(v.integer());
      return true;
    case Kind::kUint:
      out += std::to_string(v.uinteger());
      return true;
    case Kind::kDouble:
      if (std::isinf(v.number())) {
        out += v.number() > 0 ? "Infinity" : "-Infinity";
      } else {
        out += DoubleText(v.number());
      }
      return true;
    case Kind::kNull:
      out += "null";
      return true;
    case Kind::kTimestamp:
    case Kind::kDuration:
      out += TimeText(v);
      return true;
    case Kind::kList: {
      out += '[';
      for (std::size_t i = 0, n = v.Size(); i < n; ++i) {
        if (i > 0) out += ", ";
        if (!AppendText(v.At(i), out)) return false;
      }
      out += ']';
      return true;
    }
    case Kind::kMap: {
      std::map<std::string, std::string> entries;
      for (const Value& key : v.Keys()) {
        Value value;
        v.Find(key, &value);
        std::string key_text;
        std::string value_text;
        if (!AppendText(key, key_text) || !AppendText(value, value_text)) return false;
        entries.emplace(std::move(key_text), std::move(value_text));
      }
      out += '{';
      for (const auto& [key, value] : entries) {
        if (out.back() != '{') out += ", ";
        out.append(key).append(": ").append(value);
      }
      out += '}';
      return true;
    }
    default:
      return false;
  }
}

Value Unsupported(std::string_view clause, std::string_view allowed, const Value& v) {
  return Value::Error(fmt::format("error during formatting: {} clause can only be used on {}, was given {}", clause,
                                  allowed, v.TypeName()));
}

std::string Radix(bool negative, std::uint64_t magnitude, char clause) {
  const char* spec = clause == 'b' ? "{}{:b}" : clause == 'o' ? "{}{:o}" : clause == 'X' ? "{}{:X}" : "{}{:x}";
  return fmt::format(fmt::runtime(spec), negative ? "-" : "", magnitude);
}

std::optional<std::string> WholeNumber(const Value& v, char clause) {
  if (v.is(Kind::kInt)) {
    const bool negative = v.integer() < 0;
    const auto bits = static_cast<std::uint64_t>(v.integer());
    return clause == 'd' ? std::to_string(v.integer()) : Radix(negative, negative ? 0 - bits : bits, clause);
  }
  if (v.is(Kind::kUint)) return clause == 'd' ? std::to_string(v.uinteger()) : Radix(false, v.uinteger(), clause);
  if (v.is(Kind::kBool) && clause == 'b') return v.boolean() ? "1" : "0";
  if ((v.is(Kind::kString) || v.is(Kind::kBytes)) && (clause == 'x' || clause == 'X')) {
    std::string out;
    for (const char c : v.text()) {
      out += fmt::format(fmt::runtime(clause == 'X' ? "{:02X}" : "{:02x}"), static_cast<unsigned char>(c));
    }
    return out;
  }
  if (v.is(Kind::kDouble) && clause == 'd' && !std::isfinite(v.number())) {
    return std::isnan(v.number()) ? "NaN" : v.number() > 0 ? "Infinity" : "-Infinity";
  }
  return std::nullopt;
}

std::optional<std::string> FloatingNumber(const Value& v, char clause, int precision) {
  double number = 0;
  if (v.is(Kind::kDouble)) {
    number = v.number();
  } else if (v.is(Kind::kInt)) {
    number = static_cast<double>(v.integer());
  } else if (v.is(Kind::kUint)) {
    number = static_cast<double>(v.uinteger());
  } else {
    return std::nullopt;
  }
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  return clause == 'f' ? fmt::format("{:.{}f}", number, precision) : fmt::format("{:.{}e}", number, precision);
}

Value Clause(char clause, int precision, const Value& v, std::string& out) {
  std::optional<std::string> text;
  switch (clause) {
    case 's':
      if (!AppendText(v, out))
        return Unsupported("string",
                           "strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps", v);
      return Value::Null();
    case 'd':
      text = WholeNumber(v, clause);
      if (!text) return Unsupported("decimal", "integers", v);
      break;
    case 'b':
      text = WholeNumber(v, clause);
      if (!text) return Unsupported("binary", "integers and bools", v);
      break;
    case 'o':
      text = WholeNumber(v, clause);
      if (!text) return Unsupported("octal", "integers", v);
      break;
    case 'x':
    case 'X':
      text = WholeNumber(v, clause);
      if (!text) return Unsupported("hex", "integers, byte buffers, and strings", v);
      break;
    case 'f':
    case 'e':
      text = FloatingNumber(v, clause, precision);
      if (!text) return Unsupported(clause == 'f' ? "fixed-point" : "scientific", "doubles", v);
      break;
    default:
      return Value::Error(
          fmt::format("could not parse formatting clause: unrecognized formatting clause \"{}\"", clause));
  }
  out += *text;
  return Value::Null();
}

}  // namespace

Value FormatText(std::string_view format, const Value& args) {
  std::string out;
  std::size_t next = 0;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    if (++i == format.size()) return Value::Error("unexpected end of string");
    if (format[i] == '%') {
      out += '%';
      continue;
    }
    int precision = 6;
    if (format[i] == '.') {
      precision = 0;
      std::size_t digits = 0;
      for (++i; i < format.size() && format[i] >= '0' && format[i] <= '9'; ++i, ++digits) {
        precision = std::min(precision * 10 + (format[i] - '0'), kMaxPrecision);
      }
      if (digits == 0 || i == format.size()) return Value::Error("error while parsing precision");
    }
    if (next >= args.Size()) return Value::Error(fmt::format("index {} out of range", next));
    const Value problem = Clause(format[i], precision, args.At(next++), out);
    if (problem.is_error()) return problem;
    if (out.size() > kMaxText) return Value::Error("the result is too large");
  }
  return Value::String(out);
}

}  // namespace minikube::cel
