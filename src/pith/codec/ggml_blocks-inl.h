// GGUF blocks whose scales are searched for. PITH_LANES and V: see ggml_search-inl.h. Source:
// formats.md 4.7.

#include <algorithm>
#include <cmath>
#include <cstring>

#include "pith/base/error.h"
#include "pith/codec/float_convert.h"
#include "pith/codec/ggml_blocks.h"
#include "pith/codec/ggml_pack.h"
#include "pith/codec/ggml_search-inl.h"

namespace pith {
namespace {

inline constexpr std::size_t kSubBlocks = kGgmlSuperBlock / kGgmlBlock;

// No type holds 1e9, its scales being f16; beyond 1e10 the squares of a search may overflow and so
// hide that.
inline constexpr float kLargestMagnitude = 1e10f;
template <class V>
PITH_LANES bool in_range(const float* x, std::size_t n) {
  V largest = V::all(0);
  for (std::size_t i = 0; i < n; i += V::kLanes) largest = max(abs(V::load(x + i)), largest);
  alignas(32) float lanes[V::kLanes];
  store(largest, lanes);
  return *std::max_element(lanes, lanes + V::kLanes) <= kLargestMagnitude;
}

// Values, and the importance of each or null.
struct Weighted {
  const float* x;
  const float* importance;

  Weighted from(std::size_t i) const {
    return {x + i, importance == nullptr ? nullptr : importance + i};
  }
};

// In the order of the elements, as the owner sums.
PITH_LANES inline float square_sum(const float* x, std::size_t n) {
  float sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += x[i] * x[i];
  return sum;
}
template <class V>
PITH_LANES V square_sum(const V (&x)[kGgmlBlock]) {
  V sum = V::all(0);
  for (std::size_t i = 0; i < kGgmlBlock; ++i) sum = sum + x[i] * x[i];
  return sum;
}

// Lane k takes the k-th group of N elements; lanes from `groups` on repeat the first.
template <class V, std::size_t N>
PITH_LANES void load_groups(const float* x, std::size_t groups, V (&out)[N]) {
  alignas(64) float lanes[N][V::kLanes];
  for (std::size_t k = 0; k < V::kLanes; ++k) {
    const float* group = x + (k < groups ? k : 0) * N;
    for (std::size_t i = 0; i < N; ++i) lanes[i][k] = group[i];
  }
  for (std::size_t i = 0; i < N; ++i) out[i] = V::load(lanes[i]);
}

// w = q sqrt(mean_square + x^2), q being the importance of groups from `importance` on.
template <class V>
PITH_LANES void load_weights(const float* importance,
                             std::size_t groups,
                             const V (&x)[kGgmlBlock],
                             const V& mean_square,
                             V (&w)[kGgmlBlock]) {
  load_groups(importance, groups, w);
  for (std::size_t i = 0; i < kGgmlBlock; ++i) w[i] = w[i] * sqrt(mean_square + x[i] * x[i]);
}

// What was found for V::kLanes groups, or for all of a super-block.
template <std::size_t N>
struct Fits {
  alignas(32) float scale[N];
  alignas(32) float minimum[N];
  alignas(32) float inverse[N];
  alignas(32) float base[N];

  template <class V>
  PITH_LANES void set(std::size_t k, const AffineFit<V>& fit) {
    store(fit.scale, scale + k);
    store(fit.minimum, minimum + k);
    store(fit.inverse, inverse + k);
    store(fit.base, base + k);
  }
};
// Codes from 0 to highest - lowest.
struct CodeRange {
  float lowest;
  float highest;
};

// round((x - base) * inverse), and round((x - minimum) / scale), within the range. Here the
// elements of one group run along the lanes.
template <class V>
PITH_LANES void codes_by_product(
    const float* x, std::size_t n, float base, float inverse, CodeRange range, std::uint8_t* out) {
  for (std::size_t i = 0; i < n; i += V::kLanes) {
    const V scaled = (V::load(x + i) - V::all(base)) * V::all(inverse);
    store_bytes(round_level(scaled, range.lowest, range.highest) - V::all(range.lowest), out + i);
  }
}
template <class V>
PITH_LANES void codes_by_division(
    const float* x, std::size_t n, float minimum, float scale, CodeRange range, std::uint8_t* out) {
  for (std::size_t i = 0; i < n; i += V::kLanes) {
    const V scaled = (V::load(x + i) - V::all(minimum)) / V::all(scale);
    store_bytes(round_level(scaled, range.lowest, range.highest) - V::all(range.lowest), out + i);
  }
}

// Blocks of 32 with importance: scale and codes are those of the search.
template <class B, int kLevels>
struct SymmetricBlock {
  using Block = B;
  static constexpr CodeRange kRange{-kLevels, kLevels - 1};
  template <class V>
  PITH_LANES static AffineFit<V> fit(const V (&x)[kGgmlBlock], const V (&w)[kGgmlBlock]) {
    return fit_symmetric(x, w, kLevels);
  }
};
template <class B, int kLevels>
struct AffineBlock {
  using Block = B;
  static constexpr CodeRange kRange{0, kLevels};
  template <class V>
  PITH_LANES static AffineFit<V> fit(const V (&x)[kGgmlBlock], const V (&w)[kGgmlBlock]) {
    return fit_affine(x, w, weighted_search(kLevels));
  }
};

template <class Block>
bool store_scales(float scale, float minimum, Block& block) {
  bool fits = store_f16(scale, block.scale);
  if constexpr (requires { block.minimum; }) fits = store_f16(minimum, block.minimum) && fits;
  return fits;
}

// One row; returns how many blocks are beyond f16.
template <class V, class Kind>
PITH_LANES std::size_t quantize_row(const Weighted& row, std::size_t blocks, std::byte* out) {
  const std::size_t cols = blocks * kGgmlBlock;
  const V mean_square = V::all(square_sum(row.x, cols) / static_cast<float>(cols));
  std::size_t overflowed = 0;
  for (std::size_t b = 0; b < blocks; b += V::kLanes) {
    const std::size_t groups = std::min(V::kLanes, blocks - b);
    const Weighted part = row.from(b * kGgmlBlock);
    V x[kGgmlBlock], w[kGgmlBlock];
    load_groups(part.x, groups, x);
    load_weights(part.importance, groups, x, mean_square, w);
    Fits<V::kLanes> fits;
    fits.set(0, Kind::fit(x, w));
    for (std::size_t k = 0; k < groups; ++k) {
      const float* group = part.x + k * kGgmlBlock;
      std::uint8_t codes[kGgmlBlock];
      codes_by_product<V>(group, kGgmlBlock, fits.base[k], fits.inverse[k], Kind::kRange, codes);
      typename Kind::Block block;
      const bool fit = store_scales(fits.scale[k], fits.minimum[k], block);
      overflowed += fit && in_range<V>(group, kGgmlBlock) ? 0 : 1;
      pack_codes(codes, block);
      std::memcpy(out + (b + k) * sizeof block, &block, sizeof block);
    }
  }
  return overflowed;
}

// Stores the scales instead of returning them: gcc 12 clears the upper halves of lanes that a
// function which it did not inline returns.
template <class V>
PITH_LANES void fit_iq4_groups(const Weighted& part, std::size_t groups, float* scales) {
  V x[kGgmlBlock], w[kGgmlBlock];
  load_groups(part.x, groups, x);
  if (part.importance != nullptr)
    load_weights(part.importance, groups, x, square_sum(x) * V::all(2.0f / kGgmlBlock), w);
  else
    for (std::size_t i = 0; i < kGgmlBlock; ++i) w[i] = x[i] * x[i];
  store(fit_iq4(x, w), scales);
}

template <class V>
PITH_LANES std::size_t quantize_iq4(const Weighted& source, std::size_t blocks, std::byte* out) {
  std::size_t overflowed = 0;
  for (std::size_t b = 0; b < blocks; b += V::kLanes) {
    const std::size_t groups = std::min(V::kLanes, blocks - b);
    const Weighted part = source.from(b * kGgmlBlock);
    alignas(32) float scales[V::kLanes];
    fit_iq4_groups<V>(part, groups, scales);
    for (std::size_t k = 0; k < groups; ++k) {
      const float* group = part.x + k * kGgmlBlock;
      const V inverse = V::all(scales[k] != 0 ? 1.0f / scales[k] : 0.0f);
      std::uint8_t codes[kGgmlBlock];
      for (std::size_t i = 0; i < kGgmlBlock; i += V::kLanes)
        store_bytes(iq4_code(inverse * V::load(group + i)), codes + i);
      BlockIq4Nl block;
      const bool fit = store_f16(scales[k], block.scale);
      overflowed += fit && in_range<V>(group, kGgmlBlock) ? 0 : 1;
      pack_codes(codes, block);
      std::memcpy(out + (b + k) * sizeof block, &block, sizeof block);
    }
  }
  return overflowed;
}

// The 8 sub-blocks of Q4_K and Q5_K.
struct SubFits : Fits<kSubBlocks> {
  alignas(32) float weight[kSubBlocks];  // sums
};

template <class V>
PITH_LANES void fit_sub_blocks(const Weighted& source, const AffineSearch& search, SubFits& fits) {
  const bool weighted = source.importance != nullptr;
  const V mean_square =
      V::all(weighted ? 2 * square_sum(source.x, kGgmlSuperBlock) / kGgmlSuperBlock : 0.0f);
  for (std::size_t k = 0; k < kSubBlocks; k += V::kLanes) {
    const Weighted part = source.from(k * kGgmlBlock);
    V x[kGgmlBlock], w[kGgmlBlock];
    load_groups(part.x, V::kLanes, x);
    if (weighted) {
      load_weights(part.importance, V::kLanes, x, mean_square, w);
    } else {
      const V size = sqrt(square_sum(x) / V::all(kGgmlBlock));
      for (std::size_t i = 0; i < kGgmlBlock; ++i) w[i] = size + abs(x[i]);
    }
    V sum = V::all(0);
    for (std::size_t i = 0; i < kGgmlBlock; ++i) sum = sum + w[i];
    store(sum, fits.weight + k);
    fits.set(k, fit_affine(x, w, search));
  }
}

// Q4_K, Q5_K: codes anew with the scales as stored; those of the search stay where they are 0.
template <class V, class Block>
PITH_LANES bool quantize_super(const Weighted& source, const AffineSearch& search, Block& block) {
  const bool weighted = source.importance != nullptr;
  SubFits fits;
  fit_sub_blocks<V>(source, weighted ? weighted_search(search.levels) : search, fits);
  const ScaleCodes scales =
      weighted ? fit_scales(fits.scale, fits.weight) : round_scales(fits.scale);
  for (float& minimum : fits.minimum) minimum = -minimum;
  const ScaleCodes minima =
      weighted ? fit_scales(fits.minimum, fits.weight) : round_scales(fits.minimum);
  pack_sub_scales(scales, minima, block.scales);
  const bool fit = store_scales(scales.scale, minima.scale, block);

  const float d = f16_to_f32(block.scale), m = f16_to_f32(block.minimum);
  const CodeRange range{0, static_cast<float>(search.levels)};
  std::uint8_t codes[kGgmlSuperBlock];
  for (std::size_t j = 0; j < kSubBlocks; ++j) {
    const float* x = source.x + j * kGgmlBlock;
    std::uint8_t* out = codes + j * kGgmlBlock;
    const float scale = d * static_cast<float>(scales.codes[j]);
    const float minimum = -(m * static_cast<float>(minima.codes[j]));
    if (scale != 0)
      codes_by_division<V>(x, kGgmlBlock, minimum, scale, range, out);
    else
      codes_by_product<V>(x, kGgmlBlock, fits.base[j], fits.inverse[j], range, out);
  }
  pack_codes(codes, block);
  return fit && in_range<V>(source.x, kGgmlSuperBlock);
}

inline constexpr std::size_t kSixGroup = 16;
inline constexpr std::size_t kSixGroups = kGgmlSuperBlock / kSixGroup;

template <class V>
PITH_LANES void fit_six_groups(const Weighted& source, Fits<kSixGroups>& fits) {
  for (std::size_t k = 0; k < kSixGroups; k += V::kLanes) {
    const Weighted part = source.from(k * kSixGroup);
    V x[kSixGroup], w[kSixGroup];
    load_groups(part.x, V::kLanes, x);
    if (part.importance != nullptr)
      load_groups(part.importance, V::kLanes, w);
    else
      for (std::size_t i = 0; i < kSixGroup; ++i) w[i] = x[i] * x[i];
    fits.set(k, fit_symmetric(x, w, 32));
  }
}

template <class V>
PITH_LANES bool quantize_super(const Weighted& source, const AffineSearch&, BlockQ6K& block) {
  Fits<kSixGroups> fits;
  fit_six_groups<V>(source, fits);
  float largest = 0;
  for (const float scale : fits.scale)
    if (std::fabs(scale) > std::fabs(largest)) largest = scale;
  const bool within = in_range<V>(source.x, kGgmlSuperBlock);
  std::memset(&block, 0, sizeof block);
  if (std::fabs(largest) < kSmallestMagnitude) return within;

  const float inverse = -128.0f / largest;
  const bool fit = store_f16(1 / inverse, block.scale);
  const float d = f16_to_f32(block.scale);
  constexpr CodeRange kRange{-32, 31};
  std::uint8_t codes[kGgmlSuperBlock];
  for (std::size_t j = 0; j < kSixGroups; ++j) {
    const int code = std::min(127, nearest_int(inverse * fits.scale[j]));
    block.scales[j] = static_cast<std::int8_t>(code);
    const float* x = source.x + j * kSixGroup;
    std::uint8_t* out = codes + j * kSixGroup;
    const float scale = d * static_cast<float>(block.scales[j]);
    if (scale != 0)
      codes_by_division<V>(x, kSixGroup, 0, scale, kRange, out);
    else
      codes_by_product<V>(x, kSixGroup, fits.base[j], fits.inverse[j], kRange, out);
  }
  pack_codes(codes, block);
  return fit && within;
}

template <class V, class Block>
PITH_LANES std::size_t quantize_supers(const Weighted& source,
                                       const AffineSearch& search,
                                       std::size_t blocks,
                                       std::byte* out) {
  std::size_t overflowed = 0;
  for (std::size_t b = 0; b < blocks; ++b) {
    const Weighted part = source.from(b * kGgmlSuperBlock);
    Block block;
    overflowed += quantize_super<V>(part, search, block) ? 0 : 1;
    std::memcpy(out + b * sizeof block, &block, sizeof block);
  }
  return overflowed;
}

// quantize_ggml_blocks for the types and cases that search.
template <class V>
PITH_LANES std::size_t quantize_searched(GgmlType type,
                                         const Weighted& source,
                                         std::size_t blocks,
                                         std::byte* out) {
  if (type == GgmlType::kQ4_K)
    return quantize_supers<V, BlockQ4K>(source, {15, -1.0f, 0.1f, 20}, blocks, out);
  if (type == GgmlType::kQ5_K)
    return quantize_supers<V, BlockQ5K>(source, {31, -0.5f, 0.1f, 15}, blocks, out);
  if (type == GgmlType::kQ6_K) return quantize_supers<V, BlockQ6K>(source, {}, blocks, out);
  if (type == GgmlType::kIQ4_NL) return quantize_iq4<V>(source, blocks, out);
  PITH_CHECK(source.importance != nullptr);
  if (type == GgmlType::kQ4_0)
    return quantize_row<V, SymmetricBlock<BlockQ40, 8>>(source, blocks, out);
  if (type == GgmlType::kQ4_1)
    return quantize_row<V, AffineBlock<BlockQ41, 15>>(source, blocks, out);
  if (type == GgmlType::kQ5_0)
    return quantize_row<V, SymmetricBlock<BlockQ50, 16>>(source, blocks, out);
  PITH_CHECK(type == GgmlType::kQ5_1);
  return quantize_row<V, AffineBlock<BlockQ51, 31>>(source, blocks, out);
}

}  // namespace
}  // namespace pith
