#include "model/validation_names.h"

#include <catch2/catch.hpp>

namespace minikube {
namespace {

bool Ok(const Messages& messages) { return messages.empty(); }

TEST_CASE("DNS labels and subdomains") {
  for (const char* good : {"a", "a-b", "0", "abc-123", "a--b"}) CHECK(Ok(IsDns1123Label(good)));
  for (const char* bad : {"", "A", "-a", "a-", "a_b", "a b", "ä"}) CHECK_FALSE(Ok(IsDns1123Label(bad)));
  CHECK(Ok(IsDns1123Label(std::string(63, 'a'))));
  CHECK(IsDns1123Label(std::string(64, 'a')) == Messages{"must be no more than 63 characters"});
  CHECK(IsDns1123Label("a.b") == Messages{"must not contain dots"});
  CHECK(IsDns1123Label("A") ==
        Messages{"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
                 "and end with an alphanumeric character (e.g. 'my-name', or '123-abc', regex used for validation is "
                 "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"});

  for (const char* good : {"a", "a.b", "1.2.3", "a-b.c-d"}) CHECK(Ok(IsDns1123Subdomain(good)));
  for (const char* bad : {"", ".", "a.", ".a", "a..b", "a.-b", "A.b"}) CHECK_FALSE(Ok(IsDns1123Subdomain(bad)));
  CHECK(IsDns1123Subdomain("a_b") ==
        Messages{"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
                 "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
                 "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"});
  CHECK(Ok(IsDns1123SubdomainWithUnderscore("_a.b_c")));
  CHECK_FALSE(Ok(IsDns1123SubdomainWithUnderscore("__a")));

  CHECK(Ok(IsDns1035Label("a1")));
  CHECK_FALSE(Ok(IsDns1035Label("1a")));
  CHECK_FALSE(Ok(IsDns1035Label("")));
  CHECK(Ok(IsWildcardDns1123Subdomain("*.example.com")));
  for (const char* bad : {"*", "*.", "a.*.com", "*a.com", "*.*.com"}) CHECK_FALSE(Ok(IsWildcardDns1123Subdomain(bad)));
  CHECK(Ok(IsFullyQualifiedDomainName("a.b.")));
  CHECK_FALSE(Ok(IsFullyQualifiedDomainName("a")));
}

TEST_CASE("Object names, and prefixes of generated ones") {
  CHECK(Ok(NameIsDnsSubdomain("web-", NameUse::kPrefix)));
  CHECK_FALSE(Ok(NameIsDnsSubdomain("web-")));
  CHECK_FALSE(Ok(NameIsDnsLabel("a.b-", NameUse::kPrefix)));
  CHECK(Ok(NameIsDns1035Label("svc-", NameUse::kPrefix)));
  CHECK(Ok(NameIsPathSegment("system:node:a")));
  CHECK(NameIsPathSegment("..") == Messages{"may not be '..'"});
  CHECK(Ok(NameIsPathSegment("..", NameUse::kPrefix)));
  CHECK(NameIsPathSegment("a/b%c") == Messages{"may not contain '/'", "may not contain '%'"});
}

TEST_CASE("Label keys and values") {
  for (const char* good : {"a", "A.b_c-d", "example.com/A", "1/2"}) CHECK(Ok(IsQualifiedName(good)));
  for (const char* bad : {"", "/a", "a/", "a/b/c", "-a", "Example.com/a", "a b"}) CHECK_FALSE(Ok(IsQualifiedName(bad)));
  CHECK(IsQualifiedName("/" + std::string(64, 'a')) ==
        Messages{"prefix part must be non-empty", "name part must be no more than 63 bytes"});
  CHECK(IsQualifiedName("") ==
        Messages{"name part must be non-empty",
                 "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
                 "alphanumeric character (e.g. 'MyName', or 'my.name', or '123-abc', regex used for validation is "
                 "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"});
  for (const char* good : {"", "a", "A_b.c-1"}) CHECK(Ok(IsLabelValue(good)));
  for (const char* bad : {"_a", "a_", "a b", "a/b"}) CHECK_FALSE(Ok(IsLabelValue(bad)));
  CHECK(IsLabelValue(std::string(64, 'a')) == Messages{"must be no more than 63 bytes"});
  CHECK(Ok(IsDomainPrefixedKey("acme.io/foo")));
  CHECK_FALSE(Ok(IsDomainPrefixedKey("foo")));
  CHECK(Ok(IsDomainPrefixedPath("acme.io/foo/bar:baz")));
  CHECK_FALSE(Ok(IsDomainPrefixedPath("acme.io/foo bar")));
}

TEST_CASE("Numbers, ports and percentages") {
  CHECK(Ok(IsPortNumber(1)));
  CHECK(Ok(IsPortNumber(65535)));
  CHECK(IsPortNumber(0) == Messages{"must be between 1 and 65535, inclusive"});
  CHECK_FALSE(Ok(IsPortNumber(65536)));
  CHECK(Ok(IsPortName("http-2")));
  CHECK(IsPortName("1234567890-a--b-") == Messages{"must be no more than 15 characters",
                                                   "must not contain consecutive hyphens",
                                                   "must not begin or end with a hyphen"});
  CHECK(IsPortName("80") == Messages{"must contain at least one letter (a-z)"});
  CHECK_FALSE(Ok(IsPortName("")));
  CHECK(Ok(IsPercent("25%")));
  CHECK_FALSE(Ok(IsPercent("%")));
  CHECK_FALSE(Ok(IsPercent("2.5%")));
  CHECK_FALSE(Ok(IsUserId(-1)));
  CHECK_FALSE(Ok(IsGroupId(std::int64_t{1} << 31)));
}

TEST_CASE("Keys, headers and variables") {
  CHECK(Ok(IsConfigMapKey("..a")) == false);
  CHECK(IsConfigMapKey("..") == Messages{"must not be '..'"});
  CHECK(Ok(IsConfigMapKey("app.conf")));
  CHECK_FALSE(Ok(IsConfigMapKey("a/b")));
  CHECK(Ok(IsEnvVarName("MY.VAR-1")));
  CHECK_FALSE(Ok(IsEnvVarName("1A")));
  CHECK(Ok(IsRelaxedEnvVarName("1 A:b")));
  CHECK_FALSE(Ok(IsRelaxedEnvVarName("a=b")));
  CHECK_FALSE(Ok(IsRelaxedEnvVarName("\xC3\xA4")));
  CHECK(IsRelaxedEnvVarName("") == Messages{"environment variable name must be non-empty"});
  CHECK(Ok(IsCIdentifier("_a1")));
  CHECK_FALSE(Ok(IsCIdentifier("1a")));
  CHECK(Ok(IsHttpHeaderName("X-Header")));
  CHECK_FALSE(Ok(IsHttpHeaderName("X Header")));
}

TEST_CASE("Addresses are canonical or told how they would be") {
  CHECK(Ok(IsIp("10.0.0.1")));
  CHECK(Ok(IsIp("2001:db8::1")));
  CHECK(Ok(IsIp("::")));
  CHECK(IsIp("2001:DB8:0:0:0:0:0:1") == Messages{"must be in canonical form (\"2001:db8::1\")"});
  CHECK(Ok(IsIp("2001:DB8:0:0:0:0:0:1", IpForm::kAnyValid)));
  CHECK(IsIp("10.0.00.1") == Messages{"must not have leading 0s"});
  CHECK(IsIp("::ffff:1.2.3.4") == Messages{"must not be an IPv4-mapped IPv6 address"});
  for (const char* bad : {"", "1.2.3", "1.2.3.256", "1.2.3.4.5", "g::", "fe80::1%eth0", "a", "1:2"}) {
    CHECK(IsIp(bad) == Messages{"must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"});
  }
  CHECK(Ok(IsCidr("10.0.0.0/8")));
  CHECK(Ok(IsCidr("::/0")));
  CHECK(IsCidr("10.0.0.1/8") == Messages{"must not have bits set beyond the prefix length"});
  CHECK(IsCidr("10.0.0.0/08") == Messages{"must not have leading 0s in IP or prefix length"});
  CHECK(IsCidr("2001:DB8::/32") == Messages{"must be in canonical form (\"2001:db8::/32\")"});
  for (const char* bad : {"10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "/8", "::/129"}) {
    CHECK(IsCidr(bad) == Messages{"must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"});
  }
}

TEST_CASE("RFC 5952 shortens the first longest run of zeros, never a single one") {
  for (const char* text : {"::1", "1::", "2001:db8::1:0:0:1", "1:0:2:3:4:5:6:7", "1::2:0:0:3:4", "::2:3:4:5:6:7:8"}) {
    CAPTURE(text);
    if (std::string_view(text) == "::2:3:4:5:6:7:8") {
      CHECK(ParseIp(text)->ToString() == "0:2:3:4:5:6:7:8");
    } else {
      CHECK(ParseIp(text)->ToString() == text);
    }
  }
  CHECK(ParseCidr("10.96.0.0/12")->Contains(*ParseIp("10.111.255.255")));
  CHECK_FALSE(ParseCidr("10.96.0.0/12")->Contains(*ParseIp("10.112.0.0")));
  CHECK_FALSE(ParseCidr("::/0")->Contains(*ParseIp("10.0.0.1")));
}

}  // namespace
}  // namespace minikube
