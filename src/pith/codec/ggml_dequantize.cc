// Values of GGUF blocks, one overload a type: (scale * sub-scale) first, times the code, minus the
// minimum, each rounded to f32. Source: formats.md 4.5.
#include <bit>
#include <cstring>

#include "pith/base/error.h"
#include "pith/codec/float_convert.h"
#include "pith/codec/ggml_blocks.h"

namespace pith {
namespace {

constexpr std::size_t kHalf = kGgmlBlock / 2;

void dequantize(const BlockQ80& block, float* out) {
  const float d = f16_to_f32(block.scale);
  for (std::size_t i = 0; i < kGgmlBlock; ++i) out[i] = static_cast<float>(block.codes[i]) * d;
}

void dequantize(const BlockQ40& block, float* out) {
  const float d = f16_to_f32(block.scale);
  for (std::size_t i = 0; i < kHalf; ++i) {
    out[i] = static_cast<float>((block.nibbles[i] & 15) - 8) * d;
    out[i + kHalf] = static_cast<float>((block.nibbles[i] >> 4) - 8) * d;
  }
}

void dequantize(const BlockQ41& block, float* out) {
  const float d = f16_to_f32(block.scale), m = f16_to_f32(block.minimum);
  for (std::size_t i = 0; i < kHalf; ++i) {
    out[i] = static_cast<float>(block.nibbles[i] & 15) * d + m;
    out[i + kHalf] = static_cast<float>(block.nibbles[i] >> 4) * d + m;
  }
}

// Calls value(i, code) for the 32 five-bit codes of a block.
template <class Value>
void for_each_five_bits(const std::uint8_t (&high_bits)[4],
                        const std::uint8_t (&nibbles)[kHalf],
                        Value&& value) {
  for (std::size_t i = 0; i < kGgmlBlock; ++i) {
    const int nibble = i < kHalf ? nibbles[i] & 15 : nibbles[i - kHalf] >> 4;
    value(i, nibble | ((high_bits[i / 8] >> (i % 8)) & 1) << 4);
  }
}

void dequantize(const BlockQ50& block, float* out) {
  const float d = f16_to_f32(block.scale);
  for_each_five_bits(block.high_bits, block.nibbles, [&](std::size_t i, int code) {
    out[i] = static_cast<float>(code - 16) * d;
  });
}

void dequantize(const BlockQ51& block, float* out) {
  const float d = f16_to_f32(block.scale), m = f16_to_f32(block.minimum);
  for_each_five_bits(block.high_bits, block.nibbles, [&](std::size_t i, int code) {
    out[i] = static_cast<float>(code) * d + m;
  });
}

void dequantize_levels(const std::uint8_t* nibbles,
                       const std::int8_t (&levels)[16],
                       float d,
                       float* out) {
  for (std::size_t i = 0; i < kHalf; ++i) {
    out[i] = d * static_cast<float>(levels[nibbles[i] & 15]);
    out[i + kHalf] = d * static_cast<float>(levels[nibbles[i] >> 4]);
  }
}

void dequantize(const BlockIq4Nl& block, float* out) {
  dequantize_levels(block.nibbles, kIq4Levels, f16_to_f32(block.scale), out);
}

void dequantize(const BlockMxfp4& block, float* out) {
  // 2^(exponent - 128); the first two are subnormal
  const std::uint32_t bits = block.exponent < 2 ? 0x00200000u << block.exponent
                                                : (std::uint32_t{block.exponent} - 1) << 23;
  dequantize_levels(block.nibbles, kMxfp4Levels, std::bit_cast<float>(bits), out);
}

void dequantize(const BlockQ2K& block, float* out) {
  const float d = f16_to_f32(block.scale), m = f16_to_f32(block.minimum);
  for (std::size_t g = 0; g < 16; ++g) {  // 16 neighbours share a scale, 128 their bytes
    const float scale = d * static_cast<float>(block.scales[g] & 15);
    const float minimum = m * static_cast<float>(block.scales[g] >> 4);
    const std::uint8_t* codes = block.codes + g / 8 * 32 + g % 2 * 16;
    const int shift = static_cast<int>(g % 8 / 2 * 2);
    for (std::size_t l = 0; l < 16; ++l)
      out[g * 16 + l] = scale * static_cast<float>((codes[l] >> shift) & 3) - minimum;
  }
}

void dequantize(const BlockQ3K& block, float* out) {
  const float d = f16_to_f32(block.scale);
  for (std::size_t g = 0; g < 16; ++g) {
    const int low = g < 8 ? block.scales[g] & 15 : block.scales[g - 8] >> 4;
    const int high = (block.scales[8 + g % 4] >> (g / 4 * 2)) & 3;
    const float scale = d * static_cast<float>((low | high << 4) - 32);
    const std::uint8_t* codes = block.codes + g / 8 * 32 + g % 2 * 16;
    const std::uint8_t* high_bits = block.high_bits + g % 2 * 16;
    const int shift = static_cast<int>(g % 8 / 2 * 2), plane = static_cast<int>(g / 2);
    for (std::size_t l = 0; l < 16; ++l) {
      const int code = ((codes[l] >> shift) & 3) | ((high_bits[l] >> plane) & 1) << 2;
      out[g * 16 + l] = scale * static_cast<float>(code - 4);
    }
  }
}

void dequantize(const BlockQ4K& block, float* out) {
  const float d = f16_to_f32(block.scale), m = f16_to_f32(block.minimum);
  for (std::size_t j = 0; j < 8; ++j) {
    const SubScale sub = load_sub_scale(block.scales, j);
    const float scale = d * static_cast<float>(sub.scale);
    const float minimum = m * static_cast<float>(sub.minimum);
    const std::uint8_t* nibbles = block.nibbles + j / 2 * 32;
    const int shift = static_cast<int>(j % 2 * 4);
    for (std::size_t l = 0; l < 32; ++l)
      out[j * 32 + l] = scale * static_cast<float>((nibbles[l] >> shift) & 15) - minimum;
  }
}

void dequantize(const BlockQ5K& block, float* out) {
  const float d = f16_to_f32(block.scale), m = f16_to_f32(block.minimum);
  for (std::size_t j = 0; j < 8; ++j) {
    const SubScale sub = load_sub_scale(block.scales, j);
    const float scale = d * static_cast<float>(sub.scale);
    const float minimum = m * static_cast<float>(sub.minimum);
    const std::uint8_t* nibbles = block.nibbles + j / 2 * 32;
    const int shift = static_cast<int>(j % 2 * 4);
    for (std::size_t l = 0; l < 32; ++l) {
      const int code = ((nibbles[l] >> shift) & 15) | ((block.high_bits[l] >> j) & 1) << 4;
      out[j * 32 + l] = scale * static_cast<float>(code) - minimum;
    }
  }
}

void dequantize(const BlockQ6K& block, float* out) {
  const float d = f16_to_f32(block.scale);
  for (std::size_t g = 0; g < 16; ++g) {
    const float scale = d * static_cast<float>(block.scales[g]);
    const std::size_t half = g / 8, plane = g % 8 / 2, column = g % 2 * 16;
    const std::uint8_t* nibbles = block.nibbles + half * 64 + plane % 2 * 32 + column;
    const std::uint8_t* high_bits = block.high_bits + half * 32 + column;
    const int shift = static_cast<int>(plane / 2 * 4), high_shift = static_cast<int>(plane * 2);
    for (std::size_t l = 0; l < 16; ++l) {
      const int code = ((nibbles[l] >> shift) & 15) | ((high_bits[l] >> high_shift) & 3) << 4;
      out[g * 16 + l] = scale * static_cast<float>(code - 32);
    }
  }
}

void dequantize(const BlockIq4Xs& block, float* out) {
  const float d = f16_to_f32(block.scale);
  for (std::size_t j = 0; j < 8; ++j) {
    const int low = (block.scales_low[j / 2] >> (j % 2 * 4)) & 15;
    const int high = (block.scales_high >> (2 * j)) & 3;
    const float scale = d * static_cast<float>((low | high << 4) - 32);
    dequantize_levels(block.nibbles + j * kHalf, kIq4Levels, scale, out + j * kGgmlBlock);
  }
}

template <class Block>
void dequantize_all(const std::byte* in, std::size_t blocks, std::size_t elements, float* out) {
  for (std::size_t b = 0; b < blocks; ++b) {
    Block block;
    std::memcpy(&block, in + b * sizeof block, sizeof block);
    dequantize(block, out + b * elements);
  }
}

using Dequantize = void (*)(const std::byte*, std::size_t, std::size_t, float*);

Dequantize dequantizer_of(GgmlType type) {
  switch (type) {
    case GgmlType::kQ4_0:
      return dequantize_all<BlockQ40>;
    case GgmlType::kQ4_1:
      return dequantize_all<BlockQ41>;
    case GgmlType::kQ5_0:
      return dequantize_all<BlockQ50>;
    case GgmlType::kQ5_1:
      return dequantize_all<BlockQ51>;
    case GgmlType::kQ8_0:
      return dequantize_all<BlockQ80>;
    case GgmlType::kQ2_K:
      return dequantize_all<BlockQ2K>;
    case GgmlType::kQ3_K:
      return dequantize_all<BlockQ3K>;
    case GgmlType::kQ4_K:
      return dequantize_all<BlockQ4K>;
    case GgmlType::kQ5_K:
      return dequantize_all<BlockQ5K>;
    case GgmlType::kQ6_K:
      return dequantize_all<BlockQ6K>;
    case GgmlType::kIQ4_NL:
      return dequantize_all<BlockIq4Nl>;
    case GgmlType::kIQ4_XS:
      return dequantize_all<BlockIq4Xs>;
    case GgmlType::kMXFP4:
      return dequantize_all<BlockMxfp4>;
  }
  throw InternalError("ggml type out of range");
}

}  // namespace

void dequantize_ggml_blocks(GgmlType type, const std::byte* in, std::size_t blocks, float* out) {
  dequantizer_of(type)(in, blocks, ggml_block_elements(type), out);
}

}  // namespace pith
