#include "pith/formats/layouts/ct_packing.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "pith/base/error.h"
#include "pith/base/threads.h"
#include "pith/codec/bit_pack.h"

namespace pith {
namespace {

constexpr std::size_t kWordBytes = 4;
constexpr std::size_t kWordBits = 32;

std::size_t divide_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }
std::size_t width_of(int bits) { return static_cast<std::size_t>(bits); }

// Rows a task, so that a task moves some 64 KiB.
std::size_t grain_of(const CodeShape& shape) {
  constexpr std::size_t kCodes = 1 << 16;
  return std::max<std::size_t>(1, kCodes / std::max<std::size_t>(1, shape.cols));
}

template <class Row>
void each_row(const CodeShape& shape, const Row& row) {
  parallel_for(shape.rows, grain_of(shape), [&](std::size_t first, std::size_t last) {
    std::vector<std::uint8_t> plain(shape.cols);  // codes of a row, a byte each
    for (std::size_t r = first; r < last; ++r) row(r, plain);
  });
}

std::span<const std::byte> row_of(std::span<const std::byte> all,
                                  std::size_t r,
                                  std::size_t bytes) {
  return all.subspan(r * bytes, bytes);
}
std::span<std::byte> row_of(std::span<std::byte> all, std::size_t r, std::size_t bytes) {
  return all.subspan(r * bytes, bytes);
}

std::uint32_t load_word(const std::byte* words, std::size_t index) {
  std::uint32_t word = 0;
  std::memcpy(&word, words + index * kWordBytes, sizeof word);
  return word;
}

// A row of dense words is Pith's row and zeros up to a whole word.
void copy_dense_row(std::span<const std::byte> words,
                    const CodeShape& shape,
                    std::span<std::byte> codes) {
  std::ranges::copy(words.first(codes.size()), codes.begin());
  const std::size_t used = shape.cols * width_of(shape.bits) % 8;
  if (used != 0) codes.back() &= static_cast<std::byte>((1u << used) - 1);
}

void read_gapped_row(std::span<const std::byte> words, int bits, std::span<std::uint8_t> codes) {
  const std::size_t per_word = kWordBits / width_of(bits);
  const std::uint32_t mask = (1u << bits) - 1;
  for (std::size_t first = 0; first < codes.size(); first += per_word) {
    std::uint32_t word = load_word(words.data(), first / per_word);
    const std::size_t last = std::min(codes.size(), first + per_word);
    for (std::size_t c = first; c < last; ++c, word >>= bits)
      codes[c] = static_cast<std::uint8_t>(word & mask);
  }
}

// Where a code lies in a column of words.
struct Place {
  std::size_t word = 0, shift = 0;
};
Place place_of(std::size_t index, int bits, WordPacking packing) {
  const std::size_t width = width_of(bits);
  if (packing == WordPacking::kDense) return {index * width / kWordBits, index * width % kWordBits};
  const std::size_t per_word = kWordBits / width;
  return {index / per_word, index % per_word * width};
}

}  // namespace

std::size_t words_of(std::size_t codes, int bits, WordPacking packing) {
  const std::size_t width = width_of(bits);
  return packing == WordPacking::kDense ? divide_up(codes * width, kWordBits)
                                        : divide_up(codes, kWordBits / width);
}

void codes_from_words(std::span<const std::byte> words,
                      const CodeShape& shape,
                      WordPacking packing,
                      std::span<std::byte> codes) {
  const std::size_t row_bytes = packed_bytes(shape.cols, shape.bits);
  const std::size_t word_bytes = words_of(shape.cols, shape.bits, packing) * kWordBytes;
  PITH_CHECK(words.size() == shape.rows * word_bytes && codes.size() == shape.rows * row_bytes);
  each_row(shape, [&](std::size_t r, std::vector<std::uint8_t>& plain) {
    const auto from = row_of(words, r, word_bytes);
    const auto to = row_of(codes, r, row_bytes);
    if (packing == WordPacking::kDense) return copy_dense_row(from, shape, to);
    read_gapped_row(from, shape.bits, plain);
    pack_bits(plain, shape.bits, to);
  });
}

void words_from_codes(std::span<const std::byte> codes,
                      const CodeShape& shape,
                      std::span<std::byte> words) {
  const std::size_t row_bytes = packed_bytes(shape.cols, shape.bits);
  const std::size_t word_bytes = words_of(shape.cols, shape.bits, WordPacking::kDense) * kWordBytes;
  PITH_CHECK(words.size() == shape.rows * word_bytes && codes.size() == shape.rows * row_bytes);
  each_row(shape, [&](std::size_t r, std::vector<std::uint8_t>&) {
    const auto to = row_of(words, r, word_bytes);
    copy_dense_row(row_of(codes, r, row_bytes), shape, to.first(row_bytes));
    std::ranges::fill(to.subspan(row_bytes), std::byte{0});
  });
}

void codes_from_tall_words(std::span<const std::byte> words,
                           const CodeShape& shape,
                           WordPacking packing,
                           std::span<std::byte> codes) {
  const std::size_t row_bytes = packed_bytes(shape.cols, shape.bits);
  PITH_CHECK(words.size() == words_of(shape.rows, shape.bits, packing) * shape.cols * kWordBytes);
  PITH_CHECK(codes.size() == shape.rows * row_bytes);
  const std::uint32_t mask = (1u << shape.bits) - 1;
  each_row(shape, [&](std::size_t r, std::vector<std::uint8_t>& plain) {
    const Place place = place_of(r, shape.bits, packing);
    const bool straddles = place.shift + width_of(shape.bits) > kWordBits;
    for (std::size_t c = 0; c < shape.cols; ++c) {
      std::uint64_t pair = load_word(words.data(), place.word * shape.cols + c);
      if (straddles)
        pair |= std::uint64_t{load_word(words.data(), (place.word + 1) * shape.cols + c)}
                << kWordBits;
      plain[c] = static_cast<std::uint8_t>(pair >> place.shift & mask);
    }
    pack_bits(plain, shape.bits, row_of(codes, r, row_bytes));
  });
}

void tall_words_from_codes(std::span<const std::byte> codes,
                           const CodeShape& shape,
                           std::span<std::byte> words) {
  const std::size_t row_bytes = packed_bytes(shape.cols, shape.bits);
  PITH_CHECK(codes.size() == shape.rows * row_bytes);
  const std::size_t word_rows = words_of(shape.rows, shape.bits, WordPacking::kDense);
  PITH_CHECK(words.size() == word_rows * shape.cols * kWordBytes);
  std::ranges::fill(words, std::byte{0});
  const auto add = [&](std::size_t word, std::uint32_t value) {
    std::byte* const at = words.data() + word * kWordBytes;
    const std::uint32_t sum = load_word(at, 0) | value;
    std::memcpy(at, &sum, sizeof sum);
  };
  std::vector<std::uint8_t> plain(shape.cols);
  for (std::size_t r = 0; r < shape.rows; ++r) {
    unpack_bits(row_of(codes, r, row_bytes), shape.bits, plain);
    const Place place = place_of(r, shape.bits, WordPacking::kDense);
    for (std::size_t c = 0; c < shape.cols; ++c) {
      const std::uint64_t pair = std::uint64_t{plain[c]} << place.shift;
      add(place.word * shape.cols + c, static_cast<std::uint32_t>(pair));
      if (pair >> kWordBits != 0)
        add((place.word + 1) * shape.cols + c, static_cast<std::uint32_t>(pair >> kWordBits));
    }
  }
}

void codes_from_signed(std::span<const std::byte> bytes,
                       const CodeShape& shape,
                       const std::string& place,
                       std::span<std::byte> codes) {
  const std::size_t row_bytes = packed_bytes(shape.cols, shape.bits);
  PITH_CHECK(bytes.size() == shape.rows * shape.cols && codes.size() == shape.rows * row_bytes);
  const int half = 1 << (shape.bits - 1);
  each_row(shape, [&](std::size_t r, std::vector<std::uint8_t>& plain) {
    const auto from = row_of(bytes, r, shape.cols);
    int outside = 0;
    for (std::size_t c = 0; c < shape.cols; ++c) {
      const int code = static_cast<std::int8_t>(from[c]) + half;
      outside |= code & ~(2 * half - 1);  // also set for negative ones
      plain[c] = static_cast<std::uint8_t>(code);
    }
    if (outside != 0)
      fail<FormatError>(
          "{}: row {}: expected codes from {} to {}, found one beyond", place, r, -half, half - 1);
    pack_bits(plain, shape.bits, row_of(codes, r, row_bytes));
  });
}

void signed_from_codes(std::span<const std::byte> codes,
                       const CodeShape& shape,
                       std::span<std::byte> bytes) {
  const std::size_t row_bytes = packed_bytes(shape.cols, shape.bits);
  PITH_CHECK(bytes.size() == shape.rows * shape.cols && codes.size() == shape.rows * row_bytes);
  const int half = 1 << (shape.bits - 1);
  each_row(shape, [&](std::size_t r, std::vector<std::uint8_t>& plain) {
    unpack_bits(row_of(codes, r, row_bytes), shape.bits, plain);
    const auto to = row_of(bytes, r, shape.cols);
    for (std::size_t c = 0; c < shape.cols; ++c)
      to[c] = static_cast<std::byte>(static_cast<int>(plain[c]) - half);
  });
}

}  // namespace pith
