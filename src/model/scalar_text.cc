#include "model/scalar_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <limits>

#include <fmt/format.h>

#include "model/field_errors.h"

namespace minikube::model {
namespace {

constexpr std::int64_t kMicrosPerSecond = 1'000'000;
constexpr int kMicroDigits = 6;
constexpr std::int64_t kSecondsPerDay = 86'400;
// Days from 0001-01-01 to 1970-01-01.
constexpr std::int64_t kEpochDays = 719'162;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Exactly `count` digits at `pos`, which moves on; -1 if they are not there.
int ReadDigits(std::string_view text, std::size_t& pos, std::size_t count) {
  if (text.size() - pos < count) return -1;
  int value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!IsDigit(text[pos + i])) return -1;
    value = value * 10 + (text[pos + i] - '0');
  }
  pos += count;
  return value;
}

bool ReadChar(std::string_view text, std::size_t& pos, char want) {
  if (pos >= text.size() || text[pos] != want) return false;
  ++pos;
  return true;
}

void AppendDigits(std::int64_t value, int count, std::string& out) {
  std::array<char, 20> buffer;
  for (int i = count; i-- > 0; value /= 10) buffer[static_cast<std::size_t>(i)] = static_cast<char>('0' + value % 10);
  out.append(buffer.data(), static_cast<std::size_t>(count));
}

void AppendDateTime(std::int64_t seconds, std::string& out) {
  using namespace std::chrono;
  const std::int64_t day = seconds / kSecondsPerDay;
  const std::int64_t rest = seconds % kSecondsPerDay;
  const year_month_day ymd{sys_days(days(static_cast<int>(day - kEpochDays)))};
  AppendDigits(static_cast<int>(ymd.year()), 4, out);
  out += '-';
  AppendDigits(static_cast<unsigned>(ymd.month()), 2, out);
  out += '-';
  AppendDigits(static_cast<unsigned>(ymd.day()), 2, out);
  out += 'T';
  AppendDigits(rest / 3600, 2, out);
  out += ':';
  AppendDigits(rest / 60 % 60, 2, out);
  out += ':';
  AppendDigits(rest % 60, 2, out);
}

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<std::int8_t, 256> MakeBase64Values() {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i < kBase64.size(); ++i) {
    values[static_cast<unsigned char>(kBase64[i])] = static_cast<std::int8_t>(i);
  }
  return values;
}
constexpr std::array<std::int8_t, 256> kBase64Values = MakeBase64Values();

struct Unit {
  std::string_view name;
  std::int64_t nanos;
};
// "µ" comes as U+00B5 and as U+03BC.
constexpr std::array<Unit, 8> kUnits = {{{"ns", 1},
                                         {"us", 1'000},
                                         {"\xc2\xb5s", 1'000},
                                         {"\xce\xbcs", 1'000},
                                         {"ms", 1'000'000},
                                         {"s", 1'000'000'000},
                                         {"m", 60'000'000'000},
                                         {"h", 3'600'000'000'000}}};

// value / 10^digits without trailing zeros: "1.5", "3".
void AppendFraction(std::uint64_t value, int digits, std::string& out) {
  std::uint64_t unit = 1;
  for (int i = 0; i < digits; ++i) unit *= 10;
  out += std::to_string(value / unit);
  std::uint64_t rest = value % unit;
  if (rest == 0) return;
  for (; rest % 10 == 0; --digits) rest /= 10;
  out += '.';
  AppendDigits(static_cast<std::int64_t>(rest), digits, out);
}

}  // namespace

std::optional<std::int64_t> ParseInstant(std::string_view text, InstantForm form) {
  using namespace std::chrono;
  std::size_t pos = 0;
  const int y = ReadDigits(text, pos, 4);
  if (y < 0 || !ReadChar(text, pos, '-')) return std::nullopt;
  const int mo = ReadDigits(text, pos, 2);
  if (mo < 0 || !ReadChar(text, pos, '-')) return std::nullopt;
  const int d = ReadDigits(text, pos, 2);
  if (d < 0 || !ReadChar(text, pos, 'T')) return std::nullopt;
  const int h = ReadDigits(text, pos, 2);
  if (h < 0 || h > 23 || !ReadChar(text, pos, ':')) return std::nullopt;
  const int mi = ReadDigits(text, pos, 2);
  if (mi < 0 || mi > 59 || !ReadChar(text, pos, ':')) return std::nullopt;
  const int s = ReadDigits(text, pos, 2);
  if (s < 0 || s > 59) return std::nullopt;
  const year_month_day ymd{year(y), month(static_cast<unsigned>(mo)), day(static_cast<unsigned>(d))};
  if (!ymd.ok()) return std::nullopt;

  std::int64_t micros = 0;
  if (form == InstantForm::kMicroTime) {
    const int fraction = ReadChar(text, pos, '.') ? ReadDigits(text, pos, kMicroDigits) : -1;
    if (fraction < 0) return std::nullopt;
    micros = fraction;
  } else if (ReadChar(text, pos, '.')) {
    const std::size_t first = pos;
    for (std::int64_t unit = 100'000; pos < text.size() && IsDigit(text[pos]); ++pos, unit /= 10) {
      micros += (text[pos] - '0') * unit;
    }
    if (pos == first) return std::nullopt;
  }
  int offset = 0;
  if (!ReadChar(text, pos, 'Z')) {
    if (pos >= text.size() || (text[pos] != '+' && text[pos] != '-')) return std::nullopt;
    const int sign = text[pos++] == '-' ? -1 : 1;
    const int oh = ReadDigits(text, pos, 2);
    if (oh < 0 || oh > 23 || !ReadChar(text, pos, ':')) return std::nullopt;
    const int om = ReadDigits(text, pos, 2);
    if (om < 0 || om > 59) return std::nullopt;
    offset = sign * (oh * 60 + om);
  }
  if (pos != text.size()) return std::nullopt;
  const std::int64_t days = sys_days(ymd).time_since_epoch().count() + kEpochDays;
  const std::int64_t seconds = days * kSecondsPerDay + h * 3600 + (mi - offset) * 60 + s;
  const std::int64_t total = seconds * kMicrosPerSecond + micros;
  if (total < 0 || total > kMaxInstant) return std::nullopt;
  return total;
}

std::string WhyNoInstant(std::string_view text, InstantForm wanted) {
  struct Element {
    std::string_view layout;
    std::size_t digits = 0;  // 0: stands for itself
    int low = 0;
    int high = 9999;
    std::string_view name = {};
  };
  // How many days a month has is looked at last.
  static constexpr std::array<Element, 11> kElements = {{{"2006", 4},
                                                         {"-"},
                                                         {"01", 2, 1, 12, "month"},
                                                         {"-"},
                                                         {"02", 2},
                                                         {"T"},
                                                         {"15", 2, 0, 23, "hour"},
                                                         {":"},
                                                         {"04", 2, 0, 59, "minute"},
                                                         {":"},
                                                         {"05", 2, 0, 59, "second"}}};
  constexpr std::string_view kZone = "Z07:00";
  const std::string_view layout =
      wanted == InstantForm::kTime ? "2006-01-02T15:04:05Z07:00" : "2006-01-02T15:04:05.000000Z07:00";
  const auto cannot = [&](std::string_view rest, std::string_view as) {
    return fmt::format("parsing time {} as {}: cannot parse {} as {}", GoQuote(text), GoQuote(layout), GoQuote(rest),
                       GoQuote(as));
  };
  const auto out_of_range = [&](std::string_view name) {
    return fmt::format("parsing time {}: {} out of range", GoQuote(text), name);
  };
  std::string_view rest = text;
  for (const Element& element : kElements) {
    if (element.digits == 0) {
      if (!rest.starts_with(element.layout)) return cannot(rest, element.layout);
    } else {
      std::size_t pos = 0;
      const int value = ReadDigits(rest, pos, element.digits);
      if (value < 0) return cannot(rest, element.layout);
      if (value < element.low || value > element.high) return out_of_range(element.name);
    }
    rest.remove_prefix(element.layout.size());
  }
  if (wanted == InstantForm::kMicroTime) {
    std::size_t pos = 0;
    if (!ReadChar(rest, pos, '.') || ReadDigits(rest, pos, kMicroDigits) < 0) return cannot(rest, ".000000");
    rest.remove_prefix(pos);
  } else if (rest.size() > 1 && rest[0] == '.' && IsDigit(rest[1])) {
    rest.remove_prefix(std::min(rest.find_first_not_of("0123456789", 1), rest.size()));
  }
  if (rest.starts_with('Z')) {
    rest.remove_prefix(1);
  } else {
    std::size_t pos = 1;
    const bool zone = !rest.empty() && (rest[0] == '+' || rest[0] == '-') && ReadDigits(rest, pos, 2) >= 0 &&
                      ReadChar(rest, pos, ':') && ReadDigits(rest, pos, 2) >= 0;
    if (!zone) return cannot(rest, kZone);
    rest.remove_prefix(pos);
  }
  if (!rest.empty()) return fmt::format("parsing time {}: extra text: {}", GoQuote(text), GoQuote(rest));
  return out_of_range("day");
}

void AppendTime(std::int64_t micros, std::string& out) {
  AppendDateTime(std::clamp<std::int64_t>(micros, 0, kMaxInstant) / kMicrosPerSecond, out);
  out += 'Z';
}

void AppendMicroTime(std::int64_t micros, std::string& out) {
  micros = std::clamp<std::int64_t>(micros, 0, kMaxInstant);
  AppendDateTime(micros / kMicrosPerSecond, out);
  out += '.';
  AppendDigits(micros % kMicrosPerSecond, kMicroDigits, out);
  out += 'Z';
}

std::optional<std::int64_t> ParseSpan(std::string_view text) {
  constexpr auto kLimit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) + 1;
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  __extension__ unsigned __int128 total = 0;
  while (!text.empty()) {
    // A number with an optional fraction, then a unit.
    std::size_t pos = 0;
    __extension__ unsigned __int128 whole = 0;
    for (; pos < text.size() && IsDigit(text[pos]); ++pos) {
      whole = whole * 10 + static_cast<unsigned>(text[pos] - '0');
      if (whole > kLimit) return std::nullopt;
    }
    std::size_t digits = pos;
    std::uint64_t fraction = 0;
    std::uint64_t scale = 1;
    if (pos < text.size() && text[pos] == '.') {
      for (++pos; pos < text.size() && IsDigit(text[pos]); ++pos, ++digits) {
        if (scale < 1'000'000'000'000'000) {  // finer digits cannot amount to a nanosecond
          fraction = fraction * 10 + static_cast<std::uint64_t>(text[pos] - '0');
          scale *= 10;
        }
      }
    }
    if (digits == 0) return std::nullopt;
    text.remove_prefix(pos);
    const std::size_t end = std::min(text.find_first_of(".0123456789"), text.size());
    const std::string_view name = text.substr(0, end);
    const auto* unit = std::find_if(kUnits.begin(), kUnits.end(), [name](const Unit& u) { return u.name == name; });
    if (unit == kUnits.end()) return std::nullopt;
    text.remove_prefix(end);
    const auto nanos = static_cast<std::uint64_t>(unit->nanos);
    __extension__ const auto part = static_cast<unsigned __int128>(fraction) * nanos / scale;
    total += whole * nanos + part;
    if (total > kLimit) return std::nullopt;
  }
  if (negative) return static_cast<std::int64_t>(-static_cast<std::uint64_t>(total));
  if (total == kLimit) return std::nullopt;
  return static_cast<std::int64_t>(total);
}

void AppendSpan(std::int64_t nanos, std::string& out) {
  if (nanos == 0) {
    out += "0s";
    return;
  }
  if (nanos < 0) out += '-';
  const std::uint64_t n = nanos < 0 ? -static_cast<std::uint64_t>(nanos) : static_cast<std::uint64_t>(nanos);
  if (n < 1'000) {
    out += std::to_string(n) + "ns";
  } else if (n < 1'000'000) {
    AppendFraction(n, 3, out);
    out += "\xc2\xb5s";
  } else if (n < 1'000'000'000) {
    AppendFraction(n, 6, out);
    out += "ms";
  } else {
    const std::uint64_t seconds = n / 1'000'000'000;
    if (seconds >= 3600) out += std::to_string(seconds / 3600) + "h";
    if (seconds >= 60) out += std::to_string(seconds / 60 % 60) + "m";
    AppendFraction(n % 60'000'000'000, 9, out);
    out += 's';
  }
}

std::optional<std::string> DecodeBase64(std::string_view text, std::size_t* wrong) {
  std::string out;
  out.reserve(text.size() / 4 * 3 + 3);
  const auto fail = [&](std::size_t at) {
    if (wrong != nullptr) *wrong = at;
    return std::nullopt;
  };
  std::uint32_t bits = 0;
  std::size_t count = 0;  // characters in `bits`
  std::size_t padding = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\r' || c == '\n') continue;
    if (count + padding == 4) return fail(i);  // something follows the padding
    if (c == '=') {
      if (count < 2) return fail(i);
      ++padding;
      continue;
    }
    const std::int8_t value = kBase64Values[static_cast<unsigned char>(c)];
    if (value < 0) return fail(i);
    if (padding != 0) return fail(i - 1);  // one '=' where two belong
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    if (++count == 4) {
      out += static_cast<char>(bits >> 16);
      out += static_cast<char>(bits >> 8);
      out += static_cast<char>(bits);
      bits = 0;
      count = 0;
    }
  }
  if (padding == 0 && count != 0) return fail(text.size() - count);
  if (padding != 0 && count + padding != 4) return fail(text.size());
  if (count == 3) {
    out += static_cast<char>(bits >> 10);
    out += static_cast<char>(bits >> 2);
  } else if (count == 2) {
    out += static_cast<char>(bits >> 4);
  }
  return out;
}

void AppendBase64(std::string_view bytes, std::string& out) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])); };
  std::size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    const std::uint32_t bits = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    for (int shift = 18; shift >= 0; shift -= 6) out += kBase64[bits >> shift & 63];
  }
  const std::size_t rest = bytes.size() - i;
  if (rest == 0) return;
  const std::uint32_t bits = byte(i) << 16 | (rest == 2 ? byte(i + 1) << 8 : 0);
  out += kBase64[bits >> 18 & 63];
  out += kBase64[bits >> 12 & 63];
  out += rest == 2 ? kBase64[bits >> 6 & 63] : '=';
  out += '=';
}

}  // namespace minikube::model
