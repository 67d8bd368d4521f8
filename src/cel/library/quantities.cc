// Kubernetes quantities ("100Mi", "1.5").
#include <string>

#include <fmt/format.h>

#include "cel/function.h"
#include "model/quantity.h"

namespace minikube::cel {
namespace {

using Args = std::span<const Value>;
using Wide = __int128;

constexpr Wide kNano = 1'000'000'000;

class QuantityValue final : public Opaque {
 public:
  explicit QuantityValue(Wide n) : nanos(n) {}
  std::string_view type_name() const override { return "kubernetes.Quantity"; }
  bool Equals(const Opaque& other) const override { return static_cast<const QuantityValue&>(other).nanos == nanos; }
  const Wide nanos;  // billionths, which is as fine as a quantity is
};

bool Multiply(Wide& value, std::int64_t factor) {
  return !__builtin_mul_overflow(value, static_cast<Wide>(factor), &value);
}

// A canonical text as billionths; false beyond 38 digits.
bool ReadCanonical(std::string_view text, Wide* out) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  Wide value = 0;
  int fraction = 0;
  bool point = false;
  std::size_t i = 0;
  for (; i < text.size(); ++i) {
    if (text[i] == '.') {
      point = true;
      continue;
    }
    if (text[i] < '0' || text[i] > '9') break;
    if (!Multiply(value, 10)) return false;
    value += text[i] - '0';
    fraction += point ? 1 : 0;
  }
  const std::string_view suffix = text.substr(i);
  int decimal = 9 - fraction;
  int binary = 0;
  constexpr std::string_view kBinary[] = {"Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
  constexpr std::pair<std::string_view, int> kDecimal[] = {{"n", -9}, {"u", -6}, {"m", -3}, {"k", 3}, {"M", 6},
                                                           {"G", 9},  {"T", 12}, {"P", 15}, {"E", 18}};
  for (int k = 0; k < 6; ++k) binary = suffix == kBinary[k] ? k + 1 : binary;
  for (const auto& [name, power] : kDecimal) decimal += suffix == name ? power : 0;
  if (suffix.size() > 1 && (suffix[0] == 'e' || suffix[0] == 'E') && binary == 0) {
    decimal += std::atoi(std::string(suffix.substr(1)).c_str());
  }
  for (; binary > 0; --binary) {
    if (!Multiply(value, 1024)) return false;
  }
  for (; decimal > 0 && value != 0; --decimal) {
    if (!Multiply(value, 10)) return false;
  }
  for (; decimal < 0; ++decimal) value /= 10;
  *out = negative ? -value : value;
  return true;
}

Wide NanosOf(const Value& v) { return static_cast<const QuantityValue&>(v.opaque()).nanos; }
Value Make(Wide nanos) { return Value::OfOpaque(new QuantityValue(nanos)); }
Value Overflow() { return Value::Error("quantity overflow"); }

Value MakeQuantity(Args a) {
  std::string canonical;
  Wide nanos = 0;
  if (!model::CanonicalizeQuantity(a[0].text(), canonical)) return Value::Error(model::kQuantityError);
  return ReadCanonical(canonical, &nanos) ? Make(nanos) : Overflow();
}
Value IsQuantity(Args a) {
  std::string canonical;
  return Value::Bool(model::CanonicalizeQuantity(a[0].text(), canonical));
}
Value Sign(Args a) { return Value::Int(NanosOf(a[0]) < 0 ? -1 : NanosOf(a[0]) > 0 ? 1 : 0); }
Value IsGreater(Args a) { return Value::Bool(NanosOf(a[0]) > NanosOf(a[1])); }
Value IsLess(Args a) { return Value::Bool(NanosOf(a[0]) < NanosOf(a[1])); }
Value CompareTo(Args a) {
  return Value::Int(NanosOf(a[0]) < NanosOf(a[1]) ? -1 : NanosOf(a[0]) > NanosOf(a[1]) ? 1 : 0);
}
bool Whole(Wide nanos) { return nanos % kNano == 0 && nanos / kNano <= INT64_MAX && nanos / kNano >= INT64_MIN; }
Value IsInteger(Args a) { return Value::Bool(Whole(NanosOf(a[0]))); }
Value AsInteger(Args a) {
  if (!Whole(NanosOf(a[0]))) return Value::Error("cannot convert value to integer");
  return Value::Int(static_cast<std::int64_t>(NanosOf(a[0]) / kNano));
}
Value AsFloat(Args a) { return Value::Double(static_cast<double>(NanosOf(a[0])) / 1e9); }
Value AddSigned(Wide a, Wide b) {
  Wide out = 0;
  return __builtin_add_overflow(a, b, &out) ? Overflow() : Make(out);
}
Value Add(Args a) { return AddSigned(NanosOf(a[0]), NanosOf(a[1])); }
Value Sub(Args a) { return AddSigned(NanosOf(a[0]), -NanosOf(a[1])); }
Value AddInt(Args a) { return AddSigned(NanosOf(a[0]), a[1].integer() * kNano); }
Value SubInt(Args a) { return AddSigned(NanosOf(a[0]), -(a[1].integer() * kNano)); }

constexpr FunctionDefinition kDefinitions[] = {
    {"quantity", "string -> kubernetes.Quantity", MakeQuantity, CallCost::kTraverseFirst},
    {"isQuantity", "string -> bool", IsQuantity, CallCost::kTraverseFirst},
    {".sign", "kubernetes.Quantity -> int", Sign},
    {"sign", "kubernetes.Quantity -> int", Sign},
    {".isGreaterThan", "kubernetes.Quantity, kubernetes.Quantity -> bool", IsGreater},
    {".isLessThan", "kubernetes.Quantity, kubernetes.Quantity -> bool", IsLess},
    {".compareTo", "kubernetes.Quantity, kubernetes.Quantity -> int", CompareTo},
    {".asApproximateFloat", "kubernetes.Quantity -> double", AsFloat},
    {".asInteger", "kubernetes.Quantity -> int", AsInteger},
    {".isInteger", "kubernetes.Quantity -> bool", IsInteger},
    {".add", "kubernetes.Quantity, kubernetes.Quantity -> kubernetes.Quantity", Add},
    {".add", "kubernetes.Quantity, int -> kubernetes.Quantity", AddInt},
    {".sub", "kubernetes.Quantity, kubernetes.Quantity -> kubernetes.Quantity", Sub},
    {".sub", "kubernetes.Quantity, int -> kubernetes.Quantity", SubInt},
};

}  // namespace

std::span<const FunctionDefinition> library::Quantities() { return kDefinitions; }

}  // namespace minikube::cel
