// Checking text from elsewhere.
#pragma once

#include <compare>
#include <cstddef>
#include <string>
#include <string_view>

namespace pith {

// The length of the longest valid UTF-8 prefix; text.size() if all is valid. Overlong forms,
// surrogates and what lies beyond U+10FFFF are invalid.
std::size_t valid_utf8_prefix(std::string_view text);

// As editors count: both from 1, columns in bytes.
struct TextPosition {
  std::size_t line = 1, column = 1;
  auto operator<=>(const TextPosition&) const = default;
};
TextPosition position_in_text(std::string_view text,
                              std::size_t offset);  // offsets beyond the end mean the end

// Throws FormatError with line and column of the first byte that is no UTF-8.
void require_utf8(std::string_view text, const std::string& place);

}  // namespace pith
