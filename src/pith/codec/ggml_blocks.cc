#include "pith/codec/ggml_blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "pith/base/error.h"
#include "pith/codec/ggml_pack.h"
#include "pith/codec/ggml_search.h"

namespace pith {
namespace {

// Truncates to a code of 0 to `highest`; products beyond (an overflowing inverse) and NaN go to an
// end instead of being undefined.
std::uint8_t truncate(float x, float highest) {
  return x > 0 ? static_cast<std::uint8_t>(std::min(x, highest)) : 0;
}

bool quantize(const float* x, BlockQ80& block) {
  float largest = 0;
  for (std::size_t i = 0; i < kGgmlBlock; ++i) largest = std::max(largest, std::fabs(x[i]));
  const float d = largest / 127.0f;
  const float inverse = inverse_of(d);
  for (std::size_t i = 0; i < kGgmlBlock; ++i) {
    const float q = std::round(x[i] * inverse);  // half away from zero
    block.codes[i] = static_cast<std::int8_t>(std::min(std::max(-127.0f, q), 127.0f));
  }
  return store_f16(d, block.scale);
}

// Q4_0, Q5_0: codes below 2 * half, that of 0 being half.
template <class Block>
bool quantize_symmetric(const float* x, float half, Block& block) {
  float extreme = 0;  // the first of largest magnitude
  for (std::size_t i = 0; i < kGgmlBlock; ++i)
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  const float d = extreme / -half;
  const float inverse = inverse_of(d);
  std::uint8_t codes[kGgmlBlock];
  for (std::size_t i = 0; i < kGgmlBlock; ++i)
    codes[i] = truncate(x[i] * inverse + (half + 0.5f), 2 * half - 1);
  pack_codes(codes, block);
  return store_f16(d, block.scale);
}

// Q4_1, Q5_1: codes from 0 at the minimum to `highest`.
template <class Block>
bool quantize_affine(const float* x, float highest, Block& block) {
  float low = x[0],
        high = x[0];  // of equal values the first, so that the sign of a zero is the reference's
  for (std::size_t i = 1; i < kGgmlBlock; ++i) {
    if (x[i] < low) low = x[i];
    if (x[i] > high) high = x[i];
  }
  const float d = (high - low) / highest;
  const float inverse = inverse_of(d);
  std::uint8_t codes[kGgmlBlock];
  for (std::size_t i = 0; i < kGgmlBlock; ++i)
    codes[i] = truncate((x[i] - low) * inverse + 0.5f, highest);
  pack_codes(codes, block);
  const bool scale_fits = store_f16(d, block.scale);
  return store_f16(low, block.minimum) && scale_fits;
}

bool quantize(const float* x, BlockQ40& block) { return quantize_symmetric(x, 8, block); }
bool quantize(const float* x, BlockQ41& block) { return quantize_affine(x, 15, block); }
bool quantize(const float* x, BlockQ50& block) { return quantize_symmetric(x, 16, block); }
bool quantize(const float* x, BlockQ51& block) { return quantize_affine(x, 31, block); }

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
  bool has_offsets = false;
};

template <class Block>
constexpr bool kHasMinimum = requires(Block block) { block.minimum; };

template <class Block>
constexpr TypeTraits plain(int code_bits) {
  return {kGgmlBlock, sizeof(Block), code_bits, kHasMinimum<Block>};
}
template <class Block>
constexpr TypeTraits super(int code_bits) {
  return {kGgmlSuperBlock, sizeof(Block), code_bits, kHasMinimum<Block>};
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
bool ggml_has_offsets(GgmlType type) { return traits_of(type).has_offsets; }

bool ggml_is_writable(GgmlType type) {
  switch (type) {
    case GgmlType::kQ4_0:
    case GgmlType::kQ4_1:
    case GgmlType::kQ5_0:
    case GgmlType::kQ5_1:
    case GgmlType::kQ8_0:
    case GgmlType::kQ4_K:
    case GgmlType::kQ5_K:
    case GgmlType::kQ6_K:
    case GgmlType::kIQ4_NL:
      return true;
    case GgmlType::kQ2_K:
    case GgmlType::kQ3_K:
    case GgmlType::kIQ4_XS:
    case GgmlType::kMXFP4:
      return false;
  }
  throw InternalError("ggml type out of range");
}

bool ggml_searches(GgmlType type, std::span<const float> importance) {
  if (type == GgmlType::kQ8_0) return false;
  return !importance.empty() || type == GgmlType::kIQ4_NL ||
         ggml_block_elements(type) != kGgmlBlock;
}

std::size_t quantize_ggml_blocks(GgmlType type,
                                 const float* x,
                                 std::size_t blocks,
                                 std::span<const float> importance,
                                 std::byte* out) {
  PITH_CHECK(importance.empty() || importance.size() == blocks * ggml_block_elements(type));
  if (ggml_searches(type, importance))
    return quantize_searched_scalar(type, x, importance.data(), blocks, out);
  if (type == GgmlType::kQ4_0) return quantize_all<BlockQ40>(x, blocks, out);
  if (type == GgmlType::kQ4_1) return quantize_all<BlockQ41>(x, blocks, out);
  if (type == GgmlType::kQ5_0) return quantize_all<BlockQ50>(x, blocks, out);
  if (type == GgmlType::kQ5_1) return quantize_all<BlockQ51>(x, blocks, out);
  return quantize_all<BlockQ80>(x, blocks, out);
}

}  // namespace pith
