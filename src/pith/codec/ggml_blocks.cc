#include "pith/codec/ggml_blocks.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "pith/base/error.h"
#include "pith/codec/float_convert.h"

namespace pith {
namespace {

// The file's structs, byte for byte; scales are f16.
struct BlockQ8 {
  std::uint16_t scale;
  std::int8_t codes[kGgmlBlock];
};
struct BlockQ4 {
  std::uint16_t scale;
  std::uint8_t nibbles[kGgmlBlock / 2];  // elements 0 to 15 low, 16 to 31 high
};
struct BlockQ4Offset {
  std::uint16_t scale;
  std::uint16_t minimum;
  std::uint8_t nibbles[kGgmlBlock / 2];
};
static_assert(sizeof(BlockQ8) == 34 && sizeof(BlockQ4) == 18 && sizeof(BlockQ4Offset) == 20);

bool is_finite_f16(std::uint16_t bits) { return (bits & 0x7c00u) != 0x7c00u; }

float inverse_of(float d) { return d != 0 ? 1.0f / d : 0.0f; }

// Truncates to a level of 0 to 15; products beyond (an overflowing inverse) and NaN go to an end
// instead of being undefined.
std::uint8_t level(float x) { return x > 0 ? static_cast<std::uint8_t>(std::min(x, 15.0f)) : 0; }

void pack_levels(const float (&shifted)[kGgmlBlock], std::uint8_t (&nibbles)[kGgmlBlock / 2]) {
  for (std::size_t i = 0; i < kGgmlBlock / 2; ++i)
    nibbles[i] = static_cast<std::uint8_t>(level(shifted[i]) | level(shifted[i + 16]) << 4);
}

bool quantize(const float* x, BlockQ8& block) {
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

bool quantize(const float* x, BlockQ4& block) {
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

bool quantize(const float* x, BlockQ4Offset& block) {
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

void dequantize(const BlockQ8& block, float* out) {
  const float d = f16_to_f32(block.scale);
  for (std::size_t i = 0; i < kGgmlBlock; ++i) out[i] = static_cast<float>(block.codes[i]) * d;
}

void dequantize(const BlockQ4& block, float* out) {
  const float d = f16_to_f32(block.scale);
  for (std::size_t i = 0; i < kGgmlBlock / 2; ++i) {
    out[i] = static_cast<float>((block.nibbles[i] & 15) - 8) * d;
    out[i + 16] = static_cast<float>((block.nibbles[i] >> 4) - 8) * d;
  }
}

void dequantize(const BlockQ4Offset& block, float* out) {
  const float d = f16_to_f32(block.scale);
  const float m = f16_to_f32(block.minimum);
  for (std::size_t i = 0; i < kGgmlBlock / 2; ++i) {
    out[i] = static_cast<float>(block.nibbles[i] & 15) * d + m;
    out[i + 16] = static_cast<float>(block.nibbles[i] >> 4) * d + m;
  }
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

template <class Block>
void dequantize_all(const std::byte* in, std::size_t blocks, float* out) {
  for (std::size_t b = 0; b < blocks; ++b) {
    Block block;
    std::memcpy(&block, in + b * sizeof block, sizeof block);
    dequantize(block, out + b * kGgmlBlock);
  }
}

}  // namespace

std::size_t ggml_block_bytes(GgmlType type) {
  switch (type) {
    case GgmlType::kQ4_0:
      return sizeof(BlockQ4);
    case GgmlType::kQ4_1:
      return sizeof(BlockQ4Offset);
    case GgmlType::kQ8_0:
      return sizeof(BlockQ8);
  }
  throw InternalError("ggml type out of range");
}

std::size_t quantize_ggml_blocks(GgmlType type,
                                 const float* x,
                                 std::size_t blocks,
                                 std::byte* out) {
  switch (type) {
    case GgmlType::kQ4_0:
      return quantize_all<BlockQ4>(x, blocks, out);
    case GgmlType::kQ4_1:
      return quantize_all<BlockQ4Offset>(x, blocks, out);
    case GgmlType::kQ8_0:
      return quantize_all<BlockQ8>(x, blocks, out);
  }
  throw InternalError("ggml type out of range");
}

void dequantize_ggml_blocks(GgmlType type, const std::byte* in, std::size_t blocks, float* out) {
  switch (type) {
    case GgmlType::kQ4_0:
      return dequantize_all<BlockQ4>(in, blocks, out);
    case GgmlType::kQ4_1:
      return dequantize_all<BlockQ4Offset>(in, blocks, out);
    case GgmlType::kQ8_0:
      return dequantize_all<BlockQ8>(in, blocks, out);
  }
  throw InternalError("ggml type out of range");
}

}  // namespace pith
