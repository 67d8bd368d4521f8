// A strict pull parser for JSON (RFC 8259) that never looks outside its input.
//
// The decoder walks the text once and writes straight into the struct, so there is no tree in between, numbers keep
// their spelling (an arbitrarily large one inside a RawJson is none of our business), and the first error stops
// everything: after it every call returns false and Peek() kNone. Thread safety: none; one reader, one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace minikube::model {

class JsonReader {
 public:
  enum class Token : std::uint8_t { kNone, kObject, kArray, kString, kNumber, kBool, kNull };

  // Checks that `text` is UTF-8; it must outlive the reader. Containers nest at most `max_depth` deep.
  JsonReader(std::string_view text, int max_depth);

  // What comes next, without consuming it.
  Token Peek();

  // Each consumes one value of that kind. Strings: the view is of the input or of a buffer of the reader, and valid
  // until the next string is read.
  bool ReadString(std::string_view* out);
  // The number as spelled, checked against the grammar.
  bool ReadNumber(std::string_view* text);
  bool ReadBool(bool* value);
  bool ReadNull();
  // Any value; `*text` (may be null) is how it is spelled.
  bool Skip(std::string_view* text = nullptr);

  // for (r.BeginObject(); r.NextKey(&key);) { consume one value }. False at the closing brace, which is consumed, and
  // on errors. The same for arrays.
  bool BeginObject();
  bool NextKey(std::string_view* key);
  bool BeginArray();
  bool NextElement();

  // Nothing but white space may follow.
  bool End();

  bool ok() const { return !failed_; }
  // In the words of Go's encoding/json: "invalid character '1' after object key:value pair", "unexpected end of JSON
  // input"; "" while ok.
  const std::string& error() const { return error_; }
  // A new reader state over the same text.
  void Rewind();

 private:
  // The next character is wrong `where`, or there is none.
  bool Fail(std::string_view where);
  bool FailWith(std::string_view error);
  void SkipSpace() {
    while (p_ != end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\r' || *p_ == '\t')) ++p_;
  }
  bool Begin(char open);
  bool Unescape(const char* from, std::string_view* out);
  bool ReadHex4(std::uint32_t* value);
  bool ReadLiteral(std::string_view word);

  const char* begin_;
  const char* p_;
  const char* end_;
  int depth_left_;
  int max_depth_;
  bool first_ = false;  // the container just entered has had no element yet
  bool failed_ = false;
  std::string error_;
  std::string buffer_;
};

// What Go's encoding/json calls a value of that kind: "object", "bool".
std::string_view GoTokenName(JsonReader::Token token);

// Copies valid JSON without the white space between its tokens.
void AppendCompactJson(std::string_view json, std::string& out);

}  // namespace minikube::model
