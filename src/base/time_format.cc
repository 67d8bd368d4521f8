// RFC 3339 times and RFC 4122 identifiers.
#include <array>
#include <cctype>
#include <cstdint>
#include <string>

#include <fmt/format.h>

#include <minikube/env.h>

namespace minikube {
namespace {

// Reads exactly `digits` digits at `pos` and moves on; -1 if they are not there.
int ReadNumber(std::string_view text, std::size_t& pos, int digits) {
  if (pos + static_cast<std::size_t>(digits) > text.size()) return -1;
  int value = 0;
  for (int i = 0; i < digits; ++i) {
    const char c = text[pos++];
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

bool ReadChar(std::string_view text, std::size_t& pos, char want) {
  if (pos >= text.size() || std::toupper(static_cast<unsigned char>(text[pos])) != want) return false;
  ++pos;
  return true;
}

}  // namespace

std::string NewUid(Random& random) {
  std::array<unsigned char, 16> b{};
  random.Fill(b.data(), b.size());
  b[6] = static_cast<unsigned char>((b[6] & 0x0f) | 0x40);
  b[8] = static_cast<unsigned char>((b[8] & 0x3f) | 0x80);
  std::string out;
  for (std::size_t i = 0; i < b.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    fmt::format_to(std::back_inserter(out), "{:02x}", b[i]);
  }
  return out;
}

std::string FormatTime(WallTime time) {
  using namespace std::chrono;
  const auto seconds_part = floor<seconds>(time);
  const auto day = floor<days>(seconds_part);
  const year_month_day ymd(day);
  const hh_mm_ss hms(seconds_part - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(ymd.year()),
                     static_cast<unsigned>(ymd.month()), static_cast<unsigned>(ymd.day()), hms.hours().count(),
                     hms.minutes().count(), hms.seconds().count());
}

Result<WallTime> ParseTime(std::string_view text) {
  using namespace std::chrono;
  const Status bad(Code::kBadRequest, fmt::format("\"{}\" is not an RFC 3339 time", text));
  std::size_t pos = 0;
  const int y = ReadNumber(text, pos, 4);
  if (y < 0 || !ReadChar(text, pos, '-')) return bad;
  const int mo = ReadNumber(text, pos, 2);
  if (mo < 0 || !ReadChar(text, pos, '-')) return bad;
  const int d = ReadNumber(text, pos, 2);
  if (d < 0 || !ReadChar(text, pos, 'T')) return bad;
  const int h = ReadNumber(text, pos, 2);
  if (h < 0 || h > 23 || !ReadChar(text, pos, ':')) return bad;
  const int mi = ReadNumber(text, pos, 2);
  if (mi < 0 || mi > 59 || !ReadChar(text, pos, ':')) return bad;
  const int s = ReadNumber(text, pos, 2);
  if (s < 0 || s > 60) return bad;
  const year_month_day ymd{year(y), month(static_cast<unsigned>(mo)), day(static_cast<unsigned>(d))};
  if (!ymd.ok()) return bad;
  // 64-bit nanoseconds reach from 1677 to 2262; other years are refused rather than wrapped.
  if (y < 1678 || y > 2261) return bad;

  std::int64_t nanos = 0;
  if (pos < text.size() && text[pos] == '.') {
    ++pos;
    std::int64_t unit = 100'000'000;
    const std::size_t first = pos;
    for (; pos < text.size() && text[pos] >= '0' && text[pos] <= '9'; ++pos, unit /= 10)
      nanos += (text[pos] - '0') * unit;
    if (pos == first) return bad;
  }
  int offset_minutes = 0;
  if (!ReadChar(text, pos, 'Z')) {
    if (pos >= text.size() || (text[pos] != '+' && text[pos] != '-')) return bad;
    const int sign = text[pos++] == '-' ? -1 : 1;
    const int oh = ReadNumber(text, pos, 2);
    if (oh < 0 || oh > 23 || !ReadChar(text, pos, ':')) return bad;
    const int om = ReadNumber(text, pos, 2);
    if (om < 0 || om > 59) return bad;
    offset_minutes = sign * (oh * 60 + om);
  }
  if (pos != text.size()) return bad;
  return WallTime(sys_days(ymd).time_since_epoch() + hours(h) + minutes(mi - offset_minutes) + seconds(s) +
                  nanoseconds(nanos));
}

}  // namespace minikube
