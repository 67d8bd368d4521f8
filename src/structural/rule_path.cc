#include "structural/rule_path.h"

namespace minikube {
namespace {

// The text of a quoted name at the beginning of `rest`, which then begins behind it.
std::optional<std::string> TakeQuoted(std::string_view& rest) {
  if (!rest.starts_with('\'')) return std::nullopt;
  constexpr std::string_view kEscapes = "abfnrtv'\\";
  constexpr std::string_view kMeaning = "\a\b\f\n\r\t\v'\\";
  std::string out;
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '\'') {
      rest.remove_prefix(i + 1);
      return out;
    }
    if (rest[i] != '\\') {
      out += rest[i];
      continue;
    }
    const std::size_t escape = i + 1 < rest.size() ? kEscapes.find(rest[i + 1]) : std::string_view::npos;
    if (escape == std::string_view::npos) return std::nullopt;
    out += kMeaning[escape];
    ++i;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> NormalizeRulePath(std::string_view path, const SchemaNode& node) {
  std::string out;
  const SchemaNode* at = &node;
  while (!path.empty()) {
    std::string name;
    if (path.starts_with('.')) {
      path.remove_prefix(1);
      const std::size_t end = std::min(path.find_first_of(".[]"), path.size());
      name = path.substr(0, end);
      path.remove_prefix(end);
    } else if (path.starts_with('[')) {
      path.remove_prefix(1);
      auto quoted = TakeQuoted(path);
      if (!quoted || !path.starts_with(']')) return std::nullopt;
      path.remove_prefix(1);
      name = *std::move(quoted);
    } else {
      return std::nullopt;
    }
    if (!at->properties.empty()) {
      at = at->Property(name);
      out.append(out.empty() ? "" : ".").append(name);
    } else {
      at = at->additional.get();
      out.append("[").append(name).append("]");
    }
    if (at == nullptr) return std::nullopt;
  }
  return out;
}

}  // namespace minikube
