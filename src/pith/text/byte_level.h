// The bytes-to-characters map of GPT-2's byte-level BPE. Source: formats.md 3.4.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pith {

char32_t byte_to_character(unsigned char byte);
std::optional<unsigned char> character_to_byte(char32_t character);
std::string bytes_to_characters(std::string_view bytes);
// nullopt if a character of `text` (valid UTF-8) stands for no byte.
std::optional<std::string> characters_to_bytes(std::string_view text);

}  // namespace pith
