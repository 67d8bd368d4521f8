// resource.Quantity: canonical forms, values and comparison.
#include <catch2/catch.hpp>

#include <limits>
#include <string>

#include <minikube/types.h>

#include "model/quantity.h"

namespace minikube {
namespace {

std::string Canonical(std::string_view text) {
  std::string out;
  return model::CanonicalizeQuantity(text, out) ? out : "malformed";
}

TEST_CASE("quantities take their canonical form") {
  struct Case {
    const char* text;
    const char* canonical;
  };
  const Case cases[] = {
      {"0", "0"},
      {"-0", "0"},
      {"0Mi", "0"},
      {"0.000", "0"},
      {"1", "1"},
      {"+5", "5"},
      {"007", "7"},
      {"1000", "1k"},
      {"1500", "1500"},
      {"1000m", "1"},
      {"1.5", "1500m"},
      {"1.500", "1500m"},
      {"0.5", "500m"},
      {".5", "500m"},
      {"5.", "5"},
      {"100m", "100m"},
      {"1000000", "1M"},
      {"12345678k", "12345678k"},
      {"1000E", "1000E"},
      {"1Ki", "1Ki"},
      {"1024Ki", "1Mi"},
      {"1025Ki", "1025Ki"},
      {"1024Mi", "1Gi"},
      {"2000Mi", "2000Mi"},
      {"1.5Gi", "1536Mi"},
      {"0.5Gi", "512Mi"},
      {"0.5Ki", "512"},
      {"1.1Ki", "1126400m"},
      {"0.0000000001Gi", "107374183n"},
      {"-1Ki", "-1Ki"},
      {"-0.5Mi", "-512Ki"},
      {"8Ei", "9223372036854775807"},
      {"-8Ei", "-9223372036854775807"},
      {"100Ei", "9223372036854775807"},
      {"1e3", "1e3"},
      {"1E3", "1e3"},
      {"12e6", "12e6"},
      {"1e4", "10e3"},
      {"1e-3", "1e-3"},
      {"1e0", "1"},
      {"1e+2", "100"},
      {"1e400", "10e399"},
      {"1n", "1n"},
      {"0.1n", "1n"},
      {"-0.1n", "-1n"},
      {"1.0000000001", "1000000001n"},
      {"1e-400", "1e-9"},
      {"0.3333333333333333333333333333333333333333", "333333334n"},
      {"9223372036854775807", "9223372036854775807"},
      {"9223372036854775808", "9223372036854775808"},
      {"99999999999999999999999999999999", "99999999999999999999999999999999"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    CHECK(Canonical(c.text) == c.canonical);
    CHECK(Canonical(c.canonical) == c.canonical);
  }
}

TEST_CASE("what is no quantity is refused") {
  for (const char* text : {"",
                           "-",
                           "+",
                           ".",
                           "m",
                           "1i",
                           "1ki",
                           "1K",
                           "1 Mi",
                           " 1",
                           "1 ",
                           "1e",
                           "1e+",
                           "1e1.5",
                           "1e+-1",
                           "0x10",
                           "1,5",
                           "--1",
                           "1.2.3",
                           "NaN",
                           "inf",
                           "1e10000",
                           "1e99999999999999999999",
                           "1MiMi",
                           "12345678901234567890123456789012345678901",
                           "\xc2\xb5",
                           "1mm",
                           "1Em"}) {
    CAPTURE(text);
    CHECK(Canonical(text) == "malformed");
  }
  CHECK(Canonical(std::string(100'000, '9')) == "malformed");
}

TEST_CASE("the plain test admits only canonical texts") {
  for (int n = 0; n < 2000; ++n) {
    for (const char* suffix :
         {"", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3"}) {
      const std::string text = std::to_string(n) + suffix;
      if (model::IsPlainlyCanonicalQuantity(text)) REQUIRE(Canonical(text) == text);
    }
  }
  for (const char* text : {"", "00", "01", "-1", "1.5", "mi", "5i", "5xi", "5MiB"}) {
    CHECK_FALSE(model::IsPlainlyCanonicalQuantity(text));
  }
}

TEST_CASE("values are rounded away from zero and saturate") {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  CHECK(Quantity("1500m").Value() == 2);
  CHECK(Quantity("-1500m").Value() == -2);
  CHECK(Quantity("1n").Value() == 1);
  CHECK(Quantity("1Gi").Value() == 1073741824);
  CHECK(Quantity("500m").MilliValue() == 500);
  CHECK(Quantity("2").MilliValue() == 2000);
  CHECK(Quantity("1500u").MilliValue() == 2);
  CHECK(Quantity("9223372036854775807").Value() == kMax);
  CHECK(Quantity("-9223372036854775808").Value() == kMin);
  CHECK(Quantity("9223372036854775808").Value() == kMax);
  CHECK(Quantity("1e300").Value() == kMax);
  CHECK(Quantity("-1e300").Value() == kMin);
  CHECK(Quantity("9223372036854775807").MilliValue() == kMax);
  CHECK(Quantity("").Value() == 0);
  CHECK(Quantity("nonsense").Value() == 0);
}

TEST_CASE("comparison is of values, not of spellings") {
  CHECK(Quantity("1000m") == Quantity("1"));
  CHECK(Quantity("1Ki") == Quantity("1024"));
  CHECK(Quantity("1e3") == Quantity("1k"));
  CHECK_FALSE(Quantity("1") == Quantity("1001m"));
  CHECK((Quantity("-1").Compare("1") < 0));
  CHECK((Quantity("-2").Compare("-1") < 0));
  CHECK((Quantity("0").Compare("-0") == 0));
  CHECK((Quantity("1n").Compare("0") > 0));
  CHECK((Quantity("1e300").Compare("1e299") > 0));
  CHECK((Quantity("1e300").Compare("999E") > 0));
  CHECK((Quantity("12345678901234567890123456789").Compare("12345678901234567890123456788") > 0));
  CHECK_FALSE(Quantity("") == Quantity("0"));  // absent is not zero
}

TEST_CASE("quantities are made from numbers") {
  CHECK(Quantity::FromInt(1000).text == "1k");
  CHECK(Quantity::FromInt(-3).text == "-3");
  CHECK(Quantity::FromInt(std::numeric_limits<std::int64_t>::min()).Value() ==
        std::numeric_limits<std::int64_t>::min());
  CHECK(Quantity::FromMilli(250).text == "250m");
  CHECK(Quantity::FromMilli(2000).text == "2");
  CHECK(Quantity::FromBytes(1048576).text == "1Mi");
  CHECK(Quantity::FromBytes(1500).text == "1500");
  CHECK(Quantity::FromBytes(0).text == "0");
  CHECK(Quantity::FromBytes(-2048).text == "-2Ki");
  CHECK(Quantity::FromBytes(1000).text == "1k");
}

}  // namespace
}  // namespace minikube
