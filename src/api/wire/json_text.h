// JSON text (RFC 8259) by hand, for the places where a whole library would only get in the way of streaming.
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace minikube::api {

// Appends `text` as a JSON string. Bytes that are not UTF-8 pass as they are.
void AppendJsonString(std::string_view text, std::string& out);

// The same JSON with two spaces of indentation and a final line break. `json` must be well-formed.
std::string IndentJson(std::string_view json);

// Writes one object or array, minding the commas.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  void BeginObject() { Open('{'); }
  void EndObject() { Close('}'); }
  void BeginArray() { Open('['); }
  void EndArray() { Close(']'); }
  void Key(std::string_view name);
  void String(std::string_view value);
  void Int(std::int64_t value);
  void Bool(bool value);
  // A value that is JSON already.
  void Raw(std::string_view json);

  // Key and value in one.
  void Field(std::string_view name, std::string_view value) { Key(name), String(value); }
  void Field(std::string_view name, const char* value) { Key(name), String(value); }
  void Field(std::string_view name, std::int64_t value) { Key(name), Int(value); }
  void Flag(std::string_view name, bool value) { Key(name), Bool(value); }

 private:
  void Separate();
  void Open(char c);
  void Close(char c);
  std::string& out_;
  bool first_ = true;
};

}  // namespace minikube::api
