// Values of GGUF blocks, one overload a type: (scale * sub-scale) first, times the level of the
// code, plus the offset, each rounded to f32. Source: formats.md 4.5.
#include <algorithm>
#include <bit>
#include <cstring>
#include <map>

#include "pith/base/error.h"
#include "pith/codec/float_convert.h"
#include "pith/codec/ggml_blocks.h"

namespace pith {
namespace {

constexpr std::size_t kHalf = kGgmlBlock / 2;

GgmlParts parts_of(std::size_t unit) {
  GgmlParts parts{.unit = unit};
  std::ranges::fill(parts.offsets, -0.0f);
  return parts;
}

void unpack_nibbles(const std::uint8_t (&nibbles)[kHalf], std::uint8_t* codes) {
  for (std::size_t i = 0; i < kHalf; ++i) {
    codes[i] = nibbles[i] & 15;
    codes[i + kHalf] = nibbles[i] >> 4;
  }
}

// Plain blocks: 32 elements under one f16 scale, some with an f16 minimum.
template <class Block>
GgmlParts take_apart_plain(const Block& block) {
  GgmlParts parts = parts_of(kGgmlBlock);
  parts.scales[0] = f16_to_f32(block.scale);
  if constexpr (requires { block.minimum; }) parts.offsets[0] = f16_to_f32(block.minimum);
  unpack_nibbles(block.nibbles, parts.codes);
  if constexpr (requires { block.high_bits; })
    for (std::size_t i = 0; i < kGgmlBlock; ++i)
      parts.codes[i] |= ((block.high_bits[i / 8] >> (i % 8)) & 1) << 4;
  return parts;
}

GgmlParts take_apart(const BlockQ40& block) { return take_apart_plain(block); }
GgmlParts take_apart(const BlockQ41& block) { return take_apart_plain(block); }
GgmlParts take_apart(const BlockQ50& block) { return take_apart_plain(block); }
GgmlParts take_apart(const BlockQ51& block) { return take_apart_plain(block); }
GgmlParts take_apart(const BlockIq4Nl& block) { return take_apart_plain(block); }

GgmlParts take_apart(const BlockQ80& block) {
  GgmlParts parts = parts_of(kGgmlBlock);
  parts.scales[0] = f16_to_f32(block.scale);
  std::memcpy(parts.codes, block.codes, sizeof block.codes);
  return parts;
}

GgmlParts take_apart(const BlockMxfp4& block) {
  GgmlParts parts = parts_of(kGgmlBlock);
  // 2^(exponent - 128); the first two are subnormal
  const std::uint32_t bits = block.exponent < 2 ? 0x00200000u << block.exponent
                                                : (std::uint32_t{block.exponent} - 1) << 23;
  parts.scales[0] = std::bit_cast<float>(bits);
  unpack_nibbles(block.nibbles, parts.codes);
  return parts;
}

GgmlParts take_apart(const BlockQ2K& block) {
  GgmlParts parts = parts_of(16);
  const float d = f16_to_f32(block.scale), m = f16_to_f32(block.minimum);
  for (std::size_t g = 0; g < 16; ++g) {  // 16 neighbours share a scale, 128 their bytes
    parts.scales[g] = d * static_cast<float>(block.scales[g] & 15);
    parts.offsets[g] = -(m * static_cast<float>(block.scales[g] >> 4));
    const std::uint8_t* codes = block.codes + g / 8 * 32 + g % 2 * 16;
    const int shift = static_cast<int>(g % 8 / 2 * 2);
    for (std::size_t l = 0; l < 16; ++l) parts.codes[g * 16 + l] = (codes[l] >> shift) & 3;
  }
  return parts;
}

GgmlParts take_apart(const BlockQ3K& block) {
  GgmlParts parts = parts_of(16);
  const float d = f16_to_f32(block.scale);
  for (std::size_t g = 0; g < 16; ++g) {
    const int low = g < 8 ? block.scales[g] & 15 : block.scales[g - 8] >> 4;
    const int high = (block.scales[8 + g % 4] >> (g / 4 * 2)) & 3;
    parts.scales[g] = d * static_cast<float>((low | high << 4) - 32);
    const std::uint8_t* codes = block.codes + g / 8 * 32 + g % 2 * 16;
    const std::uint8_t* high_bits = block.high_bits + g % 2 * 16;
    const int shift = static_cast<int>(g % 8 / 2 * 2), plane = static_cast<int>(g / 2);
    for (std::size_t l = 0; l < 16; ++l)
      parts.codes[g * 16 + l] =
          static_cast<std::uint8_t>(((codes[l] >> shift) & 3) | ((high_bits[l] >> plane) & 1) << 2);
  }
  return parts;
}

// Q4_K, Q5_K: eight units of 32, pairs of which share the bytes of their nibbles.
template <class Block>
GgmlParts take_apart_k(const Block& block) {
  GgmlParts parts = parts_of(kGgmlBlock);
  const float d = f16_to_f32(block.scale), m = f16_to_f32(block.minimum);
  for (std::size_t j = 0; j < 8; ++j) {
    const SubScale sub = load_sub_scale(block.scales, j);
    parts.scales[j] = d * static_cast<float>(sub.scale);
    parts.offsets[j] = -(m * static_cast<float>(sub.minimum));
    const std::uint8_t* nibbles = block.nibbles + j / 2 * 32;
    const int shift = static_cast<int>(j % 2 * 4);
    for (std::size_t l = 0; l < 32; ++l) {
      std::uint8_t& code = parts.codes[j * 32 + l];
      code = (nibbles[l] >> shift) & 15;
      if constexpr (requires { block.high_bits; }) code |= ((block.high_bits[l] >> j) & 1) << 4;
    }
  }
  return parts;
}

GgmlParts take_apart(const BlockQ4K& block) { return take_apart_k(block); }
GgmlParts take_apart(const BlockQ5K& block) { return take_apart_k(block); }

GgmlParts take_apart(const BlockQ6K& block) {
  GgmlParts parts = parts_of(16);
  const float d = f16_to_f32(block.scale);
  for (std::size_t g = 0; g < 16; ++g) {
    parts.scales[g] = d * static_cast<float>(block.scales[g]);
    const std::size_t half = g / 8, plane = g % 8 / 2, column = g % 2 * 16;
    const std::uint8_t* nibbles = block.nibbles + half * 64 + plane % 2 * 32 + column;
    const std::uint8_t* high_bits = block.high_bits + half * 32 + column;
    const int shift = static_cast<int>(plane / 2 * 4), high_shift = static_cast<int>(plane * 2);
    for (std::size_t l = 0; l < 16; ++l)
      parts.codes[g * 16 + l] = static_cast<std::uint8_t>(((nibbles[l] >> shift) & 15) |
                                                          ((high_bits[l] >> high_shift) & 3) << 4);
  }
  return parts;
}

GgmlParts take_apart(const BlockIq4Xs& block) {
  GgmlParts parts = parts_of(kGgmlBlock);
  const float d = f16_to_f32(block.scale);
  for (std::size_t j = 0; j < 8; ++j) {
    const int low = (block.scales_low[j / 2] >> (j % 2 * 4)) & 15;
    const int high = (block.scales_high >> (2 * j)) & 3;
    parts.scales[j] = d * static_cast<float>((low | high << 4) - 32);
    std::uint8_t nibbles[kHalf];
    std::memcpy(nibbles, block.nibbles + j * kHalf, kHalf);
    unpack_nibbles(nibbles, parts.codes + j * kGgmlBlock);
  }
  return parts;
}

template <class Block>
GgmlParts load(const std::byte* bytes) {
  Block block;
  std::memcpy(&block, bytes, sizeof block);
  return take_apart(block);
}

using Load = GgmlParts (*)(const std::byte*);

Load loader_of(GgmlType type) {
  switch (type) {
    case GgmlType::kQ4_0:
      return load<BlockQ40>;
    case GgmlType::kQ4_1:
      return load<BlockQ41>;
    case GgmlType::kQ5_0:
      return load<BlockQ50>;
    case GgmlType::kQ5_1:
      return load<BlockQ51>;
    case GgmlType::kQ8_0:
      return load<BlockQ80>;
    case GgmlType::kQ2_K:
      return load<BlockQ2K>;
    case GgmlType::kQ3_K:
      return load<BlockQ3K>;
    case GgmlType::kQ4_K:
      return load<BlockQ4K>;
    case GgmlType::kQ5_K:
      return load<BlockQ5K>;
    case GgmlType::kQ6_K:
      return load<BlockQ6K>;
    case GgmlType::kIQ4_NL:
      return load<BlockIq4Nl>;
    case GgmlType::kIQ4_XS:
      return load<BlockIq4Xs>;
    case GgmlType::kMXFP4:
      return load<BlockMxfp4>;
  }
  throw InternalError("ggml type out of range");
}

int level_of(GgmlType type, int code) {
  switch (type) {
    case GgmlType::kQ3_K:
      return code - 4;
    case GgmlType::kQ4_0:
      return code - 8;
    case GgmlType::kQ5_0:
      return code - 16;
    case GgmlType::kQ6_K:
      return code - 32;
    case GgmlType::kQ8_0:
      return static_cast<std::int8_t>(code);
    case GgmlType::kIQ4_NL:
    case GgmlType::kIQ4_XS:
      return kIq4Levels[code];
    case GgmlType::kMXFP4:
      return kMxfp4Levels[code];
    default:
      return code;
  }
}

}  // namespace

GgmlParts take_ggml_block_apart(GgmlType type, const std::byte* block) {
  return loader_of(type)(block);
}

const std::array<float, 256>& ggml_levels(GgmlType type) {
  static const std::map<GgmlType, std::array<float, 256>> kLevels = [] {
    std::map<GgmlType, std::array<float, 256>> levels;
    for (const auto& row : enum_table(GgmlType{}))
      for (int code = 0; code < 1 << ggml_code_bits(row.value); ++code)
        levels[row.value][static_cast<std::size_t>(code)] =
            static_cast<float>(level_of(row.value, code));
    return levels;
  }();
  return kLevels.at(type);
}

void dequantize_ggml_blocks(GgmlType type, const std::byte* in, std::size_t blocks, float* out) {
  const std::array<float, 256>& levels = ggml_levels(type);
  const Load load_block = loader_of(type);
  const std::size_t elements = ggml_block_elements(type), bytes = ggml_block_bytes(type);
  for (std::size_t b = 0; b < blocks; ++b) {
    const GgmlParts parts = load_block(in + b * bytes);
    for (std::size_t u = 0; u * parts.unit < elements; ++u) {
      const float scale = parts.scales[u], offset = parts.offsets[u];
      const std::uint8_t* codes = parts.codes + u * parts.unit;
      for (std::size_t l = 0; l < parts.unit; ++l) *out++ = scale * levels[codes[l]] + offset;
    }
  }
}

}  // namespace pith
