#include "model/json_reader.h"

#include <cstring>

#include <fmt/format.h>
#include <simdjson.h>

#include "model/field_errors.h"

namespace minikube::model {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

void AppendUtf8(std::uint32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

// The first character at or after `p` that ends a run of plain string characters: a quote, a backslash or a control.
const char* PlainEnd(const char* p, const char* end) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHigh = 0x8080808080808080;
  for (; end - p >= 8; p += 8) {
    std::uint64_t v;
    std::memcpy(&v, p, 8);
    const std::uint64_t quote = v ^ kOnes * '"';
    const std::uint64_t slash = v ^ kOnes * '\\';
    // Each term flags its lowest match exactly (higher flags may be false), so the lowest flag of all is a match.
    const std::uint64_t found =
        (((quote - kOnes) & ~quote) | ((slash - kOnes) & ~slash) | ((v - kOnes * 0x20) & ~v)) & kHigh;
    if (found != 0) return p + (__builtin_ctzll(found) >> 3);
  }
  while (p != end && *p != '"' && *p != '\\' && static_cast<unsigned char>(*p) >= 0x20) ++p;
  return p;
}

constexpr std::string_view kBeginValue = "looking for beginning of value";
constexpr std::string_view kBeginKey = "looking for beginning of object key string";
constexpr std::string_view kInHexEscape = "in \\u hexadecimal character escape";

// A byte as Go's scanner shows it.
std::string QuotedCharacter(char c) {
  if (c == '\'') return "'\\''";
  if (c == '"') return "'\"'";
  std::string text;
  AppendUtf8(static_cast<unsigned char>(c), text);
  text = GoQuote(text);
  text.front() = text.back() = '\'';
  return text;
}

}  // namespace

JsonReader::JsonReader(std::string_view text, int max_depth)
    : begin_(text.data()), p_(begin_), end_(begin_ + text.size()), depth_left_(max_depth), max_depth_(max_depth) {
  if (!simdjson::validate_utf8(text.data(), text.size())) FailWith("the text is not UTF-8");
}

void JsonReader::Rewind() {
  if (!ok()) return;
  p_ = begin_;
  depth_left_ = max_depth_;
}

bool JsonReader::FailWith(std::string_view error) {
  if (!failed_) error_ = error;
  failed_ = true;
  return false;
}

bool JsonReader::Fail(std::string_view where) {
  if (p_ == end_) return FailWith("unexpected end of JSON input");
  return FailWith(fmt::format("invalid character {} {}", QuotedCharacter(*p_), where));
}

JsonReader::Token JsonReader::Peek() {
  if (!ok()) return Token::kNone;
  SkipSpace();
  if (p_ == end_) {
    Fail(kBeginValue);
    return Token::kNone;
  }
  switch (*p_) {
    case '{':
      return Token::kObject;
    case '[':
      return Token::kArray;
    case '"':
      return Token::kString;
    case 't':
    case 'f':
      return Token::kBool;
    case 'n':
      return Token::kNull;
    default:
      if (*p_ == '-' || IsDigit(*p_)) return Token::kNumber;
      Fail(kBeginValue);
      return Token::kNone;
  }
}

bool JsonReader::ReadString(std::string_view* out) {
  if (!ok()) return false;
  SkipSpace();
  if (p_ == end_ || *p_ != '"') return Fail(kBeginKey);
  const char* start = ++p_;
  p_ = PlainEnd(p_, end_);
  if (p_ != end_ && *p_ == '"') {
    *out = {start, static_cast<std::size_t>(p_ - start)};
    ++p_;
    return true;
  }
  return Unescape(start, out);
}

// `p_` is at the first character that is not plain.
bool JsonReader::Unescape(const char* from, std::string_view* out) {
  buffer_.assign(from, p_);
  for (;;) {
    if (p_ == end_) return Fail({});
    if (*p_ == '"') {
      ++p_;
      *out = buffer_;
      return true;
    }
    if (*p_ != '\\') return Fail("in string literal");
    if (++p_ == end_) return Fail({});
    const char c = *p_++;
    switch (c) {
      case '"':
      case '\\':
      case '/':
        buffer_ += c;
        break;
      case 'b':
        buffer_ += '\b';
        break;
      case 'f':
        buffer_ += '\f';
        break;
      case 'n':
        buffer_ += '\n';
        break;
      case 'r':
        buffer_ += '\r';
        break;
      case 't':
        buffer_ += '\t';
        break;
      case 'u': {
        std::uint32_t value = 0;
        if (!ReadHex4(&value)) return false;
        if (value >= 0xd800 && value < 0xe000) {
          // A surrogate is half of a character; alone it stands for none, and becomes U+FFFD as in Go.
          std::uint32_t low = 0;
          const char* after = p_;
          if (value < 0xdc00 && end_ - p_ >= 2 && p_[0] == '\\' && p_[1] == 'u') {
            p_ += 2;
            if (!ReadHex4(&low)) return false;
          }
          if (low >= 0xdc00 && low < 0xe000) {
            value = 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
          } else {
            p_ = after;
            value = 0xfffd;
          }
        }
        AppendUtf8(value, buffer_);
        break;
      }
      default:
        --p_;
        return Fail("in string escape code");
    }
    const char* start = p_;
    p_ = PlainEnd(p_, end_);
    buffer_.append(start, p_);
  }
}

bool JsonReader::ReadHex4(std::uint32_t* value) {
  std::uint32_t v = 0;
  for (int i = 0; i < 4; ++i, ++p_) {
    const char c = p_ != end_ ? *p_ : '\0';
    v <<= 4;
    if (IsDigit(c)) {
      v |= static_cast<std::uint32_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      v |= static_cast<std::uint32_t>(c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F') {
      v |= static_cast<std::uint32_t>(c - 'A' + 10);
    } else {
      return Fail(kInHexEscape);
    }
  }
  *value = v;
  return true;
}

bool JsonReader::ReadNumber(std::string_view* text) {
  if (!ok()) return false;
  SkipSpace();
  const char* start = p_;
  if (p_ != end_ && *p_ == '-') ++p_;
  if (p_ == end_ || !IsDigit(*p_)) return Fail("in numeric literal");
  if (*p_ == '0') {
    ++p_;  // and nothing else: what follows a 0 is not of the number
  } else {
    while (p_ != end_ && IsDigit(*p_)) ++p_;
  }
  if (p_ != end_ && *p_ == '.') {
    ++p_;
    if (p_ == end_ || !IsDigit(*p_)) return Fail("after decimal point in numeric literal");
    while (p_ != end_ && IsDigit(*p_)) ++p_;
  }
  if (p_ != end_ && (*p_ == 'e' || *p_ == 'E')) {
    ++p_;
    if (p_ != end_ && (*p_ == '+' || *p_ == '-')) ++p_;
    if (p_ == end_ || !IsDigit(*p_)) return Fail("in exponent of numeric literal");
    while (p_ != end_ && IsDigit(*p_)) ++p_;
  }
  *text = {start, static_cast<std::size_t>(p_ - start)};
  return true;
}

bool JsonReader::ReadLiteral(std::string_view word) {
  for (const char c : word) {
    if (p_ == end_ || *p_ != c) return Fail(fmt::format("in literal {} (expecting '{}')", word, c));
    ++p_;
  }
  return true;
}

bool JsonReader::ReadBool(bool* value) {
  if (Peek() != Token::kBool) return Fail(kBeginValue);
  *value = *p_ == 't';
  return ReadLiteral(*value ? "true" : "false");
}

bool JsonReader::ReadNull() {
  if (Peek() != Token::kNull) return Fail(kBeginValue);
  return ReadLiteral("null");
}

bool JsonReader::Begin(char open) {
  if (!ok()) return false;
  SkipSpace();
  if (p_ == end_ || *p_ != open) return Fail(kBeginValue);
  if (depth_left_ <= 0) return FailWith("exceeded max depth");
  --depth_left_;
  ++p_;
  first_ = true;
  return true;
}

bool JsonReader::BeginObject() { return Begin('{'); }
bool JsonReader::BeginArray() { return Begin('['); }

bool JsonReader::NextKey(std::string_view* key) {
  if (!ok()) return false;
  SkipSpace();
  if (p_ != end_ && *p_ == '}') {
    ++p_;
    ++depth_left_;
    first_ = false;
    return false;
  }
  if (!first_) {
    if (p_ == end_ || *p_ != ',') return Fail("after object key:value pair");
    ++p_;
  }
  first_ = false;
  if (!ReadString(key)) return false;
  SkipSpace();
  if (p_ == end_ || *p_ != ':') return Fail("after object key");
  ++p_;
  return true;
}

bool JsonReader::NextElement() {
  if (!ok()) return false;
  SkipSpace();
  if (p_ != end_ && *p_ == ']') {
    ++p_;
    ++depth_left_;
    first_ = false;
    return false;
  }
  if (!first_) {
    if (p_ == end_ || *p_ != ',') return Fail("after array element");
    ++p_;
  }
  first_ = false;
  return true;
}

bool JsonReader::Skip(std::string_view* text) {
  const Token token = Peek();
  const char* start = p_;
  std::string_view ignored;
  switch (token) {
    case Token::kNone:
      return false;
    case Token::kObject:
      BeginObject();
      while (NextKey(&ignored)) {
        if (!Skip()) return false;
      }
      break;
    case Token::kArray:
      BeginArray();
      while (NextElement()) {
        if (!Skip()) return false;
      }
      break;
    case Token::kString:
      ReadString(&ignored);
      break;
    case Token::kNumber:
      ReadNumber(&ignored);
      break;
    case Token::kBool: {
      bool value = false;
      ReadBool(&value);
      break;
    }
    case Token::kNull:
      ReadNull();
      break;
  }
  if (ok() && text != nullptr) *text = {start, static_cast<std::size_t>(p_ - start)};
  return ok();
}

bool JsonReader::End() {
  if (!ok()) return false;
  SkipSpace();
  return p_ == end_ || Fail("after top-level value");
}

std::string_view GoTokenName(JsonReader::Token token) {
  using Token = JsonReader::Token;
  switch (token) {
    case Token::kObject:
      return "object";
    case Token::kArray:
      return "array";
    case Token::kString:
      return "string";
    case Token::kNumber:
      return "number";
    case Token::kBool:
      return "bool";
    case Token::kNull:
    case Token::kNone:
      break;
  }
  return "null";
}

void AppendCompactJson(std::string_view json, std::string& out) {
  const char* p = json.data();
  const char* end = p + json.size();
  while (p != end) {
    const char* start = p;
    while (p != end && *p != '"' && static_cast<unsigned char>(*p) > ' ') ++p;
    if (p != end && *p == '"') {
      // The string as it is, with the quotes.
      for (++p; p != end; ++p) {
        p = PlainEnd(p, end);
        if (p == end || *p == '"') break;
        if (*p == '\\' && p + 1 != end) ++p;
      }
      if (p != end) ++p;
    }
    out.append(start, p);
    while (p != end && *p != '"' && static_cast<unsigned char>(*p) <= ' ') ++p;
  }
}

}  // namespace minikube::model
