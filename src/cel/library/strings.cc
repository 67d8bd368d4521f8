// Strings: the standard functions, and the strings extension of cel-go (version 2).
#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "cel/function.h"
#include "cel/library/format_text.h"
#include "cel/utf8.h"

namespace minikube::cel {
namespace {

using Args = std::span<const Value>;

Value Contains(Args a) { return Value::Bool(a[0].text().find(a[1].text()) != std::string_view::npos); }
Value StartsWith(Args a) { return Value::Bool(a[0].text().starts_with(a[1].text())); }
Value EndsWith(Args a) { return Value::Bool(a[0].text().ends_with(a[1].text())); }

// Places in a string are counted in characters.
struct Text {
  explicit Text(std::string_view s) : text(s), offsets(CharacterOffsets(s)) {}
  std::size_t size() const { return offsets.size() - 1; }
  std::int64_t CharacterOf(std::size_t byte) const {
    return std::lower_bound(offsets.begin(), offsets.end(), byte) - offsets.begin();
  }
  std::string_view Slice(std::size_t from, std::size_t to) const {
    return text.substr(offsets[from], offsets[to] - offsets[from]);
  }
  std::string_view text;
  std::vector<std::size_t> offsets;
};

bool Outside(std::int64_t index, std::size_t size) { return index < 0 || static_cast<std::size_t>(index) > size; }
Value OutOfRange(std::int64_t index) { return Value::Error(fmt::format("index out of range: {}", index)); }

Value CharAt(Args a) {
  const Text text(a[0].text());
  const std::int64_t i = a[1].integer();
  if (Outside(i, text.size())) return OutOfRange(i);
  if (static_cast<std::size_t>(i) == text.size()) return Value::String("");
  return Value::String(text.Slice(static_cast<std::size_t>(i), static_cast<std::size_t>(i) + 1));
}

Value IndexOf(Args a) {
  const Text text(a[0].text());
  const std::int64_t from = a.size() > 2 ? a[2].integer() : 0;
  if (a[1].text().empty()) return a.size() > 2 && Outside(from, text.size()) ? OutOfRange(from) : Value::Int(from);
  if (Outside(from, text.size())) return OutOfRange(from);
  const std::size_t found = a[0].text().find(a[1].text(), text.offsets[static_cast<std::size_t>(from)]);
  return Value::Int(found == std::string_view::npos ? -1 : text.CharacterOf(found));
}

Value LastIndexOf(Args a) {
  const Text text(a[0].text());
  if (a.size() > 2 && Outside(a[2].integer(), text.size())) return OutOfRange(a[2].integer());
  const std::size_t last = a.size() > 2 ? static_cast<std::size_t>(a[2].integer()) : text.size();
  if (a[1].text().empty()) return Value::Int(static_cast<std::int64_t>(last));
  const std::size_t found = a[0].text().rfind(a[1].text(), text.offsets[last]);
  return Value::Int(found == std::string_view::npos ? -1 : text.CharacterOf(found));
}

Value MapAscii(Args a, char from, char to) {
  std::string out(a[0].text());
  for (char& c : out) {
    if (c >= from && c <= to) c = static_cast<char>(c ^ 0x20);
  }
  return Value::String(out);
}
Value LowerAscii(Args a) { return MapAscii(a, 'A', 'Z'); }
Value UpperAscii(Args a) { return MapAscii(a, 'a', 'z'); }

// What replacing and splitting may build: a few characters can ask for very many.
constexpr std::size_t kMaxText = std::size_t{16} * 1024 * 1024;

Value Replace(Args a) {
  const std::string_view text = a[0].text();
  const std::string_view old = a[1].text();
  const std::string_view with = a[2].text();
  std::int64_t left = a.size() > 3 ? a[3].integer() : -1;
  std::string out;
  std::size_t at = 0;
  while (left != 0 && at <= text.size()) {
    const std::size_t found = text.find(old, at);
    if (found == std::string_view::npos) break;
    out.append(text.substr(at, found - at)).append(with);
    if (out.size() > kMaxText) return Value::Error("the result is too large");
    if (old.empty()) {
      if (found == text.size()) {
        at = found + 1;
        break;
      }
      const std::string_view character = CharacterAt(text, found);
      out += character;
      at = found + character.size();
    } else {
      at = found + old.size();
    }
    --left;
  }
  if (at < text.size()) out += text.substr(at);
  return Value::String(out);
}

Value Split(Args a) {
  const std::string_view text = a[0].text();
  const std::string_view separator = a[1].text();
  const std::int64_t limit = a.size() > 2 ? a[2].integer() : -1;
  std::vector<Value> parts;
  if (limit == 0) return Value::List({});
  std::size_t at = 0;
  for (;;) {
    const bool last = limit > 0 && parts.size() + 1 == static_cast<std::size_t>(limit);
    std::size_t end = std::string_view::npos;
    if (!last && separator.empty()) {
      if (at >= text.size()) break;
      end = at + CharacterAt(text, at).size();
      if (end == text.size()) end = std::string_view::npos;
    } else if (!last) {
      end = text.find(separator, at);
    }
    if (end == std::string_view::npos) {
      parts.push_back(Value::String(text.substr(at)));
      break;
    }
    parts.push_back(Value::String(text.substr(at, end - at)));
    at = end + separator.size();
  }
  return Value::List(std::move(parts));
}

Value Join(Args a) {
  const std::string_view separator = a.size() > 1 ? a[1].text() : "";
  std::string out;
  for (std::size_t i = 0, n = a[0].Size(); i < n; ++i) {
    const Value item = a[0].At(i);
    if (!item.is(Kind::kString)) return Value::NoSuchOverload();
    if (i > 0) out += separator;
    out += item.text();
    if (out.size() > kMaxText) return Value::Error("the result is too large");
  }
  return Value::String(out);
}

Value Substring(Args a) {
  const Text text(a[0].text());
  const std::int64_t from = a[1].integer();
  const std::int64_t to = a.size() > 2 ? a[2].integer() : static_cast<std::int64_t>(text.size());
  if (Outside(from, text.size())) return OutOfRange(from);
  if (Outside(to, text.size())) return OutOfRange(to);
  if (from > to) return Value::Error(fmt::format("invalid substring range. start: {}, end: {}", from, to));
  return Value::String(text.Slice(static_cast<std::size_t>(from), static_cast<std::size_t>(to)));
}

bool IsSpace(std::uint32_t c) {
  return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
         c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

Value Trim(Args a) {
  const Text text(a[0].text());
  std::size_t from = 0;
  std::size_t to = text.size();
  while (from < to && IsSpace(CodePoint(text.Slice(from, from + 1)))) ++from;
  while (to > from && IsSpace(CodePoint(text.Slice(to - 1, to)))) --to;
  return Value::String(text.Slice(from, to));
}

Value Reverse(Args a) {
  const Text text(a[0].text());
  std::string out;
  for (std::size_t i = text.size(); i > 0; --i) out += text.Slice(i - 1, i);
  return Value::String(out);
}

Value Quote(Args a) {
  std::string out = "\"";
  const std::string_view text = a[0].text();
  constexpr std::string_view kSpecial = "\a\b\f\n\r\t\v\\\"";
  constexpr std::string_view kLetters = "abfnrtv\\\"";
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view character = CharacterAt(text, at);
    const std::size_t special = kSpecial.find(character[0]);
    if (special != std::string_view::npos) {
      out += '\\';
      out += kLetters[special];
    } else if (character.size() == 1 && static_cast<unsigned char>(character[0]) >= 0x80) {
      out += "\xef\xbf\xbd";
    } else {
      out += character;
    }
    at += character.size();
  }
  return Value::String(out + "\"");
}

Value Format(Args a) { return FormatText(a[0].text(), a[1]); }

constexpr FunctionDefinition kDefinitions[] = {
    {".contains", "string, string -> bool", Contains, CallCost::kContains},
    {".startsWith", "string, string -> bool", StartsWith, CallCost::kTraverseFirst},
    {".endsWith", "string, string -> bool", EndsWith, CallCost::kTraverseFirst},
    {".charAt", "string, int -> string", CharAt},
    {".indexOf", "string, string -> int", IndexOf, CallCost::kTraverseList},
    {".indexOf", "string, string, int -> int", IndexOf, CallCost::kTraverseList},
    {".lastIndexOf", "string, string -> int", LastIndexOf, CallCost::kTraverseList},
    {".lastIndexOf", "string, string, int -> int", LastIndexOf, CallCost::kTraverseList},
    {".lowerAscii", "string -> string", LowerAscii, CallCost::kTraverseFirst},
    {".upperAscii", "string -> string", UpperAscii, CallCost::kTraverseFirst},
    {".replace", "string, string, string -> string", Replace, CallCost::kTraverseTwice},
    {".replace", "string, string, string, int -> string", Replace, CallCost::kTraverseTwice},
    {".split", "string, string -> list(string)", Split, CallCost::kTraverseTwice},
    {".split", "string, string, int -> list(string)", Split, CallCost::kTraverseTwice},
    {".join", "list(string) -> string", Join, CallCost::kResultTwice},
    {".join", "list(string), string -> string", Join, CallCost::kResultTwice},
    {".substring", "string, int -> string", Substring, CallCost::kTraverseFirst},
    {".substring", "string, int, int -> string", Substring, CallCost::kTraverseFirst},
    {".trim", "string -> string", Trim, CallCost::kTraverseFirst},
    {".reverse", "string -> string", Reverse, CallCost::kTraverseFirst},
    {"strings.quote", "string -> string", Quote, CallCost::kTraverseFirst},
    {".format", "string, list(dyn) -> string", Format, CallCost::kTraverseFirst},
};

}  // namespace

std::span<const FunctionDefinition> library::Strings() { return kDefinitions; }

}  // namespace minikube::cel
