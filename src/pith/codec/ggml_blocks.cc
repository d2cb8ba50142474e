#include "pith/codec/ggml_blocks.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "pith/base/error.h"
#include "pith/codec/float_convert.h"

namespace pith {
namespace {

bool is_finite_f16(std::uint16_t bits) { return (bits & 0x7c00u) != 0x7c00u; }

float inverse_of(float d) { return d != 0 ? 1.0f / d : 0.0f; }

// Truncates to a level of 0 to 15; products beyond (an overflowing inverse) and NaN go to an end
// instead of being undefined.
std::uint8_t level(float x) { return x > 0 ? static_cast<std::uint8_t>(std::min(x, 15.0f)) : 0; }

void pack_levels(const float (&shifted)[kGgmlBlock], std::uint8_t (&nibbles)[kGgmlBlock / 2]) {
  for (std::size_t i = 0; i < kGgmlBlock / 2; ++i)
    nibbles[i] = static_cast<std::uint8_t>(level(shifted[i]) | level(shifted[i + 16]) << 4);
}

bool quantize(const float* x, BlockQ80& block) {
  float largest = 0;
  for (std::size_t i = 0; i < kGgmlBlock; ++i) largest = std::max(largest, std::fabs(x[i]));
  const float d = largest / 127.0f;
  const float inverse = inverse_of(d);
  block.scale = f32_to_f16(d);
  for (std::size_t i = 0; i < kGgmlBlock; ++i) {
    const float q = std::round(x[i] * inverse);  // half away from zero
    block.codes[i] = static_cast<std::int8_t>(std::min(std::max(-127.0f, q), 127.0f));
  }
  return is_finite_f16(block.scale);
}

bool quantize(const float* x, BlockQ40& block) {
  float extreme = 0;  // the first of largest magnitude
  for (std::size_t i = 0; i < kGgmlBlock; ++i)
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  const float d = extreme / -8.0f;
  const float inverse = inverse_of(d);
  block.scale = f32_to_f16(d);
  float shifted[kGgmlBlock];
  for (std::size_t i = 0; i < kGgmlBlock; ++i) shifted[i] = x[i] * inverse + 8.5f;
  pack_levels(shifted, block.nibbles);
  return is_finite_f16(block.scale);
}

bool quantize(const float* x, BlockQ41& block) {
  float low = x[0],
        high = x[0];  // of equal values the first, so that the sign of a zero is the reference's
  for (std::size_t i = 1; i < kGgmlBlock; ++i) {
    if (x[i] < low) low = x[i];
    if (x[i] > high) high = x[i];
  }
  const float d = (high - low) / 15.0f;
  const float inverse = inverse_of(d);
  block.scale = f32_to_f16(d);
  block.minimum = f32_to_f16(low);
  float shifted[kGgmlBlock];
  for (std::size_t i = 0; i < kGgmlBlock; ++i) shifted[i] = (x[i] - low) * inverse + 0.5f;
  pack_levels(shifted, block.nibbles);
  return is_finite_f16(block.scale) && is_finite_f16(block.minimum);
}

template <class Block>
std::size_t quantize_all(const float* x, std::size_t blocks, std::byte* out) {
  std::size_t overflowed = 0;
  for (std::size_t b = 0; b < blocks; ++b) {
    Block block;
    overflowed += quantize(x + b * kGgmlBlock, block) ? 0 : 1;
    std::memcpy(out + b * sizeof block, &block, sizeof block);
  }
  return overflowed;
}

struct TypeTraits {
  std::size_t elements = 0;
  std::size_t bytes = 0;
  int code_bits = 0;
};

template <class Block>
constexpr TypeTraits plain(int code_bits) {
  return {kGgmlBlock, sizeof(Block), code_bits};
}
template <class Block>
constexpr TypeTraits super(int code_bits) {
  return {kGgmlSuperBlock, sizeof(Block), code_bits};
}

TypeTraits traits_of(GgmlType type) {
  switch (type) {
    case GgmlType::kQ4_0:
      return plain<BlockQ40>(4);
    case GgmlType::kQ4_1:
      return plain<BlockQ41>(4);
    case GgmlType::kQ5_0:
      return plain<BlockQ50>(5);
    case GgmlType::kQ5_1:
      return plain<BlockQ51>(5);
    case GgmlType::kQ8_0:
      return plain<BlockQ80>(8);
    case GgmlType::kQ2_K:
      return super<BlockQ2K>(2);
    case GgmlType::kQ3_K:
      return super<BlockQ3K>(3);
    case GgmlType::kQ4_K:
      return super<BlockQ4K>(4);
    case GgmlType::kQ5_K:
      return super<BlockQ5K>(5);
    case GgmlType::kQ6_K:
      return super<BlockQ6K>(6);
    case GgmlType::kIQ4_NL:
      return plain<BlockIq4Nl>(4);
    case GgmlType::kIQ4_XS:
      return super<BlockIq4Xs>(4);
    case GgmlType::kMXFP4:
      return plain<BlockMxfp4>(4);
  }
  throw InternalError("ggml type out of range");
}

}  // namespace

std::size_t ggml_block_elements(GgmlType type) { return traits_of(type).elements; }
std::size_t ggml_block_bytes(GgmlType type) { return traits_of(type).bytes; }
int ggml_code_bits(GgmlType type) { return traits_of(type).code_bits; }

bool ggml_is_writable(GgmlType type) {
  return type == GgmlType::kQ4_0 || type == GgmlType::kQ4_1 || type == GgmlType::kQ8_0;
}

std::size_t quantize_ggml_blocks(GgmlType type,
                                 const float* x,
                                 std::size_t blocks,
                                 std::byte* out) {
  if (type == GgmlType::kQ4_0) return quantize_all<BlockQ40>(x, blocks, out);
  if (type == GgmlType::kQ4_1) return quantize_all<BlockQ41>(x, blocks, out);
  PITH_CHECK(type == GgmlType::kQ8_0);
  return quantize_all<BlockQ80>(x, blocks, out);
}

}  // namespace pith
