#include "pith/codec/bit_pack.h"

#include "pith/codec/test_support.h"

namespace pith {
namespace {

using ::testing::ElementsAre;

TEST(PackBits, PutsTheFirstCodeInTheLowestBits) {
  const std::vector<std::uint8_t> codes = {1, 2, 15, 8, 7};
  std::vector<std::byte> packed(packed_bytes(5, 4));
  pack_bits(codes, 4, packed);
  EXPECT_THAT(packed, ElementsAre(std::byte{0x21}, std::byte{0x8f}, std::byte{0x07}));
}

TEST(PackBits, CrossesBytes) {
  const std::vector<std::uint8_t> codes = {5, 6, 7, 1};  // 101 011 111 100 from the lowest bit on
  std::vector<std::byte> packed(packed_bytes(4, 3));
  pack_bits(codes, 3, packed);
  EXPECT_THAT(packed, ElementsAre(std::byte{0xf5}, std::byte{0x03}));
}

TEST(PackBits, UnpackingGivesTheCodesBack) {
  for (int bits = 1; bits <= 8; ++bits) {
    for (std::size_t count : {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 63, 64, 65, 127, 1000, 1001}) {
      SCOPED_TRACE(fmt::format("bits={} count={}", bits, count));
      const Random random(static_cast<std::uint64_t>(bits), count);
      std::vector<std::uint8_t> codes(count), back(count);
      for (std::size_t i = 0; i < count; ++i)
        codes[i] = static_cast<std::uint8_t>(random.below(i, 1u << bits));
      std::vector<std::byte> packed((count * static_cast<std::size_t>(bits) + 7) / 8);
      ASSERT_EQ(packed_bytes(count, bits), packed.size());
      pack_bits(codes, bits, packed);
      unpack_bits(packed, bits, back);
      EXPECT_EQ(back, codes);
      for (std::size_t bit = count * static_cast<std::size_t>(bits); bit < packed.size() * 8; ++bit)
        EXPECT_EQ(std::to_integer<int>(packed[bit / 8]) >> (bit % 8) & 1, 0)
            << "unused bit " << bit;
    }
  }
}

TEST(PackBits, RefusesABufferOfTheWrongSize) {
  const std::vector<std::uint8_t> codes(3);
  std::vector<std::byte> packed(3);
  EXPECT_THROW(pack_bits(codes, 4, packed), InternalError);
  EXPECT_THROW(pack_bits(codes, 9, packed), InternalError);
}

}  // namespace
}  // namespace pith
