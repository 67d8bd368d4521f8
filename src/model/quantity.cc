#include "model/quantity.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <compare>
#include <limits>
#include <optional>

#include <minikube/types.h>

namespace minikube {
namespace model {
namespace {

__extension__ using Wide = unsigned __int128;

enum class Family { kDecimalSi, kBinarySi, kDecimalExponent };

// ±digits * 10^exponent, normalised: digits is 0 or no multiple of 10, and exponent >= kNano.
struct Amount {
  bool negative = false;
  Wide digits = 0;
  int exponent = 0;
  Family family = Family::kDecimalSi;
};

constexpr int kNano = -9;
constexpr int kMaxDigits = 37;  // 10^38 < 2^128: room for one carry
constexpr int kMaxExponent = 9999;
constexpr std::size_t kMaxText = 256;
constexpr std::int64_t kInt64Max = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kInt64Min = std::numeric_limits<std::int64_t>::min();

struct Suffix {
  std::string_view text;
  int exponent;
};
constexpr std::array<Suffix, 10> kDecimal = {
    {{"n", -9}, {"u", -6}, {"m", -3}, {"", 0}, {"k", 3}, {"M", 6}, {"G", 9}, {"T", 12}, {"P", 15}, {"E", 18}}};
constexpr std::array<Suffix, 6> kBinary = {{{"Ki", 1}, {"Mi", 2}, {"Gi", 3}, {"Ti", 4}, {"Pi", 5}, {"Ei", 6}}};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Decimal digits, most significant first, without leading zeros: for the few steps that may exceed 128 bits.
using Digits = std::string;

void MultiplyBy1024(Digits& digits) {
  int carry = 0;
  for (std::size_t i = digits.size(); i-- > 0;) {
    const int product = (digits[i] - '0') * 1024 + carry;
    digits[i] = static_cast<char>('0' + product % 10);
    carry = product / 10;
  }
  std::string front;
  for (; carry != 0; carry /= 10) front.insert(front.begin(), static_cast<char>('0' + carry % 10));
  digits.insert(0, front);
}

// Rounds digits * 10^exponent away from zero to billionths and normalises. False if too long.
bool Normalise(Digits digits, int exponent, Amount& out) {
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  if (digits.empty()) return true;
  bool carry = false;
  if (exponent < kNano) {
    const auto drop = static_cast<std::size_t>(kNano - exponent);
    const std::size_t keep = drop < digits.size() ? digits.size() - drop : 0;
    carry = digits.find_first_not_of('0', keep) != std::string::npos;
    digits.resize(keep);
    exponent = kNano;
  }
  if (!carry) {
    const std::size_t last = digits.find_last_not_of('0');
    exponent += static_cast<int>(digits.size() - last - 1);
    digits.resize(last + 1);
  }
  if (digits.size() > kMaxDigits) return false;
  for (const char c : digits) out.digits = out.digits * 10 + static_cast<unsigned>(c - '0');
  if (carry) ++out.digits;
  for (; out.digits % 10 == 0; ++exponent) out.digits /= 10;
  out.exponent = exponent;
  return true;
}

std::optional<Amount> Parse(std::string_view text) {
  if (text.size() > kMaxText) return std::nullopt;
  Amount amount;
  std::size_t pos = 0;
  if (pos < text.size() && (text[pos] == '-' || text[pos] == '+')) amount.negative = text[pos++] == '-';
  Digits digits;
  int exponent = 0;
  const std::size_t first = pos;
  for (; pos < text.size() && IsDigit(text[pos]); ++pos) digits += text[pos];
  std::size_t count = pos - first;
  if (pos < text.size() && text[pos] == '.') {
    for (++pos; pos < text.size() && IsDigit(text[pos]); ++pos, --exponent, ++count) digits += text[pos];
  }
  if (count == 0) return std::nullopt;

  const std::string_view suffix = text.substr(pos);
  const auto named = [suffix](const Suffix& s) { return s.text == suffix; };
  if (const auto* d = std::find_if(kDecimal.begin(), kDecimal.end(), named); d != kDecimal.end()) {
    exponent += d->exponent;
  } else if (const auto* b = std::find_if(kBinary.begin(), kBinary.end(), named); b != kBinary.end()) {
    amount.family = Family::kBinarySi;
    for (int i = 0; i < b->exponent; ++i) MultiplyBy1024(digits);
  } else if (suffix.size() > 1 && (suffix[0] == 'e' || suffix[0] == 'E')) {
    amount.family = Family::kDecimalExponent;
    std::string_view number = suffix.substr(1);
    if (number[0] == '+') {
      number.remove_prefix(1);
      if (number.empty() || !IsDigit(number[0])) return std::nullopt;
    }
    int e = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), e);
    if (error != std::errc() || end != number.data() + number.size()) return std::nullopt;
    if (e > kMaxExponent || e < -kMaxExponent) return std::nullopt;
    exponent += e;
  } else {
    return std::nullopt;
  }
  if (!Normalise(std::move(digits), exponent, amount)) return std::nullopt;
  return amount;
}

int DigitCount(Wide n) {
  int count = 0;
  for (; n != 0; n /= 10) ++count;
  return count;
}

std::strong_ordering CompareMagnitude(const Amount& a, const Amount& b) {
  if (a.digits == 0 || b.digits == 0) return a.digits <=> b.digits;
  const int size_a = DigitCount(a.digits) + a.exponent;
  const int size_b = DigitCount(b.digits) + b.exponent;
  if (size_a != size_b) return size_a <=> size_b;
  // Of equal length, so the shorter one scaled to the longer one's exponent has as many digits as that one.
  Wide da = a.digits;
  Wide db = b.digits;
  for (int e = a.exponent; e > b.exponent; --e) da *= 10;
  for (int e = b.exponent; e > a.exponent; --e) db *= 10;
  return da <=> db;
}

// |amount| * 10^scale rounded away from zero, or nothing if it exceeds 2^63.
std::optional<std::uint64_t> Scaled(const Amount& amount, int scale) {
  constexpr Wide kLimit = Wide{1} << 63;
  Wide value = amount.digits;
  int exponent = amount.exponent + scale;
  bool inexact = false;
  for (; exponent < 0 && value != 0; ++exponent) {
    inexact = inexact || value % 10 != 0;
    value /= 10;
  }
  if (inexact) ++value;
  for (; exponent > 0 && value != 0; --exponent) {
    if (value > kLimit) return std::nullopt;
    value *= 10;
  }
  if (value > kLimit) return std::nullopt;
  return static_cast<std::uint64_t>(value);
}

std::int64_t Saturated(std::string_view text, int scale) {
  const std::optional<Amount> amount = Parse(text);
  if (!amount) return 0;
  const std::optional<std::uint64_t> magnitude = Scaled(*amount, scale);
  if (amount->negative) {
    return magnitude && *magnitude <= static_cast<std::uint64_t>(kInt64Max) ? -static_cast<std::int64_t>(*magnitude)
                                                                            : kInt64Min;
  }
  return magnitude && *magnitude <= static_cast<std::uint64_t>(kInt64Max) ? static_cast<std::int64_t>(*magnitude)
                                                                          : kInt64Max;
}

void AppendWide(Wide n, std::string& out) {
  std::array<char, 40> buffer;
  char* p = buffer.data() + buffer.size();
  do {
    *--p = static_cast<char>('0' + static_cast<int>(n % 10));
    n /= 10;
  } while (n != 0);
  out.append(p, buffer.data() + buffer.size());
}

void AppendDecimal(const Amount& amount, std::string& out) {
  // The exponent goes down to a multiple of 3, and for SI suffixes to at most E; zeros make up for it.
  int exponent = amount.exponent;
  int zeros = (exponent % 3 + 3) % 3;
  exponent -= zeros;
  if (amount.family != Family::kDecimalExponent && exponent > 18) {
    zeros += exponent - 18;
    exponent = 18;
  }
  AppendWide(amount.digits, out);
  out.append(static_cast<std::size_t>(zeros), '0');
  if (amount.family != Family::kDecimalExponent) {
    out += kDecimal[static_cast<std::size_t>(exponent / 3 + 3)].text;
  } else if (exponent != 0) {
    out += 'e';
    out += std::to_string(exponent);
  }
}

void Append(const Amount& amount, std::string& out) {
  if (amount.digits == 0) {
    out += '0';
    return;
  }
  if (amount.negative) out += '-';
  if (amount.family == Family::kBinarySi) {
    // Caps as Kubernetes does; below 1024, or with a fraction, decimal suffixes show the value exactly.
    std::uint64_t whole = std::min<std::uint64_t>(Scaled(amount, 0).value_or(kInt64Max), kInt64Max);
    const bool exact = amount.exponent >= 0 || whole == static_cast<std::uint64_t>(kInt64Max);
    if (exact && whole >= 1024) {
      std::size_t power = 0;
      for (; whole % 1024 == 0; ++power) whole /= 1024;
      out += std::to_string(whole);
      if (power != 0) out += kBinary[power - 1].text;
      return;
    }
  }
  AppendDecimal(amount, out);
}

}  // namespace

bool CanonicalizeQuantity(std::string_view text, std::string& out) {
  const std::optional<Amount> amount = Parse(text);
  if (!amount) return false;
  Append(*amount, out);
  return true;
}

bool IsPlainlyCanonicalQuantity(std::string_view text) {
  // Up to three digits without a leading zero cannot be a multiple of 1000 or 1024.
  if (text == "0") return true;
  std::size_t digits = 0;
  while (digits < text.size() && IsDigit(text[digits])) ++digits;
  if (digits == 0 || digits > 3 || text[0] == '0') return false;
  switch (text.size() - digits) {
    case 0:
      return true;
    case 1:
      return std::string_view("numkMGTPE").find(text[digits]) != std::string_view::npos;
    case 2:
      return text[digits + 1] == 'i' && std::string_view("KMGTP").find(text[digits]) != std::string_view::npos;
    default:
      return false;
  }
}

}  // namespace model

Quantity Quantity::FromInt(std::int64_t value) {
  std::string text = std::to_string(value);
  std::string canonical;
  model::CanonicalizeQuantity(text, canonical);
  return Quantity(canonical);
}

Quantity Quantity::FromMilli(std::int64_t milli) {
  std::string canonical;
  model::CanonicalizeQuantity(std::to_string(milli) + "m", canonical);
  return Quantity(canonical);
}

Quantity Quantity::FromBytes(std::int64_t bytes) {
  // A count of bytes has no suffix to tell its family: state it, then drop the factor again.
  model::Amount amount;
  amount.negative = bytes < 0;
  amount.digits = bytes < 0 ? -static_cast<model::Wide>(bytes) : static_cast<model::Wide>(bytes);
  for (; amount.digits != 0 && amount.digits % 10 == 0; ++amount.exponent) amount.digits /= 10;
  amount.family = model::Family::kBinarySi;
  std::string canonical;
  model::Append(amount, canonical);
  return Quantity(canonical);
}

std::int64_t Quantity::Value() const { return model::Saturated(text.view(), 0); }
std::int64_t Quantity::MilliValue() const { return model::Saturated(text.view(), 3); }

std::strong_ordering Quantity::Compare(const Quantity& other) const {
  const model::Amount a = model::Parse(text.view()).value_or(model::Amount{});
  const model::Amount b = model::Parse(other.text.view()).value_or(model::Amount{});
  const bool negative_a = a.negative && a.digits != 0;
  const bool negative_b = b.negative && b.digits != 0;
  if (negative_a != negative_b) return negative_a ? std::strong_ordering::less : std::strong_ordering::greater;
  return negative_a ? model::CompareMagnitude(b, a) : model::CompareMagnitude(a, b);
}

}  // namespace minikube
