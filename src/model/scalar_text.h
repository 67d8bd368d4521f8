// The text forms of scalar values in the API: RFC 3339 times, Go durations, base64 (RFC 4648 section 4).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace minikube::model {

enum class InstantForm : std::uint8_t { kTime, kMicroTime };
// RFC 3339 with any offset, in the years 1 to 9999 UTC; microseconds since 0001-01-01T00:00:00Z, as in Instant. A Time
// may have any fraction (what is finer than a microsecond is cut off), a MicroTime has six digits of it.
std::optional<std::int64_t> ParseInstant(std::string_view text, InstantForm form = InstantForm::kTime);
// What Go's time package says of a text that is none.
std::string WhyNoInstant(std::string_view text, InstantForm wanted);
// "2026-01-02T03:04:05Z" and "2026-01-02T03:04:05.000000Z". Instants outside the years 1 to 9999 are clamped.
void AppendTime(std::int64_t micros, std::string& out);
void AppendMicroTime(std::int64_t micros, std::string& out);
inline constexpr std::int64_t kMaxInstant = 315'537'897'599'999'999;  // 9999-12-31T23:59:59.999999Z

// "1h2m3.5s" and back, as Go's time package spells nanoseconds.
std::optional<std::int64_t> ParseSpan(std::string_view text);
void AppendSpan(std::int64_t nanos, std::string& out);

// Decodes padded base64; line breaks are skipped, as Go does. If it is none, `*wrong` (may be null) is where, as Go
// counts.
std::optional<std::string> DecodeBase64(std::string_view text, std::size_t* wrong = nullptr);
void AppendBase64(std::string_view bytes, std::string& out);

}  // namespace minikube::model
