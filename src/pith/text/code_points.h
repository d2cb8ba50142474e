// Code points of UTF-8 text, and text out of bytes that may not be UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pith {

struct CodePoint {
  char32_t value = 0;
  std::size_t bytes = 0;  // its length in UTF-8
};
// The code point at `at` < text.size() of valid UTF-8.
CodePoint code_point_at(std::string_view text, std::size_t at);
void append_utf8(std::string& text, char32_t code_point);

// Invalid sequences become U+FFFD, one for each maximal invalid part (Unicode 15, 3.9; as Rust and
// Python do).
std::string replace_invalid_utf8(std::string_view bytes);
// Bytes at the end that may yet become a character when more follow: 0 to 3.
std::size_t incomplete_utf8_tail(std::string_view bytes);

bool is_numeric(char32_t code_point);  // general category N*

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

}  // namespace pith
