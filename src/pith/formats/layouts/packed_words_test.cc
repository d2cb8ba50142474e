#include "pith/formats/layouts/packed_words.h"

#include <gtest/gtest.h>

#include "pith/codec/bit_pack.h"
#include "pith/formats/layouts/layout_test_support.h"

namespace pith {
namespace {

std::vector<std::byte> random_bytes(std::size_t count, std::mt19937& random) {
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

TEST(TurnElements, PutsEachElementInItsPlace) {
  std::mt19937 random(1);
  for (const std::size_t width : {1, 2, 4})
    for (const auto& [rows, cols] :
         {std::pair<std::size_t, std::size_t>{1, 1}, {1, 40}, {17, 16}, {33, 100}, {700, 130}}) {
      SCOPED_TRACE(fmt::format("{} bytes, [{}, {}]", width, rows, cols));
      const std::vector<std::byte> in = random_bytes(rows * cols * width, random);
      std::vector<std::byte> out(in.size());
      turn_elements(in, rows, cols, width, out);
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < cols; ++c)
          for (std::size_t b = 0; b < width; ++b)
            ASSERT_EQ(out[(c * rows + r) * width + b], in[(r * cols + c) * width + b]);
    }
}

TEST(PackRows, EachRowIsAStreamOfItsOwn) {
  std::mt19937 random(2);
  for (int bits = 1; bits <= 8; ++bits)
    for (const std::size_t cols : {1, 7, 33}) {
      const CodeRows shape{5, cols, bits};
      const std::vector<std::uint8_t> codes = random_codes(5 * cols, bits, random);
      std::vector<std::byte> packed(5 * shape.row_bytes());
      pack_rows(shape, codes, packed);
      EXPECT_EQ(unpack_rows(shape, packed), codes);
      std::vector<std::byte> row(shape.row_bytes());
      pack_bits(std::span(codes).subspan(3 * cols, cols), bits, row);
      EXPECT_TRUE(std::ranges::equal(row, std::span(packed).subspan(3 * row.size(), row.size())));
    }
}

TEST(NibbleWords, ValuesLieWhereTheOrderSays) {
  std::mt19937 random(3);
  for (const auto& [rows, cols] :
       {std::pair<std::size_t, std::size_t>{1, 8}, {5, 16}, {8, 8}, {20, 320}, {129, 264}}) {
    SCOPED_TRACE(fmt::format("[{}, {}]", rows, cols));
    const NibbleWords shape{rows, cols, {0, 4, 1, 5, 2, 6, 3, 7}};
    const std::vector<std::byte> words = random_bytes(rows * cols / 2, random);
    std::vector<std::byte> turned(cols * packed_bytes(rows, 4));
    turn_from_nibble_words(shape, words, turned);
    const std::vector<std::uint8_t> codes = unpack_rows({cols, rows, 4}, turned);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < cols; ++c) {
        std::uint32_t word = 0;
        std::memcpy(&word, &words[(r * (cols / 8) + c / 8) * 4], 4);
        ASSERT_EQ(codes[c * rows + r], word >> (4 * shape.nibble_of[c % 8]) & 15);
      }
    std::vector<std::byte> back(words.size());
    turn_to_nibble_words(shape, turned, back);
    EXPECT_EQ(back, words);
  }
}

}  // namespace
}  // namespace pith
