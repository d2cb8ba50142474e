#include "pith/formats/layouts/ct_packing.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "pith/base/random.h"
#include "pith/codec/bit_pack.h"
#include "pith/formats/test_files.h"

namespace pith {
namespace {

using Bytes = std::vector<std::byte>;

Bytes packed(const std::vector<std::uint8_t>& plain, const CodeShape& shape) {
  const std::size_t row = packed_bytes(shape.cols, shape.bits);
  Bytes codes(shape.rows * row);
  for (std::size_t r = 0; r < shape.rows; ++r)
    pack_bits(std::span(plain).subspan(r * shape.cols, shape.cols),
              shape.bits,
              std::span(codes).subspan(r * row, row));
  return codes;
}

std::vector<std::uint8_t> offset_codes(const std::vector<int>& values, int bits) {
  std::vector<std::uint8_t> codes;
  for (const int value : values)
    codes.push_back(static_cast<std::uint8_t>(value + (1 << (bits - 1))));
  return codes;
}

Bytes bytes_of_words(const std::vector<std::uint32_t>& words) {
  const auto bytes = std::as_bytes(std::span(words));
  return {bytes.begin(), bytes.end()};
}

std::vector<std::uint8_t> some_codes(const CodeShape& shape) {
  std::vector<std::uint8_t> plain(shape.rows * shape.cols);
  std::uint32_t state = 7;
  for (std::uint8_t& code : plain) {
    state = state * 1664525u + 1013904223u;
    code = static_cast<std::uint8_t>(state >> 24 & ((1u << shape.bits) - 1));
  }
  return plain;
}

constexpr CodeShape kShapes[] = {{1, 1}, {3, 5}, {33, 64}, {7, 31}, {40, 11}, {2, 200}};

// Calls body for the shapes at every width.
template <class Body>
void each_shape(const Body& body) {
  for (CodeShape shape : kShapes)
    for (shape.bits = 1; shape.bits <= 8; ++shape.bits) {
      SCOPED_TRACE(fmt::format("[{}, {}] at {} bits", shape.rows, shape.cols, shape.bits));
      body(shape);
    }
}

// formats.md 5.3.
TEST(CtWords, WorkedExamples) {
  const CodeShape four{1, 8, 4};
  const Bytes codes = packed(offset_codes({-8, -1, 0, 1, 7, 2, -3, 5}, 4), four);
  Bytes words(4);
  words_from_codes(codes, four, words);
  EXPECT_EQ(words, bytes_of_words({0xd5af9870}));

  std::vector<int> values;
  for (int i = 0; i < 32; ++i) values.push_back(i % 8 - 4);
  const CodeShape three{1, 32, 3};
  const Bytes expected = packed(offset_codes(values, 3), three);
  Bytes found(expected.size());
  codes_from_words(bytes_of_words({0x08fac688, 0x1a23eb1a, 0x2c688fac, 0x0000003e}),
                   three,
                   WordPacking::kGapped,
                   found);
  EXPECT_EQ(found, expected);
  codes_from_words(
      bytes_of_words({0x88fac688, 0xc688fac6, 0xfac688fa}), three, WordPacking::kDense, found);
  EXPECT_EQ(found, expected);
}

TEST(CtWords, WidthsOfRows) {
  EXPECT_EQ(words_of(32, 3, WordPacking::kGapped), 4u);
  EXPECT_EQ(words_of(32, 3, WordPacking::kDense), 3u);
  EXPECT_EQ(words_of(9, 4, WordPacking::kGapped), 2u);
  EXPECT_EQ(words_of(9, 4, WordPacking::kDense), 2u);
}

TEST(CtWords, RoundTrip) {
  each_shape([](const CodeShape& shape) {
    const Bytes codes = packed(some_codes(shape), shape);
    Bytes words(shape.rows * words_of(shape.cols, shape.bits, WordPacking::kDense) * 4);
    words_from_codes(codes, shape, words);
    Bytes back(codes.size());
    codes_from_words(words, shape, WordPacking::kDense, back);
    EXPECT_EQ(back, codes);
  });
}

// What belongs to no code is not taken over, whatever a file holds there.
TEST(CtWords, UnusedBitsAreIgnored) {
  const CodeShape shape{2, 5, 3};
  const Bytes ones(2 * 4, std::byte{0xff});
  for (const WordPacking packing : {WordPacking::kDense, WordPacking::kGapped}) {
    Bytes codes(2 * 2);
    codes_from_words(ones, shape, packing, codes);
    EXPECT_EQ(codes, packed(std::vector<std::uint8_t>(10, 7), shape));
  }
}

TEST(CtWords, GappedRowsHoldWholeCodes) {
  each_shape([](const CodeShape& shape) {
    const std::size_t per_word = 32 / static_cast<std::size_t>(shape.bits);
    const std::size_t width = words_of(shape.cols, shape.bits, WordPacking::kGapped);
    const std::vector<std::uint8_t> plain = some_codes(shape);
    std::vector<std::uint32_t> words(shape.rows * width);
    for (std::size_t i = 0; i < plain.size(); ++i) {
      const std::size_t r = i / shape.cols, c = i % shape.cols;
      words[r * width + c / per_word] |= std::uint32_t{plain[i]}
                                         << c % per_word * static_cast<std::size_t>(shape.bits);
    }
    const Bytes expected = packed(plain, shape);
    Bytes codes(expected.size());
    codes_from_words(bytes_of_words(words), shape, WordPacking::kGapped, codes);
    EXPECT_EQ(codes, expected);
  });
}

// Packing along the rows is packing the transpose along its columns.
TEST(CtTallWords, AreWordsOfTheTranspose) {
  each_shape([](const CodeShape& shape) {
    const std::vector<std::uint8_t> plain = some_codes(shape);
    const CodeShape turned{shape.cols, shape.rows, shape.bits};
    std::vector<std::uint8_t> turned_plain(plain.size());
    for (std::size_t r = 0; r < shape.rows; ++r)
      for (std::size_t c = 0; c < shape.cols; ++c)
        turned_plain[c * shape.rows + r] = plain[r * shape.cols + c];
    const std::size_t width = words_of(shape.rows, shape.bits, WordPacking::kDense);
    Bytes wide(shape.cols * width * 4), tall(wide.size());
    words_from_codes(packed(turned_plain, turned), turned, wide);
    const Bytes codes = packed(plain, shape);
    tall_words_from_codes(codes, shape, tall);
    for (std::size_t c = 0; c < shape.cols; ++c)
      for (std::size_t w = 0; w < width; ++w)
        for (std::size_t b = 0; b < 4; ++b)
          ASSERT_EQ(tall[(w * shape.cols + c) * 4 + b], wide[(c * width + w) * 4 + b]);
    Bytes back(codes.size());
    codes_from_tall_words(tall, shape, WordPacking::kDense, back);
    EXPECT_EQ(back, codes);
  });
}

TEST(CtTallWords, GappedOnesRead) {
  const CodeShape shape{11, 1, 3};
  const std::vector<std::uint8_t> plain = {0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 6};
  std::uint32_t first = 0;
  for (std::size_t r = 0; r < 10; ++r) first |= std::uint32_t{plain[r]} << 3 * r;
  Bytes codes(11);
  codes_from_tall_words(bytes_of_words({first, 6}), shape, WordPacking::kGapped, codes);
  EXPECT_EQ(codes, packed(plain, shape));
}

TEST(CtSigned, RoundTrip) {
  each_shape([](const CodeShape& shape) {
    const Bytes codes = packed(some_codes(shape), shape);
    Bytes bytes(shape.rows * shape.cols), back(codes.size());
    signed_from_codes(codes, shape, bytes);
    codes_from_signed(bytes, shape, "t", back);
    EXPECT_EQ(back, codes);
  });
}

TEST(CtSigned, CodesBeyondTheWidthAreRefused) {
  for (const int value : {-9, 8, -128, 127}) {
    Bytes bytes(6);
    bytes[4] = static_cast<std::byte>(value);
    Bytes codes(4);
    EXPECT_EQ(error_of<FormatError>([&] {
                codes_from_signed(bytes, {2, 3, 4}, "t", codes);
              }),
              "t: row 1: expected codes from -8 to 7, found one beyond");
  }
}

}  // namespace
}  // namespace pith
