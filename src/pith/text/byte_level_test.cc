#include "pith/text/byte_level.h"

#include <gtest/gtest.h>

#include <set>

namespace pith {
namespace {

TEST(ByteLevel, MapIsOneToOne) {
  std::set<char32_t> seen;
  for (int byte = 0; byte < 256; ++byte) {
    const char32_t character = byte_to_character(static_cast<unsigned char>(byte));
    EXPECT_TRUE(seen.insert(character).second) << byte;
    EXPECT_EQ(character_to_byte(character), byte);
  }
  EXPECT_EQ(byte_to_character(' '), U'Ġ');
  EXPECT_EQ(byte_to_character('\n'), U'Ċ');
  EXPECT_EQ(byte_to_character('\t'), U'ĉ');
  EXPECT_EQ(byte_to_character('\r'), U'č');
  EXPECT_EQ(byte_to_character(0x7F), char32_t{0x121});
  EXPECT_EQ(byte_to_character(0xAD), char32_t{0x143});
}

TEST(ByteLevel, StringsRoundTrip) {
  EXPECT_EQ(bytes_to_characters(" é"), "ĠÃ©");
  EXPECT_EQ(characters_to_bytes("ĠÃ©"), " é");
  EXPECT_EQ(characters_to_bytes(""), "");
  EXPECT_EQ(characters_to_bytes("a b"), std::nullopt);  // a space stands for no byte
  EXPECT_EQ(characters_to_bytes("日"), std::nullopt);
  EXPECT_EQ(character_to_byte(0x144), std::nullopt);
}

}  // namespace
}  // namespace pith
