#include "pith/base/utf8.h"

#include <algorithm>

#include "pith/base/error.h"

namespace pith {
namespace {

struct Lead {
  unsigned char first, last;  // range of the first byte
  std::size_t length;         // bytes of the character
  unsigned char second_low, second_high;
};
// Unicode 15, table 3-7.
constexpr Lead kLeads[] = {
    {0x00, 0x7F, 1, 0x80, 0xBF},
    {0xC2, 0xDF, 2, 0x80, 0xBF},
    {0xE0, 0xE0, 3, 0xA0, 0xBF},
    {0xE1, 0xEC, 3, 0x80, 0xBF},
    {0xED, 0xED, 3, 0x80, 0x9F},
    {0xEE, 0xEF, 3, 0x80, 0xBF},
    {0xF0, 0xF0, 4, 0x90, 0xBF},
    {0xF1, 0xF3, 4, 0x80, 0xBF},
    {0xF4, 0xF4, 4, 0x80, 0x8F},
};

// The length of the character that `text` starts with; 0 if it is malformed.
std::size_t character_length(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto* lead = std::find_if(std::begin(kLeads), std::end(kLeads), [&](const Lead& row) {
    return byte(0) >= row.first && byte(0) <= row.last;
  });
  if (lead == std::end(kLeads) || text.size() < lead->length) return 0;
  if (lead->length > 1 && (byte(1) < lead->second_low || byte(1) > lead->second_high)) return 0;
  for (std::size_t i = 2; i < lead->length; ++i)
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  return lead->length;
}

}  // namespace

std::size_t valid_utf8_prefix(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const std::size_t length = character_length(text.substr(at));
    if (length == 0) break;
    at += length;
  }
  return at;
}

TextPosition position_in_text(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto breaks = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return {.line = breaks + 1, .column = before.size() - line_start + 1};
}

void require_utf8(std::string_view text, const std::string& place) {
  const std::size_t bad = valid_utf8_prefix(text);
  if (bad == text.size()) return;
  const TextPosition at = position_in_text(text, bad);
  fail<FormatError>("{}:{}:{}: expected UTF-8 text, found byte 0x{:02x}",
                    place,
                    at.line,
                    at.column,
                    static_cast<unsigned char>(text[bad]));
}

}  // namespace pith
