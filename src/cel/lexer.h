// Tokens of CEL (https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cel/issue.h"

namespace minikube::cel {

enum class Token : std::uint8_t {
  kEnd,
  kIdent,        // also in, true, false, null: the parser knows them
  kQuotedIdent,  // `a-b`
  kInt,
  kUint,
  kDouble,
  kString,
  kBytes,
  kOperator,  // of one or two characters
};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  // Moves to the next token. False at an error, which issue() tells.
  bool Next();
  Token token() const { return token_; }
  // The characters of the token; of strings and bytes the decoded value; of numbers the spelling (without u).
  std::string_view text() const { return value_; }
  std::uint32_t offset() const { return offset_; }
  const Issue& issue() const { return issue_; }

 private:
  bool Fail(std::uint32_t offset, std::string message);
  bool SkipSpaceAndComments();
  bool Number();
  bool Quoted(bool raw, bool bytes);
  bool Escape(bool bytes, std::string& out);
  char Peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  std::string_view text_;
  std::size_t at_ = 0;
  std::uint32_t offset_ = 0;
  Token token_ = Token::kEnd;
  std::string_view value_;
  std::string decoded_;
  Issue issue_;
};

}  // namespace minikube::cel
