#include "pith/text/byte_level.h"

#include <array>

#include "pith/text/code_points.h"

namespace pith {
namespace {

constexpr std::size_t kNumMoved = 68;  // bytes that do not stand for themselves

struct ByteMap {
  std::array<char32_t, 256> character{};
  std::array<unsigned char, kNumMoved> moved{};  // the byte of U+0100 + i
};

constexpr ByteMap make_byte_map() {
  ByteMap map;
  std::size_t moved = 0;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const bool stays =
        (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);
    if (!stays) map.moved[moved] = static_cast<unsigned char>(byte);
    map.character[byte] = static_cast<char32_t>(stays ? byte : 0x100 + moved++);
  }
  return map;
}
constexpr ByteMap kByteMap = make_byte_map();
static_assert(kByteMap.character[' '] == 0x120 && kByteMap.character['\n'] == 0x10A &&
              kByteMap.character[0xAD] == 0x143);

}  // namespace

char32_t byte_to_character(unsigned char byte) { return kByteMap.character[byte]; }

std::optional<unsigned char> character_to_byte(char32_t character) {
  if (character >= 0x100)
    return character < 0x100 + kNumMoved ? std::optional(kByteMap.moved[character - 0x100])
                                         : std::nullopt;
  if (kByteMap.character[character] != character) return std::nullopt;
  return static_cast<unsigned char>(character);
}

std::string bytes_to_characters(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char byte : bytes)
    append_utf8(text, byte_to_character(static_cast<unsigned char>(byte)));
  return text;
}

std::optional<std::string> characters_to_bytes(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    const auto byte = character_to_byte(point.value);
    if (!byte) return std::nullopt;
    bytes += static_cast<char>(*byte);
    at += point.bytes;
  }
  return bytes;
}

}  // namespace pith
