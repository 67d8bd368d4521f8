// Times, durations and base64 as text.
#include <catch2/catch.hpp>

#include <limits>
#include <random>
#include <string>

#include <fmt/format.h>

#include <minikube/types.h>

#include "model/scalar_text.h"

namespace minikube::model {
namespace {

std::string Micro(std::int64_t micros) {
  std::string out;
  AppendMicroTime(micros, out);
  return out;
}
std::string Seconds(std::int64_t micros) {
  std::string out;
  AppendTime(micros, out);
  return out;
}
std::string SpanText(std::int64_t nanos) {
  std::string out;
  AppendSpan(nanos, out);
  return out;
}

TEST_CASE("times are read with any offset and fraction") {
  const auto same = [](std::string_view a, std::string_view b) {
    CAPTURE(a, b);
    REQUIRE(ParseInstant(a).has_value());
    CHECK(ParseInstant(a) == ParseInstant(b));
  };
  CHECK(ParseInstant("1970-01-01T00:00:00Z") == Instant::kUnixEpoch);
  CHECK(ParseInstant("0001-01-01T00:00:00Z") == 0);
  CHECK(ParseInstant("9999-12-31T23:59:59.999999Z") == kMaxInstant);
  same("2026-01-02T03:04:05+02:30", "2026-01-02T00:34:05Z");
  same("2026-01-02T03:04:05-00:01", "2026-01-02T03:05:05Z");
  same("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456Z");
  same("2026-01-02T03:04:05.1Z", "2026-01-02T03:04:05.100000Z");
  same("2024-02-29T00:00:00Z", "2024-02-28T23:00:00-01:00");
}

TEST_CASE("a MicroTime has six digits of its second") {
  const auto micro = [](std::string_view text) { return ParseInstant(text, InstantForm::kMicroTime); };
  CHECK(micro("2026-01-02T03:04:05.000001Z") == ParseInstant("2026-01-02T03:04:05.000001Z"));
  CHECK(micro("2026-01-02T03:04:05.123456+01:00") == ParseInstant("2026-01-02T02:04:05.123456Z"));
  const auto refused = [&](std::string_view text, std::string_view rest, std::string_view as) {
    CHECK_FALSE(micro(text));
    CHECK(WhyNoInstant(text, InstantForm::kMicroTime) ==
          fmt::format("parsing time \"{}\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse \"{}\" as \"{}\"",
                      text, rest, as));
  };
  refused("2026-01-02T03:04:05Z", "Z", ".000000");
  refused("2026-01-02T03:04:05.123Z", ".123Z", ".000000");
  refused("2026-01-02T03:04:05.123456789Z", "789Z", "Z07:00");
}

TEST_CASE("what is no time is refused") {
  for (const char* text : {"",
                           "2026",
                           "2026-01-02",
                           "2026-01-02T03:04:05",
                           "2026-01-02 03:04:05Z",
                           "2026-01-02t03:04:05z",
                           "2026-13-01T00:00:00Z",
                           "2026-02-29T00:00:00Z",
                           "2026-01-02T24:00:00Z",
                           "2026-01-02T03:60:05Z",
                           "2026-01-02T03:04:60Z",
                           "2026-01-02T03:04:05.Z",
                           "2026-01-02T03:04:05+25:00",
                           "2026-01-02T03:04:05+02",
                           "2026-01-02T03:04:05Zx",
                           "0000-12-31T23:59:59Z",
                           "0001-01-01T00:00:00+00:01",
                           "9999-12-31T23:59:59-00:01",
                           "+026-01-02T03:04:05Z",
                           "2026-1-2T03:04:05Z"}) {
    CAPTURE(text);
    CHECK_FALSE(ParseInstant(text).has_value());
  }
}

TEST_CASE("times are written back as they were read") {
  CHECK(Seconds(0) == "0001-01-01T00:00:00Z");
  CHECK(Seconds(*ParseInstant("2026-01-02T03:04:05.9Z")) == "2026-01-02T03:04:05Z");
  CHECK(Micro(*ParseInstant("2026-01-02T03:04:05.9Z")) == "2026-01-02T03:04:05.900000Z");
  std::mt19937_64 rng(1);
  for (int i = 0; i < 1000; ++i) {
    const auto micros = static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(kMaxInstant));
    CHECK(ParseInstant(Micro(micros)) == micros);
  }
  // A host can put anything into an Instant.
  CHECK(Seconds(std::numeric_limits<std::int64_t>::max()) == "9999-12-31T23:59:59Z");
  CHECK(Micro(std::numeric_limits<std::int64_t>::min()) == "0001-01-01T00:00:00.000000Z");
}

TEST_CASE("durations are spelled as Go spells them") {
  struct Case {
    std::int64_t nanos;
    const char* text;
  };
  const Case cases[] = {{0, "0s"},
                        {1, "1ns"},
                        {1100, "1.1\xc2\xb5s"},
                        {2'200'000, "2.2ms"},
                        {3'300'000'000, "3.3s"},
                        {245'000'000'000, "4m5s"},
                        {245'001'000'000, "4m5.001s"},
                        {18'367'001'000'000, "5h6m7.001s"},
                        {3'600'000'000'000, "1h0m0s"},
                        {480'000'000'001, "8m0.000000001s"},
                        {-1'500'000'000, "-1.5s"},
                        {std::numeric_limits<std::int64_t>::max(), "2562047h47m16.854775807s"},
                        {std::numeric_limits<std::int64_t>::min(), "-2562047h47m16.854775808s"}};
  for (const Case& c : cases) {
    CAPTURE(c.text);
    CHECK(SpanText(c.nanos) == c.text);
    CHECK(ParseSpan(c.text) == c.nanos);
  }
}

TEST_CASE("durations are read in all their spellings, or refused") {
  CHECK(ParseSpan("1.5h") == 5'400'000'000'000);
  CHECK(ParseSpan("+5s") == 5'000'000'000);
  CHECK(ParseSpan(".5s") == 500'000'000);
  CHECK(ParseSpan("1us") == 1000);
  CHECK(ParseSpan("1\xce\xbcs") == 1000);
  CHECK(ParseSpan("1s1s") == 2'000'000'000);
  CHECK(ParseSpan("0") == 0);
  CHECK(ParseSpan("0.0000000000000000000000001h") == 0);
  for (const char* text : {"", "-", "1", "s", ".s", "1.s.", "1d", "1 s", "1s ", "9223372036854775808ns", "1e3s",
                           "99999999999999999999h", "2562047h47m16.854775808s", "3000000h"}) {
    CAPTURE(text);
    CHECK_FALSE(ParseSpan(text).has_value());
  }
}

TEST_CASE("base64 goes both ways") {
  for (const char* text : {"", "f", "fo", "foo", "foob", "fooba", "foobar"}) {
    std::string encoded;
    AppendBase64(text, encoded);
    CHECK(DecodeBase64(encoded) == text);
  }
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  std::string encoded;
  AppendBase64(all, encoded);
  CHECK(DecodeBase64(encoded) == all);
  CHECK(DecodeBase64("Zm9v\r\nYmFy\n") == "foobar");
  for (const char* text :
       {"Z", "Zm", "Zm9", "Zm=9", "Zm9v=", "====", "Z===", "Zm9vYg=", "Zm9vYg===", "Zm 9", "Zm9-", "=", "Zg==Zg=="}) {
    CAPTURE(text);
    CHECK_FALSE(DecodeBase64(text).has_value());
  }
}

TEST_CASE("where base64 goes wrong is counted as Go counts") {
  struct Case {
    const char* text;
    std::size_t wrong;
  };
  for (const Case& c : {Case{"***", 0},
                        {"Zm9v*", 4},
                        {"Zm9vYg", 4},
                        {"Zm9", 0},
                        {"Zm=", 3},
                        {"Zm=9", 2},
                        {"Z===", 1},
                        {"Zm9vYg===", 8},
                        {"Zg==Zg==", 4},
                        {"Zm9=x", 4}}) {
    CAPTURE(c.text);
    std::size_t wrong = 99;
    CHECK_FALSE(DecodeBase64(c.text, &wrong).has_value());
    CHECK(wrong == c.wrong);
  }
}

TEST_CASE("what is wrong with a time is said in Go's words") {
  const auto why = [](std::string_view text) {
    REQUIRE_FALSE(ParseInstant(text).has_value());
    return WhyNoInstant(text, InstantForm::kTime);
  };
  const auto cannot = [](const std::string& text, const std::string& rest, const std::string& element) {
    return "parsing time \"" + text + "\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"" + rest + "\" as \"" +
           element + "\"";
  };
  CHECK(why("") == cannot("", "", "2006"));
  CHECK(why("2026/01/02") == cannot("2026/01/02", "/01/02", "-"));
  CHECK(why("2026-01-02") == cannot("2026-01-02", "", "T"));
  CHECK(why("2026-01-02T03:04") == cannot("2026-01-02T03:04", "", ":"));
  CHECK(why("2026-01-02T03:04:05") == cannot("2026-01-02T03:04:05", "", "Z07:00"));
  CHECK(why("2026-01-02T03:04:05+0100") == cannot("2026-01-02T03:04:05+0100", "+0100", "Z07:00"));
  CHECK(why("2026-13-02T03:04:05Z") == "parsing time \"2026-13-02T03:04:05Z\": month out of range");
  CHECK(why("2026-02-30T03:04:05Z") == "parsing time \"2026-02-30T03:04:05Z\": day out of range");
  CHECK(why("2026-02-03T24:04:05Z") == "parsing time \"2026-02-03T24:04:05Z\": hour out of range");
  CHECK(why("2026-02-03T03:04:05.25Zulu") == "parsing time \"2026-02-03T03:04:05.25Zulu\": extra text: \"ulu\"");
}

}  // namespace
}  // namespace minikube::model
