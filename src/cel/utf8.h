// Characters of UTF-8 text. Bytes that are no UTF-8 count as a character each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace minikube::cel {

std::size_t CountCharacters(std::string_view text);
// The character that begins at `offset`.
std::string_view CharacterAt(std::string_view text, std::size_t offset);
// Where each character begins, and the end of the text.
std::vector<std::size_t> CharacterOffsets(std::string_view text);
// The code point of a character that CharacterAt gave; U+FFFD if it is none.
std::uint32_t CodePoint(std::string_view character);
void AppendUtf8(std::uint32_t code_point, std::string& out);
bool IsUtf8(std::string_view text);

}  // namespace minikube::cel
