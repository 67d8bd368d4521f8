// IP addresses and CIDR blocks.
#include <string>

#include <fmt/format.h>

#include "cel/function.h"
#include "model/validation_names.h"

namespace minikube::cel {
namespace {

using Args = std::span<const Value>;

class IpValue final : public Opaque {
 public:
  explicit IpValue(const IpAddress& a) : address(a) {}
  std::string_view type_name() const override { return "net.IP"; }
  bool Equals(const Opaque& other) const override { return static_cast<const IpValue&>(other).address == address; }
  std::size_t Size() const override { return address.bits() / 8; }
  const IpAddress address;
};
class CidrValue final : public Opaque {
 public:
  explicit CidrValue(const IpPrefix& p) : prefix(p) {}
  std::string_view type_name() const override { return "net.CIDR"; }
  bool Equals(const Opaque& other) const override {
    const IpPrefix& theirs = static_cast<const CidrValue&>(other).prefix;
    return theirs.length == prefix.length && theirs.address == prefix.address;
  }
  std::size_t Size() const override { return prefix.address.bits() / 8; }
  const IpPrefix prefix;
};

const IpAddress& AddressOf(const Value& v) { return static_cast<const IpValue&>(v.opaque()).address; }
const IpPrefix& PrefixOf(const Value& v) { return static_cast<const CidrValue&>(v.opaque()).prefix; }
Value Make(const IpAddress& address) { return Value::OfOpaque(new IpValue(address)); }
Value Make(const IpPrefix& prefix) { return Value::OfOpaque(new CidrValue(prefix)); }

bool IsMapped(const IpAddress& ip) {
  if (ip.v4) return false;
  for (int i = 0; i < 10; ++i) {
    if (ip.bytes[static_cast<std::size_t>(i)] != 0) return false;
  }
  return ip.bytes[10] == 0xff && ip.bytes[11] == 0xff;
}

// Without a zone, and no IPv4 address in the clothes of IPv6.
std::optional<IpAddress> Parse(std::string_view text) {
  const auto ip = ParseIp(text);
  return ip && !IsMapped(*ip) ? ip : std::nullopt;
}
std::optional<IpPrefix> ParseBlock(std::string_view text) {
  const auto prefix = ParseCidr(text);
  return prefix && !IsMapped(prefix->address) ? prefix : std::nullopt;
}

Value NoIp(std::string_view text) {
  return Value::Error(fmt::format("IP Address \"{}\" parse error during conversion from string", text));
}
Value NoCidr(std::string_view text) {
  return Value::Error(
      fmt::format("network address parse error during conversion from string: invalid CIDR address: {}", text));
}

Value MakeIp(Args a) {
  const auto ip = Parse(a[0].text());
  return ip ? Make(*ip) : NoIp(a[0].text());
}
Value IsIp(Args a) { return Value::Bool(Parse(a[0].text()).has_value()); }
Value IsCanonical(Args a) {
  const auto ip = Parse(a[0].text());
  return ip ? Value::Bool(ip->ToString() == a[0].text()) : NoIp(a[0].text());
}
Value Family(Args a) { return Value::Int(AddressOf(a[0]).v4 ? 4 : 6); }
Value ToText(Args a) { return Value::String(AddressOf(a[0]).ToString()); }

bool Within(const IpAddress& ip, std::string_view block) { return ParseCidr(block)->Contains(ip); }
Value IsUnspecified(Args a) {
  const IpAddress& ip = AddressOf(a[0]);
  return Value::Bool(Within(ip, ip.v4 ? "0.0.0.0/32" : "::/128"));
}
Value IsLoopback(Args a) {
  const IpAddress& ip = AddressOf(a[0]);
  return Value::Bool(Within(ip, ip.v4 ? "127.0.0.0/8" : "::1/128"));
}
bool LinkLocalUnicast(const IpAddress& ip) { return Within(ip, ip.v4 ? "169.254.0.0/16" : "fe80::/10"); }
Value IsLinkLocalUnicast(Args a) { return Value::Bool(LinkLocalUnicast(AddressOf(a[0]))); }
Value IsLinkLocalMulticast(Args a) {
  const IpAddress& ip = AddressOf(a[0]);
  return Value::Bool(ip.v4 ? Within(ip, "224.0.0.0/24") : ip.bytes[0] == 0xff && (ip.bytes[1] & 0x0f) == 2);
}
Value IsGlobalUnicast(Args a) {
  const IpAddress& ip = AddressOf(a[0]);
  const bool multicast = Within(ip, ip.v4 ? "224.0.0.0/4" : "ff00::/8");
  const bool broadcast = ip.v4 && Within(ip, "255.255.255.255/32");
  const bool special = IsUnspecified(a).boolean() || IsLoopback(a).boolean() || LinkLocalUnicast(ip);
  return Value::Bool(!multicast && !broadcast && !special);
}

Value MakeCidr(Args a) {
  const auto prefix = ParseBlock(a[0].text());
  return prefix ? Make(*prefix) : NoCidr(a[0].text());
}
Value IsCidrText(Args a) { return Value::Bool(ParseBlock(a[0].text()).has_value()); }
Value ContainsIp(Args a) { return Value::Bool(PrefixOf(a[0]).Contains(AddressOf(a[1]))); }
Value ContainsIpText(Args a) {
  const auto ip = Parse(a[1].text());
  return ip ? Value::Bool(PrefixOf(a[0]).Contains(*ip)) : NoIp(a[1].text());
}
bool ContainsPrefix(const IpPrefix& outer, const IpPrefix& inner) {
  return outer.length <= inner.length && outer.Contains(inner.Masked());
}
Value ContainsCidr(Args a) { return Value::Bool(ContainsPrefix(PrefixOf(a[0]), PrefixOf(a[1]))); }
Value ContainsCidrText(Args a) {
  const auto inner = ParseBlock(a[1].text());
  return inner ? Value::Bool(ContainsPrefix(PrefixOf(a[0]), *inner)) : NoCidr(a[1].text());
}
Value IpOfCidr(Args a) { return Make(PrefixOf(a[0]).address); }
Value PrefixLength(Args a) { return Value::Int(PrefixOf(a[0]).length); }
Value Masked(Args a) {
  IpPrefix masked = PrefixOf(a[0]);
  masked.address = masked.Masked();
  return Make(masked);
}
Value CidrText(Args a) { return Value::String(PrefixOf(a[0]).ToString()); }

constexpr FunctionDefinition kDefinitions[] = {
    {"ip", "string -> net.IP", MakeIp, CallCost::kTraverseFirst},
    {"isIP", "string -> bool", IsIp, CallCost::kTraverseFirst},
    {"ip.isCanonical", "string -> bool", IsCanonical, CallCost::kTraverseTwice},
    {".family", "net.IP -> int", Family},
    {".isUnspecified", "net.IP -> bool", IsUnspecified},
    {".isLoopback", "net.IP -> bool", IsLoopback},
    {".isLinkLocalMulticast", "net.IP -> bool", IsLinkLocalMulticast},
    {".isLinkLocalUnicast", "net.IP -> bool", IsLinkLocalUnicast},
    {".isGlobalUnicast", "net.IP -> bool", IsGlobalUnicast},
    {"string", "net.IP -> string", ToText},
    {"cidr", "string -> net.CIDR", MakeCidr, CallCost::kTraverseFirst},
    {"isCIDR", "string -> bool", IsCidrText, CallCost::kTraverseFirst},
    {".containsIP", "net.CIDR, string -> bool", ContainsIpText, CallCost::kCidrContains},
    {".containsIP", "net.CIDR, net.IP -> bool", ContainsIp, CallCost::kCidrContains},
    {".containsCIDR", "net.CIDR, string -> bool", ContainsCidrText, CallCost::kCidrContainsCidr},
    {".containsCIDR", "net.CIDR, net.CIDR -> bool", ContainsCidr, CallCost::kCidrContainsCidr},
    {".ip", "net.CIDR -> net.IP", IpOfCidr},
    {".prefixLength", "net.CIDR -> int", PrefixLength},
    {".masked", "net.CIDR -> net.CIDR", Masked},
    {"string", "net.CIDR -> string", CidrText},
};

}  // namespace

std::span<const FunctionDefinition> library::Networks() { return kDefinitions; }

}  // namespace minikube::cel
