// The blocks of GGUF files, byte for byte. Scales and minima are f16. Source: formats.md 4.5.
// Internal to codec.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pith {

constexpr std::size_t kGgmlBlock = 32;        // elements of a plain block, and of a sub-block
constexpr std::size_t kGgmlSuperBlock = 256;  // of Q2_K to Q6_K and IQ4_XS

// Nibbles of 32 elements: 0 to 15 low, 16 to 31 high. Bit i of a little-endian high_bits belongs to
// element i.
struct BlockQ40 {
  std::uint16_t scale;
  std::uint8_t nibbles[16];
};
struct BlockQ41 {
  std::uint16_t scale;
  std::uint16_t minimum;
  std::uint8_t nibbles[16];
};
struct BlockQ50 {
  std::uint16_t scale;
  std::uint8_t high_bits[4];
  std::uint8_t nibbles[16];
};
struct BlockQ51 {
  std::uint16_t scale;
  std::uint16_t minimum;
  std::uint8_t high_bits[4];
  std::uint8_t nibbles[16];
};
struct BlockQ80 {
  std::uint16_t scale;
  std::int8_t codes[32];
};
struct BlockIq4Nl {
  std::uint16_t scale;
  std::uint8_t nibbles[16];  // indices into kIq4Levels
};
struct BlockMxfp4 {
  std::uint8_t exponent;
  std::uint8_t nibbles[16];
};

// Super-blocks. The scales of Q2_K hold a scale low and a minimum high; those of Q3_K, Q4_K and
// Q5_K are 6-bit numbers packed in two ways.
struct BlockQ2K {
  std::uint8_t scales[16];
  std::uint8_t codes[64];
  std::uint16_t scale;
  std::uint16_t minimum;
};
struct BlockQ3K {
  std::uint8_t high_bits[32];
  std::uint8_t codes[64];
  std::uint8_t scales[12];
  std::uint16_t scale;
};
struct BlockQ4K {
  std::uint16_t scale;
  std::uint16_t minimum;
  std::uint8_t scales[12];
  std::uint8_t nibbles[128];
};
struct BlockQ5K {
  std::uint16_t scale;
  std::uint16_t minimum;
  std::uint8_t scales[12];
  std::uint8_t high_bits[32];
  std::uint8_t nibbles[128];
};
struct BlockQ6K {
  std::uint8_t nibbles[128];
  std::uint8_t high_bits[64];
  std::int8_t scales[16];
  std::uint16_t scale;
};
struct BlockIq4Xs {
  std::uint16_t scale;
  std::uint16_t scales_high;
  std::uint8_t scales_low[4];
  std::uint8_t nibbles[128];
};

static_assert(sizeof(BlockQ40) == 18 && sizeof(BlockQ41) == 20 && sizeof(BlockQ50) == 22);
static_assert(sizeof(BlockQ51) == 24 && sizeof(BlockQ80) == 34 && sizeof(BlockMxfp4) == 17);
static_assert(sizeof(BlockIq4Nl) == 18);
static_assert(sizeof(BlockQ2K) == 84 && sizeof(BlockQ3K) == 110 && sizeof(BlockQ4K) == 144);
static_assert(sizeof(BlockQ5K) == 176 && sizeof(BlockQ6K) == 210 && sizeof(BlockIq4Xs) == 136);

constexpr std::int8_t kIq4Levels[16] = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
// Twice the values of e2m1; MXFP4 halves its power of two for them.
constexpr std::int8_t kMxfp4Levels[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// The 6-bit scale and minimum of sub-block j (0 to 7) of Q4_K and Q5_K.
struct SubScale {
  std::uint8_t scale;
  std::uint8_t minimum;
};
inline SubScale load_sub_scale(const std::uint8_t (&packed)[12], std::size_t j) {
  const auto u8 = [](int value) { return static_cast<std::uint8_t>(value); };
  if (j < 4) return {u8(packed[j] & 63), u8(packed[j + 4] & 63)};
  return {u8((packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4),
          u8((packed[j + 4] >> 4) | (packed[j] >> 6) << 4)};
}

}  // namespace pith
