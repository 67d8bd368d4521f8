// Addresses: parsing, canonical text (RFC 5952) and the checks of validation_names.h.
#include <charconv>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "model/field_errors.h"
#include "model/validation_names.h"

namespace minikube {
namespace {

bool Mapped(const IpAddress& ip) {
  if (ip.v4) return false;
  for (int i = 0; i < 10; ++i) {
    if (ip.bytes[i] != 0) return false;
  }
  return ip.bytes[10] == 0xFF && ip.bytes[11] == 0xFF;
}

// Kubernetes used to ignore leading zeros in IPv4 octets and tells them apart from nonsense. The same text without
// them, or nullopt if there are none.
std::optional<std::string> WithoutLeadingZeros(std::string_view text) {
  std::string out;
  bool changed = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool starts_number = i == 0 || text[i - 1] == '.' || text[i - 1] == '/';
    const bool more = i + 1 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '9';
    if (text[i] == '0' && more && (starts_number || out.empty() || out.back() == '.' || out.back() == '/')) {
      changed = true;
      continue;
    }
    out += text[i];
  }
  if (!changed) return std::nullopt;
  return out;
}

}  // namespace

std::optional<IpAddress> ParseIp(std::string_view text) {
  // The longest address, with an embedded IPv4, has 45 characters.
  if (text.size() > 45 || text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string terminated(text);
  IpAddress out;
  out.v4 = text.find(':') == std::string_view::npos;
  if (inet_pton(out.v4 ? AF_INET : AF_INET6, terminated.c_str(), out.bytes.data()) != 1) return std::nullopt;
  return out;
}

std::optional<IpPrefix> ParseCidr(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::optional<IpAddress> address = ParseIp(text.substr(0, slash));
  const std::string_view digits = text.substr(slash + 1);
  if (!address || digits.empty() || digits.size() > 3 || (digits.size() > 1 && digits[0] == '0')) return std::nullopt;
  unsigned length = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (error != std::errc() || end != digits.data() + digits.size() || length > address->bits()) return std::nullopt;
  return IpPrefix{*address, static_cast<std::uint8_t>(length)};
}

std::string IpAddress::ToString() const {
  if (v4) return fmt::format("{}.{}.{}.{}", bytes[0], bytes[1], bytes[2], bytes[3]);
  if (Mapped(*this)) return fmt::format("::ffff:{}.{}.{}.{}", bytes[12], bytes[13], bytes[14], bytes[15]);
  const auto group = [&](int i) { return static_cast<unsigned>(bytes[2 * i] << 8 | bytes[2 * i + 1]); };
  int best = -1;
  int best_length = 1;  // a single zero group is not shortened
  for (int i = 0; i < 8; ++i) {
    int n = 0;
    while (i + n < 8 && group(i + n) == 0) ++n;
    if (n > best_length) {
      best = i;
      best_length = n;
    }
  }
  std::string out;
  for (int i = 0; i < 8; ++i) {
    if (i == best) {
      out += "::";
      i += best_length - 1;
      continue;
    }
    if (!out.empty() && out.back() != ':') out += ':';
    out += fmt::format("{:x}", group(i));
  }
  return out;
}

IpAddress IpPrefix::Masked() const {
  IpAddress out = address;
  for (std::size_t bit = length; bit < out.bits(); ++bit) {
    out.bytes[bit / 8] = static_cast<std::uint8_t>(out.bytes[bit / 8] & ~(0x80u >> (bit % 8)));
  }
  return out;
}

bool IpPrefix::Contains(const IpAddress& ip) const {
  return ip.v4 == address.v4 && IpPrefix{ip, length}.Masked() == Masked();
}

std::string IpPrefix::ToString() const { return fmt::format("{}/{}", address.ToString(), length); }

Messages IsIp(std::string_view value, IpForm form) {
  const std::optional<IpAddress> ip = ParseIp(value);
  if (!ip) {
    const std::optional<std::string> trimmed = WithoutLeadingZeros(value);
    if (trimmed && value.find(':') == std::string_view::npos && ParseIp(*trimmed)) {
      return {"must not have leading 0s"};
    }
    return {"must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"};
  }
  if (Mapped(*ip)) return {"must not be an IPv4-mapped IPv6 address"};
  if (form == IpForm::kCanonical && ip->ToString() != value) {
    return {fmt::format("must be in canonical form ({})", GoQuote(ip->ToString()))};
  }
  return {};
}

Messages IsCidr(std::string_view value, IpForm form) {
  const std::optional<IpPrefix> prefix = ParseCidr(value);
  if (!prefix) {
    const std::optional<std::string> trimmed = WithoutLeadingZeros(value);
    if (trimmed && ParseCidr(*trimmed)) return {"must not have leading 0s in IP or prefix length"};
    return {"must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"};
  }
  if (Mapped(prefix->address)) return {"must not have an IPv4-mapped IPv6 address"};
  if (!(prefix->Masked() == prefix->address)) return {"must not have bits set beyond the prefix length"};
  if (form == IpForm::kCanonical && prefix->ToString() != value) {
    return {fmt::format("must be in canonical form ({})", GoQuote(prefix->ToString()))};
  }
  return {};
}

}  // namespace minikube
