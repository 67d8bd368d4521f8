#include "cel/lexer.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "cel/utf8.h"

namespace minikube::cel {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsHex(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
int HexDigit(char c) { return IsDigit(c) ? c - '0' : (c | 0x20) - 'a' + 10; }

// Of two characters first: the longest match counts.
constexpr std::array<std::string_view, 31> kOperators = {"==", "!=", "<=", ">=", "&&", "||", "[?", "{?", "<", ">", "+",
                                                         "-",  "*",  "/",  "%",  "!",  "?",  ":",  ".",  ",", "(", ")",
                                                         "[",  "]",  "{",  "}",  "&",  "|",  "=",  ";",  "@"};

}  // namespace

std::string Render(std::string_view expression, const std::vector<Issue>& issues) {
  std::string out;
  for (const Issue& issue : issues) {
    const std::size_t at = std::min<std::size_t>(issue.offset, expression.size());
    const std::size_t line_start = expression.substr(0, at).rfind('\n') + 1;
    const auto line = 1 + std::count(expression.begin(), expression.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    const std::size_t line_end = std::min(expression.find('\n', at), expression.size());
    const std::size_t column = CountCharacters(expression.substr(line_start, at - line_start));
    if (!out.empty()) out += '\n';
    out += fmt::format("ERROR: <input>:{}:{}: {}\n | {}\n | {}^", line, column + 1, issue.message,
                       expression.substr(line_start, line_end - line_start), std::string(column, '.'));
  }
  return out;
}

bool Lexer::Fail(std::uint32_t offset, std::string message) {
  issue_ = {offset, std::move(message)};
  token_ = Token::kEnd;
  return false;
}

bool Lexer::SkipSpaceAndComments() {
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
      ++at_;
    } else if (c == '/' && Peek(1) == '/') {
      at_ = std::min(text_.find('\n', at_), text_.size());
    } else {
      return true;
    }
  }
  return false;
}

bool Lexer::Next() {
  token_ = Token::kEnd;
  value_ = {};
  const bool more = SkipSpaceAndComments();
  offset_ = static_cast<std::uint32_t>(at_);
  if (!more) return true;
  const char c = Peek();
  if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) return Number();
  if (c == '"' || c == '\'') return Quoted(false, false);
  if (IsLetter(c)) {
    const std::size_t start = at_;
    while (at_ < text_.size() && (IsLetter(text_[at_]) || IsDigit(text_[at_]))) ++at_;
    const std::string_view word = text_.substr(start, at_ - start);
    if ((Peek() == '"' || Peek() == '\'') && word.size() <= 2) {
      const bool raw = word.find_first_of("rR") != std::string_view::npos;
      const bool bytes = word.find_first_of("bB") != std::string_view::npos;
      const bool known = word.find_first_not_of("rRbB") == std::string_view::npos;
      if (known && word.size() == (raw ? 1U : 0U) + (bytes ? 1U : 0U)) return Quoted(raw, bytes);
    }
    token_ = Token::kIdent;
    value_ = word;
    return true;
  }
  if (c == '`') {
    const std::size_t end = text_.find('`', at_ + 1);
    if (end == std::string_view::npos) return Fail(offset_, "Syntax error: token recognition error at: '`'");
    value_ = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    token_ = Token::kQuotedIdent;
    return true;
  }
  for (const std::string_view op : kOperators) {
    if (!text_.substr(at_).starts_with(op)) continue;
    token_ = Token::kOperator;
    value_ = text_.substr(at_, op.size());
    at_ += op.size();
    return true;
  }
  return Fail(offset_, fmt::format("Syntax error: token recognition error at: '{}'", CharacterAt(text_, at_)));
}

bool Lexer::Number() {
  const std::size_t start = at_;
  token_ = Token::kInt;
  if (Peek() == '0' && (Peek(1) == 'x' || Peek(1) == 'X') && IsHex(Peek(2))) {
    at_ += 2;
    while (IsHex(Peek())) ++at_;
  } else {
    while (IsDigit(Peek())) ++at_;
    if (Peek() == '.' && IsDigit(Peek(1))) {
      token_ = Token::kDouble;
      ++at_;
      while (IsDigit(Peek())) ++at_;
    }
    const std::size_t sign = Peek(1) == '+' || Peek(1) == '-' ? 2 : 1;
    if ((Peek() == 'e' || Peek() == 'E') && IsDigit(Peek(sign))) {
      token_ = Token::kDouble;
      at_ += sign;
      while (IsDigit(Peek())) ++at_;
    }
  }
  value_ = text_.substr(start, at_ - start);
  if (token_ == Token::kInt && (Peek() == 'u' || Peek() == 'U')) {
    token_ = Token::kUint;
    ++at_;
  }
  return true;
}

bool Lexer::Quoted(bool raw, bool bytes) {
  const char quote = Peek();
  const bool triple = Peek(1) == quote && Peek(2) == quote;
  const std::string_view end = text_.substr(at_, triple ? 3 : 1);
  at_ += end.size();
  decoded_.clear();
  for (;;) {
    if (at_ >= text_.size()) break;
    if (text_.substr(at_).starts_with(end)) {
      at_ += end.size();
      token_ = bytes ? Token::kBytes : Token::kString;
      value_ = decoded_;
      return true;
    }
    const char c = text_[at_];
    if (!triple && (c == '\n' || c == '\r')) break;
    if (c != '\\') {
      if (c == '\r' && triple) {  // line ends are one character
        decoded_ += '\n';
        at_ += Peek(1) == '\n' ? 2 : 1;
      } else {
        decoded_ += c;
        ++at_;
      }
      continue;
    }
    if (raw) {
      decoded_ += c;
      ++at_;
      if (at_ < text_.size()) decoded_ += text_[at_++];
      continue;
    }
    if (!Escape(bytes, decoded_)) return false;
  }
  return Fail(offset_, fmt::format("Syntax error: token recognition error at: '{}'",
                                   text_.substr(offset_, std::min<std::size_t>(20, text_.size() - offset_))));
}

bool Lexer::Escape(bool bytes, std::string& out) {
  const auto start = static_cast<std::uint32_t>(at_);
  const char c = Peek(1);
  at_ += 2;
  constexpr std::string_view kSimple = "abfnrtv\\'\"`?";
  constexpr std::string_view kMeaning = "\a\b\f\n\r\t\v\\'\"`?";
  if (const std::size_t i = kSimple.find(c); c != '\0' && i != std::string_view::npos) {
    out += kMeaning[i];
    return true;
  }
  std::size_t digits = 0;
  if (c == 'x' || c == 'X') digits = 2;
  if (c == 'u' && !bytes) digits = 4;
  if (c == 'U' && !bytes) digits = 8;
  std::uint32_t value = 0;
  bool valid = digits > 0;
  if (digits > 0) {
    for (std::size_t i = 0; i < digits; ++i) {
      valid = valid && IsHex(Peek(i));
      if (valid) value = value << 4 | static_cast<std::uint32_t>(HexDigit(Peek(i)));
    }
    at_ += digits;
  } else if (c >= '0' && c <= '3') {  // three octal digits
    valid = true;
    value = static_cast<std::uint32_t>(c - '0');
    for (std::size_t i = 0; i < 2; ++i) {
      valid = valid && Peek(i) >= '0' && Peek(i) <= '7';
      if (valid) value = value << 3 | static_cast<std::uint32_t>(Peek(i) - '0');
    }
    at_ += 2;
  }
  if (!valid || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) {
    return Fail(start, "Syntax error: invalid escape sequence");
  }
  if (bytes) {
    out += static_cast<char>(value);
  } else {
    AppendUtf8(value, out);
  }
  return true;
}

}  // namespace minikube::cel
