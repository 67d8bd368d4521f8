// The syntactic rules of names and small values in the Kubernetes API (DNS names, label keys and values, ports,
// environment variables, addresses, ...), with the messages Kubernetes gives.
//
// Every check returns what is wrong, one message per violated rule; empty means valid. ErrorList::InvalidEach turns the
// messages into errors of a field. Pure functions: any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace minikube {

using Messages = std::vector<std::string>;

inline constexpr std::size_t kDns1123LabelMaxLength = 63;
inline constexpr std::size_t kDns1123SubdomainMaxLength = 253;
inline constexpr std::size_t kDns1035LabelMaxLength = 63;
inline constexpr std::size_t kLabelValueMaxLength = 63;

// DNS (RFC 1123, RFC 1035, wildcards of RFC 1034).
Messages IsDns1123Label(std::string_view value);
Messages IsDns1123Subdomain(std::string_view value);
Messages IsDns1123SubdomainWithUnderscore(std::string_view value);
Messages IsDns1035Label(std::string_view value);
Messages IsWildcardDns1123Subdomain(std::string_view value);
// A subdomain of at least two segments, each a label; a final dot is allowed.
Messages IsFullyQualifiedDomainName(std::string_view value);

// Names of objects. With kPrefix the value is a generateName: a trailing dash is allowed.
enum class NameUse : std::uint8_t { kName, kPrefix };
Messages NameIsDnsSubdomain(std::string_view name, NameUse use = NameUse::kName);
Messages NameIsDnsLabel(std::string_view name, NameUse use = NameUse::kName);
Messages NameIsDns1035Label(std::string_view name, NameUse use = NameUse::kName);
// What a REST path and a storage key need; the only rule for some kinds (RBAC roles and bindings).
Messages NameIsPathSegment(std::string_view name, NameUse use = NameUse::kName);

// Label keys, annotation keys, finalizers, ...: [prefix/]name.
Messages IsQualifiedName(std::string_view value);
Messages IsLabelValue(std::string_view value);
// prefix/name, the prefix not optional.
Messages IsDomainPrefixedKey(std::string_view value);
// host/path
Messages IsDomainPrefixedPath(std::string_view value);

Messages IsInRange(std::int64_t value, std::int64_t min, std::int64_t max);
Messages IsPortNumber(std::int64_t value);
Messages IsPortName(std::string_view value);
Messages IsUserId(std::int64_t value);
Messages IsGroupId(std::int64_t value);
Messages IsPercent(std::string_view value);  // "25%"
Messages IsNonNegative(std::int64_t value);

Messages IsHttpHeaderName(std::string_view value);
Messages IsCIdentifier(std::string_view value);
// Environment variables: the conservative form, and the one pods may use since v1.34 (any printable ASCII but '=').
Messages IsEnvVarName(std::string_view value);
Messages IsRelaxedEnvVarName(std::string_view value);
// Keys of config maps and secrets.
Messages IsConfigMapKey(std::string_view value);

// IP addresses and CIDR blocks.
enum class IpForm : std::uint8_t {
  kCanonical,  // RFC 5952 and nothing else: new fields
  kAnyValid,   // also uncompressed or upper-case IPv6: fields older than strict validation
};
Messages IsIp(std::string_view value, IpForm form = IpForm::kCanonical);
Messages IsCidr(std::string_view value, IpForm form = IpForm::kCanonical);

struct IpAddress {
  bool v4 = false;
  std::array<std::uint8_t, 16> bytes{};  // IPv4: the first four
  std::size_t bits() const { return v4 ? 32 : 128; }
  std::string ToString() const;  // RFC 5952
  friend bool operator==(const IpAddress&, const IpAddress&) = default;
};
struct IpPrefix {
  IpAddress address;
  std::uint8_t length = 0;
  IpAddress Masked() const;
  bool Contains(const IpAddress& ip) const;
  std::string ToString() const;
};
// Strict: no leading zeros in IPv4 octets or prefix lengths, no zone. nullopt if malformed.
std::optional<IpAddress> ParseIp(std::string_view text);
std::optional<IpPrefix> ParseCidr(std::string_view text);

}  // namespace minikube
