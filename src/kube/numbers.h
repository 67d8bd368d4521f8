// Integers in text, the whole text. Pure functions.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>

namespace minikube::kube {

// nullopt for anything but a decimal integer within range.
template <std::integral T>
std::optional<T> ParseInt(std::string_view text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The revision in metadata.resourceVersion; 0 if there is none.
inline std::int64_t RevisionOf(std::string_view resource_version) {
  return ParseInt<std::int64_t>(resource_version).value_or(0);
}

}  // namespace minikube::kube
