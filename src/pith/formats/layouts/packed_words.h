// Codes and scales as other programs lay them out: turned against PackedMatrix's rows, in words of
// 32 bits. All work in tiles, on all threads, and hold nothing but the result.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace pith {

// An array [rows, cols] of elements of 1, 2 or 4 bytes turned over: out [cols, rows]. The words of
// 32-bit streams along the columns, [out, in * bits / 32], become GPTQ's [in * bits / 32, out] and
// back, for any `bits`.
void turn_elements(std::span<const std::byte> in,
                   std::size_t rows,
                   std::size_t cols,
                   std::size_t element_bytes,
                   std::span<std::byte> out);

// Rows of codes, each a little-endian bit stream (codec/bit_pack.h).
struct CodeRows {
  std::size_t rows = 0, cols = 0;
  int bits = 8;                   // 1 to 8
  std::size_t row_bytes() const;  // ceil(cols * bits / 8), the distance between two rows
};
// One byte a code, [rows, cols]. Pre: in.size() == rows * row_bytes().
std::vector<std::uint8_t> unpack_rows(const CodeRows& shape, std::span<const std::byte> in);
// Unused bits at the end of a row become 0. Pre: each code < 2^bits.
void pack_rows(const CodeRows& shape,
               std::span<const std::uint8_t> codes,
               std::span<std::byte> out);

// 4-bit codes of a [rows, cols] array: each row cols / 8 words, value 8c + r of a row in bits
// 4 * nibble_of[r] of word c.
struct NibbleWords {
  std::size_t rows = 0, cols = 0;  // cols % 8 == 0
  std::array<std::uint8_t, 8> nibble_of{};
};
// To [cols, rows] codes as rows of PackedMatrix lie, ceil(rows / 2) bytes each, and back.
void turn_from_nibble_words(const NibbleWords& shape,
                            std::span<const std::byte> words,
                            std::span<std::byte> rows);
void turn_to_nibble_words(const NibbleWords& shape,
                          std::span<const std::byte> rows,
                          std::span<std::byte> words);

}  // namespace pith
