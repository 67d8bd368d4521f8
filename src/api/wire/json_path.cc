#include "api/wire/json_path.h"

#include <charconv>
#include <utility>

namespace minikube::api {

// Reads from the front of what is left of the text; what fails leaves nullopt or false behind, and the path is refused.
class JsonPathParser {
 public:
  explicit JsonPathParser(std::string_view text) : rest_(text) {}

  std::optional<JsonPath> Path() {
    JsonPath out;
    if (rest_ == ".") return out;
    while (!rest_.empty()) {
      JsonPath::Step step;
      if (!(Take(".") ? Member(step.member) : Bracket(step))) return std::nullopt;
      out.steps_.push_back(std::move(step));
    }
    return out;
  }

 private:
  bool Take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  void SkipSpaces() {
    while (Take(" ")) {
    }
  }

  // Up to what cannot be in a name.
  bool Member(std::string& out) {
    constexpr std::string_view kEnds = ".[]()=!<>?@*,:{}'\" ";
    while (!rest_.empty()) {
      if (rest_[0] == '\\' && rest_.size() > 1) {
        rest_.remove_prefix(1);
      } else if (kEnds.find(rest_[0]) != std::string_view::npos) {
        break;
      }
      out += rest_[0];
      rest_.remove_prefix(1);
    }
    return !out.empty();
  }

  bool Quoted(std::string& out) {
    if (rest_.empty() || (rest_[0] != '\'' && rest_[0] != '"')) return false;
    const std::size_t end = rest_.find(rest_[0], 1);
    if (end == std::string_view::npos) return false;
    out = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return true;
  }

  bool Bracket(JsonPath::Step& step) {
    using Kind = JsonPath::Step::Kind;
    if (Take("[*]")) {
      step.kind = Kind::kEach;
      return true;
    }
    if (Take("[?(")) {
      step.kind = Kind::kFilter;
      return Filter(step);
    }
    if (!Take("[")) return false;
    if (Quoted(step.member)) return Take("]");
    step.kind = Kind::kItem;
    const char* const end = rest_.data() + rest_.size();
    const auto [stop, error] = std::from_chars(rest_.data(), end, step.index);
    if (error != std::errc()) return false;
    rest_.remove_prefix(static_cast<std::size_t>(stop - rest_.data()));
    return Take("]");
  }

  bool Filter(JsonPath::Step& step) {
    SkipSpaces();
    if (!Take("@")) return false;
    while (Take(".")) {
      if (!Member(step.left.emplace_back())) return false;
    }
    SkipSpaces();
    if (Take(")]")) return true;
    step.negated = Take("!=");
    if (!step.negated && !Take("==")) return false;
    SkipSpaces();
    if (!Literal(step.right)) return false;
    SkipSpaces();
    return Take(")]");
  }

  bool Literal(Json& out) {
    std::string text;
    if (Quoted(text)) {
      out = Json::String(text);
      return true;
    }
    const std::size_t end = rest_.find_first_of(" )");
    if (end == std::string_view::npos) return false;
    Result<Json> parsed = Json::Parse(rest_.substr(0, end));
    if (!parsed || parsed->is_array() || parsed->is_object()) return false;
    out = *std::move(parsed);
    rest_.remove_prefix(end);
    return true;
  }

  std::string_view rest_;
};

std::optional<JsonPath> JsonPath::Parse(std::string_view text) { return JsonPathParser(text).Path(); }

bool JsonPath::BeginsWith(std::string_view member) const {
  return !steps_.empty() && steps_[0].kind == Step::Kind::kMember && steps_[0].member == member;
}

bool JsonPath::Accepts(const Step& filter, const Json& item) {
  const Json* found = &item;
  for (const std::string& member : filter.left) {
    found = found->Find(member);
    if (found == nullptr) return false;
  }
  if (filter.right.absent()) return true;
  const bool numbers = filter.right.is_number() && found->is_number();
  const bool equal = numbers ? filter.right.AsDouble() == found->AsDouble() : filter.right == *found;
  return equal != filter.negated;
}

// As deep as the path is long.
const Json* JsonPath::FirstFrom(const Json& at, std::size_t step) const {  // NOLINT(misc-no-recursion)
  if (step == steps_.size()) return &at;
  const Step& now = steps_[step];
  switch (now.kind) {
    case Step::Kind::kMember: {
      const Json* found = at.Find(now.member);
      return found != nullptr ? FirstFrom(*found, step + 1) : nullptr;
    }
    case Step::Kind::kItem: {
      const auto size = static_cast<std::ptrdiff_t>(at.items().size());
      const std::ptrdiff_t index = now.index < 0 ? now.index + size : now.index;
      return index >= 0 && index < size ? FirstFrom(at.items()[static_cast<std::size_t>(index)], step + 1) : nullptr;
    }
    case Step::Kind::kEach:
    case Step::Kind::kFilter:
      for (const Json& item : at.items()) {
        if (now.kind == Step::Kind::kFilter && !Accepts(now, item)) continue;
        if (const Json* found = FirstFrom(item, step + 1)) return found;
      }
      return nullptr;
  }
  return nullptr;
}

}  // namespace minikube::api
