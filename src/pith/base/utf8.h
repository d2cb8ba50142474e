// Checking text from elsewhere.
#pragma once

#include <cstddef>
#include <string_view>

namespace pith {

// The length of the longest valid UTF-8 prefix; text.size() if all is valid. Overlong forms, surrogates and what lies
// beyond U+10FFFF are invalid.
std::size_t valid_utf8_prefix(std::string_view text);

}  // namespace pith
