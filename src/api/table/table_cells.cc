#include "api/table/table_cells.h"

#include <fmt/format.h>

#include <minikube/selector.h>

#include "api/wire/json_text.h"

namespace minikube::api {

void Cells::Separate() {
  if (count_++ > 0) out_ += ',';
}

Cells& Cells::Text(std::string_view text) {
  Separate();
  AppendJsonString(text, out_);
  return *this;
}

Cells& Cells::Int(std::int64_t value) {
  Separate();
  fmt::format_to(std::back_inserter(out_), "{}", value);
  return *this;
}

Cells& Cells::Bool(bool value) {
  Separate();
  out_ += value ? "true" : "false";
  return *this;
}

Cells& Cells::Number(const Json& value) {
  Separate();
  value.AppendTo(out_);
  return *this;
}

Cells& Cells::Null() {
  Separate();
  out_ += "null";
  return *this;
}

std::string JoinTexts(const std::vector<std::string>& texts, std::string_view separator) {
  return fmt::format("{}", fmt::join(texts, separator));
}

std::string FirstThree(const std::vector<std::string>& texts) {
  if (texts.empty()) return std::string(kNone);
  constexpr std::size_t kShown = 3;
  if (texts.size() <= kShown) return JoinTexts(texts, ",");
  return fmt::format("{} + {} more...", fmt::join(texts.begin(), texts.begin() + kShown, ","), texts.size() - kShown);
}

std::string ContainerNames(const List<core::v1::Container>& containers) {
  std::string out;
  for (const auto& container : containers) {
    if (!out.empty()) out += ',';
    out += container.name.view();
  }
  return out;
}

std::string ContainerImages(const List<core::v1::Container>& containers) {
  std::string out;
  for (const auto& container : containers) {
    if (!out.empty()) out += ',';
    out += container.image.view();
  }
  return out;
}

std::string LabelText(const Map<Str>& labels) {
  std::string out;
  for (const auto& [key, value] : labels) {
    if (!out.empty()) out += ',';
    out += key.view();
    out += '=';
    out += value.view();
  }
  return out.empty() ? std::string(kNone) : out;
}

std::string SelectorText(const meta::v1::LabelSelector* selector) {
  if (selector == nullptr) return std::string(kNone);
  const Result<LabelSelector> parsed = LabelSelector::From(selector);
  if (!parsed) return "<error>";
  const std::string text = parsed->ToString();
  return text.empty() ? std::string(kNone) : text;
}

std::string AccessModes(const List<Str>& modes) {
  std::string out;
  const auto add = [&](std::string_view mode, std::string_view text) {
    for (const Str& have : modes) {
      if (have != mode) continue;
      if (!out.empty()) out += ',';
      out += text;
      return;
    }
  };
  add("ReadWriteOnce", "RWO");
  add("ReadOnlyMany", "ROX");
  add("ReadWriteMany", "RWX");
  add("ReadWriteOncePod", "RWOP");
  return out;
}

}  // namespace minikube::api
