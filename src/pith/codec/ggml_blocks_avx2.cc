// GGUF blocks, eight elements at a time; bit-identical to ggml_blocks.cc.
#include "pith/codec/ggml_blocks.h"
#include "pith/codec/vector_ops_avx2.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "pith/base/error.h"
#include "pith/codec/float_convert.h"

#define PITH_AVX2 __attribute__((target("avx2,f16c")))

namespace pith {
namespace {

struct Values {
  __m256 v[4];  // the 32 elements of a block
};

PITH_AVX2 inline Values load(const float* x) {
  return {
      _mm256_loadu_ps(x), _mm256_loadu_ps(x + 8), _mm256_loadu_ps(x + 16), _mm256_loadu_ps(x + 24)};
}

PITH_AVX2 inline float horizontal_max(__m256 v) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
PITH_AVX2 inline float max_of(const Values& x) {
  return horizontal_max(
      _mm256_max_ps(_mm256_max_ps(x.v[0], x.v[1]), _mm256_max_ps(x.v[2], x.v[3])));
}
PITH_AVX2 inline Values magnitudes(const Values& x) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  Values m;
  for (int k = 0; k < 4; ++k) m.v[k] = _mm256_andnot_ps(sign, x.v[k]);
  return m;
}

// The first element equal to `value`; the signs of zeros and of the extreme are the reference's
// only if it is the first.
PITH_AVX2 inline float first_equal(const float* x, const Values& compared, float value) {
  for (int k = 0; k < 4; ++k) {
    const __m256 equal = _mm256_cmp_ps(compared.v[k], _mm256_set1_ps(value), _CMP_EQ_OQ);
    const int mask = _mm256_movemask_ps(equal);
    if (mask != 0) return x[8 * k + __builtin_ctz(static_cast<unsigned>(mask))];
  }
  return 0;  // only NaN
}

bool store_f16(float value, std::byte* out) {
  const std::uint16_t bits = f32_to_f16(value);
  std::memcpy(out, &bits, sizeof bits);
  return (bits & 0x7c00u) != 0x7c00u;
}

float load_f16(const std::byte* in) {
  std::uint16_t bits;
  std::memcpy(&bits, in, sizeof bits);
  return f16_to_f32(bits);
}

float inverse_of(float d) { return d != 0 ? 1.0f / d : 0.0f; }

PITH_AVX2 inline __m256i order_bytes(__m256i packed) {
  return _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

PITH_AVX2 inline __m256i round_away(__m256 x) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  const __m256 whole = _mm256_round_ps(x, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
  const __m256 rest = _mm256_andnot_ps(sign, _mm256_sub_ps(x, whole));  // exact
  const __m256 one = _mm256_or_ps(_mm256_set1_ps(1.0f), _mm256_and_ps(sign, x));
  const __m256 up = _mm256_and_ps(_mm256_cmp_ps(rest, _mm256_set1_ps(0.5f), _CMP_GE_OQ), one);
  const __m256 low = _mm256_set1_ps(-127.0f), high = _mm256_set1_ps(127.0f);
  return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(_mm256_add_ps(whole, up), low), high));
}

PITH_AVX2 bool quantize_q8_0(const float* p, std::byte* out) {
  const Values x = load(p);
  const float d = max_of(magnitudes(x)) / 127.0f;
  const __m256 inverse = _mm256_set1_ps(inverse_of(d));
  __m256i q[4];
  for (int k = 0; k < 4; ++k) q[k] = round_away(_mm256_mul_ps(x.v[k], inverse));
  const __m256i bytes =
      _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 2), order_bytes(bytes));
  return store_f16(d, out);
}

// Levels trunc((x - subtract) * inverse + add) within 0 to 15, as nibbles.
PITH_AVX2 inline void store_levels(
    const Values& x, float subtract, float inverse, float add, std::byte* out) {
  const __m256 s = _mm256_set1_ps(subtract), inv = _mm256_set1_ps(inverse), a = _mm256_set1_ps(add);
  __m256i q[4];
  for (int k = 0; k < 4; ++k) {
    const __m256 shifted = _mm256_add_ps(_mm256_mul_ps(_mm256_sub_ps(x.v[k], s), inv), a);
    const __m256 bounded =
        _mm256_min_ps(_mm256_max_ps(shifted, _mm256_setzero_ps()), _mm256_set1_ps(15.0f));
    q[k] = _mm256_cvttps_epi32(bounded);
  }
  const __m256i bytes = order_bytes(
      _mm256_packus_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3])));
  const __m128i low = _mm256_castsi256_si128(bytes);
  const __m128i high =
      _mm_slli_epi16(_mm256_extracti128_si256(bytes, 1), 4);  // no carry: levels are below 16
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_or_si128(low, high));
}

PITH_AVX2 bool quantize_q4_0(const float* p, std::byte* out) {
  const Values x = load(p);
  const Values magnitude = magnitudes(x);
  const float largest = max_of(magnitude);
  const float d = (largest > 0 ? first_equal(p, magnitude, largest) : 0.0f) / -8.0f;
  store_levels(x, 0.0f, inverse_of(d), 8.5f, out + 2);
  return store_f16(d, out);
}

PITH_AVX2 bool quantize_q4_1(const float* p, std::byte* out) {
  const Values x = load(p);
  Values negated;
  for (int k = 0; k < 4; ++k) negated.v[k] = _mm256_xor_ps(x.v[k], _mm256_set1_ps(-0.0f));
  const float low = first_equal(p, x, -max_of(negated));
  const float high = max_of(x);
  const float d = high > low ? (high - low) / 15.0f : 0.0f;  // +0 whatever the signs of zeros
  store_levels(x, low, inverse_of(d), 0.5f, out + 4);
  const bool scale_fits = store_f16(d, out);
  return store_f16(low, out + 2) && scale_fits;
}

PITH_AVX2 void dequantize_q8_0(const std::byte* in, float* out) {
  const __m256 d = _mm256_set1_ps(load_f16(in));
  for (int k = 0; k < 4; ++k) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(in + 2 + 8 * k));
    _mm256_storeu_ps(out + 8 * k,
                     _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)), d));
  }
}

// Calls use(k, levels 8k to 8k + 7).
template <class Use>
PITH_AVX2 inline void for_each_level(const std::byte* nibbles, Use&& use) {
  const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i*>(nibbles));
  const __m128i mask = _mm_set1_epi8(15);
  const __m128i low = _mm_and_si128(packed, mask);
  const __m128i high = _mm_and_si128(_mm_srli_epi16(packed, 4), mask);
  use(0, _mm256_cvtepu8_epi32(low));
  use(1, _mm256_cvtepu8_epi32(_mm_srli_si128(low, 8)));
  use(2, _mm256_cvtepu8_epi32(high));
  use(3, _mm256_cvtepu8_epi32(_mm_srli_si128(high, 8)));
}

PITH_AVX2 void dequantize_q4_0(const std::byte* in, float* out) {
  const __m256 d = _mm256_set1_ps(load_f16(in));
  for_each_level(in + 2, [&](int k, __m256i level) PITH_AVX2 {
    const __m256i centred = _mm256_sub_epi32(level, _mm256_set1_epi32(8));
    _mm256_storeu_ps(out + 8 * k, _mm256_mul_ps(_mm256_cvtepi32_ps(centred), d));
  });
}

PITH_AVX2 void dequantize_q4_1(const std::byte* in, float* out) {
  const __m256 d = _mm256_set1_ps(load_f16(in)), m = _mm256_set1_ps(load_f16(in + 2));
  for_each_level(in + 4, [&](int k, __m256i level) PITH_AVX2 {
    _mm256_storeu_ps(out + 8 * k, _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(level), d), m));
  });
}

}  // namespace

std::size_t quantize_ggml_avx2(GgmlType type, const float* x, std::size_t blocks, std::byte* out) {
  const auto quantize = type == GgmlType::kQ8_0   ? quantize_q8_0
                        : type == GgmlType::kQ4_0 ? quantize_q4_0
                                                  : quantize_q4_1;
  std::size_t overflowed = 0;
  for (std::size_t b = 0; b < blocks; ++b)
    overflowed += quantize(x + b * kGgmlBlock, out + b * ggml_block_bytes(type)) ? 0 : 1;
  return overflowed;
}

void dequantize_ggml_avx2(GgmlType type, const std::byte* in, std::size_t blocks, float* out) {
  const auto dequantize = type == GgmlType::kQ8_0   ? dequantize_q8_0
                          : type == GgmlType::kQ4_0 ? dequantize_q4_0
                          : type == GgmlType::kQ4_1 ? dequantize_q4_1
                                                    : nullptr;
  if (dequantize == nullptr) return dequantize_ggml_blocks(type, in, blocks, out);
  for (std::size_t b = 0; b < blocks; ++b)
    dequantize(in + b * ggml_block_bytes(type), out + b * kGgmlBlock);
}

}  // namespace pith

#endif
