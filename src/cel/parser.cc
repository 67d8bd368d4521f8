#include "cel/parser.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <optional>

#include <fmt/format.h>

#include "cel/lexer.h"
#include "cel/macros.h"
#include "cel/utf8.h"

namespace minikube::cel {
namespace {

constexpr std::array<std::string_view, 20> kReservedWords = {
    "as", "break", "const", "continue",  "else", "false",   "for",    "function", "if",  "import",
    "in", "let",   "loop",  "namespace", "null", "package", "return", "true",     "var", "void"};
constexpr std::string_view kWhile = "while";

// Found without recursion, so that whoever walks the tree may recurse.
int HeightOf(const Expr& root) {
  int height = 0;
  std::vector<std::pair<const Expr*, int>> open = {{&root, 1}};
  while (!open.empty()) {
    const auto [expr, depth] = open.back();
    open.pop_back();
    height = std::max(height, depth);
    for (const Expr* arg : expr->args) open.emplace_back(arg, depth + 1);
  }
  return height;
}

class Parser {
 public:
  Parser(std::string_view text, const ParseLimits& limits, Ast& ast, std::vector<Issue>& issues)
      : lexer_(text), limits_(limits), ast_(ast), issues_(issues) {}

  bool Run() {
    if (!Advance()) return false;
    Expr* root = Expression();
    if (root == nullptr) return false;
    if (lexer_.token() != Token::kEnd) return Unexpected("<EOF>") != nullptr;
    if (!issues_.empty()) return false;
    if (HeightOf(*root) > limits_.max_depth) {
      return Fail(0, fmt::format("expression recursion limit exceeded: {}", limits_.max_depth)) != nullptr;
    }
    ast_.root = root;
    return true;
  }

 private:
  // Every function that makes a node returns null after an issue; nothing more is parsed then.
  Expr* Fail(std::uint32_t offset, std::string message) {
    issues_.push_back({offset, std::move(message)});
    return nullptr;
  }
  Expr* Unexpected(std::string_view wanted) {
    const std::string_view got = lexer_.token() == Token::kEnd ? "<EOF>" : lexer_.text();
    return Fail(lexer_.offset(), fmt::format("Syntax error: mismatched input '{}' expecting {}", got, wanted));
  }
  bool Advance() {
    if (lexer_.Next()) return true;
    issues_.push_back(lexer_.issue());
    return false;
  }
  bool At(std::string_view op) const { return lexer_.token() == Token::kOperator && lexer_.text() == op; }
  bool AtWord(std::string_view word) const { return lexer_.token() == Token::kIdent && lexer_.text() == word; }
  bool Expect(std::string_view op) {
    if (At(op)) return Advance();
    Unexpected(fmt::format("'{}'", op));
    return false;
  }

  Expr* Expression();
  Expr* Logical(std::string_view op, Expr::Op kind, Expr* (Parser::*operand)());
  Expr* Or() { return Logical("||", Expr::Op::kOr, &Parser::And); }
  Expr* And() { return Logical("&&", Expr::Op::kAnd, &Parser::Relation); }
  Expr* Relation();
  Expr* Additive();
  Expr* Multiplicative();
  Expr* Unary();
  Expr* Member() { return Suffixes(Primary()); }
  Expr* Suffixes(Expr* expr);
  Expr* Dot(Expr* operand);
  Expr* Index(Expr* operand);
  Expr* Primary();
  Expr* Name();
  Expr* ListLiteral();
  Expr* MapLiteral();
  Expr* StructLiteral(Expr* type);
  Expr* Number(bool negative, std::uint32_t offset);
  std::optional<std::vector<Expr*>> Arguments();
  Expr* Call(std::string_view name, std::uint32_t offset, Expr* target, std::vector<Expr*> args);
  Expr* Binary(std::string_view name, std::uint32_t offset, Expr* a, Expr* b);

  // Bounds the descent. A tree can still be higher than that, if operators to the right hold it: see HeightOf.
  bool Deeper(std::uint32_t offset) {
    if (++depth_ <= limits_.max_depth) return true;
    if (issues_.empty()) Fail(offset, fmt::format("expression recursion limit exceeded: {}", limits_.max_depth));
    return false;
  }

  Lexer lexer_;
  const ParseLimits& limits_;
  Ast& ast_;
  std::vector<Issue>& issues_;
  int depth_ = 0;
};

Expr* Parser::Expression() {
  const std::uint32_t start = lexer_.offset();
  const int before = depth_;
  if (!Deeper(start)) return nullptr;
  Expr* condition = Or();
  if (condition == nullptr) return nullptr;
  depth_ = before;
  if (!At("?")) return condition;
  const std::uint32_t offset = lexer_.offset();
  if (!Deeper(offset) || !Advance()) return nullptr;
  Expr* yes = Or();
  if (yes == nullptr || !Expect(":")) return nullptr;
  Expr* no = Expression();
  if (no == nullptr) return nullptr;
  depth_ = before;
  Expr* expr = ast_.New(Expr::Op::kConditional, offset);
  expr->name = "_?_:_";
  expr->args = {condition, yes, no};
  return expr;
}

Expr* Parser::Logical(std::string_view op, Expr::Op kind, Expr* (Parser::*operand)()) {
  Expr* first = (this->*operand)();
  if (first == nullptr || !At(op)) return first;
  Expr* expr = ast_.New(kind, lexer_.offset());
  expr->name = kind == Expr::Op::kOr ? "_||_" : "_&&_";
  expr->args.push_back(first);
  while (At(op)) {
    if (!Advance()) return nullptr;
    Expr* next = (this->*operand)();
    if (next == nullptr) return nullptr;
    expr->args.push_back(next);
  }
  return expr;
}

Expr* Parser::Binary(std::string_view name, std::uint32_t offset, Expr* a, Expr* b) {
  if (a == nullptr || b == nullptr) return nullptr;
  return Call(name, offset, nullptr, {a, b});
}

Expr* Parser::Relation() {
  constexpr std::array<std::string_view, 6> kRelations = {"==", "!=", "<", "<=", ">", ">="};
  Expr* left = Additive();
  const int before = depth_;
  while (left != nullptr) {
    const bool in = AtWord("in");
    const bool relation = lexer_.token() == Token::kOperator &&
                          std::find(kRelations.begin(), kRelations.end(), lexer_.text()) != kRelations.end();
    if (!in && !relation) break;
    const std::string name = in ? "@in" : fmt::format("_{}_", lexer_.text());
    const std::uint32_t offset = lexer_.offset();
    if (!Deeper(offset) || !Advance()) return nullptr;
    left = Binary(name, offset, left, Additive());
  }
  depth_ = before;
  return left;
}

Expr* Parser::Additive() {
  Expr* left = Multiplicative();
  const int before = depth_;
  while (left != nullptr && (At("+") || At("-"))) {
    const std::string name = fmt::format("_{}_", lexer_.text());
    const std::uint32_t offset = lexer_.offset();
    if (!Deeper(offset) || !Advance()) return nullptr;
    left = Binary(name, offset, left, Multiplicative());
  }
  depth_ = before;
  return left;
}

Expr* Parser::Multiplicative() {
  Expr* left = Unary();
  const int before = depth_;
  while (left != nullptr && (At("*") || At("/") || At("%"))) {
    const std::string name = fmt::format("_{}_", lexer_.text());
    const std::uint32_t offset = lexer_.offset();
    if (!Deeper(offset) || !Advance()) return nullptr;
    left = Binary(name, offset, left, Unary());
  }
  depth_ = before;
  return left;
}

// Of several ! or - in a row two and two cancel out.
Expr* Parser::Unary() {
  const bool negation = At("!");
  if (!negation && !At("-")) return Member();
  const std::string op(lexer_.text());
  const std::uint32_t offset = lexer_.offset();
  bool odd = false;
  while (At(op)) {
    odd = !odd;
    if (!Advance()) return nullptr;
  }
  const bool number = lexer_.token() == Token::kInt || lexer_.token() == Token::kDouble;
  if (!negation && odd && number) {
    Expr* literal = Number(true, offset);
    return Suffixes(literal);
  }
  Expr* operand = Member();
  if (operand == nullptr || !odd) return operand;
  return Call(negation ? "!_" : "-_", offset, nullptr, {operand});
}

Expr* Parser::Suffixes(Expr* expr) {
  const int before = depth_;
  while (expr != nullptr) {
    if (At(".")) {
      if (!Deeper(lexer_.offset())) return nullptr;
      expr = Dot(expr);
    } else if (At("[") || At("[?")) {
      if (!Deeper(lexer_.offset())) return nullptr;
      expr = Index(expr);
    } else {
      break;
    }
  }
  depth_ = before;
  return expr;
}

Expr* Parser::Dot(Expr* operand) {
  const std::uint32_t dot = lexer_.offset();
  if (!Advance()) return nullptr;
  const bool optional = At("?");
  if (optional && !Advance()) return nullptr;
  const bool quoted = lexer_.token() == Token::kQuotedIdent;
  if (lexer_.token() != Token::kIdent && !quoted) return Unexpected("IDENTIFIER");
  const Str name(lexer_.text());
  const std::uint32_t offset = lexer_.offset();
  if (!quoted && (name == "in" || name == "true" || name == "false" || name == "null")) {
    return Unexpected("IDENTIFIER");
  }
  if (!Advance()) return nullptr;
  if (At("(") && !optional && !quoted) {
    const std::uint32_t open = lexer_.offset();
    auto args = Arguments();
    if (!args) return nullptr;
    args->insert(args->begin(), operand);
    return Call(name, open, operand, std::move(*args));
  }
  if ((At("{") || At("{?")) && !optional && !quoted) {
    Expr* type = ast_.New(Expr::Op::kSelect, dot);
    type->name = name;
    type->args = {operand};
    // A name and a brace: the literal of a message.
    const Expr* base = operand;
    while (base->op == Expr::Op::kSelect && !base->optional) base = base->args[0];
    if (base->op == Expr::Op::kIdent) return StructLiteral(type);
    return Unexpected("<EOF>");
  }
  Expr* expr = ast_.New(Expr::Op::kSelect, optional ? offset : dot);
  expr->name = name;
  expr->optional = optional;
  expr->args = {operand};
  return expr;
}

Expr* Parser::Index(Expr* operand) {
  const bool optional = At("[?");
  const std::uint32_t offset = lexer_.offset();
  if (!Advance()) return nullptr;
  Expr* index = Expression();
  if (index == nullptr || !Expect("]")) return nullptr;
  return Call(optional ? "_[?_]" : "_[_]", offset, nullptr, {operand, index});
}

std::optional<std::vector<Expr*>> Parser::Arguments() {
  std::vector<Expr*> args;
  if (!Expect("(")) return std::nullopt;
  while (!At(")")) {
    if (!args.empty() && !Expect(",")) return std::nullopt;
    Expr* arg = Expression();
    if (arg == nullptr) return std::nullopt;
    args.push_back(arg);
  }
  if (!Expect(")")) return std::nullopt;
  return args;
}

Expr* Parser::Call(std::string_view name, std::uint32_t offset, Expr* target, std::vector<Expr*> args) {
  if (IsMacro(name, target, args.size() - (target != nullptr ? 1 : 0))) {
    Issue issue;
    Expr* expanded = ExpandMacro(ast_, name, offset, target, args, &issue);
    return expanded != nullptr ? expanded : Fail(issue.offset, std::move(issue.message));
  }
  Expr* expr = ast_.New(Expr::Op::kCall, offset);
  expr->name = name;
  expr->member = target != nullptr;
  expr->args = std::move(args);
  return expr;
}

Expr* Parser::Primary() {
  const std::uint32_t offset = lexer_.offset();
  switch (lexer_.token()) {
    case Token::kInt:
    case Token::kUint:
    case Token::kDouble:
      return Number(false, offset);
    case Token::kString:
    case Token::kBytes: {
      Expr* expr = ast_.New(Expr::Op::kConst, offset);
      expr->value = lexer_.token() == Token::kString ? Value::String(lexer_.text()) : Value::Bytes(lexer_.text());
      return Advance() ? expr : nullptr;
    }
    case Token::kIdent:
      return Name();
    case Token::kOperator:
      break;
    case Token::kQuotedIdent:
    case Token::kEnd:
      return Unexpected("expression");
  }
  if (At(".")) return Name();
  if (At("[") || At("[?")) return ListLiteral();
  if (At("{") || At("{?")) return MapLiteral();
  if (!At("(")) return Unexpected("expression");
  if (!Advance()) return nullptr;
  Expr* expr = Expression();
  return expr != nullptr && Expect(")") ? expr : nullptr;
}

Expr* Parser::Name() {
  const std::uint32_t offset = lexer_.offset();
  // .name: of the root, whatever a comprehension calls its variables.
  const bool rooted = At(".");
  if (rooted && !Advance()) return nullptr;
  if (lexer_.token() != Token::kIdent) return Unexpected("IDENTIFIER");
  const std::string word(lexer_.text());
  if (!Advance()) return nullptr;
  if (!rooted && (word == "true" || word == "false" || word == "null")) {
    Expr* expr = ast_.New(Expr::Op::kConst, offset);
    if (word != "null") expr->value = Value::Bool(word == "true");
    return expr;
  }
  if (IsReserved(word)) return Fail(offset, fmt::format("reserved identifier: {}", word));
  if (At("(")) {
    const std::uint32_t open = lexer_.offset();
    auto args = Arguments();
    if (!args) return nullptr;
    return Call(word, open, nullptr, std::move(*args));
  }
  Expr* expr = ast_.New(Expr::Op::kIdent, offset);
  expr->name = rooted ? "." + word : word;
  return At("{") || At("{?") ? StructLiteral(expr) : expr;
}

Expr* Parser::ListLiteral() {
  Expr* expr = ast_.New(Expr::Op::kList, lexer_.offset());
  bool optional = At("[?");
  if (!Advance()) return nullptr;
  while (!At("]")) {
    if (!optional && At("?")) {
      optional = true;
      if (!Advance()) return nullptr;
    }
    Expr* item = Expression();
    if (item == nullptr) return nullptr;
    if (optional) expr->optionals.resize(expr->args.size() + 1);
    if (!expr->optionals.empty()) {
      expr->optionals.resize(expr->args.size() + 1);
      expr->optionals.back() = optional;
    }
    expr->args.push_back(item);
    optional = false;
    if (At("]")) break;
    if (!Expect(",")) return nullptr;
  }
  return Expect("]") ? expr : nullptr;
}

Expr* Parser::MapLiteral() {
  Expr* expr = ast_.New(Expr::Op::kMap, lexer_.offset());
  bool optional = At("{?");
  if (!Advance()) return nullptr;
  while (!At("}")) {
    if (!optional && At("?")) {
      optional = true;
      if (!Advance()) return nullptr;
    }
    Expr* key = Expression();
    if (key == nullptr || !Expect(":")) return nullptr;
    Expr* value = Expression();
    if (value == nullptr) return nullptr;
    if (optional || !expr->optionals.empty()) {
      expr->optionals.resize(expr->args.size() / 2 + 1);
      expr->optionals.back() = optional;
    }
    expr->args.push_back(key);
    expr->args.push_back(value);
    optional = false;
    if (At("}")) break;
    if (!Expect(",")) return nullptr;
  }
  return Expect("}") ? expr : nullptr;
}

Expr* Parser::StructLiteral(Expr* type) {
  Expr* expr = ast_.New(Expr::Op::kStruct, lexer_.offset());
  std::string name;
  for (const Expr* part = type; part != nullptr; part = part->op == Expr::Op::kSelect ? part->args[0] : nullptr) {
    name = name.empty() ? part->name.str() : part->name.str() + "." + name;
  }
  expr->name = name;
  bool optional = At("{?");
  if (!Advance()) return nullptr;
  while (!At("}")) {
    if (!optional && At("?")) {
      optional = true;
      if (!Advance()) return nullptr;
    }
    if (lexer_.token() != Token::kIdent && lexer_.token() != Token::kQuotedIdent) return Unexpected("IDENTIFIER");
    expr->fields.emplace_back(lexer_.text());
    if (!Advance() || !Expect(":")) return nullptr;
    Expr* value = Expression();
    if (value == nullptr) return nullptr;
    if (optional || !expr->optionals.empty()) {
      expr->optionals.resize(expr->args.size() + 1);
      expr->optionals.back() = optional;
    }
    expr->args.push_back(value);
    optional = false;
    if (At("}")) break;
    if (!Expect(",")) return nullptr;
  }
  return Expect("}") ? expr : nullptr;
}

Expr* Parser::Number(bool negative, std::uint32_t offset) {
  const Token token = lexer_.token();
  std::string text(negative ? "-" : "");
  text += lexer_.text();
  Expr* expr = ast_.New(Expr::Op::kConst, offset);
  if (token == Token::kDouble) {
    expr->value = Value::Double(std::strtod(text.c_str(), nullptr));
    return Advance() ? expr : nullptr;
  }
  const std::size_t sign = negative ? 1 : 0;
  const bool hex = text.size() > sign + 2 && (text[sign + 1] | 0x20) == 'x';
  if (hex) text.erase(sign, 2);
  const char* end = text.data() + text.size();
  std::from_chars_result read{};
  if (token == Token::kUint) {
    std::uint64_t value = 0;
    read = std::from_chars(text.data(), end, value, hex ? 16 : 10);
    expr->value = Value::Uint(value);
  } else {
    std::int64_t value = 0;
    read = std::from_chars(text.data(), end, value, hex ? 16 : 10);
    expr->value = Value::Int(value);
  }
  if (read.ec != std::errc() || read.ptr != end) {
    return Fail(offset, token == Token::kUint ? "invalid uint literal" : "invalid int literal");
  }
  return Advance() ? expr : nullptr;
}

}  // namespace

bool IsReserved(std::string_view name) {
  return name == kWhile || std::find(kReservedWords.begin(), kReservedWords.end(), name) != kReservedWords.end();
}

bool Parse(std::string_view text, const ParseLimits& limits, Ast& ast, std::vector<Issue>& issues) {
  if (!IsUtf8(text)) {
    issues.push_back({0, "the expression is not UTF-8"});
    return false;
  }
  const std::size_t length = CountCharacters(text);
  if (length > limits.max_length) {
    issues.push_back(
        {0, fmt::format("expression code point size exceeds limit: size: {}, limit {}", length, limits.max_length)});
    return false;
  }
  return Parser(text, limits, ast, issues).Run();
}

}  // namespace minikube::cel
