// labels.Parse and fields.ParseSelector.
#include <minikube/selector.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "model/field_errors.h"
#include "model/validation_names.h"

namespace minikube {
namespace {

using Requirement = LabelSelector::Requirement;
using Op = LabelSelector::Op;

std::optional<std::int64_t> ParseInt(std::string_view text) {
  std::string_view digits = text;
  if (digits.starts_with('+')) {
    digits.remove_prefix(1);
    if (digits.starts_with('-')) return std::nullopt;
  }
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::string Join(const Messages& messages) {
  std::string out;
  for (const std::string& m : messages) out.append(out.empty() ? "" : "; ").append(m);
  return out;
}

std::string JsonStrings(const std::vector<std::string>& values) {
  std::string out = "[";
  for (const std::string& v : values) out.append(out.size() > 1 ? "," : "").append(GoQuote(v));
  return out + "]";
}

// The rules of labels.NewRequirement; the error text of all that is wrong, or "".
std::string Check(const Requirement& r) {
  ErrorList errors;
  if (Messages bad = IsQualifiedName(r.key); !bad.empty()) errors.Invalid(FieldPath("key"), r.key, Join(bad));
  const FieldPath values("values");
  switch (r.op) {
    case Op::kIn:
    case Op::kNotIn:
      if (r.values.empty()) {
        errors.Invalid(values, BadValue::Json("null"), "for 'in', 'notin' operators, values set can't be empty");
      }
      break;
    case Op::kExists:
    case Op::kDoesNotExist:
      if (!r.values.empty()) {
        errors.Invalid(values, BadValue::Json(JsonStrings(r.values)),
                       "values set must be empty for exists and does not exist");
      }
      break;
    case Op::kGreater:
    case Op::kLess:
      if (r.values.size() != 1) {
        errors.Invalid(values, BadValue::Json(JsonStrings(r.values)),
                       "for 'Gt', 'Lt' operators, exactly one value is required");
      }
      for (std::size_t i = 0; i < r.values.size(); ++i) {
        if (!ParseInt(r.values[i])) {
          errors.Invalid(values.Index(i), r.values[i], "for 'Gt', 'Lt' operators, the value must be an integer");
        }
      }
      break;
  }
  for (std::size_t i = 0; i < r.values.size(); ++i) {
    if (Messages bad = IsLabelValue(r.values[i]); !bad.empty()) {
      const FieldPath item = values.Index(i);
      errors.Invalid(item.Key(r.key), r.values[i], Join(bad));
    }
  }
  return errors.ToString();
}

void Normalise(std::vector<Requirement>& requirements) {
  for (Requirement& r : requirements) {
    std::sort(r.values.begin(), r.values.end());
    r.values.erase(std::unique(r.values.begin(), r.values.end()), r.values.end());
  }
  std::stable_sort(requirements.begin(), requirements.end(),
                   [](const Requirement& a, const Requirement& b) { return a.key < b.key; });
}

enum class Token : std::uint8_t {
  kEnd,
  kClose,
  kComma,
  kNot,
  kDoubleEquals,
  kEquals,
  kGreater,
  kLess,
  kNotEquals,
  kOpen,
  kIn,
  kNotIn,
  kWord
};

struct Lexeme {
  Token token = Token::kEnd;
  std::string_view text;
};

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool IsSymbol(char c) { return std::string_view("=!(),><").find(c) != std::string_view::npos; }

std::vector<Lexeme> Scan(std::string_view text) {
  std::vector<Lexeme> out;
  std::size_t i = 0;
  while (true) {
    while (i < text.size() && IsBlank(text[i])) ++i;
    if (i == text.size() || text[i] == '\0') break;
    const std::size_t start = i;
    if (IsSymbol(text[i])) {
      const bool two = i + 1 < text.size() && text[i + 1] == '=' && (text[i] == '=' || text[i] == '!');
      i += two ? 2 : 1;
      Token token = Token::kEquals;
      switch (text[start]) {
        case '!':
          token = two ? Token::kNotEquals : Token::kNot;
          break;
        case '=':
          token = two ? Token::kDoubleEquals : Token::kEquals;
          break;
        case '(':
          token = Token::kOpen;
          break;
        case ')':
          token = Token::kClose;
          break;
        case ',':
          token = Token::kComma;
          break;
        case '>':
          token = Token::kGreater;
          break;
        case '<':
          token = Token::kLess;
          break;
      }
      out.push_back({token, text.substr(start, i - start)});
      continue;
    }
    while (i < text.size() && text[i] != '\0' && !IsSymbol(text[i]) && !IsBlank(text[i])) ++i;
    const std::string_view word = text.substr(start, i - start);
    out.push_back({word == "in" ? Token::kIn : word == "notin" ? Token::kNotIn : Token::kWord, word});
  }
  out.push_back({});
  return out;
}

// Recursive descent over the grammar documented at labels.Parse.
class Parser {
 public:
  explicit Parser(std::string_view text) : lexemes_(Scan(text)) {}

  Result<std::vector<Requirement>> Parse() {
    std::vector<Requirement> out;
    while (true) {
      const Lexeme next = Peek();
      if (next.token == Token::kEnd) return out;
      if (next.token != Token::kWord && next.token != Token::kNot) {
        return Error(fmt::format("found '{}', expected: !, identifier, or 'end of string'", next.text));
      }
      Result<Requirement> requirement = ParseRequirement();
      if (!requirement) return requirement.status().WithContext("unable to parse requirement");
      out.push_back(std::move(*requirement));
      const Lexeme after = Take();
      if (after.token == Token::kEnd) return out;
      if (after.token != Token::kComma) {
        return Error(fmt::format("found '{}', expected: ',' or 'end of string'", after.text));
      }
      if (const Lexeme word = Peek(); word.token != Token::kWord && word.token != Token::kNot) {
        return Error(fmt::format("found '{}', expected: identifier after ','", word.text));
      }
    }
  }

 private:
  static Status Error(std::string message) { return {Code::kBadRequest, std::move(message)}; }

  // `in` and `notin` are operators only right after a key; anywhere else they are ordinary words.
  static Lexeme AsValue(Lexeme l) {
    if (l.token == Token::kIn || l.token == Token::kNotIn) l.token = Token::kWord;
    return l;
  }
  Lexeme Peek() const { return AsValue(lexemes_[at_]); }
  Lexeme TakeRaw() {
    const Lexeme out = lexemes_[at_];
    if (at_ + 1 < lexemes_.size()) ++at_;
    return out;
  }
  Lexeme Take() { return AsValue(TakeRaw()); }

  Result<Requirement> ParseRequirement() {
    Requirement r;
    bool negated = false;
    Lexeme key = Take();
    if (key.token == Token::kNot) {
      negated = true;
      key = Take();
    }
    if (key.token != Token::kWord) return Error(fmt::format("found '{}', expected: identifier", key.text));
    r.key = key.text;
    if (Messages bad = IsQualifiedName(r.key); !bad.empty()) {
      ErrorList errors;
      errors.Invalid(FieldPath(), r.key, Join(bad));
      return Error(errors.ToString());
    }
    const Token next = Peek().token;
    if (negated || next == Token::kEnd || next == Token::kComma) {
      r.op = negated ? Op::kDoesNotExist : Op::kExists;
      return r;
    }
    const Lexeme op = TakeRaw();
    Status status;
    switch (op.token) {
      case Token::kIn:
        r.op = Op::kIn;
        break;
      case Token::kNotIn:
        r.op = Op::kNotIn;
        break;
      case Token::kEquals:
      case Token::kDoubleEquals:
        r.op = Op::kIn;
        break;
      case Token::kNotEquals:
        r.op = Op::kNotIn;
        break;
      case Token::kGreater:
        r.op = Op::kGreater;
        break;
      case Token::kLess:
        r.op = Op::kLess;
        break;
      default:
        return Error(fmt::format("found '{}', expected: in, notin, =, ==, !=, gt, lt", op.text));
    }
    status = op.token == Token::kIn || op.token == Token::kNotIn ? ParseSet(r.values) : ParseOne(r.values);
    if (!status.ok()) return status;
    if (std::string wrong = Check(r); !wrong.empty()) return Error(std::move(wrong));
    return r;
  }

  // "=" with nothing after it compares with the empty value.
  Status ParseOne(std::vector<std::string>& values) {
    if (const Token next = Peek().token; next == Token::kEnd || next == Token::kComma) {
      values.emplace_back();
      return {};
    }
    const Lexeme word = Take();
    if (word.token != Token::kWord) return Error(fmt::format("found '{}', expected: identifier", word.text));
    values.emplace_back(word.text);
    return {};
  }

  // "(a,b)"; an empty place, as in "(a,)" or "()", is the empty value.
  Status ParseSet(std::vector<std::string>& values) {
    if (const Lexeme open = Take(); open.token != Token::kOpen) {
      return Error(fmt::format("found '{}' expected: '('", open.text));
    }
    if (const Lexeme first = Peek(); first.token == Token::kClose) {
      values.emplace_back();
      Take();
      return {};
    } else if (first.token != Token::kWord && first.token != Token::kComma) {
      return Error(fmt::format("found '{}', expected: ',', ')' or identifier", first.text));
    }
    while (true) {
      const Lexeme item = Take();
      if (item.token == Token::kWord) {
        values.emplace_back(item.text);
        const Lexeme after = Peek();
        if (after.token == Token::kClose) break;
        if (after.token != Token::kComma) return Error(fmt::format("found '{}', expected: ',' or ')'", after.text));
      } else if (item.token == Token::kComma) {
        if (values.empty()) values.emplace_back();
        const Token after = Peek().token;
        if (after == Token::kClose || after == Token::kComma) values.emplace_back();
        if (after == Token::kClose) break;
      } else {
        return Error(fmt::format("found '{}', expected: ',', or identifier", item.text));
      }
    }
    Take();  // the ')' seen above
    return {};
  }

  std::vector<Lexeme> lexemes_;  // ends with kEnd
  std::size_t at_ = 0;
};

bool Holds(const Requirement& r, const Map<Str>& labels) {
  const Str* value = labels.Find(r.key);
  switch (r.op) {
    case Op::kExists:
      return value != nullptr;
    case Op::kDoesNotExist:
      return value == nullptr;
    case Op::kIn:
      return value != nullptr && std::binary_search(r.values.begin(), r.values.end(), value->view());
    case Op::kNotIn:
      return value == nullptr || !std::binary_search(r.values.begin(), r.values.end(), value->view());
    case Op::kGreater:
    case Op::kLess: {
      if (value == nullptr || r.values.size() != 1) return false;
      const std::optional<std::int64_t> have = ParseInt(value->view());
      const std::optional<std::int64_t> bound = ParseInt(r.values[0]);
      return have && bound && (r.op == Op::kGreater ? *have > *bound : *have < *bound);
    }
  }
  return false;
}

}  // namespace

Result<LabelSelector> LabelSelector::Parse(std::string_view text) {
  Result<std::vector<Requirement>> requirements = Parser(text).Parse();
  if (!requirements) return requirements.status();
  LabelSelector out;
  out.requirements_ = std::move(*requirements);
  Normalise(out.requirements_);
  return out;
}

Result<LabelSelector> LabelSelector::From(const meta::v1::LabelSelector* selector) {
  LabelSelector out;
  if (selector == nullptr) {
    out.nothing_ = true;
    return out;
  }
  for (const auto& [key, value] : selector->matchLabels) {
    out.requirements_.push_back({key.str(), Op::kIn, {value.str()}});
  }
  for (const auto& expression : selector->matchExpressions) {
    Requirement r;
    r.key = expression.key.str();
    const std::string_view op = expression.operator_;
    if (op == "In") {
      r.op = Op::kIn;
    } else if (op == "NotIn") {
      r.op = Op::kNotIn;
    } else if (op == "Exists") {
      r.op = Op::kExists;
    } else if (op == "DoesNotExist") {
      r.op = Op::kDoesNotExist;
    } else {
      return Status(Code::kBadRequest, fmt::format("{} is not a valid label selector operator", GoQuote(op)));
    }
    for (const Str& value : expression.values) r.values.push_back(value.str());
    out.requirements_.push_back(std::move(r));
  }
  for (const Requirement& r : out.requirements_) {
    if (std::string wrong = Check(r); !wrong.empty()) return Status(Code::kBadRequest, std::move(wrong));
  }
  Normalise(out.requirements_);
  return out;
}

LabelSelector LabelSelector::FromMap(const Map<Str>& labels) {
  LabelSelector out;
  for (const auto& [key, value] : labels) out.requirements_.push_back({key.str(), Op::kIn, {value.str()}});
  return out;
}

bool LabelSelector::Matches(const Map<Str>& labels) const {
  return !nothing_ && std::all_of(requirements_.begin(), requirements_.end(),
                                  [&](const Requirement& r) { return Holds(r, labels); });
}

std::string LabelSelector::ToString() const {
  std::string out;
  for (const Requirement& r : requirements_) {
    if (!out.empty()) out += ',';
    std::string values;
    for (std::size_t i = 0; i < r.values.size(); ++i) values.append(i == 0 ? "" : ",").append(r.values[i]);
    const bool one = r.values.size() == 1;
    switch (r.op) {
      case Op::kExists:
        out += r.key;
        break;
      case Op::kDoesNotExist:
        out.append("!").append(r.key);
        break;
      case Op::kIn:
        out += one ? fmt::format("{}={}", r.key, values) : fmt::format("{} in ({})", r.key, values);
        break;
      case Op::kNotIn:
        out += one ? fmt::format("{}!={}", r.key, values) : fmt::format("{} notin ({})", r.key, values);
        break;
      case Op::kGreater:
        out += fmt::format("{}>{}", r.key, values);
        break;
      case Op::kLess:
        out += fmt::format("{}<{}", r.key, values);
        break;
    }
  }
  return out;
}

namespace {

// The terms between commas that no backslash precedes; backslashes stay.
std::vector<std::string_view> SplitTerms(std::string_view text) {
  std::vector<std::string_view> out;
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == ',') {
      out.push_back(text.substr(start, i - start));
      start = i + 1;
    }
  }
  if (!text.empty()) out.push_back(text.substr(start));
  return out;
}

Result<std::string> Unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',' || text[i] == '=') {
      return Status(Code::kBadRequest,
                    fmt::format("invalid field selector: unescaped character in value: {}", static_cast<int>(text[i])));
    }
    if (text[i] == '\\') {
      // The whole character after the backslash, which may be several bytes of UTF-8, is the escape sequence.
      std::size_t end = i + 1;
      if (end < text.size()) ++end;
      while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
      const std::string_view sequence = text.substr(i, end - i);
      if (sequence != "\\\\" && sequence != "\\," && sequence != "\\=") {
        return Status(Code::kBadRequest, fmt::format("invalid field selector: invalid escape sequence: {}", sequence));
      }
      ++i;
    }
    out += text[i];
  }
  return out;
}

}  // namespace

std::string FieldSelector::Escape(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == ',' || c == '=') out += '\\';
    out += c;
  }
  return out;
}

Result<FieldSelector> FieldSelector::Parse(std::string_view text) {
  FieldSelector out;
  std::vector<std::string_view> terms = SplitTerms(text);
  std::sort(terms.begin(), terms.end());
  for (std::string_view term : terms) {
    if (term.empty()) continue;
    const std::size_t at = std::min(term.find('='), term.find("!="));
    if (at == std::string_view::npos) {
      return Status(Code::kBadRequest, fmt::format("invalid selector: '{}'; can't understand '{}'", text, term));
    }
    const std::string_view rest = term.substr(at);
    const std::size_t length = rest.starts_with("!=") || rest.starts_with("==") ? 2 : 1;
    Result<std::string> value = Unescape(rest.substr(length));
    if (!value) return value.status();
    out.requirements_.push_back({std::string(term.substr(0, at)), rest[0] != '!', std::move(*value)});
  }
  return out;
}

}  // namespace minikube
