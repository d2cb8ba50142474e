#include "pith/formats/layouts/packed_words.h"

#include <algorithm>
#include <cstring>

#include "pith/base/error.h"
#include "pith/base/threads.h"
#include "pith/codec/bit_pack.h"

namespace pith {
namespace {

constexpr std::size_t kTile = 16;  // a cache line of 4-byte elements

// Columns [first, last) of `in`, tile by tile: both sides touch at most kTile lines at a time.
template <std::size_t kBytes>
void turn_columns(const std::byte* in,
                  std::size_t rows,
                  std::size_t cols,
                  std::size_t first,
                  std::size_t last,
                  std::byte* out) {
  for (std::size_t c0 = first; c0 < last; c0 += kTile)
    for (std::size_t r0 = 0; r0 < rows; r0 += kTile) {
      const std::size_t c1 = std::min(last, c0 + kTile), r1 = std::min(rows, r0 + kTile);
      for (std::size_t c = c0; c < c1; ++c)
        for (std::size_t r = r0; r < r1; ++r)
          std::memcpy(out + (c * rows + r) * kBytes, in + (r * cols + c) * kBytes, kBytes);
    }
}

std::size_t grain_of(std::size_t elements_each) {
  constexpr std::size_t kElements = 1 << 16;  // a task's worth
  const std::size_t count = kElements / std::max<std::size_t>(1, elements_each);
  return (std::max<std::size_t>(1, count) + kTile - 1) / kTile * kTile;
}

std::uint32_t load_word(const std::byte* bytes, std::size_t count = 4) {
  std::uint32_t word = 0;
  std::memcpy(&word, bytes, count);
  return word;
}

// Eight words of eight nibbles turned over: nibble `i` of out[r] is nibble nibble_of[r] of in[i].
std::array<std::uint32_t, 8> turn_nibbles(const std::array<std::uint32_t, 8>& in,
                                          const std::array<std::uint8_t, 8>& nibble_of) {
  std::array<std::uint32_t, 8> out{};
  for (std::size_t r = 0; r < 8; ++r)
    for (std::size_t i = 0; i < 8; ++i) out[r] |= (in[i] >> (4 * nibble_of[r]) & 15u) << (4 * i);
  return out;
}

// Its inverse: nibble nibble_of[r] of out[i] is nibble `i` of in[r].
std::array<std::uint32_t, 8> turn_nibbles_back(const std::array<std::uint32_t, 8>& in,
                                               const std::array<std::uint8_t, 8>& nibble_of) {
  std::array<std::uint32_t, 8> out{};
  for (std::size_t i = 0; i < 8; ++i)
    for (std::size_t r = 0; r < 8; ++r) out[i] |= (in[r] >> (4 * i) & 15u) << (4 * nibble_of[r]);
  return out;
}

// Calls body(first row of eight, how many of them there are, their bytes in a turned row,
// word column), in the order that keeps the lines of kTile word columns in the cache.
template <class Body>
void for_nibble_tiles(const NibbleWords& shape, const Body& body) {
  const std::size_t words = shape.cols / 8;
  parallel_for(words, grain_of(shape.rows * 8), [&](std::size_t first, std::size_t last) {
    for (std::size_t c0 = first; c0 < last; c0 += kTile)
      for (std::size_t r = 0; r < shape.rows; r += 8) {
        const std::size_t count = std::min<std::size_t>(8, shape.rows - r);
        for (std::size_t c = c0; c < std::min(last, c0 + kTile); ++c)
          body(r, count, (count + 1) / 2, c);
      }
  });
}

void check_sizes(const NibbleWords& shape, std::size_t words_bytes, std::size_t rows_bytes) {
  PITH_CHECK(shape.cols % 8 == 0);
  PITH_CHECK(words_bytes == shape.rows * shape.cols / 2);
  PITH_CHECK(rows_bytes == shape.cols * packed_bytes(shape.rows, 4));
}

}  // namespace

void turn_elements(std::span<const std::byte> in,
                   std::size_t rows,
                   std::size_t cols,
                   std::size_t element_bytes,
                   std::span<std::byte> out) {
  PITH_CHECK(element_bytes == 1 || element_bytes == 2 || element_bytes == 4);
  PITH_CHECK(in.size() == rows * cols * element_bytes && out.size() == in.size());
  const auto turn = element_bytes == 1   ? turn_columns<1>
                    : element_bytes == 2 ? turn_columns<2>
                                         : turn_columns<4>;
  parallel_for(cols, grain_of(rows), [&](std::size_t first, std::size_t last) {
    turn(in.data(), rows, cols, first, last, out.data());
  });
}

std::size_t CodeRows::row_bytes() const { return packed_bytes(cols, bits); }

std::vector<std::uint8_t> unpack_rows(const CodeRows& shape, std::span<const std::byte> in) {
  const std::size_t row_bytes = shape.row_bytes();
  PITH_CHECK(in.size() == shape.rows * row_bytes);
  std::vector<std::uint8_t> codes(shape.rows * shape.cols);
  parallel_for(shape.rows, grain_of(shape.cols), [&](std::size_t first, std::size_t last) {
    for (std::size_t r = first; r < last; ++r)
      unpack_bits(in.subspan(r * row_bytes, row_bytes),
                  shape.bits,
                  std::span(codes).subspan(r * shape.cols, shape.cols));
  });
  return codes;
}

void pack_rows(const CodeRows& shape,
               std::span<const std::uint8_t> codes,
               std::span<std::byte> out) {
  const std::size_t row_bytes = shape.row_bytes();
  PITH_CHECK(codes.size() == shape.rows * shape.cols && out.size() == shape.rows * row_bytes);
  parallel_for(shape.rows, grain_of(shape.cols), [&](std::size_t first, std::size_t last) {
    for (std::size_t r = first; r < last; ++r)
      pack_bits(codes.subspan(r * shape.cols, shape.cols),
                shape.bits,
                out.subspan(r * row_bytes, row_bytes));
  });
}

void turn_from_nibble_words(const NibbleWords& shape,
                            std::span<const std::byte> words,
                            std::span<std::byte> rows) {
  check_sizes(shape, words.size(), rows.size());
  const std::size_t words_row = shape.cols / 2, codes_row = packed_bytes(shape.rows, 4);
  for_nibble_tiles(shape, [&](std::size_t r, std::size_t count, std::size_t bytes, std::size_t c) {
    std::array<std::uint32_t, 8> in{};
    for (std::size_t i = 0; i < count; ++i)
      in[i] = load_word(words.data() + (r + i) * words_row + 4 * c);
    const std::array<std::uint32_t, 8> out = turn_nibbles(in, shape.nibble_of);
    for (std::size_t k = 0; k < 8; ++k)
      std::memcpy(rows.data() + (8 * c + k) * codes_row + r / 2, &out[k], bytes);
  });
}

void turn_to_nibble_words(const NibbleWords& shape,
                          std::span<const std::byte> rows,
                          std::span<std::byte> words) {
  check_sizes(shape, words.size(), rows.size());
  const std::size_t words_row = shape.cols / 2, codes_row = packed_bytes(shape.rows, 4);
  for_nibble_tiles(shape, [&](std::size_t r, std::size_t count, std::size_t bytes, std::size_t c) {
    std::array<std::uint32_t, 8> in{};
    for (std::size_t k = 0; k < 8; ++k)
      in[k] = load_word(rows.data() + (8 * c + k) * codes_row + r / 2, bytes);
    const std::array<std::uint32_t, 8> out = turn_nibbles_back(in, shape.nibble_of);
    for (std::size_t i = 0; i < count; ++i)
      std::memcpy(words.data() + (r + i) * words_row + 4 * c, &out[i], 4);
  });
}

}  // namespace pith
