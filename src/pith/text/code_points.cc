#include "pith/text/code_points.h"

#include <utf8proc.h>

#include <algorithm>

#include "pith/base/utf8.h"

namespace pith {
namespace {

unsigned char byte_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

bool is_continuation(unsigned char byte) { return byte >= 0x80 && byte <= 0xBF; }

// Length that a first byte announces; 0 for a byte that starts nothing.
std::size_t announced_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  return lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
}

// The longest start of `text` that is also the start of some well-formed character; at most that
// character.
std::size_t well_formed_start(std::string_view text) {
  const unsigned char lead = byte_at(text, 0);
  const std::size_t length = announced_length(lead);
  if (length < 2 || text.size() < 2) return length == 0 ? 0 : 1;
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte_at(text, 1) < low || byte_at(text, 1) > high) return 1;
  std::size_t at = 2;
  while (at < length && at < text.size() && is_continuation(byte_at(text, at))) ++at;
  return at;
}

}  // namespace

CodePoint code_point_at(std::string_view text, std::size_t at) {
  const unsigned char lead = byte_at(text, at);
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = announced_length(lead);
  char32_t value = lead & (0x7Fu >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) value = value << 6 | (byte_at(text, at + i) & 0x3Fu);
  return {value, bytes};
}

void append_utf8(std::string& text, char32_t code_point) {
  const auto append = [&text](char32_t byte) { text += static_cast<char>(byte); };
  if (code_point < 0x80) return append(code_point);
  if (code_point < 0x800) {
    append(0xC0 | code_point >> 6);
  } else if (code_point < 0x10000) {
    append(0xE0 | code_point >> 12);
    append(0x80 | (code_point >> 6 & 0x3F));
  } else {
    append(0xF0 | code_point >> 18);
    append(0x80 | (code_point >> 12 & 0x3F));
    append(0x80 | (code_point >> 6 & 0x3F));
  }
  append(0x80 | (code_point & 0x3F));
}

std::string replace_invalid_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (true) {
    const std::size_t valid = valid_utf8_prefix(bytes);
    text += bytes.substr(0, valid);
    bytes.remove_prefix(valid);
    if (bytes.empty()) return text;
    text += kReplacementCharacter;
    bytes.remove_prefix(std::max<std::size_t>(1, well_formed_start(bytes)));
  }
}

std::size_t incomplete_utf8_tail(std::string_view bytes) {
  for (std::size_t tail = 1; tail <= std::min<std::size_t>(3, bytes.size()); ++tail) {
    const std::string_view end = bytes.substr(bytes.size() - tail);
    if (is_continuation(byte_at(end, 0))) continue;
    return well_formed_start(end) == tail && announced_length(byte_at(end, 0)) > tail ? tail : 0;
  }
  return 0;
}

bool is_numeric(char32_t code_point) {
  if (code_point < 0x80) return code_point >= '0' && code_point <= '9';
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
  return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

}  // namespace pith
