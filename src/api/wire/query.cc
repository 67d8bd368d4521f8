#include "api/wire/query.h"

#include <charconv>

#include <fmt/format.h>

#include "http/message.h"

namespace minikube::api {
namespace {

constexpr std::size_t kMaxParameters = 256;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Result<std::string> PercentDecode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+' && plus_is_space) {
      c = ' ';
    } else if (c == '%') {
      const int high = i + 1 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return Status(Code::kBadRequest, "invalid URL escape in the request");
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (c == '\0') return Status(Code::kBadRequest, "invalid NUL byte in the request's URL");
    out += c;
  }
  return out;
}

Result<Query> Query::Parse(std::string_view text) {
  Query query;
  while (!text.empty()) {
    const std::size_t end = text.find('&');
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (pair.empty()) continue;
    if (query.parameters_.size() == kMaxParameters) {
      return Status(Code::kBadRequest, fmt::format("more than {} query parameters", kMaxParameters));
    }
    const std::size_t equals = pair.find('=');
    Result<std::string> name = PercentDecode(pair.substr(0, equals), true);
    if (!name) return name.status();
    Result<std::string> value =
        PercentDecode(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
    if (!value) return value.status();
    query.parameters_.emplace_back(*std::move(name), *std::move(value));
  }
  return query;
}

bool Query::Has(std::string_view name) const {
  for (const auto& [key, value] : parameters_) {
    if (key == name) return true;
  }
  return false;
}

std::string_view Query::Get(std::string_view name) const {
  for (const auto& [key, value] : parameters_) {
    if (key == name) return value;
  }
  return {};
}

bool Query::GetBool(std::string_view name) const {
  if (!Has(name)) return false;
  const std::string_view value = Get(name);
  return value != "0" && !EqualsIgnoreCase(value, "false");
}

Result<std::optional<std::int64_t>> Query::GetInt(std::string_view name) const {
  const std::string_view text = Get(name);
  if (text.empty()) return std::optional<std::int64_t>();
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Status(Code::kBadRequest, fmt::format("parsing {}: \"{}\" is not an integer", name, text));
  }
  return std::optional<std::int64_t>(value);
}

Result<Target> ParseTarget(std::string_view target) {
  Target out;
  if (target.empty() || target.front() != '/') {
    return Status(Code::kBadRequest, "the request's target is not an absolute path");
  }
  target = target.substr(0, target.find('#'));
  const std::size_t question = target.find('?');
  std::string_view path = target.substr(0, question);
  if (question != std::string_view::npos) {
    Result<Query> query = Query::Parse(target.substr(question + 1));
    if (!query) return query.status();
    out.query = *std::move(query);
  }
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::size_t end = path.find('/');
    Result<std::string> segment = PercentDecode(path.substr(0, end), false);
    if (!segment) return segment.status();
    path.remove_prefix(end == std::string_view::npos ? path.size() : end);
    out.path += '/';
    if (segment->empty()) continue;
    if (segment->find('/') != std::string::npos || *segment == "." || *segment == "..") {
      return Status(Code::kBadRequest, "a part of the request's path contains a slash or is a dot segment");
    }
    out.path += *segment;
    out.segments.push_back(*std::move(segment));
  }
  return out;
}

}  // namespace minikube::api
