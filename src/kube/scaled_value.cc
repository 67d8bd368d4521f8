#include "kube/scaled_value.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string_view>

#include "kube/numbers.h"

namespace minikube::kube {

std::int32_t ScaledValue(const IntOrString& value, std::int32_t total, Round round) {
  if (!value.is_string) return std::max(value.int_value, 0);
  std::string_view text = value.string_value;
  if (!text.ends_with('%')) return 0;
  text.remove_suffix(1);
  const std::int64_t percent = ParseInt<std::int64_t>(text).value_or(0);
  if (percent < 0) return 0;
  constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
  const std::int64_t product = std::min(percent, kMax) * std::max(total, 0);
  return static_cast<std::int32_t>(std::min(kMax, (product + (round == Round::kUp ? 99 : 0)) / 100));
}

}  // namespace minikube::kube
